//! Which overload of a function fits which arguments, and what has to be cast for it.

use datafusion::arrow::compute::can_cast_types;
use datafusion::arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::logical_expr::type_coercion::functions;
use datafusion::logical_expr::{Signature, TypeSignature, Volatility};

use crate::module::{FunctionDecl, Param, ParamType};
use crate::plugin::FunctionRef;

/// How an argument of one type becomes a parameter of another.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fit {
    /// It is one, or the copy into the guest makes it one: string and binary layouts, dictionaries of them.
    AsIs,
    /// The planner casts it.
    Coerced(DataType),
    /// We cast it at the call, because the planner has no such rule: what fits into a decimal or a timestamp.
    CastAtCall,
}

impl Fit {
    /// How far the types are apart: the overload with the smallest sum wins.
    fn distance(&self, from: &DataType, to: &ParamType) -> usize {
        match (self, to) {
            (Self::AsIs, ParamType::Exact(to)) if from == to => 0,
            (Self::AsIs, _) => 1,
            // Everything can become text, so that is what remains if nothing else fits.
            (Self::Coerced(to), _) if to.is_string() && !from.is_string() => 1_000_000_000,
            (Self::Coerced(_), _) => 1_000,
            (Self::CastAtCall, _) => 1_000_000,
        }
    }
}

/// The overload that fits `arg_types` best, the first declared among equals, with the types that the arguments must be cast to.
pub(super) fn resolve(
    overloads: &[FunctionRef],
    arg_types: &[DataType],
) -> Option<(usize, Vec<DataType>)> {
    let mut best: Option<(usize, usize, Vec<DataType>)> = None;
    for (place, overload) in overloads.iter().enumerate() {
        let Some((distance, types)) = fit_all(overload.decl(), arg_types) else {
            continue;
        };
        if best.as_ref().is_none_or(|(least, ..)| distance < *least) {
            best = Some((distance, place, types));
        }
    }
    best.map(|(_, place, types)| (place, types))
}

fn fit_all(function: &FunctionDecl, arg_types: &[DataType]) -> Option<(usize, Vec<DataType>)> {
    if !takes(function, arg_types.len()) {
        return None;
    }
    let mut distance = 0;
    let mut types = Vec::with_capacity(arg_types.len());
    for (place, from) in arg_types.iter().enumerate() {
        let to = &param(function, place)?.ty;
        let fit = fit(from, to)?;
        distance += fit.distance(from, to);
        types.push(match fit {
            // The planner would hide a constant in a cast, and the guest could not bind to it.
            Fit::Coerced(_) if function.bind => from.clone(),
            Fit::AsIs | Fit::CastAtCall => from.clone(),
            Fit::Coerced(to) => to,
        });
    }
    Some((distance, types))
}

/// Whether the function takes this number of arguments.
pub(super) fn takes(function: &FunctionDecl, count: usize) -> bool {
    if function.variadic {
        count >= function.params.len()
    } else {
        count == function.params.len()
    }
}

/// The parameter for the argument at `place`: the last one repeats if the function is variadic.
pub(super) fn param(function: &FunctionDecl, place: usize) -> Option<&Param> {
    match function.params.get(place) {
        None if function.variadic => function.params.last(),
        found => found,
    }
}

/// Whether an argument of one type can become a parameter of another.
pub(super) fn accepts(from: &DataType, to: &DataType) -> bool {
    fit(from, &ParamType::Exact(to.clone())).is_some()
}

fn fit(from: &DataType, to: &ParamType) -> Option<Fit> {
    let ParamType::Exact(to) = to else {
        return Some(Fit::AsIs);
    };
    if same_type(from, to) {
        return Some(Fit::AsIs);
    }
    #[expect(
        deprecated,
        reason = "its successor takes a whole function, and here is only a type"
    )]
    let coerced = functions::data_types(
        "",
        std::slice::from_ref(from),
        &Signature::exact(vec![to.clone()], Volatility::Immutable),
    );
    if let Ok([coerced]) = coerced.as_deref()
        && same_type(coerced, to)
        && can_cast_types(from, coerced)
    {
        return Some(Fit::Coerced(coerced.clone()));
    }
    casts_at_call(from, to).then_some(Fit::CastAtCall)
}

