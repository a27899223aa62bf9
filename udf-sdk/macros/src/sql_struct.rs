//! `#[derive(SqlStruct)]`: a Rust struct as SQL's.

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Fields, GenericParam, Lifetime, Result};

use crate::function::{plain, refuse};

/// Expands `#[derive(SqlStruct)]`.
pub fn expand(item: TokenStream) -> Result<TokenStream> {
    let item: DeriveInput = syn::parse2(item)?;
    let Data::Struct(data) = &item.data else {
        return refuse(item.ident.span(), "only a struct can be a SQL struct");
    };
    let Fields::Named(fields) = &data.fields else {
        return refuse(item.ident.span(), "the fields of a SQL struct have names");
    };
    if fields.named.is_empty() {
        return refuse(item.ident.span(), "a SQL struct has at least one field");
    }
    let lifetime = match item.generics.params.iter().collect::<Vec<_>>()[..] {
        [] => None,
        [GenericParam::Lifetime(only)] => Some(&only.lifetime),
        _ => {
            return refuse(
                item.generics.span(),
                "a SQL struct has one lifetime at most, and no other parameters",
            );
        }
    };

    let ident = &item.ident;
    let own = Lifetime::new("'call", ident.span());
    let call = lifetime.unwrap_or(&own);
    let self_type = match lifetime {
        Some(lifetime) => quote!(#ident<#lifetime>),
        None => quote!(#ident),
    };
    let value_generics = lifetime.map(|lifetime| quote!(<#lifetime>));

    let idents: Vec<_> = fields
        .named
        .iter()
        .filter_map(|field| field.ident.as_ref())
        .collect();
    let types: Vec<_> = fields.named.iter().map(|field| &field.ty).collect();
    let names: Vec<_> = idents.iter().map(|ident| plain(ident)).collect();
    let places: Vec<_> = (0..names.len()).collect();
    // Tuples of more than twelve are not `Copy`; nested pairs are.
    let paths: Vec<_> = places
        .iter()
        .map(|place| {
            let steps = (0..*place).map(|_| quote!(.1));
            quote!(#(#steps)* .0)
        })
        .collect();
    let pairs = |parts: Vec<TokenStream>| {
        parts
            .into_iter()
            .rev()
            .fold(quote!(()), |rest, part| quote!((#part, #rest)))
    };

    let argument = quote!(::wasmfusion_udf::argument::Argument);
    let value = quote!(::wasmfusion_udf::value::Value);
    let columns = pairs(
        types
            .iter()
            .map(|ty| quote!(<#ty as #argument<#call>>::Column))
            .collect(),
    );
    let cursors = pairs(
        types
            .iter()
            .map(|ty| quote!(<#ty as #argument<#call>>::Cursor))
            .collect(),
    );
    let opened = pairs(
        places
            .iter()
            .zip(&names)
            .zip(&types)
            .map(|((place, name), ty)| quote!(operand.field::<#ty>(#place, #name, pool)?))
            .collect(),
    );
    let blocks = pairs(
        paths
            .iter()
            .zip(&types)
            .map(|(path, ty)| quote!(<#ty as #argument<#call>>::block(&column #path, start)))
            .collect(),
    );
    let builders = pairs(
        types
            .iter()
            .map(|ty| quote!(<#ty as #value>::Builder))
            .collect(),
    );
    let built = pairs(
        types
            .iter()
            .map(|ty| quote!(<#ty as #value>::builder(space)))
            .collect(),
    );
    let columns_built = pairs(
        places
            .iter()
            .zip(&types)
            .map(|(place, ty)| quote!(::wasmfusion_udf::columns::builder::<#ty>(call, #place)))
            .collect(),
    );
    let data_type = |of: &TokenStream| {
        quote! {
            ::wasmfusion_udf::data_type::DataType::Struct(&[
                #(::wasmfusion_udf::data_type::Field { name: #names, data_type: <#types as #of>::TYPE }),*
            ])
        }
    };
    let argument_type = data_type(&quote!(#argument<#call>));
    let value_type = data_type(&value);

    Ok(quote! {
        // SAFETY: all reading is done by the fields' types.
        unsafe impl<#call> #argument<#call> for #self_type {
            const TYPE: ::wasmfusion_udf::data_type::DataType = #argument_type;
            type Column = #columns;
            type Cursor = #cursors;

            #[inline]
            fn open(
                operand: ::wasmfusion_udf::call::Operand<#call>,
                pool: &mut ::wasmfusion_udf::Pool,
            ) -> ::core::result::Result<Self::Column, ::wasmfusion_udf::Error> {
                ::core::result::Result::Ok(#opened)
            }

            #[inline(always)]
            unsafe fn block(column: &Self::Column, start: usize) -> Self::Cursor {
                // SAFETY: the fields' columns have as many rows as the struct's.
                unsafe { #blocks }
            }

            #[inline(always)]
            unsafe fn get(cursor: Self::Cursor, row: usize) -> Self {
                // SAFETY: as before.
                unsafe { #ident { #(#idents: <#types as #argument<#call>>::get(cursor #paths, row)),* } }
            }
        }

        impl #value_generics #value for #self_type {
            const TYPE: ::wasmfusion_udf::data_type::DataType = #value_type;
            type Builder = ::wasmfusion_udf::value::StructBuilder<#builders>;

            fn builder(space: &mut ::wasmfusion_udf::call::Space<'_>) -> Self::Builder {
                ::wasmfusion_udf::value::StructBuilder::new(space, |space| #built)
            }

            #[inline]
            fn push(builder: &mut Self::Builder, value: Self) {
                #(<#types as #value>::push(&mut builder.fields #paths, value.#idents);)*
                builder.end_value();
            }

            #[inline]
            fn push_null(builder: &mut Self::Builder) {
                #(<#types as #value>::push_null(&mut builder.fields #paths);)*
                builder.end_value();
            }

            fn finish(
                builder: Self::Builder,
                nulls: ::core::option::Option<::wasmfusion_udf::value::Nulls>,
                out: &mut ::wasmfusion_udf::raw::ArrowArray,
                pool: &mut ::wasmfusion_udf::Pool,
            ) -> ::core::result::Result<(), ::wasmfusion_udf::Error> {
                builder.finish(nulls, out, pool, |fields, pool| {
                    ::core::result::Result::Ok([
                        #(pool.child(|out, pool| <#types as #value>::finish(fields #paths, ::core::option::Option::None, out, pool))?),*
                    ])
                })
            }
        }

        // SAFETY: each field uses the column of its place.
        unsafe impl #value_generics ::wasmfusion_udf::columns::Columns for #self_type {
            const NAMES: &'static [&'static str] = &[#(#names),*];
            const TYPES: &'static [(::wasmfusion_udf::data_type::DataType, bool)] = &[
                #((<#types as #value>::TYPE, <#types as #value>::NULLABLE)),*
            ];
            type Builders = #builders;

            unsafe fn builders(call: &mut ::wasmfusion_udf::call::Call<'_>) -> Self::Builders {
                // SAFETY: by the contract of this function.
                unsafe { #columns_built }
            }

            #[inline(always)]
            unsafe fn push(self, builders: &mut Self::Builders) {
                // SAFETY: by the contract of this function.
                unsafe { #(<#types as #value>::push_within(&mut builders #paths, self.#idents);)* }
            }

            unsafe fn finish(
                builders: Self::Builders,
                call: &mut ::wasmfusion_udf::call::Call<'_>,
            ) -> ::core::result::Result<(), ::wasmfusion_udf::Error> {
                // SAFETY: by the contract of this function.
                #(unsafe { ::wasmfusion_udf::columns::finish::<#types>(builders #paths, call, #places) }?;)*
                ::core::result::Result::Ok(())
            }
        }

        impl #value_generics ::wasmfusion_udf::value::Element for #self_type {}
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(item: TokenStream) -> String {
        match expand(item) {
            Ok(_) => "no error".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn refuses_what_sql_has_not() {
        for (item, what) in [
            (
                quote!(
                    enum E {
                        A,
                    }
                ),
                "only a struct",
            ),
            (
                quote!(
                    struct S(i64);
                ),
                "have names",
            ),
            (
                quote!(
                    struct S {}
                ),
                "at least one field",
            ),
            (
                quote!(
                    struct S<T> {
                        x: T,
                    }
                ),
                "one lifetime at most",
            ),
            (
                quote!(
                    struct S<'a, 'b> {
                        x: &'a str,
                        y: &'b str,
                    }
                ),
                "one lifetime at most",
            ),
            (
                quote!(
                    struct S<'a> {
                        x: &'a str,
                        y: f64,
                    }
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
            let error = error(item);
            assert!(error.contains(what), "{error:?} has no {what:?}");
        }
    }
}
