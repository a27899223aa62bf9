//! `#[udaf]`: from the `impl` of a state to an aggregate function.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use serde_json::json;
use syn::spanned::Spanned;
use syn::{ImplItem, ItemImpl, Result};

use crate::docs;
use crate::entry::{self, Entry, Kind, Params};
use crate::function::refuse;
use crate::lifetimes;
use crate::methods::{self, Borrow};
use crate::options::Options;
use crate::signature::{Function, anonymous};

/// Expands `#[udaf(options)] item`.
pub fn expand(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let options = Options::parse(options, &["ordered"])?;
    let mut item: ItemImpl = syn::parse2(item)?;
    methods::inline(
        &mut item,
        &["update", "retract", "merge", "evaluate", "heap_bytes"],
    );
    for item in &mut item.items {
        if let ImplItem::Fn(method) = item {
            lifetimes::unify(&mut method.sig);
        }
    }
    let ident = methods::type_name(&item)?;
    let state = methods::self_type(&item);

    let update = methods::require(
        &item,
        "update",
        Borrow::Mutable,
        "fn update(&mut self, value: T)",
    )?;
    methods::refuse_variadic(update)?;
    let function = Function::parse_method(&update.sig, &options, &[])?;
    if let Some(writer) = &function.writer {
        return refuse(writer.span(), "`update` has nothing to write to");
    }
    let variables = function.variables();
    let types = function.types();

    let merge = methods::require(
        &item,
        "merge",
        Borrow::Mutable,
        "fn merge(&mut self, other: Self)",
    )?;
    if methods::param_count(merge) != 1 {
        return refuse(
            merge.sig.span(),
            "`merge` takes `&mut self` and `other: Self`",
        );
    }
    let evaluate = methods::require(&item, "evaluate", Borrow::Shared, "fn evaluate(&self) -> T")?;
    let Some(output) = methods::output(evaluate).map(anonymous) else {
        return refuse(
            evaluate.sig.span(),
            "`evaluate` returns the result: add `-> T`, or `-> Option<T>` if it may be NULL",
        );
    };
    let retract = methods::find(&item, "retract", Borrow::Mutable)?;
    let retracting = match retract {
        Some(retract) if methods::param_count(retract) != function.params.len() => {
            return refuse(
                retract.sig.span(),
                "`retract` has the parameters of `update`",
            );
        }
        Some(retract) => quote_spanned! {retract.sig.span()=>
            |state: &mut #state, (#(#variables,)*)| ::wasmfusion_udf::aggregate::done(<#state>::retract(state, #(#variables),*))
        },
        None => quote!(|_: &mut #state, _| ::wasmfusion_udf::aggregate::no_retract()),
    };
    let heap_bytes = match methods::find(&item, "heap_bytes", Borrow::Shared)? {
        Some(_) => quote!(|state: &#state| <#state>::heap_bytes(state)),
        None => quote!(|_: &#state| 0),
    };

    let run = quote_spanned! {update.sig.span()=>
        // SAFETY: by the contract of `Operate`.
        unsafe {
            ::wasmfusion_udf::aggregate::run::<#state, #types, #output>(
                call,
                operation,
                ::wasmfusion_udf::aggregate::Methods {
                    update: |state: &mut #state, (#(#variables,)*)| ::wasmfusion_udf::aggregate::done(<#state>::update(state, #(#variables),*)),
                    retract: #retracting,
                    merge: |state: &mut #state, other| ::wasmfusion_udf::aggregate::done(<#state>::merge(state, other)),
                    evaluate: |state: &#state| <#state>::evaluate(state),
                    heap_bytes: #heap_bytes,
                },
            )
        }
    };
    let state_trait = quote!(<#state as ::wasmfusion_udf::State>);
    let mut json = entry::json(&options, &item.attrs, methods::sql_name(ident));
    if retract.is_some() {
        json.insert("retract".to_owned(), json!(true));
    }
    if options.ordered {
        json.insert("ordered".to_owned(), json!(true));
    }
    let described = options.description.is_some() || !docs::description(&item.attrs).is_empty();
    let entry = Entry {
        ident,
        marker: state.clone(),
        declaration: None,
        kind: Kind::Aggregate,
        json,
        description: (!described).then(|| quote!(#state_trait::DESCRIPTION)),
        params: Params::of_rows(&function.params, false),
        returns: entry::returns(&entry::outcome_value(&output), &quote!()),
        schema: Some(quote! {
            ::wasmfusion_udf::function::Schema::new(
                #state_trait::NAMES,
                <<#state_trait::Saved as ::wasmfusion_udf::state::Saved>::Columns as ::wasmfusion_udf::columns::Columns>::TYPES,
            )
        }),
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
        let update = quote!(
            fn update(&mut self, value: f64) {}
        );
        let merge = quote!(
            fn merge(&mut self, other: Self) {}
        );
        let evaluate = quote!(
            fn evaluate(&self) -> f64 {
                0.0
            }
        );
        for (items, what) in [
            (quote!(), "no method `update`"),
            (quote!(#update), "no method `merge`"),
            (quote!(#update #merge), "no method `evaluate`"),
            (
                quote!(#update #merge fn evaluate(&self) {}),
                "returns the result",
            ),
            (
                quote!(#update #merge fn evaluate(self) -> i64 { 1 }),
                "takes `&self` first",
            ),
            (
                quote!(
                    fn update(&self, value: f64) {}
                ),
                "takes `&mut self` first",
            ),
            (
                quote!(
                    fn update(&mut self, values: Variadic<'_, f64>) {}
                ),
                "cannot be variadic",
            ),
            (quote!(#update fn merge(&mut self) {}), "`other: Self`"),
            (
                quote!(#update #merge #evaluate fn retract(&mut self) {}),
                "the parameters of `update`",
            ),
            (quote!(#update #merge #evaluate fn helper() {}), "no error"),
        ] {
            let error = error(quote!(ordered), quote!(impl Mean { #items }));
            assert!(error.contains(what), "{error:?} has no {what:?}");
        }
        let items = quote!(#update #merge #evaluate);
        assert!(
            error(quote!(), quote!(impl Aggregate for Mean { #items })).contains("not of a trait")
        );
        assert!(error(quote!(), quote!(impl<T> Mean<T> { #items })).contains("cannot be generic"));
        assert!(error(quote!(batch), quote!(impl Mean { #items })).contains("unknown option"));
    }
}
