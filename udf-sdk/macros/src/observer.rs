//! `#[observer]`: from a function to one that is told of events.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use serde_json::json;
use syn::spanned::Spanned;
use syn::{Error, ItemFn, Result, Type};

use crate::entry::{self, Entry, Kind, Params};
use crate::function::{plain, refuse};
use crate::lifetimes;
use crate::options::Options;
use crate::signature::Function;

/// The kinds of events. What their columns are, the host knows.
const EVENTS: [&str; 7] = [
    "query_start",
    "query_end",
    "operator",
    "call",
    "audit",
    "metric",
    "span",
];

/// Expands `#[observer(event = "…")] item`.
pub fn expand(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let options = Options::parse(options, &["event"])?;
    let mut item: ItemFn = syn::parse2(item)?;
    lifetimes::unify(&mut item.sig);
    let function = Function::parse(&item.sig, &options, &[])?;
    let name = function.ident;
    if let Some(volatility) = &options.volatility {
        return refuse(
            volatility.span(),
            "SQL does not call an observer: it has no volatility",
        );
    }
    if let Some(alias) = options.aliases.first() {
        return refuse(
            alias.span(),
            "SQL does not call an observer: it has no further names",
        );
    }
    if let Some((sql, _)) = options.examples.first() {
        return refuse(
            sql.span(),
            "SQL does not call an observer: there are no examples",
        );
    }
    let Some(event) = &options.event else {
        return refuse(
            name.span(),
            "an observer says of what: `#[observer(event = \"query_end\")]`",
        );
    };
    if !EVENTS.contains(&event.value().as_str()) {
        return Err(Error::new(
            event.span(),
            format!("there are no such events; there are {}", EVENTS.join(", ")),
        ));
    }
    if function.params.is_empty() || function.writer.is_some() {
        return refuse(
            item.sig.span(),
            "an observer has a parameter for each column of the event that it wants, by the column's name, and no writer",
        );
    }
    let types = function.types();
    let variables = function.variables();
    let unit: Type = syn::parse_quote!(());
    let output = function.output.as_ref().unwrap_or(&unit);
    let run = quote_spanned! {output.span()=>
        ::wasmfusion_udf::observer::run::<#types, #output>(
            call,
            |(#(#variables,)*)| #name(#(#variables),*),
        )
    };
    let mut json = entry::json(&options, &item.attrs, plain(name));
    json.insert("event".to_owned(), json!(event.value()));
    let marker = entry::marker(name);
    let entry = Entry {
        ident: name,
        declaration: Some(entry::declare(&item.vis, &marker)),
        marker: quote!(#marker),
        kind: Kind::Observer,
        json,
        description: None,
        params: Params::of_rows(&function.params, false),
        returns: quote!(::core::option::Option::None),
        schema: None,
        run,
        bind: None,
    };
    let entry = entry.expand();
    Ok(quote! { #item #entry })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(options: TokenStream, item: TokenStream) -> String {
        match expand(options, item) {
            Ok(_) => "no error".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let item = quote!(
            fn f(sql: Option<&str>, duration_ns: i64) {}
        );
        for (options, item, what) in [
            (quote!(event = "query_end"), item.clone(), "no error"),
            (
                quote!(event = "query_end"),
                quote!(
                    fn f(rows: i64) -> Result<(), String> {
                        Ok(())
                    }
                ),
                "no error",
            ),
            (quote!(), item.clone(), "says of what"),
            (
                quote!(event = "query"),
                item.clone(),
                "there are query_start",
            ),
            (
                quote!(event = "span", aliases("g")),
                item.clone(),
                "further names",
            ),
            (
                quote!(event = "span", volatility = "stable"),
                item.clone(),
                "volatility",
            ),
            (
                quote!(event = "span", example("SELECT 1")),
                item.clone(),
                "no examples",
            ),
            (quote!(event = "span", batch), item, "unknown option"),
            (
                quote!(event = "span"),
                quote!(
                    fn f() {}
                ),
                "a parameter for each column",
            ),
            (
                quote!(event = "span"),
                quote!(
                    fn f(name: &str, out: &mut TextWriter) {}
                ),
                "no writer",
            ),
        ] {
            let error = error(options, item);
            assert!(error.contains(what), "{error:?} has no {what:?}");
        }
    }
}
