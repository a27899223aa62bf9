//! Whole queries, planning included, and what they read.

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId};
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;
use tokio::runtime::Runtime;

/// Rows of a batch.
const BATCH: usize = 8_192;

/// Runs a query.
///
/// # Panics
///
/// If it cannot be planned, or fails.
pub fn collect(runtime: &Runtime, ctx: &SessionContext, sql: &str) -> Vec<RecordBatch> {
    runtime.block_on(async {
        let query = ctx.sql(sql).await.expect("the query can be planned");
        query.collect().await.expect("the query runs")
    })
}

/// Measures a query with a plugin's function as `NAME/wasm`, and one with the native function as `NAME/native`.
///
/// # Panics
///
/// If one of them cannot be planned, or fails.
pub fn compare_queries(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    (runtime, ctx): (&Runtime, &SessionContext),
    [wasm, native]: [&str; 2],
) {
    for (side, sql) in [("wasm", wasm), ("native", native)] {
        group.bench_function(BenchmarkId::new(name, side), |b| {
            b.iter(|| black_box(collect(runtime, ctx, sql)));
        });
    }
}

/// A table in memory: `i` counts, `v` is a positive number, and there is a column for each key, with so many values.
pub fn keyed(keys: &[(&str, usize)], rows: usize, partitions: usize) -> MemTable {
    let field = |name: &str, data_type| Field::new(name, data_type, true);
    let mut fields = vec![field("i", DataType::Int64), field("v", DataType::Float64)];
    fields.extend(keys.iter().map(|(name, _)| field(name, DataType::Int64)));
    let schema = Arc::new(Schema::new(fields));
    let mut batches = vec![Vec::new(); partitions];
    for (place, start) in (0..rows).step_by(BATCH).enumerate() {
        let numbers = start as i64..(start + BATCH).min(rows) as i64;
        // Multiplied by a large prime, so that groups do not come in order.
        let key = |(_, values): &(&str, usize)| -> ArrayRef {
            let keys = numbers.clone().map(|i| i * 7_368_787 % *values as i64);
            Arc::new(Int64Array::from_iter_values(keys))
        };
        let values = numbers.clone().map(|i| 1.0 + (i % 1_000) as f64 * 0.25);
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(numbers.clone())),
            Arc::new(Float64Array::from_iter_values(values)),
        ];
        columns.extend(keys.iter().map(key));
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).expect("the columns fit");
        batches[place % partitions].push(batch);
    }
    MemTable::try_new(schema, batches).expect("the batches fit")
}
