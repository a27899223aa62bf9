//! Names of a manifest against each other: every call must mean one function.

use std::collections::{BTreeMap, BTreeSet};

use super::{FunctionDecl, ManifestError, ParamType, function_place, signature_text};

/// That no two functions share a name by accident, and that overloads can be told apart.
///
/// Names are compared without regard to case: SQL folds what is not quoted, so names that differ in case only
/// would be mixed up by whoever calls them.
pub(super) fn check(functions: &[FunctionDecl]) -> Result<(), ManifestError> {
    let names = group_by_name(functions)?;
    for overloads in names.values() {
        for (i, a) in overloads.iter().enumerate() {
            if let Some(b) = overloads[..i].iter().find(|b| overlap(a, b)) {
                return Err(ManifestError::new(
                    function_place(&a.name),
                    format!(
                        "two overloads take the same arguments: {} and {}; remove one, or change a parameter's type (`any` \
                         counts as every type)",
                        cut(&signature_text(b)),
                        cut(&signature_text(a))
                    ),
                ));
            }
        }
    }
    check_aliases(functions, &names)
}

fn group_by_name(
    functions: &[FunctionDecl],
) -> Result<BTreeMap<String, Vec<&FunctionDecl>>, ManifestError> {
    let mut names: BTreeMap<String, Vec<&FunctionDecl>> = BTreeMap::new();
    for function in functions {
        let group = names.entry(function.name.to_ascii_lowercase()).or_default();
        if let Some(other) = group.first().filter(|other| other.name != function.name) {
            let problem = format!(
                "`{}` differs from it in case only; spell overloads alike, or rename one",
                other.name
            );
            return Err(ManifestError::new(function_place(&function.name), problem));
        }
        if let Some(other) = group
            .first()
            .filter(|other| other.kind.name() != function.kind.name())
        {
            let problem = format!(
                "one function of this name is of kind `{}`, another of kind `{}`; rename one",
                other.kind.name(),
                function.kind.name()
            );
            return Err(ManifestError::new(function_place(&function.name), problem));
        }
        if let (Some(_), Some(_)) = (group.first(), function.kind.event()) {
            let problem = "two observers have this name; rename one";
            return Err(ManifestError::new(function_place(&function.name), problem));
        }
        group.push(function);
    }
    Ok(names)
}

/// An alias belongs to one name. Overloads of that name may all list it.
fn check_aliases(
    functions: &[FunctionDecl],
    names: &BTreeMap<String, Vec<&FunctionDecl>>,
) -> Result<(), ManifestError> {
    let mut owners: BTreeMap<String, &FunctionDecl> = BTreeMap::new();
    for function in functions {
        let mut own = BTreeSet::new();
        for alias in &function.aliases {
            let folded = alias.to_ascii_lowercase();
            let taken = if names.contains_key(&folded) {
                Some("is the name of a function".to_owned())
            } else if !own.insert(folded.clone()) {
                Some("is listed twice".to_owned())
            } else {
                let owner = owners.entry(folded).or_insert(function);
                (owner.name != function.name)
                    .then(|| format!("is already an alias of `{}`", owner.name))
            };
            if let Some(taken) = taken {
                let problem = format!("its alias `{alias}` {taken}; remove it or choose another");
                return Err(ManifestError::new(function_place(&function.name), problem));
            }
        }
    }
    Ok(())
}

/// Whether there are argument types that both functions take as they are.
fn overlap(a: &FunctionDecl, b: &FunctionDecl) -> bool {
    let (shorter, longer) = if a.params.len() <= b.params.len() {
        (a, b)
    } else {
        (b, a)
    };
    // With as many arguments as the longer one has parameters, every pair of types that can meet does meet.
    let arguments = longer.params.len();
    if shorter.params.len() < arguments && !shorter.variadic {
        return false;
    }
    (0..arguments).all(|i| match (param(shorter, i), param(longer, i)) {
        (ParamType::Exact(x), ParamType::Exact(y)) => x == y,
        _ => true,
    })
}

/// The type of argument `i`; the last parameter of a variadic function stands for all that follow.
fn param(function: &FunctionDecl, i: usize) -> &ParamType {
    &function.params[i.min(function.params.len() - 1)].ty
}

fn cut(signature: &str) -> String {
    super::text::name(signature)
}
