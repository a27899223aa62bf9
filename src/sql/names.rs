//! Who owns a function's name in a session, and how a function gets its names and gives them back.
//!
//! A name belongs to one function, whatever its kind, although DataFusion keeps a list for each kind.

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, WindowUDF};

use crate::function::{
    AggregateFunction, ScalarFunction, SqlFunction, TableFunction, WindowFunction,
};
use crate::module::FunctionKind;

/// Who has a name.
pub(super) enum Owner<'a> {
    /// Nobody.
    Nobody,
    /// A function of a plugin, whose name or alias it is.
    Plugin(&'a SqlFunction),
    /// DataFusion, or the embedder: a function of any kind.
    Engine,
}

impl<'a> Owner<'a> {
    pub(super) fn of(state: &'a SessionState, name: &str) -> Self {
        let scalar = state.scalar_functions().get(name);
        let aggregate = state.aggregate_functions().get(name);
        let window = state.window_functions().get(name);
        let table = state.table_functions().get(name);
        let ours = scalar
            .and_then(|f| ScalarFunction::of(f))
            .or_else(|| aggregate.and_then(|f| AggregateFunction::of(f)))
            .or_else(|| window.and_then(|f| WindowFunction::of(f)))
            .or_else(|| table.and_then(|f| TableFunction::of(f)));
        let somebody = scalar.is_some()
            || aggregate.is_some()
            || window.is_some()
            || table.is_some()
            || state.higher_order_functions().contains_key(name);
        match ours {
            Some(function) => Self::Plugin(function),
            None if somebody => Self::Engine,
            None => Self::Nobody,
        }
    }
}

/// Registers a function; one of the same name goes with all its aliases.
pub(super) fn put(state: &mut SessionState, function: SqlFunction) -> Result<()> {
    remove(state, function.name())?;
    register(state, function)
}

fn register(state: &mut SessionState, function: SqlFunction) -> Result<()> {
    match function.kind() {
        FunctionKind::Scalar => {
            if let Some(function) = ScalarFunction::new(function) {
                state.register_udf(Arc::new(ScalarUDF::from(function)))?;
            }
        }
        FunctionKind::Aggregate { .. } => {
            if let Some(function) = AggregateFunction::new(function) {
                state.register_udaf(Arc::new(AggregateUDF::from(function)))?;
            }
        }
        FunctionKind::Window { .. } => {
            if let Some(function) = WindowFunction::new(function) {
                state.register_udwf(Arc::new(WindowUDF::from(function)))?;
            }
        }
        FunctionKind::Table { .. } => {
            let names: Vec<String> = function.names().map(str::to_owned).collect();
            if let Some(function) = TableFunction::new(function) {
                let function = Arc::new(function);
                for name in names {
                    state.register_udtf(&name, Arc::clone(&function) as _);
                }
            }
        }
        // `SqlFunction` leaves observers out.
        FunctionKind::Observer { .. } => {}
    }
    Ok(())
}

/// Removes the plugins' function of this name with its aliases, unless they are another function's by now.
pub(super) fn remove(state: &mut SessionState, name: &str) -> Result<()> {
    let Owner::Plugin(function) = Owner::of(state, name) else {
        return Ok(());
    };
    let function = function.clone();
    // DataFusion takes all names of a function away, whoever has them.
    let mut others: Vec<SqlFunction> = Vec::new();
    for name in function.names() {
        if let Owner::Plugin(other) = Owner::of(state, name)
            && other.name() != function.name()
            && !others.iter().any(|there| there.name() == other.name())
        {
            others.push(other.clone());
        }
    }
    match function.kind() {
        FunctionKind::Scalar => drop(state.deregister_udf(name)?),
        FunctionKind::Aggregate { .. } => drop(state.deregister_udaf(name)?),
        FunctionKind::Window { .. } => drop(state.deregister_udwf(name)?),
        FunctionKind::Table { .. } => {
            // An alias goes alone, as it does for the other kinds.
            let all = name == function.name();
            for name in function.names().filter(|other| all || *other == name) {
                if state
                    .table_functions()
                    .get(name)
                    .is_some_and(|there| TableFunction::of(there) == Some(&function))
                {
                    state.deregister_udtf(name)?;
                }
            }
        }
        FunctionKind::Observer { .. } => {}
    }
    for other in others {
        register(state, other)?;
    }
    Ok(())
}
