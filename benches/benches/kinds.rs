//! Aggregate, window and table functions of plugins against native ones with the same algorithm, as whole queries over ten million rows.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use criterion::{BatchSize, BenchmarkId, Criterion};
use datafusion::datasource::MemTable;
use datafusion::logical_expr::AggregateUDF;
use datafusion::physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use datafusion::physical_expr::expressions::Column;
use datafusion::prelude::SessionContext;
use tokio::runtime::Runtime;
use wasmfusion::{AggregateFunction, Plugin, Registry, SessionContextExt, SqlFunction};
use wasmfusion_benches::{
    Figures, Runner, floats, is_test, native_ema, native_geometric_mean, native_linspace,
};

const ROWS: usize = 10_000_000;
const WINDOW_ROWS: usize = 1_000_000;
const BATCH: usize = 8_192;
/// As a test, the benchmark has so many times fewer rows.
const TEST_PART: usize = 100;

/// Figure, the query with the plugin's function, and the one with the native function.
const QUERIES: [(&str, &str, &str); 6] = [
    (
        "aggregate/sum",
        "SELECT my_sum(i) FROM t",
        "SELECT sum(i) FROM t",
    ),
    (
        "aggregate/geomean",
        "SELECT geometric_mean(v) FROM t",
        "SELECT native_geometric_mean(v) FROM t",
    ),
    (
        "aggregate/groups_1k",
        "SELECT k1, geometric_mean(v) FROM t GROUP BY k1",
        "SELECT k1, native_geometric_mean(v) FROM t GROUP BY k1",
    ),
    (
        "aggregate/groups_1m",
        "SELECT k2, geometric_mean(v) FROM t GROUP BY k2",
        "SELECT k2, native_geometric_mean(v) FROM t GROUP BY k2",
    ),
    (
        "window/partitions",
        "SELECT sum(e) FROM (SELECT ema(v, 0.1) OVER (PARTITION BY k1 ORDER BY i) e FROM w)",
        "SELECT sum(e) FROM (SELECT native_ema(v, 0.1) OVER (PARTITION BY k1 ORDER BY i) e FROM w)",
    ),
    (
        "table/rows",
        "SELECT sum(position), sum(value) FROM linspace(0.0, 1.0, 10000000)",
        "SELECT sum(position), sum(value) FROM native_linspace(0.0, 1.0, 10000000)",
    ),
];

fn main() {
    Runner::new().run(measure, figures);
}

fn measure(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let ctx = session();
    for (name, ours, theirs) in QUERIES {
        let mut group = c.benchmark_group(name);
        group
            .sample_size(10)
            .measurement_time(Duration::from_secs(5));
        for (side, sql) in [("wasm", ours), ("native", theirs)] {
            let sql = if is_test() {
                sql.replace("10000000", "100000")
            } else {
                sql.to_owned()
            };
            group.bench_function(side, |b| {
                b.iter(|| {
                    runtime.block_on(async {
                        let query = ctx.sql(&sql).await.expect("the query can be planned");
                        black_box(query.collect().await.expect("the query runs"))
                    })
                });
            });
        }
        group.finish();
    }
    updates(c);
}

/// Single updates of an accumulator, of one row and of a batch.
fn updates(c: &mut Criterion) {
    let plugin = plugin(&Registry::default(), "stats");
    let function = SqlFunction::named(&plugin, "geometric_mean").and_then(AggregateFunction::new);
    let ours = AggregateUDF::from(function.expect("the plugin has the function"));
    let mut group = c.benchmark_group("aggregate/update");
    for (side, function) in [("wasm", ours), ("native", native_geometric_mean())] {
        let function = expression(function);
        for rows in [1, BATCH] {
            let values = [floats(rows, 1.0, 0.5)];
            let groups: Vec<usize> = (0..rows).map(|row| row % 64).collect();
            let mut accumulator = function
                .create_groups_accumulator()
                .expect("an accumulator");
            group.bench_function(BenchmarkId::new(side, rows), |b| {
                b.iter_batched(
                    || (),
                    |()| {
                        accumulator
                            .update_batch(&values, &groups, None, 64)
                            .expect("it goes in")
                    },
                    BatchSize::SmallInput,
                );
            });
        }
    }
    group.finish();
}

fn expression(function: AggregateUDF) -> AggregateFunctionExpr {
    let schema = Schema::new(vec![Field::new("v", DataType::Float64, true)]);
    AggregateExprBuilder::new(Arc::new(function), vec![Arc::new(Column::new("v", 0))])
        .schema(Arc::new(schema))
        .alias("mean")
        .build()
        .expect("the function takes the column")
}

fn plugin(registry: &Registry, name: &str) -> Arc<Plugin> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/plugins/built");
    registry
        .load_file(built.join(format!("{name}.wasm")))
        .expect("the plugin loads")
}

/// The tables in memory, with the functions of both sides.
fn session() -> SessionContext {
    let registry = Registry::default();
    for name in ["stats", "series", "testing"] {
        plugin(&registry, name);
    }
    let ctx = SessionContext::new();
    ctx.register_plugins(&Registry::default())
        .expect("there is nothing to register");
    for plugin in registry.plugins() {
        ctx.register_plugin(&plugin).expect("the functions are new");
    }
    ctx.register_udaf(native_geometric_mean());
    ctx.register_udwf(native_ema());
    ctx.register_udtf("native_linspace", native_linspace());
    let part = if is_test() { TEST_PART } else { 1 };
    for (name, rows) in [("t", ROWS / part), ("w", WINDOW_ROWS / part)] {
        ctx.register_table(name, Arc::new(table(rows)))
            .expect("the name is free");
    }
    ctx
}

/// `i` counts, `k1` and `k2` have a thousand and a million values, `v` is a positive number.
fn table(rows: usize) -> MemTable {
    let schema = Arc::new(Schema::new(vec![
        Field::new("i", DataType::Int64, true),
        Field::new("k1", DataType::Int64, true),
        Field::new("k2", DataType::Int64, true),
        Field::new("v", DataType::Float64, true),
    ]));
    let mut partitions = vec![Vec::new(); 2];
    for (place, start) in (0..rows).step_by(BATCH).enumerate() {
        let numbers = start as i64..(start + BATCH).min(rows) as i64;
        // Multiplied by a large prime, so that groups do not come in order.
        let key = |count: i64| -> ArrayRef {
            let keys = numbers.clone().map(|i| i * 7_368_787 % count);
            Arc::new(Int64Array::from_iter_values(keys))
        };
        let values = numbers.clone().map(|i| 1.0 + (i % 1_000) as f64 * 0.25);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(numbers.clone())),
            key(1_000),
            key(1_000_000),
            Arc::new(Float64Array::from_iter_values(values)),
        ];
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).expect("the columns fit");
        partitions[place % 2].push(batch);
    }
    MemTable::try_new(schema, partitions).expect("the batches fit")
}

fn figures(figures: &Figures) {
    for (name, _, _) in QUERIES {
        figures.ratio(
            &format!("{name}_ratio"),
            &format!("{}/wasm", name.replace('/', "_")),
            &format!("{}/native", name.replace('/', "_")),
        );
    }
    if let (Some(wasm), Some(native)) = (
        figures.median_ns("aggregate_update/wasm/1"),
        figures.median_ns("aggregate_update/native/1"),
    ) {
        figures.print("aggregate/update_fixed_ns", wasm - native);
    }
}
