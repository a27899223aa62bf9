//! A function's entry: the type that stands for it, what the manifest says of it, and on wasm32 its export.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use serde_json::{Map, Value, json};
use syn::spanned::Spanned;
use syn::{Attribute, Ident, Type};

use crate::docs;
use crate::function::plain;
use crate::options::Options;
use crate::signature::Param;

/// What computes a function.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Scalar,
    Aggregate,
    Window,
    Table,
    Observer,
}

impl Kind {
    /// The manifest's word for it.
    fn word(self) -> &'static str {
        match self {
            Kind::Scalar => "scalar",
            Kind::Aggregate => "aggregate",
            Kind::Window => "window",
            Kind::Table => "table",
            Kind::Observer => "observer",
        }
    }
}

/// Everything about a function.
pub struct Entry<'e> {
    /// Its name in Rust.
    pub ident: &'e Ident,
    /// The type that stands for it, and its declaration, if it is not there anyway.
    pub marker: TokenStream,
    pub declaration: Option<TokenStream>,
    pub kind: Kind,
    /// What of the manifest's entry is known here.
    pub json: Map<String, Value>,
    /// What it is for, an expression, if that is not known here.
    pub description: Option<TokenStream>,
    pub params: Params,
    /// The result's type and whether it may be NULL, an `Option`.
    pub returns: TokenStream,
    /// The columns of the state or of the table.
    pub schema: Option<TokenStream>,
    /// Runs `call`, and carries out `operation` if the function has several.
    pub run: TokenStream,
    /// Binds `binding`.
    pub bind: Option<TokenStream>,
}

/// The parameters as the manifest wants them.
pub struct Params {
    entries: Vec<TokenStream>,
    variadic: Vec<TokenStream>,
}

