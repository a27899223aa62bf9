//! Who owns a function's name in a session, and how a function gets its names and gives them back.

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::logical_expr::ScalarUDF;

use crate::function::ScalarFunction;

/// Who has a name.
pub(super) enum Owner<'a> {
    /// Nobody.
    Nobody,
    /// A function of a plugin, whose name or alias it is.
    Plugin(&'a ScalarFunction),
    /// DataFusion, or the embedder: a function of any kind.
    Engine,
}

impl<'a> Owner<'a> {
    pub(super) fn of(state: &'a SessionState, name: &str) -> Self {
        match state.scalar_functions().get(name) {
            Some(function) => ScalarFunction::of(function).map_or(Self::Engine, Self::Plugin),
            None if state.aggregate_functions().contains_key(name)
                || state.window_functions().contains_key(name)
                || state.higher_order_functions().contains_key(name)
                || state.table_functions().contains_key(name) =>
            {
                Self::Engine
            }
            None => Self::Nobody,
        }
    }
}

/// Registers a function; one of the same name goes with all its aliases.
pub(super) fn put(state: &mut SessionState, function: ScalarFunction) -> Result<()> {
    remove(state, function.main_name())?;
    state.register_udf(Arc::new(ScalarUDF::from(function)))?;
    Ok(())
}

/// Removes the plugins' function of this name with its aliases, unless they are another function's by now.
pub(super) fn remove(state: &mut SessionState, name: &str) -> Result<()> {
    let Owner::Plugin(function) = Owner::of(state, name) else {
        return Ok(());
    };
    let owner = function.main_name();
    // DataFusion takes all names of a function away, whoever has them.
    let others: Vec<Arc<ScalarUDF>> = function
        .names()
        .filter_map(|name| state.scalar_functions().get(name))
        .filter(|udf| ScalarFunction::of(udf).is_none_or(|other| other.main_name() != owner))
        .cloned()
        .collect();
    state.deregister_udf(name)?;
    for other in others {
        state.register_udf(other)?;
    }
    Ok(())
}
