//! The workload suite: what functions that people really write cost in the sandbox, against the same source compiled natively. Batch by
//! batch, with and without NULLs, and as whole queries over the real flights.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::Float64Type;
use criterion::Criterion;
use datafusion::prelude::SessionContext;
use tokio::runtime::Runtime;
use wasmfusion::{Registry, SessionContextExt};
use wasmfusion_benches::suite::{Case, native_function, natives};
use wasmfusion_benches::{
    Figures, Pairs, Runner, Subject, compare_queries, function_of, is_test, register_flights,
};

const BATCH: usize = 8_192;
/// The function that does least for the columns that it takes: what bounds it is the copies.
const COPIED: &str = "net_price";

/// Name, and SQL in which `{}` stands before the name of the suite's function.
const QUERIES: [(&str, &str); 6] = [
    (
        "net_price",
        "SELECT sum({}net_price(fare, reduction, 0.19)) FROM legs",
    ),
    (
        "great_circle_km",
        "SELECT sum({}great_circle_km(la, lo, lb, lp)) FROM legs",
    ),
    (
        "geohash",
        "SELECT count(*) FROM legs WHERE {}geohash(la, lo) < '9q'",
    ),
    (
        "levenshtein",
        "SELECT sum({}levenshtein(origin, destination)) FROM legs",
    ),
    (
        "month_start",
        "SELECT {}month_start(date) AS month, avg(delay) FROM legs GROUP BY month",
    ),
    (
        "delay_bucket",
        "SELECT {}delay_bucket(delay) AS bucket, count(*) FROM legs GROUP BY bucket",
    ),
];

fn main() {
    Runner::new().run(measure, figures);
}

fn measure(c: &mut Criterion) -> Pairs {
    let registry = Registry::default();
    let plugin = registry
        .load_file(Path::new(env!("CARGO_MANIFEST_DIR")).join("suite/suite.wasm"))
        .expect("the suite loads");
    let mut pairs = Pairs::default();
    for case in Case::all(BATCH) {
        let name = case.name;
        let (ours, theirs) = (function_of(&plugin, name), native_function(name));
        for (kind, columns) in [
            ("all", &case.columns),
            ("nulls", &case.columns_with_nulls()),
        ] {
            pairs.compare(format!("{kind}/{name}"), &ours, &theirs, columns);
        }
        if name == COPIED {
            copy(&mut pairs, &case);
        }
    }

    let runtime = Runtime::new().expect("a runtime");
    let ctx = runtime.block_on(session(&registry));
    let mut group = c.benchmark_group("suite_sql");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(5));
    for (name, sql) in QUERIES {
        let [ours, theirs] = ["", "native_"].map(|prefix| sql.replace("{}", prefix));
        compare_queries(&mut group, name, (&runtime, &ctx), [&ours, &theirs]);
    }
    group.finish();
    pairs
}

/// Measures what no sandbox can do without that has a memory of its own: the native function, with its arguments copied in and the result out.
fn copy(pairs: &mut Pairs, case: &Case) {
    let native = Subject::new(&native_function(case.name), &case.columns);
    let bytes: Vec<&[u8]> = case.columns.iter().map(numbers).collect();
    let mut inside: Vec<Vec<u8>> = bytes.iter().map(|bytes| bytes.to_vec()).collect();
    let result = inside[0].clone();
    let copies = |calls| {
        for _ in 0..calls {
            for (inside, bytes) in inside.iter_mut().zip(&bytes) {
                black_box(inside.as_mut_slice()).copy_from_slice(bytes);
            }
            black_box(native.call());
            black_box(result.as_slice().to_vec());
        }
    };
    pairs.measure("floor", copies, |calls| native.calls(calls));
}

/// The bytes of a column of numbers.
fn numbers(column: &ArrayRef) -> &[u8] {
    column
        .as_primitive::<Float64Type>()
        .values()
        .inner()
        .as_slice()
}

/// The flights in memory with the places of their airports, and all functions of both kinds.
async fn session(registry: &Registry) -> SessionContext {
    let ctx = SessionContext::new();
    // DataFusion has functions of some of these names itself.
    for case in Case::all(0) {
        ctx.deregister_udf(case.name);
    }
    ctx.register_plugins(registry)
        .expect("the functions are new");
    for udf in natives() {
        ctx.register_udf(udf);
    }
    register_flights(&ctx).await;
    let limit = if is_test() { "LIMIT 10000" } else { "" };
    let legs = ctx
        .sql(&format!(
            "SELECT date, delay, arrow_cast(origin, 'Utf8') origin, arrow_cast(destination, 'Utf8') destination, \
             o.latitude la, o.longitude lo, d.latitude lb, d.longitude lp, \
             50 + distance * 0.11 fare, CASE WHEN delay > 60 THEN 0.5 ELSE 0.0 END reduction \
             FROM flights f JOIN airports o ON f.origin = o.iata JOIN airports d ON f.destination = d.iata {limit}"
        ))
        .await
        .expect("the join can be planned")
        .cache()
        .await
        .expect("the join runs");
    ctx.register_table("legs", legs.into_view())
        .expect("the name is free");
    ctx
}

fn figures(figures: &Figures, pairs: Pairs) {
    for (kind, infix) in [("all", ""), ("nulls", "nulls_")] {
        let mut ratios = Vec::new();
        for case in Case::all(0) {
            let name = case.name;
            let ratio = pairs[format!("{kind}/{name}").as_str()].ratio;
            figures.print(&format!("suite/{name}_{infix}ratio"), ratio);
            if case.counts() {
                ratios.push(ratio);
            }
        }
        let mean = geometric_mean(&ratios);
        figures.print(&format!("suite/{infix}geomean_ratio"), mean);
        let worst = ratios.into_iter().fold(0.0, f64::max);
        figures.print(&format!("suite/worst_{infix}ratio"), worst);
    }
    figures.print(&format!("suite/{COPIED}_floor_ratio"), pairs["floor"].ratio);
    for (name, _) in QUERIES {
        figures.over_native(
            &format!("suite/sql_{name}_ratio"),
            &format!("suite_sql/{name}"),
        );
    }
}

/// The geometric mean.
fn geometric_mean(values: &[f64]) -> f64 {
    let logs: f64 = values.iter().map(|value| value.ln()).sum();
    (logs / values.len() as f64).exp()
}
