use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ::metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString,
    Unit,
};
use parking_lot::Mutex;

use super::*;

/// Keeps what it is told, as Prometheus would print it.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<BTreeMap<String, f64>>>);

struct Series(Kept, String);

impl Kept {
    fn series(&self, key: &Key) -> Arc<Series> {
        let labels = key.labels();
        let labels: Vec<String> = labels
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        Arc::new(Series(
            self.clone(),
            format!("{}{{{}}}", key.name(), labels.join(",")),
        ))
    }

    fn get(&self, name: &str) -> Option<f64> {
        self.0.lock().get(name).copied()
    }
}

impl CounterFn for Series {
    fn increment(&self, _: u64) {
        panic!("counters are set, or they would count twice");
    }

    fn absolute(&self, value: u64) {
        self.0.0.lock().insert(self.1.clone(), value as f64);
    }
}

impl GaugeFn for Series {
    fn increment(&self, _: f64) {
        panic!("gauges are set");
    }

    fn decrement(&self, _: f64) {
        panic!("gauges are set");
    }

    fn set(&self, value: f64) {
        self.0.0.lock().insert(self.1.clone(), value);
    }
}

impl Recorder for Kept {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.series(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.series(key))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// A registry whose plugin `geo` has emitted something.
fn registry() -> Registry {
    let registry = Registry::default();
    let plugin = registry.metrics().plugin("geo", 10);
    let labels = vec![("kind".to_owned(), "a\n\"b".to_owned())];
    for (kind, name, value) in [
        (MetricKind::Counter, "lookups", 3.0),
        (MetricKind::Gauge, "depth", 0.5),
        (MetricKind::Histogram, "seconds", 2.0),
    ] {
        let series = plugin.series(kind, name, labels.clone());
        series.expect("room").record(value);
    }
    registry
}

#[test]
fn publishing_twice_changes_nothing() {
    let registry = registry();
    let kept = Kept::default();
    ::metrics::with_local_recorder(&kept, || registry.publish_metrics());
    let once = kept.0.lock().clone();
    ::metrics::with_local_recorder(&kept, || registry.publish_metrics());
    assert_eq!(*kept.0.lock(), once);
    let labels = "plugin=geo,kind=a\\n\"b";
    let get = |name: &str| {
        kept.get(name)
            .unwrap_or_else(|| panic!("{name} in {once:?}"))
    };
    assert_eq!(
        get(&format!("wasmfusion_plugin_lookups_total{{{labels}}}")),
        3.0
    );
    assert_eq!(get(&format!("wasmfusion_plugin_depth{{{labels}}}")), 0.5);
    assert_eq!(
        get(&format!("wasmfusion_plugin_seconds_count{{{labels}}}")),
        1.0
    );
    assert_eq!(
        get(&format!("wasmfusion_plugin_seconds_sum{{{labels}}}")),
        2.0
    );
    let median = get(&format!(
        "wasmfusion_plugin_seconds{{{labels},quantile=0.5}}"
    ));
    assert!((median - 2.0).abs() <= 0.25, "{median}");
    assert_eq!(get("wasmfusion_audit_lost_total{}"), 0.0);
}

#[test]
fn plugins_that_are_gone_have_nothing() {
    let registry = Registry::default();
    let bytes = include_bytes!("../../../examples/plugins/built/hello.wasm");
    let plugin = registry.load_bytes("hello.wasm", bytes).expect("it loads");
    let version = &plugin.manifest().version;
    let info = format!(
        "wasmfusion_info{{plugin=hello,version={version},digest={}}}",
        plugin.digest()
    );
    let kept = Kept::default();
    ::metrics::with_local_recorder(&kept, || registry.publish_metrics());
    assert_eq!(kept.get(&info), Some(1.0));
    assert_eq!(kept.get("wasmfusion_instances{plugin=hello}"), Some(0.0));
    registry.unload("hello");
    drop(plugin);
    ::metrics::with_local_recorder(&kept, || registry.publish_metrics());
    assert_eq!(kept.get(&info), Some(0.0));
}

/// The only test that sets the recorder of the process.
#[test]
fn a_publisher_goes_on_until_it_is_dropped() {
    let kept = Kept::default();
    ::metrics::set_global_recorder(kept.clone()).unwrap_or_else(|_| panic!("there is one"));
    let registry = registry();
    let plugin = registry.metrics().plugin("geo", 10);
    let series = plugin
        .series(MetricKind::Counter, "rounds", Vec::new())
        .expect("room");
    let publisher = MetricsPublisher::start(&registry, Duration::ZERO).expect("a thread");
    let shown = |wanted: f64| {
        let name = "wasmfusion_plugin_rounds_total{plugin=geo}";
        let seen = || kept.get(name) == Some(wanted);
        (0..500).any(|_| {
            seen() || {
                std::thread::sleep(Duration::from_millis(10));
                false
            }
        })
    };
    assert!(shown(0.0));
    series.record(1.0);
    assert!(shown(1.0));
    series.record(1.0);
    // One last round.
    drop(publisher);
    assert_eq!(
        kept.get("wasmfusion_plugin_rounds_total{plugin=geo}"),
        Some(2.0)
    );
}
