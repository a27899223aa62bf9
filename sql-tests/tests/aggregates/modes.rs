//! Every mode in which DataFusion runs an aggregation, by hand: some of them its planner chooses only in a cluster.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode, PhysicalGroupBy};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::SessionContext;

const ROWS: i64 = 10_000;
const GROUPS: i64 = 37;

fn column(name: &str, place: usize) -> Arc<dyn PhysicalExpr> {
    Arc::new(Column::new(name, place))
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, false),
        Field::new("v", DataType::Int64, true),
    ]))
}

/// Rows in four partitions, some of them NULL.
fn table() -> MemTable {
    let mut partitions = vec![Vec::new(); 4];
    for (place, start) in (0..ROWS).step_by(500).enumerate() {
        let rows = start..start + 500;
        let keys = Int64Array::from_iter_values(rows.clone().map(|row| row * 7 % GROUPS));
        let values: Int64Array = rows.map(|row| (row % 11 > 0).then_some(row)).collect();
        let columns: Vec<ArrayRef> = vec![Arc::new(keys), Arc::new(values)];
        partitions[place % 4].push(RecordBatch::try_new(schema(), columns).unwrap());
    }
    MemTable::try_new(schema(), partitions).unwrap()
}

fn sum() -> Arc<AggregateFunctionExpr> {
    let function = Arc::new(super::aggregate("my_sum", "my_sum"));
    let call = AggregateExprBuilder::new(function, vec![column("v", 1)])
        .schema(schema())
        .alias("s")
        .build();
    Arc::new(call.unwrap())
}

/// An aggregation over another operator, in these modes one above the other.
fn aggregation(
    modes: &[AggregateMode],
    groups: &PhysicalGroupBy,
    input: Arc<dyn ExecutionPlan>,
) -> Arc<dyn ExecutionPlan> {
    let mut plan = input;
    for (place, mode) in modes.iter().enumerate() {
        let first = place == 0;
        let groups = if first {
            groups.clone()
        } else {
            groups.as_final()
        };
        // All but the first work on one partition.
        if !first || *mode == AggregateMode::Single {
            plan = Arc::new(CoalescePartitionsExec::new(plan));
        }
        let exec = AggregateExec::try_new(*mode, groups, vec![sum()], vec![None], plan, schema());
        plan = Arc::new(exec.unwrap());
    }
    plan
}

/// Sums by group; the group is 0 where there is no `GROUP BY`.
async fn sums(plan: Arc<dyn ExecutionPlan>) -> Vec<(i64, Option<i64>)> {
    let batches = collect(Arc::clone(&plan), SessionContext::new().task_ctx())
        .await
        .unwrap();
    let batch = concat_batches(&plan.schema(), &batches).unwrap();
    let sums = batch.columns().last().unwrap().as_primitive::<Int64Type>();
    let keys = (batch.num_columns() > 1).then(|| batch.column(0).as_primitive::<Int64Type>());
    let key = |row: usize| keys.map_or(0, |keys| keys.value(row));
    let mut found: Vec<_> = sums
        .iter()
        .enumerate()
        .map(|(row, sum)| (key(row), sum))
        .collect();
    found.sort_unstable();
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_modes_agree() {
    use AggregateMode::{Final, FinalPartitioned, Partial, PartialReduce, Single};
    let by_key = PhysicalGroupBy::new_single(vec![(column("k", 0), "k".to_owned())]);
    for groups in [by_key, PhysicalGroupBy::default()] {
        let mut expected = vec![
            0;
            if groups.is_empty() {
                1
            } else {
                GROUPS as usize
            }
        ];
        for row in (0..ROWS).filter(|row| row % 11 > 0) {
            let group = if groups.is_empty() {
                0
            } else {
                row * 7 % GROUPS
            };
            expected[group as usize] += row;
        }
        let expected: Vec<_> = (0..).zip(expected.into_iter().map(Some)).collect();
        for modes in [
            [Single].as_slice(),
            &[Partial, Final],
            &[Partial, FinalPartitioned],
            &[Partial, PartialReduce, Final],
            &[Partial, PartialReduce, PartialReduce, Final],
        ] {
            let session = SessionContext::new();
            let input = table()
                .scan(&session.state(), None, &[], None)
                .await
                .unwrap();
            let found = sums(aggregation(modes, &groups, input)).await;
            assert_eq!(found, expected, "{modes:?}");
        }
    }
}
