//! Whole queries over the real flights, with a plugin's function and with the native one in its place.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion};
use datafusion::prelude::SessionContext;
use tokio::runtime::Runtime;
use wasmfusion::SessionContextExt;
use wasmfusion_benches::{Figures, Runner, built_plugins, native_distance, register_flights};

/// Name, and SQL in which `{f}` is the distance function.
const QUERIES: [(&str, &str); 2] = [
    (
        "sum_of_distances",
        "SELECT sum({f}(la, lo, lb, lp)) FROM legs",
    ),
    (
        "filter_on_distance",
        "SELECT count(*) FROM legs WHERE {f}(la, lo, lb, lp) > 1000",
    ),
];

fn main() {
    Runner::new().run(measure, figures);
}

fn measure(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let ctx = runtime.block_on(session());
    let mut group = c.benchmark_group("sql");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(10));
    for (name, sql) in QUERIES {
        for (side, function) in [("wasm", "great_circle_km"), ("native", "native_distance")] {
            let sql = sql.replace("{f}", function);
            group.bench_function(BenchmarkId::new(name, side), |b| {
                b.iter(|| {
                    runtime.block_on(async {
                        let query = ctx.sql(&sql).await.expect("the query can be planned");
                        black_box(query.collect().await.expect("the query runs"))
                    })
                });
            });
        }
    }
    group.finish();
}

/// The places of all flights in memory, with both functions.
async fn session() -> SessionContext {
    let registry = built_plugins(&["geo"]);
    let ctx = SessionContext::new();
    ctx.register_plugins(&registry)
        .expect("the functions are new");
    ctx.register_udf(native_distance());
    register_flights(&ctx).await;
    let legs = ctx
        .sql(
            "SELECT o.latitude la, o.longitude lo, d.latitude lb, d.longitude lp FROM flights f \
             JOIN airports o ON f.origin = o.iata JOIN airports d ON f.destination = d.iata",
        )
        .await
        .expect("the join can be planned")
        .cache()
        .await
        .expect("the join runs");
    ctx.register_table("legs", legs.into_view())
        .expect("the name is free");
    ctx
}

fn figures(figures: &Figures) {
    for (name, _) in QUERIES {
        figures.ratio(
            &format!("sql/{name}_ratio"),
            &format!("sql/{name}/wasm"),
            &format!("sql/{name}/native"),
        );
    }
}
