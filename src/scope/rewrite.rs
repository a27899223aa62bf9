//! What the plan rule changes about operators that call WebAssembly functions, before it wraps them.

use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};

use super::rule::called_by;
use crate::function::fuse;

/// `node` with [chains](crate::function::fuse) in its expressions, if it is a projection, a filter, or an aggregation.
pub(super) fn with_chains(node: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    if let Some(projection) = node.downcast_ref::<ProjectionExec>() {
        let schema = projection.input().schema();
        let expressions = projection.expr().iter().map(|e| &e.expr);
        let Some(fused) = fuse_all(expressions, &schema)? else {
            return Ok(node);
        };
        let fused = projection.expr().iter().zip(fused);
        let fused = fused.map(|(old, expr)| ProjectionExpr {
            expr,
            alias: old.alias.clone(),
        });
        return rebuilt(projection, fused, Arc::clone(projection.input()));
    }
    if let Some(filter) = node.downcast_ref::<FilterExec>() {
        let fused = fuse(Arc::clone(filter.predicate()), &filter.input().schema())?;
        if fused.transformed {
            let filter = FilterExecBuilder::from(filter).with_predicate(fused.data);
            return Ok(Arc::new(filter.build()?));
        }
    }
    if let Some(aggregate) = node.downcast_ref::<AggregateExec>() {
        return aggregate_with_chains(aggregate).map(|fused| fused.unwrap_or(node));
    }
    Ok(node)
}

/// The arguments of aggregates are evaluated where rows come in, not where states do.
fn aggregate_with_chains(aggregate: &AggregateExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let takes_rows = matches!(
        aggregate.mode(),
        AggregateMode::Partial | AggregateMode::Single | AggregateMode::SinglePartitioned
    );
    if !takes_rows {
        return Ok(None);
    }
    let schema = aggregate.input().schema();
    let mut functions = aggregate.aggr_expr().to_vec();
    let mut changed = false;
    for function in &mut functions {
        let expressions = function.all_expressions();
        if let Some(args) = fuse_all(expressions.args.iter(), &schema)?
            && let Some(fused) = function.with_new_expressions(args, expressions.order_by_exprs)
        {
            *function = Arc::new(fused);
            changed = true;
        }
    }
    Ok(changed.then(|| Arc::new(aggregate.with_new_aggr_exprs(functions)) as _))
}

/// The expressions with chains in them; `None` if there are none.
fn fuse_all<'e>(
    expressions: impl Iterator<Item = &'e Arc<dyn PhysicalExpr>>,
    schema: &Schema,
) -> Result<Option<Vec<Arc<dyn PhysicalExpr>>>> {
    let mut changed = false;
    let fused: Result<Vec<_>> = expressions
        .map(|expression| {
            let fused = fuse(Arc::clone(expression), schema)?;
            changed |= fused.transformed;
            Ok(fused.data)
        })
        .collect();
    let fused = fused?;
    Ok(changed.then_some(fused))
}

/// A filter over a projection that calls WebAssembly functions, the other way round: the functions then see the rows that pass, and no
/// others. DataFusion puts a projection below a filter where it makes the rows narrower, which is right for functions that cost
/// nothing. `None` if the filter needs what the functions return.
pub(super) fn filter_first(node: &dyn ExecutionPlan) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(filter) = node.downcast_ref::<FilterExec>() else {
        return Ok(None);
    };
    let Some(projection) = filter.input().downcast_ref::<ProjectionExec>() else {
        return Ok(None);
    };
    if filter.projection().is_some() || called_by(projection)?.functions.is_empty() {
        return Ok(None);
    }
    let mut is_possible = true;
    let predicate = Arc::clone(filter.predicate()).transform(|node| {
        let Some(column) = node.downcast_ref::<Column>() else {
            return Ok(Transformed::no(node));
        };
        let below = projection.expr().get(column.index()).map(|e| &e.expr);
        match below.filter(|below| below.downcast_ref::<Column>().is_some()) {
            Some(below) => Ok(Transformed::yes(Arc::clone(below))),
            None => {
                is_possible = false;
                Ok(Transformed::no(node))
            }
        }
    })?;
    if !is_possible {
        return Ok(None);
    }
    let below = FilterExecBuilder::from(filter)
        .with_input(Arc::clone(projection.input()))
        .with_predicate(predicate.data)
        .build()?;
    rebuilt(
        projection,
        projection.expr().iter().cloned(),
        Arc::new(below),
    )
    .map(Some)
}

/// A projection with other expressions of the same types and names, or with another input of the same schema.
fn rebuilt(
    projection: &ProjectionExec,
    expressions: impl IntoIterator<Item = ProjectionExpr>,
    input: Arc<dyn ExecutionPlan>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = projection.schema();
    let rebuilt = ProjectionExec::try_new_with_schema_metadata(expressions, input, &schema)?;
    Ok(Arc::new(rebuilt))
}
