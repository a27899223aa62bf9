//! `#[udf]`: from a Rust function to its entry, its kernel and its export.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use serde_json::{Map, Value, json};
use syn::spanned::Spanned;
use syn::{Error, Ident, ItemFn, Result};

use crate::docs;
use crate::kernel::{Kernel, Shape};
use crate::lifetimes;
use crate::options::Options;
use crate::signature::Function;

/// Expands `#[udf(options)] item`.
pub fn expand(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let options = Options::parse(options)?;
    let mut item: ItemFn = syn::parse2(item)?;
    lifetimes::unify(&mut item.sig);
    let function = Function::parse(&item.sig, &options)?;
    let kernel = Kernel::new(&function, &options)?;
    let entry = entry(&options, &item, &function, &kernel);
    Ok(quote! { #item #entry })
}

/// The type of the function's name, its entry, and on wasm32 its export.
fn entry(
    options: &Options,
    item: &ItemFn,
    function: &Function<'_>,
    kernel: &Kernel,
) -> TokenStream {
    let ident = &item.sig.ident;
    let marker = marker(ident);
    let visibility = &item.vis;
    let export = format!("udf_{}", plain(ident));
    let json = json(options, item, &export);
    let argument = match kernel.shape {
        Shape::Row => quote!(::wasmfusion_udf::argument::Argument<'_>),
        Shape::Batch => quote!(::wasmfusion_udf::batch::BatchArgument<'_>),
    };
    let params = function.params.iter().map(|param| {
        let (name, data_type) = (&param.name, &param.data_type);
        quote_spanned! {data_type.span()=>
            ::wasmfusion_udf::function::Param {
                name: #name,
                data_type: <#data_type as #argument>::TYPE,
                nulls: <#data_type as #argument>::NULLS,
            }
        }
    });
    let variadic = function.params.iter().map(|param| {
        let data_type = &param.data_type;
        quote!(<#data_type as #argument>::VARIADIC)
    });
    // Positions are those of the name, so that a function of a macro has its own.
    let place = quote_spanned!(ident.span()=> (module_path!(), line!()));
    let Kernel {
        run, returns, bind, ..
    } = kernel;
    let (bind, bind_function) = match bind {
        Some(body) => (
            quote!(::core::option::Option::Some(bind)),
            quote! {
                unsafe fn bind(
                    frame: *mut ::wasmfusion_udf::raw::BindFrame,
                ) -> ::core::result::Result<(), ::wasmfusion_udf::Error> {
                    // SAFETY: by the contract of `Bind`.
                    unsafe { ::wasmfusion_udf::bind::run(frame, |binding| { #body }) }
                }
            },
        ),
        None => (quote!(::core::option::Option::None), TokenStream::new()),
    };
    quote! {
        // Stands for the function where a type is wanted.
        #[doc(hidden)]
        #[allow(
            non_camel_case_types,
            dead_code,
            reason = "whether the type is used depends on the target and on tests"
        )]
        #visibility enum #marker {}

        const _: () = {
            // Missing? Then the crate's root lacks `wasmfusion_udf::plugin! {}`.
            const _: ::wasmfusion_udf::manifest::Plugin = crate::PUT_WASMFUSION_UDF_PLUGIN_INTO_THE_CRATE_ROOT;

            fn kernel(
                call: &mut ::wasmfusion_udf::call::Call<'_>,
            ) -> ::core::result::Result<(), ::wasmfusion_udf::Error> {
                #run
            }

            #bind_function

            // With the part of the manifest's entry that the macro knows.
            const PARTS: ::wasmfusion_udf::Function = ::wasmfusion_udf::Function {
                json: #json,
                params: &[#(#params),*],
                variadic: ::wasmfusion_udf::function::last_only(&[#(#variadic),*]),
                returns: #returns,
                place: #place,
                kernel,
                bind: #bind,
            };

            const JSON_LENGTH: usize = ::wasmfusion_udf::manifest::Json::<0>::function(&PARTS).length();

            impl ::wasmfusion_udf::Udf for #marker {
                const FUNCTION: ::wasmfusion_udf::Function = ::wasmfusion_udf::Function {
                    json: const { &::wasmfusion_udf::manifest::Json::<JSON_LENGTH>::function(&PARTS) }.text(),
                    ..PARTS
                };
            }

            #[cfg(target_arch = "wasm32")]
            static FUNCTION: ::wasmfusion_udf::Function = <#marker as ::wasmfusion_udf::Udf>::FUNCTION;

            #[cfg(target_arch = "wasm32")]
            #[unsafe(export_name = #export)]
            unsafe extern "C" fn export(frame: *mut ::wasmfusion_udf::raw::CallFrame) -> i32 {
                // SAFETY: the host keeps what `docs/abi.md` promises about the frame.
                unsafe { ::wasmfusion_udf::guest::call(frame, &FUNCTION, kernel) }
            }

            // The linker collects what lies in this section; the SDK runs it when the instance is made ready.
            #[cfg(target_arch = "wasm32")]
            #[used]
            #[unsafe(link_section = ".init_array")]
            static REGISTER: extern "C" fn() = {
                extern "C" fn register() {
                    ::wasmfusion_udf::guest::register(&FUNCTION);
                }
                register
            };
        };
    }
}

/// The name of the type that stands for a function.
fn marker(ident: &Ident) -> Ident {
    format_ident!("__wasmfusion_udf_{}", plain(ident))
}

/// Expands `call!(path::to::function)`.
pub fn call(path: TokenStream) -> Result<TokenStream> {
    let mut path: syn::Path = syn::parse2(path)?;
    if let Some(last) = path.segments.last_mut() {
        last.ident = marker(&last.ident);
    }
    Ok(quote!(::wasmfusion_udf::testing::Call::of::<#path>()))
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

/// What of the manifest's entry is known here: its first keys, without the braces.
fn json(options: &Options, item: &ItemFn, export: &str) -> String {
    let name = match &options.name {
        Some(name) => name.value(),
        None => plain(&item.sig.ident),
    };
    let description = match &options.description {
        Some(text) => text.value(),
        None => docs::description(&item.attrs),
    };
    let mut entry = Map::new();
    entry.insert("name".to_owned(), json!(name));
    entry.insert("export".to_owned(), json!(export));
    if let Some(volatility) = &options.volatility {
        entry.insert("volatility".to_owned(), json!(volatility.value()));
    }
    if !options.aliases.is_empty() {
        let aliases: Vec<String> = options.aliases.iter().map(|alias| alias.value()).collect();
        entry.insert("aliases".to_owned(), json!(aliases));
    }
    if !description.is_empty() {
        entry.insert("description".to_owned(), json!(description));
    }
    if !options.examples.is_empty() {
        let examples = options.examples.iter().map(|(sql, result)| match result {
            Some(result) => json!({"sql": sql.value(), "result": result.value()}),
            None => json!({"sql": sql.value()}),
        });
        entry.insert("examples".to_owned(), examples.collect());
    }
    let json = Value::Object(entry).to_string();
    json[1..json.len() - 1].to_owned()
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
        let Ok(options) = Options::parse(options) else {
            panic!("refused");
        };
        let text = format!("{{{}}}", json(&options, &item, "udf_match"));
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        assert_eq!(
            value,
            json!({
                "name": "match",
                "export": "udf_match",
                "volatility": "stable",
                "aliases": ["b"],
                "description": "Says \"hello\" \\ to all.",
                "examples": [{"sql": "SELECT \"a\"", "result": "1"}],
            })
        );
    }
}
