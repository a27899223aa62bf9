//! The plan rule that puts a [`WasmExec`] around the operators that need one.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::config::ConfigOptions;
use datafusion::physical_expr::window::{
    PlainAggregateWindowExpr, SlidingAggregateWindowExpr, StandardWindowExpr, WindowExpr,
};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec, WindowUDFExpr};
use datafusion::physical_plan::{ExecutionPlan, Partitioning};

use super::exec::Called;
use super::keys::{KeyScopes, ScopedKey};
use super::{WasmExec, rewrite};
use crate::function::{
    AggregateFunction, SqlFunction, TableExec, WindowFunction, called_functions,
};

/// Wraps each operator whose expressions call WebAssembly functions, and the root of each plan that has one. Filters come before
/// the functions where they can, and nested calls of one plugin become one. It must be the last rule.
#[derive(Debug, Default)]
pub struct WasmRule;

impl WasmRule {
    /// The rule's name in a session's list of rules.
    pub const NAME: &str = "wasm";
}

impl PhysicalOptimizerRule for WasmRule {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = plan.transform_up(|node| match rewrite::filter_first(node.as_ref())? {
            Some(node) => Ok(Transformed::yes(node)),
            None => Ok(Transformed::no(node)),
        })?;
        let Transformed {
            data: plan,
            transformed,
            ..
        } = plan.data.transform_up(|node| {
            let called = called_by(node.as_ref())?;
            if called.functions.is_empty() || WasmExec::of(node.as_ref()).is_some() {
                return Ok(Transformed::no(node));
            }
            let node = rewrite::with_chains(node)?;
            let (node, keys) = scope_keys(node, called.may_block)?;
            let node = Arc::new(WasmExec::new(node, called, keys, None));
            Ok(Transformed::yes(node as Arc<dyn ExecutionPlan>))
        })?;
        if !transformed {
            return Ok(plan);
        }
        Ok(Arc::new(match WasmExec::of(plan.as_ref()) {
            Some(wrapped) => wrapped.at_root(),
            None => WasmExec::new(plan, Called::default(), None, None).at_root(),
        }))
    }

    fn name(&self) -> &str {
        Self::NAME
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// An operator, and the scopes of its keys if they have some.
type WithKeys = (Arc<dyn ExecutionPlan>, Option<Arc<KeyScopes>>);

/// Has the keys of a hash repartition evaluated in scopes. Other operators are left as they are: an operator whose output is ordered by
/// what it evaluates, a sort, would no longer be known to be.
fn scope_keys(node: Arc<dyn ExecutionPlan>, may_block: bool) -> Result<WithKeys> {
    let Some(repartition) = node.downcast_ref::<RepartitionExec>() else {
        return Ok((node, None));
    };
    let Partitioning::Hash(keys, partitions) = repartition.partitioning() else {
        return Ok((node, None));
    };
    let scopes = Arc::new(KeyScopes::new(may_block));
    let scoped = |key: &Arc<dyn PhysicalExpr>| -> Arc<dyn PhysicalExpr> {
        Arc::new(ScopedKey::new(Arc::clone(key), Arc::clone(&scopes)))
    };
    let keys = keys.iter().map(scoped).collect();
    let partitioning = Partitioning::Hash(keys, *partitions);
    let rebuilt = RepartitionExec::try_new(Arc::clone(repartition.input()), partitioning)?;
    let rebuilt = if repartition.preserve_order() {
        rebuilt.with_preserve_order()
    } else {
        rebuilt
    };
    Ok((Arc::new(rebuilt), Some(scopes)))
}

/// The WebAssembly functions that an operator calls itself.
pub(super) fn called_by(plan: &dyn ExecutionPlan) -> Result<Called> {
    let mut labels = BTreeSet::new();
    let mut plugins = BTreeSet::new();
    let mut may_block = false;
    let mut found = |function: &SqlFunction| {
        labels.insert(function.label());
        plugins.insert(function.plugin().label());
        may_block |= function.plugin().may_block();
    };
    plan.apply_expressions(&mut |root| {
        root.apply(|expression| {
            if let Some(call) = expression.downcast_ref::<ScalarFunctionExpr>() {
                called_functions(call.fun()).for_each(&mut found);
            }
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
        let functions = aggregate.aggr_expr().iter();
        functions
            .filter_map(|call| AggregateFunction::of(call.fun()))
            .for_each(&mut found);
    }
    let windows = match (
        plan.downcast_ref::<WindowAggExec>(),
        plan.downcast_ref::<BoundedWindowAggExec>(),
    ) {
        (Some(window), _) => window.window_expr(),
        (_, Some(window)) => window.window_expr(),
        _ => &[],
    };
    windows
        .iter()
        .filter_map(window_function)
        .for_each(&mut found);
    if let Some(table) = plan.downcast_ref::<TableExec>() {
        may_block |= table.plugin().may_block();
        plugins.insert(table.plugin().label());
        labels.insert(table.label().to_owned());
    }
    Ok(Called {
        functions: labels.into_iter().collect(),
        plugins: plugins.into_iter().collect(),
        may_block,
    })
}

fn window_function(window: &Arc<dyn WindowExpr>) -> Option<&SqlFunction> {
    let window = window.as_any();
    if let Some(window) = window.downcast_ref::<StandardWindowExpr>() {
        let call = window.get_standard_func_expr().as_any();
        let call = call.downcast_ref::<WindowUDFExpr>()?;
        return WindowFunction::of(call.fun());
    }
    let plain = window.downcast_ref::<PlainAggregateWindowExpr>();
    let sliding = window.downcast_ref::<SlidingAggregateWindowExpr>();
    let call = plain
        .map(PlainAggregateWindowExpr::get_aggregate_expr)
        .or(sliding.map(SlidingAggregateWindowExpr::get_aggregate_expr))?;
    AggregateFunction::of(call.fun())
}
