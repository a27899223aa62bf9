//! `CREATE FUNCTION … LANGUAGE WASM AS 'file'`: what the statement says must agree with what the plugin says.

use std::fmt;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use datafusion::common::ScalarValue;
use datafusion::dataframe::DataFrame;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SessionState;
use datafusion::execution::context::{FunctionFactory, RegisterFunction};
use datafusion::logical_expr::{
    AggregateUDF, CreateFunction, Expr, LogicalPlanBuilder, ScalarUDF, WindowUDF,
};
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::ast;
use parking_lot::RwLock;

use super::agreement::{check_nulls, check_signature, check_volatility, has_signature};
use super::names::{self, Owner};
use crate::error::Error;
use crate::function::{
    AggregateFunction, ScalarFunction, SqlFunction, TableFunction, WindowFunction,
};
use crate::module::{FunctionDecl, FunctionKind, Nulls, escape, signature_text};
use crate::plugin::Plugin;
use crate::registry::Registry;

/// Names all functions of a file, in place of one function: `AS 'geo.wasm#*'`.
const ALL: &str = "*";

/// Creates functions in `LANGUAGE WASM`; leaves other languages to the factory that was there before.
pub struct WasmFunctionFactory {
    registry: Registry,
    /// The session that this factory is in: `'file#*'` registers more than the one function that a factory may return.
    session: Weak<RwLock<SessionState>>,
    next: Option<Arc<dyn FunctionFactory>>,
}

impl WasmFunctionFactory {
    /// A factory for `ctx` that loads files by way of `registry`, and leaves other languages to `next`.
    pub fn new(
        registry: Registry,
        ctx: &SessionContext,
        next: Option<Arc<dyn FunctionFactory>>,
    ) -> Self {
        Self {
            registry,
            session: ctx.state_weak_ref(),
            next,
        }
    }
}

impl fmt::Debug for WasmFunctionFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WasmFunctionFactory")
            .field("registry", &self.registry)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl FunctionFactory for WasmFunctionFactory {
    async fn create(
        &self,
        state: &SessionState,
        statement: CreateFunction,
    ) -> Result<RegisterFunction> {
        let language = statement
            .params
            .language
            .as_ref()
            .map(|language| language.value.to_ascii_lowercase());
        if language.as_deref() != Some("wasm") {
            if let Some(next) = &self.next {
                return next.create(state, statement).await;
            }
            return Err(Error::Usage(format!(
                "CREATE FUNCTION {}: {}, expected LANGUAGE WASM",
                statement.name,
                language.map_or("no language is given".to_owned(), |language| format!(
                    "language {language} is not known"
                ))
            ))
            .into());
        }
        // The planner lost the quotes, so that only lower-case names can be right.
        let clauses = Clauses {
            name: statement.name.to_ascii_lowercase(),
            nulls: None,
            function: None,
        };
        let mut functions = functions(&self.registry, state, statement, clauses).await?;
        let last = functions.pop().ok_or_else(|| {
            DataFusionError::Internal("CREATE FUNCTION without a function".into())
        })?;
        if let Some(session) = self.session.upgrade() {
            let mut session = session.write();
            for function in functions {
                names::put(&mut session, function)?;
            }
            names::remove(&mut session, last.name())?;
        }
        registered(last)
    }
}

/// A function in the form in which DataFusion registers it.
fn registered(function: SqlFunction) -> Result<RegisterFunction> {
    let name = function.name().to_owned();
    let ours = match function.kind() {
        FunctionKind::Scalar => ScalarFunction::new(function)
            .map(|f| RegisterFunction::Scalar(Arc::new(ScalarUDF::from(f)))),
        FunctionKind::Aggregate { .. } => AggregateFunction::new(function)
            .map(|f| RegisterFunction::Aggregate(Arc::new(AggregateUDF::from(f)))),
        FunctionKind::Window { .. } => WindowFunction::new(function)
            .map(|f| RegisterFunction::Window(Arc::new(WindowUDF::from(f)))),
        FunctionKind::Table { .. } => {
            TableFunction::new(function).map(|f| RegisterFunction::Table(name, Arc::new(f)))
        }
        // `SqlFunction` leaves observers out.
        FunctionKind::Observer { .. } => None,
    };
    ours.ok_or_else(|| DataFusionError::Internal("a function is not of its own kind".into()))
}

/// What DataFusion's planner drops of a statement, and the name as SQL's rules make it.
#[derive(Debug)]
pub(super) struct Clauses {
    name: String,
    /// From `STRICT` or `CALLED ON NULL INPUT`.
    nulls: Option<Nulls>,
    /// From a second `AS` string.
    function: Option<String>,
}