impl Params {
    /// Parameters whose types are this kind of argument; `passing`, if NULLs cross anyway.
    pub fn new(params: &[Param], argument: &TokenStream, passing: bool) -> Self {
        let entries = params.iter().map(|Param { name, data_type }| {
            let nulls = if passing {
                quote!(true)
            } else {
                quote!(<#data_type as #argument>::NULLS)
            };
            quote_spanned! {data_type.span()=>
                ::wasmfusion_udf::function::Param {
                    name: #name,
                    data_type: <#data_type as #argument>::TYPE,
                    nulls: #nulls,
                }
            }
        });
        let variadic = params
            .iter()
            .map(|Param { data_type, .. }| quote!(<#data_type as #argument>::VARIADIC));
        Params {
            entries: entries.collect(),
            variadic: variadic.collect(),
        }
    }

    /// Parameters of functions that are called with the values of a row.
    pub fn of_rows(params: &[Param], passing: bool) -> Self {
        Params::new(
            params,
            &quote!(::wasmfusion_udf::argument::Argument<'_>),
            passing,
        )
    }

    /// Parameters of functions that are called with columns.
    pub fn of_columns(params: &[Param], passing: bool) -> Self {
        Params::new(
            params,
            &quote!(::wasmfusion_udf::batch::BatchArgument<'_>),
            passing,
        )
    }
}

impl Entry<'_> {
    pub fn expand(self) -> TokenStream {
        let Entry {
            ident,
            marker,
            declaration,
            kind,
            mut json,
            description,
            params: Params { entries, variadic },
            returns,
            schema,
            run,
            bind,
        } = self;
        let export = format!("{}_{}", prefix(kind), plain(ident));
        json.insert("export".to_owned(), json!(export));
        if kind != Kind::Scalar {
            json.insert("kind".to_owned(), json!(kind.word()));
        }
        let json = Value::Object(json).to_string();
        let json = &json[1..json.len() - 1];
        let description = description.unwrap_or_else(|| quote!(""));
        let schema = schema.unwrap_or_else(|| quote!(::wasmfusion_udf::function::Schema::NONE));
        // Positions are those of the name, so that a function of a macro has its own.
        let place = quote_spanned!(ident.span()=> (module_path!(), line!()));
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
        let operation = match kind {
            Kind::Scalar | Kind::Observer => None,
            Kind::Aggregate => Some(quote!(::wasmfusion_udf::raw::AggregateCall)),
            Kind::Window => Some(quote!(::wasmfusion_udf::raw::WindowCall)),
            Kind::Table => Some(quote!(::wasmfusion_udf::raw::TableCall)),
        };
        let variant = format_ident!("{kind}", kind = variant(kind));
        let (kernel, call) = match operation {
            None => (
                quote! {
                    fn kernel(
                        call: &mut ::wasmfusion_udf::call::Call<'_>,
                    ) -> ::core::result::Result<(), ::wasmfusion_udf::Error> {
                        #run
                    }
                },
                quote!(call),
            ),
            Some(operation) => (
                quote! {
                    unsafe fn kernel(
                        call: &mut ::wasmfusion_udf::call::Call<'_>,
                        operation: &mut #operation,
                    ) -> ::core::result::Result<(), ::wasmfusion_udf::Error> {
                        #run
                    }
                },
                quote!(operate),
            ),
        };
        quote! {
            #declaration

            const _: () = {
                // Missing? Then the crate's root lacks `wasmfusion_udf::plugin! {}`.
                const _: ::wasmfusion_udf::manifest::Plugin = crate::PUT_WASMFUSION_UDF_PLUGIN_INTO_THE_CRATE_ROOT;

                #kernel

                #bind_function

                // With the part of the manifest's entry that the macro knows.
                const PARTS: ::wasmfusion_udf::Function = ::wasmfusion_udf::Function {
                    json: #json,
                    description: #description,
                    params: &[#(#entries),*],
                    variadic: ::wasmfusion_udf::function::last_only(&[#(#variadic),*]),
                    returns: #returns,
                    schema: #schema,
                    place: #place,
                    kind: ::wasmfusion_udf::function::Kind::#variant(kernel),
                    bind: #bind,
                };

                const JSON_LENGTH: usize = ::wasmfusion_udf::manifest::Json::<0>::function(&PARTS).length();

                impl ::wasmfusion_udf::Udf for #marker {
                    const FUNCTION: ::wasmfusion_udf::Function = ::wasmfusion_udf::Function {
                        json: const { &::wasmfusion_udf::manifest::Json::<JSON_LENGTH>::function(&PARTS) }.text(),
                        ..PARTS
                    };
                }

                // A use, so that the function is no dead code where there is no export.
                const _: ::wasmfusion_udf::Function = PARTS;

                #[cfg(target_arch = "wasm32")]
                static FUNCTION: ::wasmfusion_udf::Function = <#marker as ::wasmfusion_udf::Udf>::FUNCTION;

                #[cfg(target_arch = "wasm32")]
                #[unsafe(export_name = #export)]
                unsafe extern "C" fn export(frame: *mut ::wasmfusion_udf::raw::CallFrame) -> i32 {
                    // SAFETY: the host keeps what `docs/abi.md` promises about the frame.
                    unsafe { ::wasmfusion_udf::guest::#call(frame, &FUNCTION, kernel) }
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
}

/// What the name of an export begins with.
fn prefix(kind: Kind) -> &'static str {
    match kind {
        Kind::Scalar => "udf",
        Kind::Aggregate => "udaf",
        Kind::Window => "udwf",
        Kind::Table => "udtf",
        Kind::Observer => "observer",
    }
}

/// The name of the SDK's variant.
fn variant(kind: Kind) -> &'static str {
    match kind {
        Kind::Scalar => "Scalar",
        Kind::Aggregate => "Aggregate",
        Kind::Window => "Window",
        Kind::Table => "Table",
        Kind::Observer => "Observer",
    }
}

/// The declaration of the type that stands for a function.
pub fn declare(visibility: &syn::Visibility, marker: &Ident) -> TokenStream {
    quote! {
        // Stands for the function where a type is wanted.
        #[doc(hidden)]
        #[allow(
            non_camel_case_types,
            dead_code,
            reason = "whether the type is used depends on the target and on tests"
        )]
        #visibility enum #marker {}
    }
}

/// The name of the type that stands for a function.
pub fn marker(ident: &Ident) -> Ident {
    format_ident!("__wasmfusion_udf_{}", plain(ident))
}

/// The result's type of something that has a value type.
pub fn returns(value: &TokenStream, nullable: &TokenStream) -> TokenStream {
    quote! {
        ::core::option::Option::Some((
            <#value as ::wasmfusion_udf::value::Value>::TYPE,
            <#value as ::wasmfusion_udf::value::Value>::NULLABLE #nullable,
        ))
    }
}

/// What a function of one row returns: the value of an outcome.
pub fn outcome_value(output: &Type) -> TokenStream {
    quote_spanned!(output.span()=> <#output as ::wasmfusion_udf::value::Outcome>::Value)
}

/// What of the manifest's entry the options say, and the doc comment.
pub fn json(options: &Options, attributes: &[Attribute], name: String) -> Map<String, Value> {
    let name = match &options.name {
        Some(name) => name.value(),
        None => name,
    };
    let description = match &options.description {
        Some(text) => text.value(),
        None => docs::description(attributes),
    };
    let mut entry = Map::new();
    entry.insert("name".to_owned(), json!(name));
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
    entry
}
