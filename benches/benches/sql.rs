//! Whole queries over the real flights, with a plugin's function and with the native one in its place.

use std::time::Duration;

use criterion::Criterion;
use datafusion::prelude::SessionContext;
use tokio::runtime::Runtime;
use wasmfusion::SessionContextExt;
use wasmfusion_benches::{
    Figures, Runner, built_plugins, compare_queries, native_distance, register_flights,
};

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
        let sides = ["great_circle_km", "native_distance"];
        let [ours, theirs] = sides.map(|function| sql.replace("{f}", function));
        compare_queries(&mut group, name, (&runtime, &ctx), [&ours, &theirs]);
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

fn figures(figures: &Figures, (): ()) {
    for (name, _) in QUERIES {
        figures.over_native(&format!("sql/{name}_ratio"), &format!("sql/{name}"));
    }
}
