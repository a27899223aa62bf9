//! `#[udwf]`: from a function of a partition's columns, or the `impl` of a state, to a window function.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use serde_json::json;
use syn::spanned::Spanned;
use syn::{ImplItem, Item, ItemFn, ItemImpl, Result};

use crate::entry::{self, Entry, Kind, Params};
use crate::function::{plain, refuse};
use crate::kernel;
use crate::lifetimes;
use crate::methods::{self, Borrow};
use crate::options::Options;
use crate::signature::{Function, Special};

const TREATMENT: Special = Special {
    name: "NullTreatment",
    variable: "treatment",
};
const PEERS: Special = Special {
    name: "Peers",
    variable: "peers",
};
const FRAME: Special = Special {
    name: "Range",
    variable: "frame",
};

/// Expands `#[udwf(options)] item`.
pub fn expand(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let options = Options::parse(options, &["ranked", "framed", "bind"])?;
    match syn::parse2(item)? {
        Item::Fn(item) => function(options, item),
        Item::Impl(item) => stream(options, item),
        other => refuse(
            other.span(),
            "a window function is a function, or an `impl` with a method `next`",
        ),
    }
}

/// What the modes of functions over columns differ in.
struct Mode {
    /// The manifest's word, if it needs one.
    word: Option<&'static str>,
    /// The operation that such a function gets.
    operation: TokenStream,
    /// The variable that it must have.
    variable: Option<&'static str>,
}

impl Mode {
    fn of(options: &Options) -> Mode {
        if options.ranked {
            Mode {
                word: Some("ranked"),
                operation: quote!(RANKED),
                variable: Some(PEERS.variable),
            }
        } else if options.framed {
            Mode {
                word: Some("framed"),
                operation: quote!(FRAME),
                variable: Some(FRAME.variable),
            }
        } else {
            Mode {
                word: None,
                operation: quote!(PARTITION),
                variable: None,
            }
        }
    }

    /// Whether the special parameters fit.
    fn check(&self, function: &Function<'_>) -> Result<()> {
        let span = function.ident.span();
        let has = |special: &Special| function.has(special.variable);
        match self.variable {
            Some("peers") if !has(&PEERS) => refuse(
                span,
                "a ranked window function has a parameter `peers: Peers<'_>`",
            ),
            Some("frame") if !has(&FRAME) => refuse(
                span,
                "a framed window function has a parameter `frame: Range<usize>`",
            ),
            mode if has(&PEERS) && mode != Some("peers") => {
                refuse(span, "a parameter of type `Peers` needs `#[udwf(ranked)]`")
            }
            mode if has(&FRAME) && mode != Some("frame") => {
                refuse(span, "a parameter of type `Range` needs `#[udwf(framed)]`")
            }
            _ => Ok(()),
        }
    }
}

