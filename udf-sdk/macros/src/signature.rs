//! A function's signature, checked and taken apart: state, parameters, writer, result.

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
    /// What the last parameter borrows to write to.
    pub writer: Option<Type>,
    /// The result, if it has one.
    pub output: Option<Type>,
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
    pub fn parse(signature: &'s Signature, options: &Options) -> Result<Self> {
        check(signature)?;
        let mut typed = signature
            .inputs
            .iter()
            .map(|input| match input {
                FnArg::Typed(typed) => Ok(typed),
                FnArg::Receiver(receiver) => refuse(
                    receiver.span(),
                    "a SQL function cannot be a method: it has no `self`",
                ),
            })
            .collect::<Result<Vec<&PatType>>>()?;

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
            writer,
            output,
        })
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
fn anonymous(data_type: &Type) -> Type {
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
