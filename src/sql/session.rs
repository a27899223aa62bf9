//! What a `SessionContext` gains.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use datafusion::common::plan_err;
use datafusion::dataframe::DataFrame;
use datafusion::error::Result;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{DdlStatement, LogicalPlan};
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast;
use parking_lot::RwLock;

use super::admin;
use super::create::{self, Clauses, WasmFunctionFactory};
use super::drop;
use super::names::{self, Owner};
use super::planner::{ObservedPlanner, SqlText};
use super::system::{self, SystemSchema};
use crate::error::Error;
use crate::function::SqlFunction;
use crate::limits::SessionLimits;
use crate::plugin::Plugin;
use crate::registry::{Change, Registry, Session};
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
    /// or the session has another registry. Nothing is registered then. Functions of plugins that came into a watched directory while the process was
    /// running are left out instead, which is logged: new sessions can be made whatever comes there.
    fn register_plugins(&self, registry: &Registry) -> Result<()>;

    /// Makes the functions of one plugin callable in this session, those apart whose name somebody else has. An alias that somebody
    /// else has leaves out the function's aliases only. [`Self::register_plugins`] must have been called before.
    ///
    /// # Errors
    ///
    /// If a function cannot be registered.
    fn register_plugin(&self, plugin: &Arc<Plugin>) -> Result<Vec<LeftOut>>;

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

    /// As [`Self::execute_wasm_plan`], for the plan of this SQL text: observers are then told the text as it was written.
    ///
    /// # Errors
    ///
    /// As `SessionContext::execute_logical_plan`.
    async fn execute_wasm_plan_of(&self, sql: &str, plan: LogicalPlan) -> Result<DataFrame>;
}

/// A function's name that could not be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftOut {
    /// The name.
    pub name: String,
    /// Who has it.
    pub owner: String,
}

