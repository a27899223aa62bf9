//! Lifetimes that an author leaves out.
//!
//! In `Variadic<'_, &str>` the values live as long as the column, so both lifetimes are the same; but left out, they
//! are two, and the type would not hold together. Here they get one name.

use proc_macro2::Span;
use syn::visit_mut::{self, VisitMut};
use syn::{
    FnArg, GenericArgument, GenericParam, Lifetime, LifetimeParam, PathArguments, PathSegment,
    Signature, Type, TypeReference, parse_quote,
};

/// The types that borrow from a column and have a type parameter that may as well.
const BORROWING: [&str; 3] = ["List", "Variadic", "Column"];

/// Gives the lifetimes that are left out in a parameter's type one name, if there are several.
pub fn unify(signature: &mut Signature) {
    let mut named = Vec::new();
    for (place, input) in signature.inputs.iter_mut().enumerate() {
        let FnArg::Typed(typed) = input else {
            continue;
        };
        // The state and the writer are borrowed for themselves.
        let data_type = match &mut *typed.ty {
            Type::Reference(reference) if reference.mutability.is_some() => continue,
            other => other,
        };
        let name = Lifetime::new(&format!("'arg{place}"), Span::call_site());
        let mut unifier = Unifier {
            name: name.clone(),
            count: 0,
            borrowing: false,
        };
        let mut unified = data_type.clone();
        unifier.visit_type_mut(&mut unified);
        if unifier.borrowing && unifier.count > 1 {
            *data_type = unified;
            named.push(name);
        }
    }
    for name in named {
        let param = GenericParam::Lifetime(LifetimeParam::new(name));
        signature.generics.params.push(param);
    }
}

/// Names every lifetime that is left out.
struct Unifier {
    name: Lifetime,
    count: usize,
    /// Whether there is one of the [`BORROWING`] types.
    borrowing: bool,
}

impl VisitMut for Unifier {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident == "_" {
            *lifetime = self.name.clone();
            self.count += 1;
        }
    }

    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        if reference.lifetime.is_none() {
            reference.lifetime = Some(self.name.clone());
            self.count += 1;
        }
        visit_mut::visit_type_reference_mut(self, reference);
    }

    fn visit_path_segment_mut(&mut self, segment: &mut PathSegment) {
        visit_mut::visit_path_segment_mut(self, segment);
        if !BORROWING.iter().any(|name| segment.ident == name) {
            return;
        }
        self.borrowing = true;
        if let PathArguments::AngleBracketed(arguments) = &mut segment.arguments
            && !matches!(arguments.args.first(), Some(GenericArgument::Lifetime(_)))
        {
            let name = &self.name;
            arguments.args.insert(0, parse_quote!(#name));
            self.count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::ToTokens;
    use syn::ItemFn;

    fn unified(mut item: ItemFn) -> String {
        unify(&mut item.sig);
        item.sig.to_token_stream().to_string().replace(' ', "")
    }

    #[test]
    fn names_what_belongs_together() {
        assert_eq!(
            unified(parse_quote!(
                fn f(a: &str, b: Variadic<'_, Option<&str>>) -> i64 {}
            )),
            "fnf<'arg1>(a:&str,b:Variadic<'arg1,Option<&'arg1str>>)->i64"
        );
        assert_eq!(
            unified(parse_quote!(
                fn f(a: List<&[u8]>) -> i64 {}
            )),
            "fnf<'arg0>(a:List<'arg0,&'arg0[u8]>)->i64"
        );
        assert_eq!(
            unified(parse_quote!(
                fn f(a: List<f64>, b: &str) {}
            )),
            "fnf(a:List<f64>,b:&str)"
        );
        assert_eq!(
            unified(parse_quote!(
                fn f(a: &mut Output<'_, &str>) {}
            )),
            "fnf(a:&mutOutput<'_,&str>)"
        );
    }
}
