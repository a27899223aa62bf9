//! The main job: great-circle distances of three million real flights, computed in a WebAssembly plugin from SQL, and compared with the
//! distances that the carriers reported.
//!
//!     cargo run --bin flights

use std::path::Path;
use std::time::Instant;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{Float64Type, Int64Type};
use datafusion::error::Result;
use datafusion::prelude::{CsvReadOptions, ParquetReadOptions, SessionContext};
use wasmfusion::{Registry, SessionContextExt};

/// Every flight with both airports, and the plugin's distance beside the carrier's.
const DISTANCES: &str = "
    CREATE VIEW distances AS
    SELECT f.origin, f.destination, o.city AS origin_city, d.city AS destination_city,
           CAST(f.distance AS DOUBLE) AS reported,
           great_circle_km(o.latitude, o.longitude, d.latitude, d.longitude) / 1.609344 AS computed
    FROM flights f
    JOIN airports o ON f.origin = o.iata
    JOIN airports d ON f.destination = d.iata";

/// One pass over all flights, a row a route.
const ROUTES: &str = "
    SELECT origin, destination, min(origin_city) AS origin_city, min(destination_city) AS destination_city,
           count(*) AS flights, avg(reported) AS reported, avg(computed) AS computed,
           sum(abs(computed - reported)) AS difference,
           sum(CASE WHEN abs(computed - reported) <= 0.01 * reported THEN 1 ELSE 0 END) AS agreeing
    FROM distances GROUP BY origin, destination";

const SUMMARY: &str = "
    SELECT sum(flights) AS flights, sum(agreeing) AS agreeing, sum(difference) / sum(flights) AS mean_difference FROM routes";

#[tokio::main]
async fn main() -> Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let registry = Registry::default();
    let plugin = registry.load_file(here.join("plugins/built/geo.wasm"))?;

    let ctx = SessionContext::new();
    ctx.register_plugins(&registry)?;
    let data = |file: &str| here.join("data").join(file).display().to_string();
    ctx.register_csv("airports", data("airports.csv"), CsvReadOptions::new())
        .await?;
    ctx.register_parquet(
        "flights",
        data("flights-3m.parquet"),
        ParquetReadOptions::new(),
    )
    .await?;
    ctx.sql(DISTANCES).await?;

    println!(
        "plugin {} {}, {} bytes of memory at most, {} ms a call at most",
        plugin.name(),
        plugin.manifest().version,
        plugin.limits().memory_bytes_max,
        plugin.limits().call_timeout_ms
    );
    let started = Instant::now();
    let routes = ctx.sql(ROUTES).await?.cache().await?;
    let elapsed = started.elapsed();
    ctx.register_table("routes", routes.into_view())?;

    println!("\nThe longest routes:");
    ctx.sql("SELECT origin_city || ' - ' || destination_city AS route, flights, round(reported) AS reported_miles, round(computed, 1) AS computed_miles \
             FROM routes ORDER BY computed DESC LIMIT 5").await?.show().await?;
    println!("\nThe routes that differ most:");
    ctx.sql("SELECT origin || '-' || destination AS route, flights, round(reported) AS reported_miles, round(computed, 1) AS computed_miles \
             FROM routes ORDER BY abs(computed - reported) DESC LIMIT 5").await?.show().await?;

    let summary = ctx.sql(SUMMARY).await?.collect().await?;
    let total = |column: usize| {
        summary[0]
            .column(column)
            .as_primitive::<Int64Type>()
            .value(0)
    };
    let (flights, agreeing) = (total(0), total(1));
    let mean_difference = summary[0].column(2).as_primitive::<Float64Type>().value(0);
    println!(
        "\n{flights} flights: the plugin's distance is within 1 % of the carrier's for {agreeing} ({:.2} %), {mean_difference:.2} miles apart on average",
        100.0 * agreeing as f64 / flights as f64,
    );
    println!(
        "one pass over all flights, two joins included: {:.1} s",
        elapsed.as_secs_f64()
    );
    Ok(())
}
