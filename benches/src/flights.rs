//! The real flights as tables.

use std::path::Path;

use datafusion::prelude::{CsvReadOptions, ParquetReadOptions, SessionContext};

/// Gives a session the tables `flights` and `airports`.
///
/// # Panics
///
/// If the data cannot be read, or there are such tables.
pub async fn register_flights(ctx: &SessionContext) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data");
    let data = |file: &str| folder.join(file).display().to_string();
    ctx.register_csv("airports", data("airports.csv"), CsvReadOptions::new())
        .await
        .expect("the airports are there");
    let flights = data("flights-3m.parquet");
    ctx.register_parquet("flights", flights, ParquetReadOptions::new())
        .await
        .expect("the flights are there");
}
