//! `#[derive(State)]`: a struct as the state of an aggregate function.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Member, Result};

use crate::docs;
use crate::function::{plain, refuse};

/// The most fields that a state can have: the largest tuple that the SDK knows.
const FIELDS_MAX: usize = 12;

/// Expands `#[derive(State)]`.
pub fn expand(item: TokenStream) -> Result<TokenStream> {
    let item: DeriveInput = syn::parse2(item)?;
    let Data::Struct(data) = &item.data else {
        return refuse(
            item.ident.span(),
            "only for a struct the fields can be saved: implement `State` by hand",
        );
    };
    if !item.generics.params.is_empty() {
        return refuse(
            item.generics.span(),
            "the state of an aggregate function has no parameters",
        );
    }
    if !(1..=FIELDS_MAX).contains(&data.fields.len()) {
        return refuse(
            item.ident.span(),
            "a state has 1 to 12 fields: put some into a struct with #[derive(SqlStruct)], or implement `State` by hand",
        );
    }
    let (members, names): (Vec<_>, Vec<_>) = data
        .fields
        .members()
        .map(|member| match &member {
            Member::Named(ident) => (quote!(#ident), plain(ident)),
            Member::Unnamed(index) => (quote!(#index), format!("state{}", index.index + 1)),
        })
        .unzip();
    let types: Vec<_> = data.fields.iter().map(|field| &field.ty).collect();
    let variables: Vec<_> = (0..members.len())
        .map(|place| format_ident!("value{place}"))
        .collect();
    let ident = &item.ident;
    let description = docs::description(&item.attrs);
    Ok(quote! {
        impl ::wasmfusion_udf::State for #ident {
            type Saved = (#(#types,)*);

            const NAMES: &'static [&'static str] = &[#(#names),*];

            const DESCRIPTION: &'static str = #description;

            #[inline]
            fn save(self) -> Self::Saved {
                (#(self.#members,)*)
            }

            #[inline]
            fn load((#(#variables,)*): Self::Saved) -> ::core::result::Result<Self, ::wasmfusion_udf::Error> {
                ::core::result::Result::Ok(#ident { #(#members: #variables),* })
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_has_no_fields_to_save() {
        for (item, what) in [
            (
                quote!(
                    enum E {
                        A,
                    }
                ),
                "only for a struct",
            ),
            (
                quote!(
                    struct S;
                ),
                "1 to 12 fields",
            ),
            (
                quote!(
                    struct S<T> {
                        x: T,
                    }
                ),
                "no parameters",
            ),
            (
                quote!(
                    struct S(i64);
                ),
                "no error",
            ),
            (
                quote!(
                    struct S {
                        x: i64,
                    }
                ),
                "no error",
            ),
        ] {
            let error = match expand(item) {
                Ok(_) => "no error".to_owned(),
                Err(error) => error.to_string(),
            };
            assert!(error.contains(what), "{error:?} has no {what:?}");
        }
    }
}
