//! The plan rule that puts a [`WasmExec`] around the operators that need one.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::config::ConfigOptions;
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;

use super::WasmExec;
use crate::function::ScalarFunction;

/// Wraps each operator whose expressions call WebAssembly functions, and the root of each plan that has one. It must be the last rule.
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
        let Transformed {
            data: plan,
            transformed,
            ..
        } = plan.transform_up(|node| {
            let functions = functions_of(node.as_ref())?;
            if functions.is_empty() || WasmExec::of(node.as_ref()).is_some() {
                return Ok(Transformed::no(node));
            }
            Ok(Transformed::yes(
                Arc::new(WasmExec::new(node, functions, false)) as Arc<dyn ExecutionPlan>,
            ))
        })?;
        if !transformed {
            return Ok(plan);
        }
        Ok(Arc::new(match WasmExec::of(plan.as_ref()) {
            Some(wrapped) => wrapped.at_root(),
            None => WasmExec::new(plan, Arc::default(), true),
        }))
    }

    fn name(&self) -> &str {
        Self::NAME
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The WebAssembly functions in an operator's own expressions, sorted.
fn functions_of(plan: &dyn ExecutionPlan) -> Result<Arc<[String]>> {
    let mut found = BTreeSet::new();
    plan.apply_expressions(&mut |root| {
        root.apply(|expression| {
            if let Some(call) = expression.downcast_ref::<ScalarFunctionExpr>()
                && let Some(function) = ScalarFunction::of(call.fun())
            {
                found.insert(function.label());
            }
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(found.into_iter().collect())
}
