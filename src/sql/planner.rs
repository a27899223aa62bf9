//! The planner of a session with plugins: the session's own, whose plans observers are told of.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::sql::unparser::plan_to_sql;

use crate::observe::{Observers, Statement};
use crate::scope::WasmExec;

/// Most nodes and expressions of a plan that is turned back into SQL.
const PARTS_MAX: usize = 10_000;
/// Longest SQL text that observers are told, in bytes.
const SQL_BYTES_MAX: usize = 64 << 10;

/// The SQL text that a plan was made of, in the configuration of the session that executes it.
pub(super) struct SqlText(Arc<str>);

impl SqlText {
    pub(super) fn new(sql: &str) -> Self {
        Self(sql[..sql.floor_char_boundary(SQL_BYTES_MAX)].into())
    }
}

/// A planner around the session's.
#[derive(Debug)]
pub(super) struct ObservedPlanner {
    inner: Arc<dyn QueryPlanner + Send + Sync>,
    observers: Observers,
}

impl ObservedPlanner {
    pub(super) fn new(inner: Arc<dyn QueryPlanner + Send + Sync>, observers: Observers) -> Self {
        Self { inner, observers }
    }

    /// The SQL text of a plan: as it was written, if that is known; else what the plan says.
    fn sql(&self, plan: &LogicalPlan, session: &dyn Session) -> Option<Arc<str>> {
        if let Some(text) = session.config().get_extension::<SqlText>() {
            return Some(Arc::clone(&text.0));
        }
        let unparsed = || plan_to_sql(plan).ok().map(|sql| sql.to_string());
        let wanted = self.observers.wants_sql() && is_small(plan);
        wanted
            .then(unparsed)
            .flatten()
            .map(|sql| SqlText::new(&sql).0)
    }
}

#[async_trait]
impl QueryPlanner for ObservedPlanner {
    async fn create_physical_plan(
        &self,
        logical_plan: &LogicalPlan,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = self
            .inner
            .create_physical_plan(logical_plan, session)
            .await?;
        if !self.observers.wants_queries() {
            return Ok(plan);
        }
        let statement = Statement {
            observers: self.observers.clone(),
            sql: self.sql(logical_plan, session),
        };
        Ok(WasmExec::observed(plan, statement))
    }
}

/// Whether a plan is small enough to be turned back into SQL while a query waits.
fn is_small(plan: &LogicalPlan) -> bool {
    let mut left = PARTS_MAX;
    let counted = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            expression.apply(|_| {
                left = left.saturating_sub(1);
                Ok(match left {
                    0 => TreeNodeRecursion::Stop,
                    _ => TreeNodeRecursion::Continue,
                })
            })
        })?;
        left = left.saturating_sub(1);
        Ok(match left {
            0 => TreeNodeRecursion::Stop,
            _ => TreeNodeRecursion::Continue,
        })
    });
    counted.is_ok() && left > 0
}