#[async_trait]
impl SessionContextExt for SessionContext {
    fn register_plugins(&self, registry: &Registry) -> Result<()> {
        // Until this session hears of new versions.
        let _steady = registry.steady();
        let state = self.state_ref();
        let mut state = state.write();
        let functions = to_register(&state, registry)?;
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
            let observers = registry.observers_of_events().clone();
            let planner = ObservedPlanner::new(Arc::clone(state.query_planner()), observers);
            let session_id = state.session_id().to_owned();
            *state = SessionStateBuilder::new_from_existing(state.clone())
                .with_session_id(session_id)
                .with_physical_optimizer_rule(Arc::new(WasmRule))
                .with_query_planner(Arc::new(planner))
                .with_function_factory(Some(Arc::new(factory)))
                .build();
            // Where `wasm_sql` finds it.
            state.config_mut().set_extension(Arc::new(registry.clone()));
            let limits = SessionLimits::new(&registry.options().limits);
            state.config_mut().options_mut().extensions.insert(limits);
            add_schema(&state, registry)?;
            if registry.options().sql_admin {
                admin::register(&mut state, registry)?;
            }
        }
        registry.attach(Box::new(Attached(self.state_weak_ref())));
        for function in functions {
            names::put(&mut state, function)?;
        }
        Ok(())
    }

    fn register_plugin(&self, plugin: &Arc<Plugin>) -> Result<Vec<LeftOut>> {
        let state = self.state_ref();
        let mut state = state.write();
        let mut left_out = Vec::new();
        for mut function in SqlFunction::all(plugin) {
            let owner = |name: &str| other_owner(&state, &function, name);
            if let Some(owner) = owner(function.name()) {
                let name = function.name().to_owned();
                left_out.push(LeftOut { name, owner });
                continue;
            }
            let taken = function
                .aliases()
                .iter()
                .find_map(|alias| Some((alias.clone(), owner(alias)?)));
            if let Some((name, owner)) = taken {
                left_out.push(LeftOut { name, owner });
                let name = function.name().to_owned();
                function = function.with_name(&name);
            }
            names::put(&mut state, function)?;
        }
        Ok(left_out)
    }

    async fn wasm_sql(&self, sql: &str) -> Result<DataFrame> {
        let state = self.state();
        let dialect = state.config().options().sql_parser.dialect;
        let statement = state.sql_to_statement(sql, &dialect)?;
        let Statement::Statement(inner) = &statement else {
            let plan = state.statement_to_plan(statement).await?;
            return self.execute_wasm_plan_of(sql, plan).await;
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
                let plan = state.statement_to_plan(statement).await?;
                self.execute_wasm_plan_of(sql, plan).await
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

    async fn execute_wasm_plan_of(&self, sql: &str, plan: LogicalPlan) -> Result<DataFrame> {
        let frame = self.execute_wasm_plan(plan).await?;
        let observed = |registry: Arc<Registry>| registry.observers_of_events().wants_queries();
        let registry = self.state_ref().read().config().get_extension();
        if !registry.is_some_and(observed) {
            return Ok(frame);
        }
        let (mut state, plan) = frame.into_parts();
        // For the planner, which is asked when the frame is executed.
        let text = Arc::new(SqlText::new(sql));
        state.config_mut().set_extension(text);
        Ok(DataFrame::new(state, plan))
    }
}

/// A session that hears of new versions of its plugins.
struct Attached(Weak<RwLock<SessionState>>);

impl Session for Attached {
    fn id(&self) -> Option<usize> {
        (self.0.strong_count() > 0).then_some(self.0.as_ptr() as usize)
    }

    fn replace(&self, changes: &[Change]) -> bool {
        let Some(state) = self.0.upgrade() else {
            return false;
        };
        let mut state = state.write();
        if let Err(error) = replace(&mut state, changes) {
            tracing::warn!(target: "wasmfusion::plugins", { error.message = %error }, "a session does not get all functions of a plugin");
        }
        true
    }
}

/// Takes the functions of the new versions in place of those of the old ones, where the session has those still; and those that are new, where nobody
/// has their names. What statements have made stays.
fn replace(state: &mut SessionState, changes: &[Change]) -> Result<()> {
    let olds = || changes.iter().filter_map(|change| change.old.as_ref());
    let news = || changes.iter().filter_map(|change| change.new.as_ref());
    let before: Vec<SqlFunction> = olds().flat_map(SqlFunction::all).collect();
    let is_ours = |state: &SessionState, name: &str| match Owner::of(state, name) {
        Owner::Plugin(there) => {
            !there.is_stated() && olds().any(|old| Arc::ptr_eq(there.plugin(), old))
        }
        Owner::Nobody | Owner::Engine => false,
    };
    let mut names: HashSet<String> = HashSet::new();
    let mut after: Vec<SqlFunction> = Vec::new();
    for mut function in news().flat_map(SqlFunction::all) {
        let had = before.iter().any(|other| other.name() == function.name());
        let free = match Owner::of(state, function.name()) {
            // What somebody has dropped stays dropped.
            Owner::Nobody => !had,
            Owner::Plugin(_) | Owner::Engine => is_ours(state, function.name()),
        };
        if !free || names.contains(function.name()) {
            continue;
        }
        let is_free = |name: &String| {
            let is_free = matches!(Owner::of(state, name), Owner::Nobody) || is_ours(state, name);
            is_free && !names.contains(name)
        };
        if !function.aliases().iter().all(is_free) {
            let name = function.name().to_owned();
            function = function.with_name(&name);
        }
        names.extend(function.names().map(str::to_owned));
        after.push(function);
    }
    for name in before.iter().flat_map(SqlFunction::names) {
        if is_ours(state, name) {
            names::remove(state, name)?;
        }
    }
    for function in after {
        names::put(state, function)?;
    }
    Ok(())
}

/// The functions of all plugins that a session is to have.
///
/// # Errors
///
/// If one has the name of another. Functions of plugins that came while the process was running, when nobody was there to be told, are left out instead.
fn to_register(state: &SessionState, registry: &Registry) -> Result<Vec<SqlFunction>> {
    let mut functions = registry.functions();
    // Those give way that came later.
    functions.sort_by_key(|function| function.plugin().standing().has_arrived());
    let mut taken: HashMap<String, Arc<Plugin>> = HashMap::new();
    let mut taking: Vec<SqlFunction> = Vec::new();
    for mut function in functions {
        let clash = |name: &str| clash(state, registry, &taken, &function, name);
        let clashes: Vec<(String, Error)> = function
            .names()
            .filter_map(|name| Some((name.to_owned(), clash(name)?)))
            .collect();
        let keeps_its_name = clashes.iter().all(|(name, _)| name != function.name());
        let has_clashes = !clashes.is_empty();
        for (_, error) in clashes {
            if !function.plugin().standing().has_arrived() {
                return Err(error.into());
            }
            tracing::warn!(target: "wasmfusion::plugins", { error.message = %error }, "a session does not get all functions of a plugin");
        }
        if !keeps_its_name {
            continue;
        }
        if has_clashes {
            let name = function.name().to_owned();
            function = function.with_name(&name);
        }
        for name in function.names() {
            taken.insert(name.to_owned(), Arc::clone(function.plugin()));
        }
        let is_stated = match Owner::of(state, function.name()) {
            Owner::Plugin(there) => there.is_stated(),
            Owner::Nobody | Owner::Engine => false,
        };
        // What a statement has made of it is the session's own.
        if !is_stated {
            taking.push(function);
        }
    }
    Ok(taking)
}

/// Why a function cannot have a name in a session, if it cannot.
fn clash(
    state: &SessionState,
    registry: &Registry,
    taken: &HashMap<String, Arc<Plugin>>,
    function: &SqlFunction,
    name: &str,
) -> Option<Error> {
    let plugin = function.plugin();
    if let Some(other) = taken.get(name) {
        return Some(Error::Usage(format!(
            "plugins {} and {} both have a function {name}; load one of them, and take from the other what you need \
             with CREATE FUNCTION other_name() LANGUAGE WASM AS 'file#{name}'",
            other.name(),
            plugin.name(),
        )));
    }
    let is_admin = registry.options().sql_admin && admin::has(name);
    match Owner::of(state, name) {
        Owner::Nobody if !is_admin => None,
        Owner::Plugin(there) if there.plugin().name() == plugin.name() => None,
        Owner::Nobody | Owner::Plugin(_) | Owner::Engine => Some(Error::Usage(format!(
            "plugin {}: the session has a function {name} already; drop it, or give the plugin's another name with \
             CREATE FUNCTION other_name() LANGUAGE WASM AS '{}#{name}'",
            plugin.name(),
            plugin.source(),
        ))),
    }
}

/// Adds the schema `wasmfusion` to the session's catalog, if that takes schemas.
fn add_schema(state: &SessionState, registry: &Registry) -> Result<()> {
    let catalog = &state.config().options().catalog.default_catalog;
    let Some(catalog) = state.catalog_list().catalog(catalog) else {
        return Ok(());
    };
    if catalog.schema(system::SCHEMA).is_none()
        && let Err(error) =
            catalog.register_schema(system::SCHEMA, Arc::new(SystemSchema::new(registry)))
    {
        tracing::warn!(error.message = %error, "the session's catalog takes no schema `wasmfusion`; its tables cannot be queried");
    }
    Ok(())
}

/// Who has this name, if it is not another version of the same plugin's function.
fn other_owner(state: &SessionState, function: &SqlFunction, name: &str) -> Option<String> {
    match Owner::of(state, name) {
        Owner::Nobody => None,
        Owner::Plugin(there) if there.plugin().is_same(function.plugin()) => None,
        Owner::Plugin(there) => Some(format!(
            "plugin {} ({})",
            there.plugin().name(),
            there.plugin().source()
        )),
        Owner::Engine => Some("DataFusion".to_owned()),
    }
}
