//! The README's example of a plugin that asks the host; `readme.rs` checks that the README has it as it is here.

use wasmfusion_udf::host::{config, log, metrics::Counter, table::Table};
use wasmfusion_udf::prelude::*;
use wasmfusion_udf::testing::{self, call};

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
