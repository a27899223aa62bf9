//! Whether what `CREATE FUNCTION` says agrees with what the plugin says.

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::CreateFunction;

use crate::error::Error;
use crate::function::{SqlFunction, rank, same_type};
use crate::module::{FunctionDecl, FunctionKind, Nulls, ParamType, signature_text};

pub(super) fn has_signature(statement: &CreateFunction) -> bool {
    statement.return_type.is_some() || statement.args.as_ref().is_some_and(|args| !args.is_empty())
}

/// That one overload has the declared parameters and result. Without `RETURNS` and parameters, the manifest alone counts.
pub(super) fn check_signature(
    name: &str,
    function: &SqlFunction,
    statement: &CreateFunction,
) -> Result<(), Error> {
    if !has_signature(statement) {
        return Ok(());
    }
    if let (FunctionKind::Table { .. }, Some(returns)) = (function.kind(), &statement.return_type) {
        return Err(Error::Usage(format!(
            "CREATE FUNCTION {name}: the statement says RETURNS {returns}, but {name} is a table function, whose columns come from plugin {}; leave the \
             clause out",
            function.plugin().name()
        )));
    }
    let args = statement.args.as_deref().unwrap_or_default();
    let types: Vec<&DataType> = args.iter().map(|arg| &arg.data_type).collect();
    if function
        .declarations()
        .any(|decl| agrees(decl, &types, statement.return_type.as_ref()))
    {
        return Ok(());
    }
    let params: Vec<String> = args
        .iter()
        .map(|arg| match &arg.name {
            Some(name) => format!("{} {}", name.value, arg.data_type),
            None => arg.data_type.to_string(),
        })
        .collect();
    let returns = statement
        .return_type
        .as_ref()
        .map_or(String::new(), |returns| format!(" -> {returns}"));
    let there: Vec<String> = function.declarations().map(signature_text).collect();
    Err(Error::Usage(format!(
        "CREATE FUNCTION {name}: the statement declares {name}({}){returns}, but plugin {} has {}; write the plugin's signature, or \
         CREATE FUNCTION {name}() without RETURNS to take it over",
        params.join(", "),
        function.plugin().name(),
        there.join(" and "),
    )))
}

fn agrees(decl: &FunctionDecl, types: &[&DataType], returns: Option<&DataType>) -> bool {
    let params_agree = decl.params.len() == types.len()
        && decl
            .params
            .iter()
            .zip(types)
            .all(|(param, found)| match &param.ty {
                ParamType::Exact(expected) => same_type(found, expected),
                ParamType::Any => true,
            });
    let result_agrees = match (returns, &decl.returns) {
        (Some(found), Some(expected)) => same_type(found, &expected.ty),
        _ => true,
    };
    params_agree && result_agrees
}

pub(super) fn check_nulls(
    name: &str,
    function: &SqlFunction,
    declared: Option<Nulls>,
) -> Result<(), Error> {
    let strict = |decl: &FunctionDecl| decl.params.iter().all(|param| param.nulls == Nulls::Skip);
    let (clause, is) = match declared {
        None => return Ok(()),
        Some(Nulls::Skip) if function.declarations().all(strict) => return Ok(()),
        Some(Nulls::Pass) if !function.declarations().any(strict) => return Ok(()),
        Some(Nulls::Skip) => ("STRICT", "it is called on NULL input"),
        Some(Nulls::Pass) => (
            "CALLED ON NULL INPUT",
            "it never sees a NULL in some of its parameters",
        ),
    };
    Err(Error::Usage(format!(
        "CREATE FUNCTION {name}: the statement says {clause}, but the manifest of plugin {} says that {is}; leave the clause out",
        function.plugin().name()
    )))
}

/// A statement may promise less than the manifest, not more.
pub(super) fn check_volatility(
    name: &str,
    function: SqlFunction,
    statement: &CreateFunction,
) -> Result<SqlFunction, Error> {
    let manifest = function.signature().volatility;
    match statement.params.behavior {
        None => Ok(function),
        Some(declared) if rank(declared) >= rank(manifest) => {
            Ok(function.with_volatility(declared))
        }
        Some(declared) => Err(Error::Usage(format!(
            "CREATE FUNCTION {name}: the statement says {}, but the manifest of plugin {} says {}; a statement cannot promise more than the \
             plugin does",
            format!("{declared:?}").to_uppercase(),
            function.plugin().name(),
            format!("{manifest:?}").to_uppercase(),
        ))),
    }
}
