//! Warns when calls of a function take much longer than they used to. Shows an observer that learns from event to event.
//!
//! For each function it keeps the mean of the time that a row takes, and how far rows are from it (exponentially weighted, so that what is
//! long ago counts less). What is further from the mean than `deviations` says is an anomaly. `[config]` may set, all of them optional:
//! `deviations` (4), `warmup` (events before the first alarm: 20), `least_ns` (nanoseconds a row that nobody needs to hear of: 20).

use std::cell::RefCell;
use std::collections::HashMap;

use wasmfusion_udf::host::metrics::Gauge;
use wasmfusion_udf::host::{config, log};
use wasmfusion_udf::prelude::*;

wasmfusion_udf::plugin! {
    capabilities: ["observe:call", "config", "log", "metric:emit"],
    config_schema: r#"{
        "type": "object",
        "properties": {
            "deviations": {"type": "number", "exclusiveMinimum": 0},
            "warmup": {"type": "integer", "minimum": 1},
            "least_ns": {"type": "number", "minimum": 0}
        },
        "additionalProperties": false
    }"#,
}

/// How much the latest event counts.
const WEIGHT: f64 = 0.1;
/// Most functions that are watched.
const FUNCTIONS_MAX: usize = 1_000;

std::thread_local! {
    static WATCH: RefCell<Option<Watch>> = const { RefCell::new(None) };
}

/// What is known of all functions.
struct Watch {
    deviations: f64,
    warmup: u64,
    least_ns: f64,
    functions: HashMap<String, Known>,
}

/// What is known of one.
#[derive(Clone, Copy, Default)]
struct Known {
    events: u64,
    mean: f64,
    variance: f64,
}

/// Watches the time that a row takes in each function.
#[observer(event = "call")]
pub fn latency(plugin: &str, function: &str, rows: i64, guest_ns: i64) -> Result<(), Error> {
    if rows <= 0 {
        return Ok(());
    }
    WATCH.with_borrow_mut(|watch| {
        let watch = match watch {
            Some(watch) => watch,
            None => watch.insert(Watch::new()?),
        };
        watch.see(plugin, function, guest_ns as f64 / rows as f64);
        Ok(())
    })
}

impl Watch {
    fn new() -> Result<Self, Error> {
        let deviations: Option<f64> = config::get("deviations")?;
        let warmup: Option<u64> = config::get("warmup")?;
        let least_ns: Option<f64> = config::get("least_ns")?;
        Ok(Watch {
            deviations: deviations.unwrap_or(4.0),
            warmup: warmup.unwrap_or(20),
            least_ns: least_ns.unwrap_or(20.0),
            functions: HashMap::new(),
        })
    }

    fn see(&mut self, plugin: &str, function: &str, ns: f64) {
        let name = format!("{function}@{plugin}");
        if self.functions.len() >= FUNCTIONS_MAX && !self.functions.contains_key(&name) {
            return;
        }
        let known = self.functions.entry(name.clone()).or_default();
        let limit = known.mean + self.deviations * known.variance.sqrt();
        let is_anomaly = known.events >= self.warmup && ns > limit && ns > self.least_ns;
        if is_anomaly {
            log::warn!(
                function = name, ns = format_args!("{ns:.1}"), usual_ns = format_args!("{:.1}", known.mean);
                "a function has become slow"
            );
        }
        known.learn(ns);
        let labels = [("function", name.as_str())];
        Gauge::new("row_ns").labels(&labels).set(known.mean);
        Gauge::new("anomaly")
            .labels(&labels)
            .set(f64::from(is_anomaly));
    }
}

impl Known {
    fn learn(&mut self, ns: f64) {
        self.events += 1;
        // The first events count as much as in a plain mean.
        let weight = WEIGHT.max(1.0 / self.events as f64);
        let difference = ns - self.mean;
        self.mean += weight * difference;
        self.variance = (1.0 - weight) * (self.variance + weight * difference * difference);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmfusion_udf::testing::{self, observe};

    fn see(ns: impl IntoIterator<Item = i64>) {
        let ns: Vec<i64> = ns.into_iter().map(|ns| ns * 100).collect();
        let run = observe!(latency)
            .column(ns.iter().map(|_| "geo"))
            .column(ns.iter().map(|_| "area"))
            .column(ns.iter().map(|_| 100i64))
            .column(ns.iter().copied())
            .run();
        assert_eq!(run, Ok(()));
    }

    #[test]
    fn warns_of_what_is_far_from_the_mean() {
        let host = testing::host().config("warmup", "10");
        see((0..50).map(|event| 100 + event % 5));
        assert!(host.logs().is_empty(), "{:?}", host.logs());
        see([400]);
        let logs: Vec<String> = host.logs().iter().map(ToString::to_string).collect();
        assert_eq!(logs.len(), 1, "{logs:?}");
        assert!(
            logs[0].starts_with(
                "WARN a function has become slow function=area@geo ns=400.0 usual_ns=10"
            )
        );
        let labels = [("function", "area@geo")];
        assert_eq!(host.metric("anomaly", &labels).last(), Some(&1.0));
        let mean = host.metric("row_ns", &labels);
        assert!(
            mean.last()
                .is_some_and(|mean| (120.0..140.0).contains(mean)),
            "{mean:?}"
        );
        // What is slow for long is the new normal.
        see([400; 60]);
        assert_eq!(host.metric("anomaly", &labels).last(), Some(&0.0));
    }

    #[test]
    fn what_is_quick_is_no_anomaly() {
        let host = testing::host().config("warmup", "2");
        see([1, 1, 1, 1, 15]);
        assert!(host.logs().is_empty());
    }
}