/// Casts that keep the meaning of a value, and that fail rather than change it, for which DataFusion's coercion has no rule.
pub(super) fn casts_at_call(from: &DataType, to: &DataType) -> bool {
    let keeps_meaning = match to {
        DataType::Decimal32(_, to)
        | DataType::Decimal64(_, to)
        | DataType::Decimal128(_, to)
        | DataType::Decimal256(_, to) => match from {
            // Digits behind the point are not rounded away. Too many before it are an error at the call.
            DataType::Decimal32(_, from)
            | DataType::Decimal64(_, from)
            | DataType::Decimal128(_, from)
            | DataType::Decimal256(_, from) => from <= to,
            from => from.is_integer() && *to >= 0,
        },
        // To a finer unit only: to a coarser one, a cast cuts.
        DataType::Timestamp(to, None) => match from {
            DataType::Timestamp(from, None) => is_finer(*to, *from),
            from => matches!(from, DataType::Date32),
        },
        DataType::Timestamp(to, Some(_)) => match from {
            DataType::Timestamp(from, Some(_)) => is_finer(*to, *from),
            _ => false,
        },
        DataType::Date64 => matches!(from, DataType::Date32),
        DataType::Time32(to) | DataType::Time64(to) => match from {
            DataType::Time32(from) | DataType::Time64(from) => is_finer(*to, *from),
            _ => false,
        },
        DataType::Duration(to) => match from {
            DataType::Duration(from) => is_finer(*to, *from),
            _ => false,
        },
        DataType::Struct(to) => match from {
            DataType::Struct(from) => {
                from.len() == to.len()
                    && from.iter().zip(to).all(|(from, to)| element_fits(from, to))
            }
            _ => false,
        },
        DataType::List(to) | DataType::LargeList(to) | DataType::FixedSizeList(to, _) => match from
        {
            DataType::List(from) | DataType::LargeList(from) | DataType::FixedSizeList(from, _) => {
                element_fits(from, to)
            }
            _ => false,
        },
        _ => false,
    };
    keeps_meaning && can_cast_types(from, to)
}

fn is_finer(unit: TimeUnit, than: TimeUnit) -> bool {
    let rank = |unit| match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 1,
        TimeUnit::Microsecond => 2,
        TimeUnit::Nanosecond => 3,
    };
    rank(unit) >= rank(than)
}

fn element_fits(from: &Field, to: &Field) -> bool {
    fit(from.data_type(), &ParamType::Exact(to.data_type().clone())).is_some()
}

/// Whether a column of type `from` crosses as `to` without a cast: as [`crate::columns::measure`] has it.
pub(crate) fn same_type(from: &DataType, to: &DataType) -> bool {
    from == to || crate::columns::fits(from, to)
}

/// What DataFusion is told about the parameters. Coercion is ours ([`resolve`]); the exact types are there for
/// `information_schema` and for the messages of the planner.
pub(super) fn type_signature(overloads: &[FunctionRef]) -> TypeSignature {
    let mut signatures = vec![TypeSignature::UserDefined];
    for overload in overloads {
        let types: Option<Vec<_>> = overload
            .decl()
            .params
            .iter()
            .map(|param| match &param.ty {
                ParamType::Exact(data_type) => Some(data_type.clone()),
                ParamType::Any => None,
            })
            .collect();
        if let Some(types) = types {
            signatures.push(TypeSignature::Exact(types));
        }
    }
    if signatures.len() == 1 {
        TypeSignature::UserDefined
    } else {
        TypeSignature::OneOf(signatures)
    }
}

/// Names for `f(a => 1)`: those of the only overload, if all its parameters have one of their own.
pub(super) fn parameter_names(overloads: &[FunctionRef]) -> Option<Vec<String>> {
    let [only] = overloads else { return None };
    let decl = only.decl();
    (!decl.variadic && !decl.params.is_empty())
        .then(|| decl.params.iter().map(|param| param.name.clone()).collect())
}