/// A function of columns.
fn function(options: Options, mut item: ItemFn) -> Result<TokenStream> {
    if options.ranked && options.framed {
        return refuse(
            item.sig.ident.span(),
            "a window function is `ranked` or `framed`, not both",
        );
    }
    lifetimes::unify(&mut item.sig);
    let function = Function::parse(&item.sig, &options, &[TREATMENT, PEERS, FRAME])?;
    let mode = Mode::of(&options);
    mode.check(&function)?;
    let (run, returns) = call(&function, &options)?;
    let operation = &mode.operation;
    let run = quote! {
        ::wasmfusion_udf::window::expect(operation, ::wasmfusion_udf::window::Operation::#operation)?;
        #run
    };
    let mut json = entry::json(&options, &item.attrs, plain(&item.sig.ident));
    if let Some(word) = mode.word {
        json.insert("window".to_owned(), json!(word));
    }
    if function.has(TREATMENT.variable) {
        json.insert("ignore_nulls".to_owned(), json!(true));
    }
    let marker = entry::marker(&item.sig.ident);
    let entry = Entry {
        ident: &item.sig.ident,
        declaration: Some(entry::declare(&item.vis, &marker)),
        marker: quote!(#marker),
        kind: Kind::Window,
        json,
        description: None,
        params: Params::of_columns(&function.params, true),
        bind: kernel::bind(&function, &options, function.writer.as_ref(), &returns),
        returns,
        schema: None,
        run,
    };
    let entry = entry.expand();
    Ok(quote! { #item #entry })
}

/// The body that calls a function of columns, and the type of its result.
fn call(function: &Function<'_>, options: &Options) -> Result<(TokenStream, TokenStream)> {
    let name = function.ident;
    let state = function
        .state
        .as_ref()
        .map(|state| quote!(let state = call.state::<#state>()?;));
    let state_argument = function.state_argument();
    let arguments = &function.arguments;
    let treatment = treatment(function);
    let peers = function.has(PEERS.variable).then(|| {
        quote! {
            // SAFETY: by the contract of `Operate`.
            let peers = unsafe { ::wasmfusion_udf::window::Peers::of(call, operation) };
        }
    });
    let frame = function
        .has(FRAME.variable)
        .then(|| quote!(let frame = ::wasmfusion_udf::window::frame(call, operation)?;));
    let variables = function.variables();
    let open = function.params.iter().zip(&variables).enumerate();
    let open = open.map(|(place, (param, variable))| {
        let data_type = &param.data_type;
        quote_spanned! {data_type.span()=>
            let #variable = ::wasmfusion_udf::window::open::<#data_type>(call, #place)?;
        }
    });
    let before = quote!(#state #treatment #peers #frame #(#open)*);
    match (&function.writer, &function.output) {
        (Some(writer), _) if !options.framed => {
            let run = quote! {
                #before
                let mut output = <#writer as ::wasmfusion_udf::batch::BatchOutput<'_>>::open(call)?;
                ::wasmfusion_udf::batch::written(#name(#state_argument #(#arguments,)* &mut output))?;
                ::wasmfusion_udf::batch::BatchOutput::finish(output)
            };
            let returns = quote_spanned! {writer.span()=>
                <#writer as ::wasmfusion_udf::batch::BatchOutput<'_>>::RETURNS
            };
            Ok((run, returns))
        }
        (None, Some(output)) => {
            let (write, value) = if options.framed {
                (quote!(write_value), entry::outcome_value(output))
            } else {
                let value = quote_spanned!(output.span()=> <#output as ::wasmfusion_udf::window::Rows>::Value);
                (quote!(write_rows), value)
            };
            let run = quote! {
                #before
                let output = #name(#state_argument #(#arguments),*);
                ::wasmfusion_udf::window::#write(call, output)
            };
            Ok((run, entry::returns(&value, &quote!())))
        }
        _ if options.framed => refuse(
            name.span(),
            "a framed window function returns the value of one row: add `-> T`, or `-> Option<T>` if it may be NULL",
        ),
        _ => refuse(
            name.span(),
            "a window function returns a `Vec<T>` with a value for each row, or has a last parameter `out: &mut Output<'_, T>`",
        ),
    }
}

fn treatment(function: &Function<'_>) -> Option<TokenStream> {
    function
        .has(TREATMENT.variable)
        .then(|| quote!(let treatment = ::wasmfusion_udf::window::NullTreatment::of(call);))
}

/// A function that goes from row to row.
fn stream(options: Options, mut item: ItemImpl) -> Result<TokenStream> {
    methods::inline(&mut item, &["next"]);
    for item in &mut item.items {
        if let ImplItem::Fn(method) = item {
            lifetimes::unify(&mut method.sig);
        }
    }
    let ident = methods::type_name(&item)?;
    if options.ranked || options.framed || options.bind.is_some() {
        return refuse(
            ident.span(),
            "a window function that goes from row to row is neither `ranked` nor `framed`, and has no `bind`",
        );
    }
    let state = methods::self_type(&item);
    let next = methods::require(
        &item,
        "next",
        Borrow::Mutable,
        "fn next(&mut self, value: T) -> T",
    )?;
    let function = Function::parse_method(&next.sig, &options, &[TREATMENT])?;
    let output = match (&function.writer, &function.output) {
        (Some(writer), _) => {
            return refuse(writer.span(), "`next` returns the value of its row");
        }
        (None, None) => {
            return refuse(
                next.sig.span(),
                "`next` returns the value of its row: add `-> T`, or `-> Option<T>` if it may be NULL",
            );
        }
        (None, Some(output)) => output,
    };
    let (types, variables) = (function.types(), function.variables());
    let arguments = &function.arguments;
    let treatment = treatment(&function);
    let wanted: Vec<_> = function
        .params
        .iter()
        .map(|param| {
            let data_type = &param.data_type;
            quote!(<#data_type as ::wasmfusion_udf::argument::Argument<'_>>::NULLS)
        })
        .collect();
    let run = quote! {
        #treatment
        // SAFETY: by the contract of `Operate`.
        unsafe {
            ::wasmfusion_udf::window::stream::<#state, #types, #output>(
                call,
                operation,
                &[#(#wanted),*],
                |state, (#(#variables,)*)| <#state>::next(state, #(#arguments),*),
            )
        }
    };
    let mut json = entry::json(&options, &item.attrs, methods::sql_name(ident));
    json.insert("window".to_owned(), json!("streaming"));
    if function.has(TREATMENT.variable) {
        json.insert("ignore_nulls".to_owned(), json!(true));
    }
    // A row that `next` does not see is NULL.
    let nullable = quote!(|| !(true #(&& #wanted)*));
    let entry = Entry {
        ident,
        marker: state,
        declaration: None,
        kind: Kind::Window,
        json,
        description: None,
        params: Params::of_rows(&function.params, true),
        returns: entry::returns(&entry::outcome_value(output), &nullable),
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
    fn says_what_is_missing() {
        let ranked = quote!(ranked);
        let framed = quote!(framed);
        let plain = TokenStream::new;
        for (options, item, what) in [
            (
                ranked.clone(),
                quote!(
                    fn f() -> Vec<i64> {
                        Vec::new()
                    }
                ),
                "peers: Peers<'_>",
            ),
            (
                framed.clone(),
                quote!(
                    fn f() -> i64 {
                        1
                    }
                ),
                "frame: Range<usize>",
            ),
            (
                plain(),
                quote!(
                    fn f(p: Peers<'_>) -> Vec<i64> {
                        Vec::new()
                    }
                ),
                "udwf(ranked)",
            ),
            (
                plain(),
                quote!(
                    fn f(p: Range<usize>) -> i64 {
                        1
                    }
                ),
                "udwf(framed)",
            ),
            (
                quote!(ranked, framed),
                quote!(
                    fn f() -> i64 {
                        1
                    }
                ),
                "not both",
            ),
            (
                plain(),
                quote!(
                    fn f(x: Column<'_, i64>) {}
                ),
                "Vec<T>",
            ),
            (
                framed,
                quote!(
                    fn f(p: Range<usize>) {}
                ),
                "the value of one row",
            ),
            (plain(), quote!(impl S {}), "no method `next`"),
            (
                plain(),
                quote!(impl S { fn next(&mut self) {} }),
                "value of its row",
            ),
            (
                ranked,
                quote!(impl S { fn next(&mut self) -> i64 { 1 } }),
                "neither",
            ),
            (
                plain(),
                quote!(
                    struct S;
                ),
                "a method `next`",
            ),
            (
                plain(),
                quote!(impl S { fn next(&mut self, x: i64) -> i64 { x } }),
                "no error",
            ),
        ] {
            let error = error(options, item);
            assert!(error.contains(what), "{error:?} has no {what:?}");
        }
    }
}
