//! The life of a plugin: states, suspension, the circuit breaker, events; modules from object stores and from SQL text.

mod breaker;
mod sources;
mod suspension;

use datafusion::arrow::util::display::array_value_to_string;
use datafusion::prelude::SessionContext;
use wasmfusion::Registry;
use wasmfusion_sql_tests::Guest;

/// A plugin `name` whose function `name` adds a number.
fn adding(name: &str, number: i64) -> String {
    let body = format!("(i64.add (local.get $x) (i64.const {number}))");
    Guest::new(name, &[], &body).text()
}

async fn value(ctx: &SessionContext, sql: &str) -> Result<String, String> {
    let frame = ctx.sql(sql).await;
    let frame = frame.map_err(|error| error.strip_backtrace())?;
    let batches = frame.collect().await;
    let batches = batches.map_err(|error| error.strip_backtrace())?;
    // A statement has no rows.
    Ok(batches.first().map_or_else(String::new, |batch| {
        array_value_to_string(batch.column(0), 0).expect("text")
    }))
}

/// The names of what happened to a plugin.
fn events_of(registry: &Registry, plugin: &str) -> Vec<&'static str> {
    let events = registry.events().into_iter();
    let events = events.filter(|event| event.plugin == plugin);
    events.map(|event| event.kind.name()).collect()
}
