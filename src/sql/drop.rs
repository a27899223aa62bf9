//! `DROP FUNCTION`, which drops what was created and nothing that is built in.

use datafusion::dataframe::DataFrame;
use datafusion::error::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::ast;

use crate::error::Error;
use crate::function::ScalarFunction;

/// `DROP FUNCTION [IF EXISTS] a, b`: all or none.
pub(super) fn drop_functions(
    ctx: &SessionContext,
    statement: &ast::DropFunction,
) -> Result<DataFrame> {
    let mut names = Vec::new();
    for function in &statement.func_desc {
        let [ast::ObjectNamePart::Identifier(name)] = function.name.0.as_slice() else {
            return Err(Error::Usage(format!(
                "DROP FUNCTION {}: functions have no schema; give the name alone",
                function.name
            ))
            .into());
        };
        names.push(super::create::normalize(name));
    }
    for name in &names {
        check(ctx, name, statement.if_exists)?;
    }
    for name in &names {
        drop_function(ctx, name, statement.if_exists)?;
    }
    done(ctx)
}

/// Drops the function of this name.
pub(super) fn drop_function(
    ctx: &SessionContext,
    name: &str,
    if_exists: bool,
) -> Result<DataFrame> {
    check(ctx, name, if_exists)?;
    ctx.state_ref().write().deregister_udf(name)?;
    done(ctx)
}

fn check(ctx: &SessionContext, name: &str, if_exists: bool) -> Result<()> {
    let state = ctx.state_ref();
    let state = state.read();
    let problem = match state.scalar_functions().get(name) {
        Some(function) if ScalarFunction::of(function).is_some() => return Ok(()),
        Some(_) => "it is not a WebAssembly function, and only those can be dropped",
        None if state.aggregate_functions().contains_key(name)
            || state.window_functions().contains_key(name) =>
        {
            "it is not a WebAssembly function, and only those can be dropped"
        }
        None if if_exists => return Ok(()),
        None => {
            "there is no function of this name; SHOW FUNCTIONS lists all, DROP FUNCTION IF EXISTS takes it as done"
        }
    };
    Err(Error::Usage(format!("DROP FUNCTION {name}: {problem}")).into())
}

fn done(ctx: &SessionContext) -> Result<DataFrame> {
    Ok(DataFrame::new(
        ctx.state(),
        LogicalPlanBuilder::empty(false).build()?,
    ))
}
