//! `DROP FUNCTION`, which drops what was created and nothing that is built in.

use datafusion::dataframe::DataFrame;
use datafusion::error::Result;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::ast;

use super::names::{self, Owner};
use crate::error::Error;

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
    names.sort();
    names.dedup();
    for name in &names {
        check(ctx, name, statement.if_exists)?;
    }
    for name in &names {
        names::remove(&mut ctx.state_ref().write(), name)?;
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
    names::remove(&mut ctx.state_ref().write(), name)?;
    done(ctx)
}

fn check(ctx: &SessionContext, name: &str, if_exists: bool) -> Result<()> {
    let state = ctx.state_ref();
    let state = state.read();
    let problem = match Owner::of(&state, name) {
        Owner::Plugin(function) if function.name() == name => return Ok(()),
        Owner::Plugin(function) => format!(
            "it is another name of {main}; drop that one",
            main = function.name()
        ),
        Owner::Engine => {
            "it is not a WebAssembly function, and only those can be dropped".to_owned()
        }
        Owner::Nobody if if_exists => return Ok(()),
        Owner::Nobody => "there is no function of this name; SHOW FUNCTIONS lists all, DROP FUNCTION IF EXISTS takes it as done".to_owned(),
    };
    Err(Error::Usage(format!("DROP FUNCTION {name}: {problem}")).into())
}

fn done(ctx: &SessionContext) -> Result<DataFrame> {
    Ok(DataFrame::new(
        ctx.state(),
        LogicalPlanBuilder::empty(false).build()?,
    ))
}