impl Clauses {
    /// Reads them, and refuses those that would have no effect.
    pub(super) fn of(statement: &ast::CreateFunction) -> Result<Self, Error> {
        // Destructured fully: what a newer parser knows is then not ignored here.
        let ast::CreateFunction {
            or_alter,
            or_replace: _,
            temporary: _,
            if_not_exists,
            name,
            args,
            return_type: _,
            function_body,
            behavior: _,
            called_on_null,
            parallel,
            security,
            set_params,
            using,
            language: _,
            determinism_specifier,
            options,
            remote_connection,
        } = statement;
        let [ast::ObjectNamePart::Identifier(ident)] = name.0.as_slice() else {
            return Err(Error::Usage(format!(
                "CREATE FUNCTION {name}: functions have no schema; give the name alone"
            )));
        };
        let refused = [
            (*or_alter, "OR ALTER"),
            (*if_not_exists, "IF NOT EXISTS"),
            (parallel.is_some(), "PARALLEL"),
            (security.is_some(), "SECURITY"),
            (!set_params.is_empty(), "SET"),
            (using.is_some(), "USING"),
            (determinism_specifier.is_some(), "DETERMINISTIC"),
            (options.is_some(), "OPTIONS"),
            (remote_connection.is_some(), "REMOTE"),
            (
                args.iter().flatten().any(|arg| arg.default_expr.is_some()),
                "DEFAULT",
            ),
            (
                args.iter()
                    .flatten()
                    .any(|arg| !matches!(arg.mode, None | Some(ast::ArgMode::In))),
                "OUT, INOUT or VARIADIC",
            ),
        ];
        if let Some((_, clause)) = refused.iter().find(|(given, _)| *given) {
            return Err(Error::Usage(format!(
                "CREATE FUNCTION {name}: {clause} has no effect for a function in LANGUAGE WASM; leave it out"
            )));
        }
        let function = match function_body {
            Some(ast::CreateFunctionBody::AsBeforeOptions {
                link_symbol: Some(symbol),
                ..
            }) => Some(text_of(name, symbol)?),
            _ => None,
        };
        let nulls = called_on_null.as_ref().map(|clause| match clause {
            ast::FunctionCalledOnNull::CalledOnNullInput => Nulls::Pass,
            ast::FunctionCalledOnNull::ReturnsNullOnNullInput
            | ast::FunctionCalledOnNull::Strict => Nulls::Skip,
        });
        Ok(Self {
            name: normalize(ident),
            nulls,
            function,
        })
    }
}

fn text_of(name: &ast::ObjectName, expression: &ast::Expr) -> Result<String, Error> {
    match expression {
        ast::Expr::Value(value) => value.value.clone().into_string(),
        _ => None,
    }
    .ok_or_else(|| {
        Error::Usage(format!(
            "CREATE FUNCTION {name}: expected a string after AS, found {expression}"
        ))
    })
}

/// A name as SQL means it: lower-cased unless it is quoted.
pub(super) fn normalize(ident: &ast::Ident) -> String {
    if ident.quote_style.is_some() {
        ident.value.clone()
    } else {
        ident.value.to_ascii_lowercase()
    }
}

/// Whether the statement says `LANGUAGE WASM`.
pub(super) fn is_wasm(statement: &ast::CreateFunction) -> bool {
    statement
        .language
        .as_ref()
        .is_some_and(|language| language.value.eq_ignore_ascii_case("wasm"))
}

/// Executes a planned statement with the clauses that the planner dropped.
pub(super) async fn create(
    ctx: &SessionContext,
    statement: CreateFunction,
    clauses: Clauses,
) -> Result<DataFrame> {
    let state = ctx.state();
    let registry = state.config().get_extension::<Registry>().ok_or_else(|| {
        Error::Usage(format!(
            "CREATE FUNCTION {}: this session takes no plugins; call `register_plugins` first",
            clauses.name
        ))
    })?;
    for function in functions(&registry, &state, statement, clauses).await? {
        names::put(&mut ctx.state_ref().write(), function)?;
    }
    Ok(DataFrame::new(
        ctx.state(),
        LogicalPlanBuilder::empty(false).build()?,
    ))
}

