//! The methods of an `impl` that stands for a function.

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned;
use syn::{FnArg, Ident, ImplItem, ImplItemFn, ItemImpl, Result, ReturnType, Type};

use crate::function::{plain, refuse};
use crate::signature::is_named;

/// How a method borrows its `self`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Borrow {
    /// `&self`.
    Shared,
    /// `&mut self`.
    Mutable,
}

/// Checks that the `impl` is one of a plain type; the type's name.
pub fn type_name(item: &ItemImpl) -> Result<&Ident> {
    if let Some((_, path, _)) = &item.trait_ {
        return refuse(
            path.span(),
            "the attribute stands on an `impl` of the type itself, not of a trait",
        );
    }
    if !item.generics.params.is_empty() {
        return refuse(
            item.generics.span(),
            "a SQL function cannot be generic: write a type for each, with the same `name = \"…\"`",
        );
    }
    let last = match &*item.self_ty {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    };
    match last {
        Some(last) if last.arguments.is_none() => Ok(&last.ident),
        _ => refuse(
            item.self_ty.span(),
            "the attribute stands on an `impl` of a struct or enum without parameters",
        ),
    }
}

/// A method by its name, if there is one.
pub fn find<'i>(item: &'i ItemImpl, name: &str, borrow: Borrow) -> Result<Option<&'i ImplItemFn>> {
    let methods = item.items.iter().filter_map(|item| match item {
        ImplItem::Fn(method) => Some(method),
        _ => None,
    });
    let method = methods.into_iter().find(|method| method.sig.ident == name);
    let Some(method) = method else {
        return Ok(None);
    };
    let mutable = borrow == Borrow::Mutable;
    let fits = method.sig.receiver().is_some_and(|receiver| {
        receiver.reference.is_some() && receiver.mutability.is_some() == mutable
    });
    if !fits {
        let wanted = if mutable { "&mut self" } else { "&self" };
        return refuse(
            method.sig.span(),
            &format!("`{name}` takes `{wanted}` first"),
        );
    }
    Ok(Some(method))
}

/// As [`find`], but there has to be one.
pub fn require<'i>(
    item: &'i ItemImpl,
    name: &str,
    borrow: Borrow,
    example: &str,
) -> Result<&'i ImplItemFn> {
    match find(item, name, borrow)? {
        Some(method) => Ok(method),
        None => refuse(
            item.self_ty.span(),
            &format!("there is no method `{name}`: add `{example}`"),
        ),
    }
}

/// What a method returns.
pub fn output(method: &ImplItemFn) -> Option<&Type> {
    match &method.sig.output {
        ReturnType::Type(_, output) => Some(output),
        ReturnType::Default => None,
    }
}

/// Number of parameters behind `self`.
pub fn param_count(method: &ImplItemFn) -> usize {
    let typed = |input: &&FnArg| matches!(input, FnArg::Typed(_));
    method.sig.inputs.iter().filter(typed).count()
}

/// The SQL name for a type: `GeometricMean` is `geometric_mean`.
pub fn sql_name(ident: &Ident) -> String {
    let mut name = String::new();
    let mut previous_is_small = false;
    for letter in plain(ident).chars() {
        if letter.is_ascii_uppercase() && previous_is_small {
            name.push('_');
        }
        previous_is_small = !letter.is_ascii_uppercase();
        name.push(letter.to_ascii_lowercase());
    }
    name
}

/// Has methods that a loop calls for every row become a part of it where that makes sense.
pub fn inline(item: &mut ItemImpl, names: &[&str]) {
    for item in &mut item.items {
        if let ImplItem::Fn(method) = item
            && names.iter().any(|name| method.sig.ident == name)
            && !method
                .attrs
                .iter()
                .any(|attribute| attribute.path().is_ident("inline"))
        {
            method.attrs.push(syn::parse_quote!(#[inline]));
        }
    }
}

/// Refuses a last parameter for any number of arguments.
pub fn refuse_variadic(method: &ImplItemFn) -> Result<()> {
    for input in &method.sig.inputs {
        if let FnArg::Typed(typed) = input
            && is_named(&typed.ty, "Variadic")
        {
            return refuse(
                typed.ty.span(),
                "an aggregate function cannot be variadic: let the parameter be a list",
            );
        }
    }
    Ok(())
}

/// A type's name as tokens that stand for `Self` outside of the `impl`.
pub fn self_type(item: &ItemImpl) -> TokenStream {
    let self_type = &item.self_ty;
    quote!(#self_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_types_as_sql_does() {
        for (rust, sql) in [
            ("GeometricMean", "geometric_mean"),
            ("Ema", "ema"),
            ("TopK", "top_k"),
            ("HTTPStatus", "httpstatus"),
            ("V2Sum", "v2_sum"),
        ] {
            let ident = Ident::new(rust, proc_macro2::Span::call_site());
            assert_eq!(sql_name(&ident), sql);
        }
    }
}
