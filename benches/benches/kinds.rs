//! Aggregate, window and table functions of plugins against native ones with the same algorithm, as whole queries over ten million rows.

use std::sync::Arc;
use std::time::Duration;

use criterion::Criterion;
use datafusion::logical_expr::AggregateUDF;
use datafusion::prelude::SessionContext;
use tokio::runtime::Runtime;
use wasmfusion::{AggregateFunction, Registry, SessionContextExt, SqlFunction};
use wasmfusion_benches::{
    Figures, Pairs, Runner, accumulator, built, built_plugins, compare_queries, floats, is_test,
    keyed, native_ema, native_geometric_mean, native_linspace,
};

const ROWS: usize = 10_000_000;
const WINDOW_ROWS: usize = 1_000_000;
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

fn measure(c: &mut Criterion) -> Pairs {
    let runtime = Runtime::new().expect("a runtime");
    let ctx = session();
    let mut group = c.benchmark_group("kinds");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(5));
    for (name, ours, theirs) in QUERIES {
        let [ours, theirs] = [ours, theirs].map(|sql| {
            if is_test() {
                sql.replace("10000000", "100000")
            } else {
                sql.to_owned()
            }
        });
        compare_queries(&mut group, name, (&runtime, &ctx), [&ours, &theirs]);
    }
    group.finish();
    let mut pairs = Pairs::default();
    updates(&mut pairs);
    pairs
}

/// Single updates of an accumulator, of one row.
fn updates(pairs: &mut Pairs) {
    const GROUPS: usize = 64;
    let plugin = Registry::default().load_file(built("stats"));
    let function = SqlFunction::named(&plugin.expect("the plugin loads"), "geometric_mean");
    let function = function.and_then(AggregateFunction::new);
    let ours = AggregateUDF::from(function.expect("the plugin has the function"));
    let values = [floats(1, 1.0, 0.5)];
    let side = |function| {
        let (mut accumulator, values) = (accumulator(function), &values);
        move |calls| {
            for _ in 0..calls {
                let updated = accumulator.update_batch(values, &[0], None, GROUPS);
                updated.expect("it goes in");
            }
        }
    };
    pairs.measure("update", side(ours), side(native_geometric_mean()));
}

/// The tables in memory, with the functions of both sides.
fn session() -> SessionContext {
    let registry = built_plugins(&["stats", "series", "testing"]);
    let ctx = SessionContext::new();
    ctx.register_plugins(&registry)
        .expect("the functions are new");
    ctx.register_udaf(native_geometric_mean());
    ctx.register_udwf(native_ema());
    ctx.register_udtf("native_linspace", native_linspace());
    let part = if is_test() { TEST_PART } else { 1 };
    let keys = [("k1", 1_000), ("k2", 1_000_000)];
    for (name, rows) in [("t", ROWS / part), ("w", WINDOW_ROWS / part)] {
        ctx.register_table(name, Arc::new(keyed(&keys, rows, 2)))
            .expect("the name is free");
    }
    ctx
}

fn figures(figures: &Figures, pairs: Pairs) {
    for (name, ..) in QUERIES {
        let benchmark = format!("kinds/{}", name.replace('/', "_"));
        figures.over_native(&format!("{name}_ratio"), &benchmark);
    }
    figures.print("aggregate/update_fixed_ns", pairs["update"].difference_ns);
}
