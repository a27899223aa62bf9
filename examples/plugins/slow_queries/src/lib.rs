//! Logs and counts queries that take long. Shows an observer, its configuration, logs and metrics.
//!
//! The operator says in `[config]` how many milliseconds are long: `threshold_ms`, 1,000 if it is left out.

use std::cell::OnceCell;

use wasmfusion_udf::host::metrics::{Counter, Histogram};
use wasmfusion_udf::host::{config, log};
use wasmfusion_udf::prelude::*;

wasmfusion_udf::plugin! {
    capabilities: ["observe:query", "config", "log", "metric:emit"],
    config_schema: r#"{
        "type": "object",
        "properties": {"threshold_ms": {"type": "integer", "minimum": 0}},
        "additionalProperties": false
    }"#,
}

/// What is long, if nobody says it, in milliseconds.
const THRESHOLD_MS: i64 = 1_000;
/// Longest part of a query's text that is logged, in characters.
const SQL_SHOWN_MAX: usize = 200;

static SECONDS: Histogram<'_> = Histogram::new("query_seconds");
static SLOW: Counter<'_> = Counter::new("slow_queries");

std::thread_local! {
    // An observer's instance lives on: what it has asked for once is still there for the next event.
    static THRESHOLD_NS: OnceCell<i64> = const { OnceCell::new() };
}

/// Logs a query that has taken longer than the threshold.
#[observer(event = "query_end")]
pub fn slow_query(
    query: i64,
    sql: Option<&str>,
    duration_ns: i64,
    rows: i64,
    error: Option<&str>,
) -> Result<(), Error> {
    SECONDS.record(duration_ns as f64 / 1e9);
    if duration_ns < threshold_ns()? {
        return Ok(());
    }
    SLOW.increment();
    let shown: String = sql
        .unwrap_or("(unknown)")
        .chars()
        .take(SQL_SHOWN_MAX)
        .collect();
    log::warn!(
        query = query, ms = duration_ns / 1_000_000, rows = rows, sql = shown, error = error.unwrap_or("none");
        "slow query"
    );
    Ok(())
}

fn threshold_ns() -> Result<i64, Error> {
    THRESHOLD_NS.with(|known| {
        if let Some(threshold) = known.get() {
            return Ok(*threshold);
        }
        let ms: Option<i64> = config::get("threshold_ms")?;
        let threshold = ms.unwrap_or(THRESHOLD_MS).saturating_mul(1_000_000);
        Ok(*known.get_or_init(|| threshold))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmfusion_udf::testing::{self, observe};

    #[test]
    fn tells_of_slow_queries_alone() {
        let host = testing::host().config("threshold_ms", "20");
        let run = observe!(slow_query)
            .column([1i64, 2, 3])
            .column([Some("SELECT 1"), Some("SELECT 2"), None])
            .column([5_000_000i64, 25_000_000, 20_000_000])
            .column([1i64, 7, 0])
            .column([None, None, Some("cancelled")])
            .run();
        assert_eq!(run, Ok(()));
        let logs: Vec<String> = host.logs().iter().map(ToString::to_string).collect();
        assert_eq!(
            logs,
            [
                "WARN slow query query=2 ms=25 rows=7 sql=SELECT 2 error=none",
                "WARN slow query query=3 ms=20 rows=0 sql=(unknown) error=cancelled",
            ]
        );
        assert_eq!(host.metric("slow_queries", &[]), [1.0, 1.0]);
        assert_eq!(host.metric("query_seconds", &[]), [0.005, 0.025, 0.02]);
        // Once for all events.
        assert_eq!(host.calls("config"), 1);
    }
}
