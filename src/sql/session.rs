//! What a `SessionContext` gains.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::common::plan_err;
use datafusion::dataframe::DataFrame;
use datafusion::error::Result;
use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::{DdlStatement, LogicalPlan};
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast;

use super::create::{self, Clauses, WasmFunctionFactory};
use super::drop;
use super::names::{self, Owner};
use crate::error::Error;
use crate::function::ScalarFunction;
use crate::registry::Registry;
use crate::scope::WasmRule;

/// WebAssembly functions for a `SessionContext`.
#[async_trait]
pub trait SessionContextExt {
    /// Makes the functions of all plugins of `registry` callable in this session, and `CREATE FUNCTION … LANGUAGE WASM` work. Call it again
    /// after further plugins were loaded. The first time, statements that were prepared before are lost.
    ///
    /// # Errors
    ///
    /// If the session has a function of the same name that is not from the same plugin, or two plugins have one of the same name,
    /// or the session has another registry. Nothing is registered then.
    fn register_plugins(&self, registry: &Registry) -> Result<()>;

    /// As `SessionContext::sql`, and more careful with functions than that can be:
    ///
    /// - `STRICT`, `CALLED ON NULL INPUT` and a second `AS` string of `CREATE FUNCTION` are seen, and checked against the manifest;
    ///   clauses without an effect (`PARALLEL`, `SET`, …) are refused;
    /// - names follow SQL's rules: lower-cased unless quoted, on `CREATE` and `DROP` as in calls;
    /// - `DROP FUNCTION` drops functions that were created, and refuses to drop what is built in.
    ///
    /// `SessionContext::sql` never shows those clauses to anybody.
    ///
    /// # Errors
    ///
    /// As `SessionContext::sql`.
    async fn wasm_sql(&self, sql: &str) -> Result<DataFrame>;

    /// As [`Self::wasm_sql`] for a plan that was made elsewhere, as in a shell.
    ///
    /// # Errors
    ///
    /// As `SessionContext::execute_logical_plan`.
    async fn execute_wasm_plan(&self, plan: LogicalPlan) -> Result<DataFrame>;
}

#[async_trait]
impl SessionContextExt for SessionContext {
    fn register_plugins(&self, registry: &Registry) -> Result<()> {
        let functions = registry.functions();
        let state = self.state_ref();
        let mut state = state.write();
        let mut taken: HashMap<&str, &ScalarFunction> = HashMap::new();
        for function in &functions {
            for name in function.names() {
                if let Some(other) = taken.insert(name, function) {
                    return Err(Error::Usage(format!(
                        "plugins {} and {} both have a function {name}; load one of them, and take from the other what you need \
                         with CREATE FUNCTION other_name() LANGUAGE WASM AS 'file#{name}'",
                        other.plugin().name(),
                        function.plugin().name(),
                    ))
                    .into());
                }
                let same_plugin =
                    |there: &ScalarFunction| there.plugin().name() == function.plugin().name();
                match Owner::of(&state, name) {
                    Owner::Nobody => {}
                    Owner::Plugin(there) if same_plugin(there) => {}
                    Owner::Plugin(_) | Owner::Engine => {
                        return Err(Error::Usage(format!(
                            "plugin {}: the session has a function {name} already; drop it, or give the plugin's another name with \
                             CREATE FUNCTION other_name() LANGUAGE WASM AS '{}#{name}'",
                            function.plugin().name(),
                            function.plugin().source(),
                        ))
                        .into());
                    }
                }
            }
        }
        if let Some(there) = state.config().get_extension::<Registry>()
            && !there.is(registry)
        {
            return Err(Error::Usage(
                "this session takes its plugins from another registry; load these plugins there"
                    .into(),
            )
            .into());
        }
        if !state
            .physical_optimizers()
            .iter()
            .any(|rule| rule.name() == WasmRule::NAME)
        {
            let factory =
                WasmFunctionFactory::new(registry.clone(), self, state.function_factory().cloned());
            let session_id = state.session_id().to_owned();
            *state = SessionStateBuilder::new_from_existing(state.clone())
                .with_session_id(session_id)
                .with_physical_optimizer_rule(Arc::new(WasmRule))
                .with_function_factory(Some(Arc::new(factory)))
                .build();
            // Where `wasm_sql` finds it.
            state.config_mut().set_extension(Arc::new(registry.clone()));
        }
        for function in functions {
            names::put(&mut state, function)?;
        }
        Ok(())
    }

    async fn wasm_sql(&self, sql: &str) -> Result<DataFrame> {
        let state = self.state();
        let dialect = state.config().options().sql_parser.dialect;
        let statement = state.sql_to_statement(sql, &dialect)?;
        let Statement::Statement(inner) = &statement else {
            return self
                .execute_wasm_plan(state.statement_to_plan(statement).await?)
                .await;
        };
        match inner.as_ref() {
            ast::Statement::CreateFunction(create) if create::is_wasm(create) => {
                let clauses = Clauses::of(create)?;
                let plan = state.statement_to_plan(statement).await?;
                let LogicalPlan::Ddl(DdlStatement::CreateFunction(plan)) = plan else {
                    return plan_err!("CREATE FUNCTION was planned as something else");
                };
                create::create(self, *plan, clauses).await
            }
            ast::Statement::DropFunction(statement) => drop::drop_functions(self, statement),
            _ => {
                self.execute_wasm_plan(state.statement_to_plan(statement).await?)
                    .await
            }
        }
    }

    async fn execute_wasm_plan(&self, plan: LogicalPlan) -> Result<DataFrame> {
        match plan {
            LogicalPlan::Ddl(DdlStatement::DropFunction(statement)) => drop::drop_function(
                self,
                &statement.name.to_ascii_lowercase(),
                statement.if_exists,
            ),
            plan => self.execute_logical_plan(plan).await,
        }
    }
}
