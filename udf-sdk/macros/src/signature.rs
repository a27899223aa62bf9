//! A function's signature, checked and taken apart: state, parameters, writer, result.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{
    FnArg, GenericParam, Ident, Lifetime, Pat, PatType, Result, ReturnType, Signature, Type,
    TypeReference,
};

use crate::function::{plain, refuse};
use crate::options::Options;

/// The most parameters that a function of one row can have: the largest tuple that the SDK knows.
const PARAMS_MAX: usize = 12;

/// A signature's parts. No type in it names a lifetime.
pub struct Function<'s> {
    /// The function's name.
    pub ident: &'s Ident,
    /// What the state that the first parameter borrows is.
    pub state: Option<Type>,
    /// The parameters that SQL sees.
    pub params: Vec<Param>,
    /// What the function is called with, between state and writer: a variable for each of `params`, and the variables of special
    /// parameters, where they stand.
    pub arguments: Vec<Ident>,
    /// What the last parameter borrows to write to.
    pub writer: Option<Type>,
    /// The result, if it has one.
    pub output: Option<Type>,
}

/// A parameter that SQL does not see, by its type, and the variable that it gets.
pub struct Special {
    /// The last part of the type's path.
    pub name: &'static str,
    /// The variable.
    pub variable: &'static str,
}

/// A parameter that SQL sees.
pub struct Param {
    /// Its name.
    pub name: String,
    /// Its type.
    pub data_type: Type,
}

impl<'s> Function<'s> {
    /// Takes a signature apart.
    pub fn parse(
        signature: &'s Signature,
        options: &Options,
        specials: &[Special],
    ) -> Result<Self> {
        let receiver = signature.receiver();
        if let Some(receiver) = receiver {
            return refuse(
                receiver.span(),
                "a SQL function cannot be a method: it has no `self`",
            );
        }
        Function::parse_method(signature, options, specials)
    }

    /// Takes the signature of a method apart, apart from its `self`.
    pub fn parse_method(
        signature: &'s Signature,
        options: &Options,
        specials: &[Special],
    ) -> Result<Self> {
        check(signature)?;
        let typed = signature.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(typed) => Some(typed),
            FnArg::Receiver(_) => None,
        });
        let mut typed: Vec<&PatType> = typed.collect();

        let state = match (&options.bind, typed.first().map(|first| &*first.ty)) {
            (None, _) => None,
            (
                Some(_),
                Some(Type::Reference(TypeReference {
                    mutability: None,
                    elem,
                    ..
                })),
            ) => {
                typed.remove(0);
                Some(anonymous(elem))
            }
            (Some(bind), _) => {
                return refuse(
                    bind.span(),
                    "the first parameter of a function with `bind` borrows the state that binding made: `&State`",
                );
            }
        };
        let writer = match typed.last().map(|last| &*last.ty) {
            Some(Type::Reference(TypeReference {
                mutability: Some(_),
                elem,
                ..
            })) => {
                typed.pop();
                Some(anonymous(elem))
            }
            _ => None,
        };
        let mut arguments = Vec::new();
        let mut seen = 0;
        typed.retain(|typed| {
            let special = specials
                .iter()
                .find(|special| is_named(&typed.ty, special.name));
            match special {
                Some(special) => arguments.push(format_ident!("{}", special.variable)),
                None => {
                    arguments.push(format_ident!("value{seen}"));
                    seen += 1;
                }
            }
            special.is_none()
        });
        if typed.len() > PARAMS_MAX {
            return refuse(
                signature.inputs.span(),
                "a SQL function can have 12 parameters; for more of one type, let the last be `Variadic<'_, T>`",
            );
        }
        let output = match &signature.output {
            ReturnType::Default => None,
            ReturnType::Type(_, output) => Some(anonymous(output)),
        };
        Ok(Function {
            ident: &signature.ident,
            state,
            params: typed
                .into_iter()
                .enumerate()
                .map(param)
                .collect::<Result<_>>()?,
            arguments,
            writer,
            output,
        })
    }

    /// The function's first argument, if it has a state.
    pub fn state_argument(&self) -> Option<TokenStream> {
        self.state.as_ref().map(|_| quote!(state,))
    }

    /// A variable for each parameter that SQL sees.
    pub fn variables(&self) -> Vec<Ident> {
        (0..self.params.len())
            .map(|place| format_ident!("value{place}"))
            .collect()
    }

    /// The types of the parameters that SQL sees, as those of a tuple.
    pub fn types(&self) -> TokenStream {
        let types = self.params.iter().map(|param| &param.data_type);
        quote!((#(#types,)*))
    }

    /// Whether the function has this special parameter.
    pub fn has(&self, variable: &str) -> bool {
        self.arguments.iter().any(|argument| argument == variable)
    }
}

/// Whether the last part of a type's path is this name.
pub fn is_named(data_type: &Type, name: &str) -> bool {
    match data_type {
        Type::Path(path) => path
            .path
            .segments
            .last()
            .is_some_and(|last| last.ident == name),
        _ => false,
    }
}

/// What a function of a plugin cannot be.
fn check(signature: &Signature) -> Result<()> {
    if let Some(token) = &signature.asyncness {
        return refuse(
            token.span(),
            "a SQL function cannot be async: a guest has nothing to wait for",
        );
    }
    if let Some(token) = &signature.unsafety {
        return refuse(
            token.span(),
            "a SQL function must be safe to call with every value",
        );
    }
    if let Some(abi) = &signature.abi {
        return refuse(
            abi.span(),
            "a SQL function is an ordinary Rust function; `#[udf]` makes the export",
        );
    }
    if let Some(dots) = &signature.variadic {
        return refuse(
            dots.span(),
            "for any number of arguments, let the last parameter be `Variadic<'_, T>`",
        );
    }
    for parameter in &signature.generics.params {
        if !matches!(parameter, GenericParam::Lifetime(_)) {
            return refuse(
                parameter.span(),
                "a SQL function cannot be generic: write a function for each type, with the same `name = \"…\"`",
            );
        }
    }
    Ok(())
}

fn param((place, typed): (usize, &PatType)) -> Result<Param> {
    let name = match &*typed.pat {
        Pat::Ident(pattern) => plain(&pattern.ident).trim_start_matches('_').to_owned(),
        _ => String::new(),
    };
    match &*typed.ty {
        Type::ImplTrait(_) => refuse(
            typed.ty.span(),
            "a parameter needs a type that SQL has, not `impl`",
        ),
        Type::Reference(TypeReference {
            mutability: Some(_),
            ..
        }) => refuse(
            typed.ty.span(),
            "only the last parameter can be `&mut`: the writer of the result",
        ),
        data_type => Ok(Param {
            name: if name.is_empty() {
                format!("arg{}", place + 1)
            } else {
                name
            },
            data_type: anonymous(data_type),
        }),
    }
}

/// The type without the lifetimes that the signature names: they mean nothing outside of it.
pub fn anonymous(data_type: &Type) -> Type {
    struct Anonymous;

    impl VisitMut for Anonymous {
        fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
            if lifetime.ident != "static" {
                *lifetime = Lifetime::new("'_", lifetime.span());
            }
            visit_mut::visit_lifetime_mut(self, lifetime);
        }
    }

    let mut data_type = data_type.clone();
    Anonymous.visit_type_mut(&mut data_type);
    data_type
}
