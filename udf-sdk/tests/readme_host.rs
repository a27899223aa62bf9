//! The README's example of a plugin that asks the host; `readme.rs` checks that the README has it as it is here.

use std::cell::Cell;

use wasmfusion_udf::host::{config, log, metrics::Counter, table::Table};
use wasmfusion_udf::prelude::*;
use wasmfusion_udf::testing::{self, call, observe};

wasmfusion_udf::plugin! {
    capabilities: ["table:read:rates", "config", "log", "metric:emit"],
    config_schema: r#"{"type": "object", "properties": {"base": {"type": "string"}}, "required": ["base"]}"#,
}

static UNKNOWN: Counter = Counter::new("currencies_unknown");

/// What one unit of the base currency is worth in another; NULL if nobody knows.
#[udf(volatility = "stable")]
fn rate(code: &str) -> Result<Option<f64>, Error> {
    if code == config::get::<String>("base")? {
        return Ok(Some(1.0));
    }
    let Some(value) = Table::open("rates")?.get(code)? else {
        log::warn!(code = code; "there is no rate");
        UNKNOWN.increment();
        return Ok(None);
    };
    Ok(Some(str::from_utf8(&value)?.parse()?))
}

std::thread_local! {
    static SLOWEST_NS: Cell<i64> = const { Cell::new(0) };
}

/// Logs each query that took longer than all before it.
#[observer(event = "query_end")]
fn slowest(sql: Option<&str>, duration_ns: i64) {
    if duration_ns > SLOWEST_NS.get() {
        SLOWEST_NS.set(duration_ns);
        log::info!(ms = duration_ns / 1_000_000, sql = sql.unwrap_or("?"); "the slowest query so far");
    }
}

#[test]
fn is_told_of_events() {
    let host = testing::host();
    let run = observe!(slowest)
        .column([Some("SELECT 1"), None, Some("SELECT 2")])
        .column([5_000_000i64, 9_000_000, 7_000_000])
        .run();
    assert_eq!(run, Ok(()));
    assert_eq!(host.logs().len(), 2);
}

#[test]
fn asks_the_host() {
    let host = testing::host()
        .config("base", r#""EUR""#)
        .table("rates", [("USD", "1.25")]);
    let run = call!(rate).column(["EUR", "USD", "XXX"]).run();
    assert_eq!(run, Ok(vec![Some(1.0), Some(1.25), None]));
    assert_eq!(host.logs()[0].to_string(), "WARN there is no rate code=XXX");
    assert_eq!(host.metric("currencies_unknown", &[]), [1.0]);
}

#[test]
fn hears_why_not() {
    let error = rate("USD").expect_err("there is no host");
    assert!(error.message().contains("testing::host()"));
}
