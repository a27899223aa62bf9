//! `#[udf]`: from a Rust function to its entry, its kernel and its export.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Error, Ident, ItemFn, Result};

use crate::entry::{self, Entry, Kind, Params};
use crate::kernel::{Kernel, Shape};
use crate::lifetimes;
use crate::options::Options;
use crate::signature::Function;

/// Expands `#[udf(options)] item`.
pub fn expand(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let options = Options::parse(options, &["batch", "bind"])?;
    let mut item: ItemFn = syn::parse2(item)?;
    lifetimes::unify(&mut item.sig);
    let function = Function::parse(&item.sig, &options, &[])?;
    let kernel = Kernel::new(&function, &options)?;
    let marker = entry::marker(&item.sig.ident);
    let entry = Entry {
        ident: &item.sig.ident,
        declaration: Some(entry::declare(&item.vis, &marker)),
        marker: quote!(#marker),
        kind: Kind::Scalar,
        json: entry::json(&options, &item.attrs, plain(&item.sig.ident)),
        description: None,
        params: match kernel.shape {
            Shape::Row => Params::of_rows(&function.params, false),
            Shape::Batch => Params::of_columns(&function.params, false),
        },
        returns: kernel.returns,
        schema: None,
        run: kernel.run,
        bind: kernel.bind,
    };
    let entry = entry.expand();
    Ok(quote! { #item #entry })
}

/// Expands `call!(path::to::function)`, and its like for other kinds of functions, to something that begins a `test`.
pub fn call(path: TokenStream, test: TokenStream) -> Result<TokenStream> {
    let mut path: syn::Path = syn::parse2(path)?;
    // A function has a type of another name, and an `impl` is that of a type, whose name begins with a capital letter.
    if let Some(last) = path.segments.last_mut()
        && !plain(&last.ident).starts_with(char::is_uppercase)
    {
        last.ident = entry::marker(&last.ident);
    }
    Ok(quote!(::wasmfusion_udf::testing::#test::of::<#path>()))
}

/// A name without Rust's `r#`.
pub fn plain(ident: &Ident) -> String {
    let name = ident.to_string();
    name.strip_prefix("r#").map(str::to_owned).unwrap_or(name)
}

/// An error at a place.
pub fn refuse<T>(span: Span, what: &str) -> Result<T> {
    Err(Error::new(span, what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn error(options: TokenStream, item: TokenStream) -> String {
        match expand(options, item) {
            Ok(_) => "no error".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn refuses_what_sql_cannot_call() {
        let none = TokenStream::new;
        for (item, what) in [
            (
                quote!(
                    async fn f(x: i64) -> i64 {
                        x
                    }
                ),
                "cannot be async",
            ),
            (
                quote!(
                    unsafe fn f(x: i64) -> i64 {
                        x
                    }
                ),
                "must be safe",
            ),
            (
                quote!(
                    extern "C" fn f(x: i64) -> i64 {
                        x
                    }
                ),
                "ordinary Rust function",
            ),
            (
                quote!(
                    fn f<T>(x: T) -> i64 {
                        1
                    }
                ),
                "cannot be generic",
            ),
            (
                quote!(
                    fn f<const N: usize>(x: i64) -> i64 {
                        x
                    }
                ),
                "cannot be generic",
            ),
            (
                quote!(
                    fn f(&self) -> i64 {
                        1
                    }
                ),
                "no `self`",
            ),
            (
                quote!(
                    fn f(x: impl Into<i64>) -> i64 {
                        1
                    }
                ),
                "not `impl`",
            ),
            (
                quote!(
                    fn f(x: i64) {}
                ),
                "returns something",
            ),
            (
                quote!(
                    fn f(x: &mut i64, y: i64) -> i64 {
                        y
                    }
                ),
                "only the last parameter",
            ),
            (
                quote!(
                    fn f(x: i64, out: &mut TextWriter) -> i64 {
                        x
                    }
                ),
                "no error",
            ),
            (
                quote!(
                    fn f(x: i64) -> i64 {
                        x
                    }
                ),
                "no error",
            ),
            (
                quote!(
                    fn f<'a>(x: &'a str) -> &'a str {
                        x
                    }
                ),
                "no error",
            ),
        ] {
            let error = error(none(), item);
            assert!(error.contains(what), "{error:?} has no {what:?}");
        }
        let batch = quote!(batch);
        assert!(
            error(
                batch.clone(),
                quote!(
                    fn f(x: Column<'_, i64>) {}
                )
            )
            .contains("Output")
        );
        let bind = quote!(bind = prepare);
        assert!(
            error(
                bind,
                quote!(
                    fn f(x: i64) -> i64 {
                        x
                    }
                )
            )
            .contains("first parameter")
        );
    }

    #[test]
    fn writes_the_entry_as_json() {
        let item = quote! {
            /// Says "hello" \ to
            /// all.
            fn r#match(r#type: &str) -> String { String::new() }
        };
        let Ok(item) = syn::parse2::<ItemFn>(item) else {
            panic!("not a function");
        };
        let options = quote!(
            aliases("b"),
            volatility = "stable",
            example("SELECT \"a\"", "1")
        );
        let Ok(options) = Options::parse(options, &[]) else {
            panic!("refused");
        };
        let entry = entry::json(&options, &item.attrs, plain(&item.sig.ident));
        assert_eq!(
            Value::Object(entry),
            json!({
                "name": "match",
                "volatility": "stable",
                "aliases": ["b"],
                "description": "Says \"hello\" \\ to all.",
                "examples": [{"sql": "SELECT \"a\"", "result": "1"}],
            })
        );
    }
}