/// The functions that a statement creates, checked: all but `'file#*'` create one.
async fn functions(
    registry: &Registry,
    state: &SessionState,
    statement: CreateFunction,
    clauses: Clauses,
) -> Result<Vec<SqlFunction>> {
    let name = clauses.name.clone();
    let (path, function) = body(&name, &statement, &clauses)?;
    let plugin = registry.compile_for_sql(&path, state.runtime_env()).await?;
    if function.as_deref() == Some(ALL) {
        if has_signature(&statement)
            || clauses.nulls.is_some()
            || statement.params.behavior.is_some()
        {
            return Err(Error::Usage(format!(
                "CREATE FUNCTION {name}: '#*' creates all functions of the plugin as they are; write CREATE FUNCTION {name}() LANGUAGE WASM AS \
                 '{}#*'",
                escape(plugin.source())
            ))
            .into());
        }
        let functions = SqlFunction::all(&plugin);
        for function in &functions {
            check_names(state, function, function.name(), statement.or_replace)?;
        }
        return Ok(functions.into_iter().map(SqlFunction::stated).collect());
    }
    let wanted = function.as_deref().unwrap_or(&name);
    check_name(state, &name, wanted, statement.or_replace)?;
    let function = SqlFunction::named(&plugin, wanted)
        .ok_or_else(|| no_such_function(&name, wanted, &plugin))?;
    check_signature(&name, &function, &statement)?;
    check_nulls(&name, &function, clauses.nulls)?;
    let function = check_volatility(&name, function, &statement)?;
    let function = if function.name() == name {
        function
    } else {
        function.with_name(&name)
    };
    check_names(state, &function, wanted, statement.or_replace)?;
    Ok(vec![function.stated()])
}

/// The file, and the function in it if one is named: `'file'`, `'file#function'`, or `'file', 'function'`.
fn body(
    name: &str,
    statement: &CreateFunction,
    clauses: &Clauses,
) -> Result<(String, Option<String>), Error> {
    let Some(Expr::Literal(ScalarValue::Utf8(Some(body)) | ScalarValue::Utf8View(Some(body)), _)) =
        &statement.params.function_body
    else {
        return Err(Error::Usage(format!(
            "CREATE FUNCTION {name}: expected the file of a plugin after AS, as in CREATE FUNCTION {name}(…) RETURNS … LANGUAGE WASM AS 'file.wasm'"
        )));
    };
    let (file, function) = match (body.rsplit_once('#'), &clauses.function) {
        (Some(_), Some(_)) => Err(Error::Usage(format!(
            "CREATE FUNCTION {name}: the function is named twice, after # and in a second string; leave one out"
        ))),
        (Some((file, function)), None) => Ok((file.to_owned(), Some(function.to_owned()))),
        (None, function) => Ok((body.clone(), function.clone())),
    }?;
    if file.is_empty() {
        return Err(Error::Usage(format!(
            "CREATE FUNCTION {name}: the name of the plugin's file after AS is empty"
        )));
    }
    Ok((file, function))
}

/// That neither the name nor an alias of a function is somebody else's.
fn check_names(
    state: &SessionState,
    function: &SqlFunction,
    wanted: &str,
    or_replace: bool,
) -> Result<(), Error> {
    function
        .names()
        .try_for_each(|name| check_name(state, name, wanted, or_replace))
}

/// That nobody else has the name. `wanted` is what the function is called in the plugin.
fn check_name(
    state: &SessionState,
    name: &str,
    wanted: &str,
    or_replace: bool,
) -> Result<(), Error> {
    match (Owner::of(state, name), or_replace) {
        (Owner::Nobody, _) | (Owner::Plugin(_), true) => Ok(()),
        (Owner::Plugin(_), false) => Err(Error::Usage(format!(
            "CREATE FUNCTION {name}: a function of this name exists already; use CREATE OR REPLACE FUNCTION, or drop it first"
        ))),
        (Owner::Engine, _) => Err(Error::Usage(format!(
            "CREATE FUNCTION {name}: a function of this name is built in and stays; choose another name, as in CREATE FUNCTION my_{name}(…) \
             … AS 'file.wasm#{wanted}'"
        ))),
    }
}

fn no_such_function(name: &str, wanted: &str, plugin: &Plugin) -> Error {
    let functions = plugin.manifest().functions.iter();
    let there: Vec<String> = functions
        .clone()
        .filter(|function| function.kind.event().is_none())
        .map(signature_text)
        .collect();
    let observes = |function: &FunctionDecl| {
        function.kind.event().is_some() && function.name.eq_ignore_ascii_case(wanted)
    };
    if there.is_empty() || functions.clone().any(observes) {
        return Error::Usage(format!(
            "CREATE FUNCTION {name}: plugin {} ({}) has an observer in place of such a function, which SQL cannot call; have the plugin loaded from its \
             directory, and it observes",
            plugin.name(),
            plugin.source(),
        ));
    }
    Error::Usage(format!(
        "CREATE FUNCTION {name}: plugin {} ({}) has no function {wanted}; it has {}. Name one of them with AS '{}#function'",
        plugin.name(),
        escape(plugin.source()),
        there.join(", "),
        escape(plugin.source())
    ))
}
