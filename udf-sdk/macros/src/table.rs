//! `#[udtf]`: from a function that returns an iterator to a table function.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{GenericArgument, ItemFn, PathArguments, Result, Type, TypeParamBound, TypePath};

use crate::entry::{self, Entry, Kind, Params};
use crate::function::{plain, refuse};
use crate::lifetimes;
use crate::options::Options;
use crate::signature::{Function, Special, is_named};

const LIMIT: Special = Special {
    name: "Limit",
    variable: "limit",
};

/// Expands `#[udtf(options)] item`.
pub fn expand(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let options = Options::parse(options, &["column", "columns"])?;
    let mut item: ItemFn = syn::parse2(item)?;
    lifetimes::unify(&mut item.sig);
    let function = Function::parse(&item.sig, &options, &[LIMIT])?;
    let name = function.ident;
    let Some(output) = function
        .output
        .as_ref()
        .filter(|_| function.writer.is_none())
    else {
        return refuse(
            name.span(),
            "a table function returns its rows: add `-> impl Iterator<Item = T> + 'static`",
        );
    };
    let (iterator, fallible) = match result(output) {
        Some(iterator) => (iterator, true),
        None => (output, false),
    };
    let rows = rows(iterator)?;

    let columns = quote!(::wasmfusion_udf::columns::Columns);
    let (row, convert, names) = match (&options.column, options.columns.as_slice()) {
        (Some(column), []) => (
            quote_spanned!(rows.span()=> (<#rows as ::wasmfusion_udf::value::Outcome>::Value,)),
            quote!(::wasmfusion_udf::table::single),
            quote!(&[#column]),
        ),
        (None, names) => {
            let row = quote_spanned!(rows.span()=> <#rows as ::wasmfusion_udf::table::Item>::Row);
            let names = match names {
                [] => quote!(<#row as #columns>::NAMES),
                names => quote!(&[#(#names),*]),
            };
            (row, quote!(::wasmfusion_udf::table::Item::into_row), names)
        }
        (Some(column), _) => {
            return refuse(
                column.span(),
                "the options `column` and `columns` exclude each other",
            );
        }
    };
    let (types, variables) = (function.types(), function.variables());
    let arguments = &function.arguments;
    let limit = if function.has(LIMIT.variable) {
        quote!(limit)
    } else {
        quote!(_)
    };
    let open = if fallible {
        quote!(::wasmfusion_udf::bind::outcome(#name(#(#arguments),*)))
    } else {
        quote!(::core::result::Result::Ok(#name(#(#arguments),*)))
    };
    let run = quote_spanned! {output.span()=>
        // SAFETY: by the contract of `Operate`.
        unsafe {
            ::wasmfusion_udf::table::run::<#types, #row, _>(
                call,
                operation,
                |(#(#variables,)*), #limit| #open,
                #convert,
            )
        }
    };
    let marker = entry::marker(name);
    let entry = Entry {
        ident: name,
        declaration: Some(entry::declare(&item.vis, &marker)),
        marker: quote!(#marker),
        kind: Kind::Table,
        json: entry::json(&options, &item.attrs, plain(name)),
        description: None,
        params: Params::of_rows(&function.params, false),
        returns: quote!(::core::option::Option::None),
        schema: Some(quote! {
            ::wasmfusion_udf::function::Schema::new(#names, <#row as #columns>::TYPES)
        }),
        run,
        bind: None,
    };
    let entry = entry.expand();
    Ok(quote! { #item #entry })
}

/// What a `Result` is of.
fn result(output: &Type) -> Option<&Type> {
    let Type::Path(TypePath { path, .. }) = output else {
        return None;
    };
    if !is_named(output, "Result") {
        return None;
    }
    match &path.segments.last()?.arguments {
        PathArguments::AngleBracketed(arguments) => match arguments.args.first()? {
            GenericArgument::Type(of) => Some(of),
            _ => None,
        },
        _ => None,
    }
}

/// What an iterator's items are.
fn rows(iterator: &Type) -> Result<TokenStream> {
    let Type::ImplTrait(opaque) = iterator else {
        return Ok(
            quote_spanned!(iterator.span()=> <#iterator as ::core::iter::IntoIterator>::Item),
        );
    };
    let arguments = opaque.bounds.iter().filter_map(|bound| match bound {
        TypeParamBound::Trait(bound) => match &bound.path.segments.last()?.arguments {
            PathArguments::AngleBracketed(arguments) => Some(&arguments.args),
            _ => None,
        },
        _ => None,
    });
    let item = arguments.flatten().find_map(|argument| match argument {
        GenericArgument::AssocType(assoc) if assoc.ident == "Item" => Some(&assoc.ty),
        _ => None,
    });
    match item {
        Some(item) => Ok(quote!(#item)),
        None => refuse(
            iterator.span(),
            "a table function returns an iterator and says of what: `impl Iterator<Item = T> + 'static`",
        ),
    }
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
    fn says_what_is_missing() {
        let rows = quote!(
            fn f(x: i64) -> impl Iterator<Item = i64> + 'static {
                0..x
            }
        );
        for (options, item, what) in [
            (
                quote!(),
                quote!(
                    fn f(x: i64) {}
                ),
                "returns its rows",
            ),
            (
                quote!(),
                quote!(
                    fn f(x: i64) -> impl Send {
                        x
                    }
                ),
                "says of what",
            ),
            (
                quote!(column = "a", columns("a")),
                rows.clone(),
                "exclude each other",
            ),
            (quote!(column = "a"), rows, "no error"),
            (
                quote!(),
                quote!(
                    fn f(l: Limit) -> Result<impl Iterator<Item = Result<R, E>>, E> {
                        g(l)
                    }
                ),
                "no error",
            ),
            (
                quote!(),
                quote!(
                    fn f() -> Vec<Row> {
                        Vec::new()
                    }
                ),
                "no error",
            ),
        ] {
            let error = error(options, item);
            assert!(error.contains(what), "{error:?} has no {what:?}");
        }
    }
}
