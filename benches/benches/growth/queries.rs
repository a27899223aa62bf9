//! Whole queries, planning included, over a table in memory, with one stream.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch};
use arrow::datatypes::{DataType, Float64Type};
use criterion::Criterion;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt;
use tokio::runtime::Runtime;
use wasmfusion::{Registry, SessionContextExt};
use wasmfusion_benches::guest::{GuestFunction, column, constant, guest};
use wasmfusion_benches::{built_plugins, floats, is_test, keyed, native, native_geometric_mean};

use crate::curve::{Curve, Points, Value, places};

const BATCH: usize = 8_192;

/// `growth/functions_in_select`: X is the number of calls in one `SELECT`, VALUE nanoseconds a row and call. `plugin` and `native` call as many
/// functions, `one_function` calls one of the plugin with as many constants; `planning` is the part of `plugin` that comes before the first row.
pub fn functions_in_select(c: &mut Criterion, points: &mut Points) {
    const FUNCTIONS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
    let batches = if is_test() { 2 } else { 64 };
    let runtime = Runtime::new().expect("a runtime");
    let ctx = session(&functions(FUNCTIONS[FUNCTIONS.len() - 1]));
    for number in 0..FUNCTIONS[FUNCTIONS.len() - 1] {
        ctx.register_udf(native_plus(number));
    }
    let batch: [(&str, ArrayRef); 1] = [("x", floats(BATCH, 0.5, 1.0))];
    let batch = RecordBatch::try_from_iter(batch).expect("a batch");
    let table = MemTable::try_new(batch.schema(), vec![vec![batch; batches]]);
    ctx.register_table("t", Arc::new(table.expect("a table")))
        .expect("the name is free");

    let mut curve = Curve::of_queries(c, points, "growth/functions_in_select");
    for &count in places(&FUNCTIONS, 3) {
        let select = |call: &dyn Fn(usize) -> String| {
            let calls: Vec<String> = (0..count)
                .map(|number| format!("{} AS c{number}", call(number)))
                .collect();
            format!("SELECT {} FROM t", calls.join(", "))
        };
        let plugin = select(&|number| format!("plus_{number}(x)"));
        let one_function = select(&|number| format!("plus(x, {number}.0)"));
        let native = select(&|number| format!("native_plus_{number}(x)"));
        let calls = (BATCH * batches * count) as f64;
        for (series, sql) in [
            ("plugin", &plugin),
            ("one_function", &one_function),
            ("native", &native),
        ] {
            curve.measure(series, count, Value::NsOf(calls), |b| {
                b.iter(|| runtime.block_on(rows(&ctx, sql)));
            });
        }
        curve.measure("planning", count, Value::NsOf(calls), |b| {
            b.iter(|| {
                runtime.block_on(async {
                    let query = ctx.sql(&plugin).await.expect("it can be planned");
                    query.create_physical_plan().await.expect("it has a plan")
                })
            });
        });
    }
}

/// `growth/groups`: X is the number of groups, VALUE nanoseconds a row, of 1,000,000 rows. `count` is DataFusion's own `count`: what the grouping
/// costs.
pub fn groups(c: &mut Criterion, points: &mut Points) {
    const GROUPS: [usize; 6] = [1, 10, 100, 1_000, 10_000, 100_000];
    let count = if is_test() { 10_000 } else { 1_000_000 };
    let runtime = Runtime::new().expect("a runtime");
    let ctx = session(&built_plugins(&["stats"]));
    ctx.register_udaf(native_geometric_mean());
    let groups = places(&GROUPS, 3);
    let names: Vec<String> = groups.iter().map(|groups| format!("k{groups}")).collect();
    let keys = names.iter().map(String::as_str).zip(groups.iter().copied());
    let table = keyed(&keys.collect::<Vec<_>>(), count, 1);
    ctx.register_table("t", Arc::new(table))
        .expect("the name is free");

    let mut curve = Curve::of_queries(c, points, "growth/groups");
    for &groups in groups {
        for (series, function) in [
            ("plugin", "geometric_mean"),
            ("native", "native_geometric_mean"),
            ("count", "count"),
        ] {
            let sql = format!("SELECT k{groups}, {function}(v) FROM t GROUP BY k{groups}");
            assert_eq!(runtime.block_on(rows(&ctx, &sql)), groups, "{sql}");
            curve.measure(series, groups, Value::NsOf(count as f64), |b| {
                b.iter(|| runtime.block_on(rows(&ctx, &sql)));
            });
        }
    }
}

/// A session with one stream a query.
fn session(registry: &Registry) -> SessionContext {
    let ctx = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
    ctx.register_plugins(registry)
        .expect("the functions are new");
    ctx
}

/// Runs a query and counts its rows, which are not kept.
async fn rows(ctx: &SessionContext, sql: &str) -> usize {
    let query = ctx.sql(sql).await.expect("it can be planned");
    let mut batches = query.execute_stream().await.expect("it starts");
    let mut rows = 0;
    while let Some(batch) = batches.next().await {
        rows += batch.expect("it runs").num_rows();
    }
    rows
}

/// A plugin with functions that add a number each, and with one, `plus`, that adds a constant.
fn functions(count: usize) -> Registry {
    let mut functions: Vec<GuestFunction> = (0..count)
        .map(|number| {
            let sum = format!("(f64.add {} (f64.const {number}))", column(0));
            GuestFunction::of_floats(format!("plus_{number}"), 1, &sum)
        })
        .collect();
    let sum = format!("(f64.add {} {})", column(0), constant(1));
    functions.push(GuestFunction::of_floats("plus", 2, &sum));
    let registry = Registry::default();
    registry
        .load_bytes("plus.wat", guest("plus", "", &[], &functions).as_bytes())
        .expect("the guest loads");
    registry
}

fn native_plus(number: usize) -> ScalarUDF {
    native(
        &format!("native_plus_{number}"),
        vec![DataType::Float64],
        DataType::Float64,
        move |columns| {
            let values = columns[0].as_primitive::<Float64Type>().values();
            let sums: Vec<f64> = values.iter().map(|value| value + number as f64).collect();
            Arc::new(Float64Array::new(sums.into(), None))
        },
    )
}
