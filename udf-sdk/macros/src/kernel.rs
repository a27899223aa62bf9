//! The bodies that run and bind a function, by its shape.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Result, Type};

use crate::entry::{outcome_value, returns};
use crate::function::refuse;
use crate::options::Options;
use crate::signature::Function;

/// What a function is called with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// The values of a row.
    Row,
    /// Whole columns.
    Batch,
}

/// The bodies that run and bind a function.
pub struct Kernel {
    /// What the function is called with.
    pub shape: Shape,
    /// Runs `call`.
    pub run: TokenStream,
    /// The result's type and whether it may be NULL, an `Option`.
    pub returns: TokenStream,
    /// Binds `binding`.
    pub bind: Option<TokenStream>,
}

impl Kernel {
    /// The bodies for a function.
    pub fn new(function: &Function<'_>, options: &Options) -> Result<Self> {
        let shape = if options.batch {
            Shape::Batch
        } else {
            Shape::Row
        };
        let (run, returns) = match (shape, &function.writer, &function.output) {
            (Shape::Batch, Some(output), _) => batch(function, output),
            (Shape::Batch, None, _) => {
                return refuse(
                    function.ident.span(),
                    "the last parameter of a batch function is where the result goes: `out: &mut Output<'_, T>`",
                );
            }
            (Shape::Row, Some(writer), output) => row_writer(function, writer, output.as_ref()),
            (Shape::Row, None, Some(output)) => row(function, output),
            (Shape::Row, None, None) => {
                return refuse(
                    function.ident.span(),
                    "a SQL function returns something: add `-> T`, or `-> Option<T>` if it may be NULL",
                );
            }
        };
        let state = function
            .state
            .as_ref()
            .map(|state| quote!(let state = call.state::<#state>()?;));
        let output = function.writer.as_ref().filter(|_| shape == Shape::Batch);
        let bind = bind(function, options, output, &returns);
        Ok(Kernel {
            shape,
            run: quote!(#state #run),
            returns,
            bind,
        })
    }
}

/// The body that binds a function, if it wants to be bound. A batch function's `output` may leave the type to binding.
pub fn bind(
    function: &Function<'_>,
    options: &Options,
    output: Option<&Type>,
    returns: &TokenStream,
) -> Option<TokenStream> {
    let (bind, state) = options.bind.as_ref().zip(function.state.as_ref())?;
    let split = match output {
        Some(output) => quote! {
            <#output as ::wasmfusion_udf::batch::BatchOutput<'_>>::prepared::<#state>(prepared)
        },
        None => quote!(::wasmfusion_udf::bind::prepared::<#state>(#returns, prepared)),
    };
    Some(quote_spanned! {bind.span()=>
        let prepared = ::wasmfusion_udf::bind::outcome(#bind(&binding))?;
        let (returns, state) = #split;
        ::core::result::Result::Ok(binding.leave(returns, state))
    })
}

fn row(function: &Function<'_>, output: &Type) -> (TokenStream, TokenStream) {
    let name = function.ident;
    let types = function.types();
    let (state, variables) = (function.state_argument(), function.variables());
    let run = quote! {
        ::wasmfusion_udf::rows::run::<#types, #output>(
            call,
            |(#(#variables,)*)| #name(#state #(#variables),*),
        )
    };
    (run, returns(&outcome_value(output), &quote!()))
}

fn row_writer(
    function: &Function<'_>,
    writer: &Type,
    output: Option<&Type>,
) -> (TokenStream, TokenStream) {
    let name = function.ident;
    let types = function.types();
    let (state, variables) = (function.state_argument(), function.variables());
    let unit = syn::parse_quote!(());
    let output = output.unwrap_or(&unit);
    let run = quote! {
        ::wasmfusion_udf::rows::run_writer::<#types, #writer, #output>(
            call,
            |(#(#variables,)*), writer| #name(#state #(#variables,)* writer),
        )
    };
    let returns = quote_spanned! {writer.span()=>
        ::core::option::Option::Some((
            <#writer as ::wasmfusion_udf::value::Writer>::TYPE,
            <#output as ::wasmfusion_udf::value::Written>::NULLABLE,
        ))
    };
    (run, returns)
}

fn batch(function: &Function<'_>, output: &Type) -> (TokenStream, TokenStream) {
    let name = function.ident;
    let (state, variables) = (function.state_argument(), function.variables());
    let open = function.params.iter().zip(&variables).enumerate();
    let open = open.map(|(place, (param, variable))| {
        let data_type = &param.data_type;
        quote_spanned! {data_type.span()=>
            let #variable = <#data_type as ::wasmfusion_udf::batch::BatchArgument<'_>>::open_from(call, #place)?;
        }
    });
    let run = quote! {
        #(#open)*
        let mut output = <#output as ::wasmfusion_udf::batch::BatchOutput<'_>>::open(call)?;
        ::wasmfusion_udf::batch::written(#name(#state #(#variables,)* &mut output))?;
        ::wasmfusion_udf::batch::BatchOutput::finish(output)
    };
    let returns = quote_spanned! {output.span()=>
        <#output as ::wasmfusion_udf::batch::BatchOutput<'_>>::RETURNS
    };
    (run, returns)
}
