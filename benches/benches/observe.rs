//! What observing costs: counting a call, and everything that can be switched on at once.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use criterion::Criterion;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::datasource::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use parking_lot::Mutex;
use tokio::runtime::Runtime;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use wasmfusion::{
    LocalContext, MetricsPublisher, ObserverLayer, Registry, RegistryOptions, SessionContextExt,
    StreamScope,
};
use wasmfusion_benches::{
    Figures, Pairs, Runner, Subject, built, collect, floats, function_with, is_test, places,
};

/// The plugins that observe queries, calls and both.
const OBSERVERS: [&str; 3] = ["slow_queries", "anomaly", "sampler"];
/// Rows of a batch, and batches of the table.
const BATCH: usize = 8_192;
const BATCHES: usize = 250;
const SQL: &str = "SELECT sum(great_circle_km(la, lo, lb, lp)) FROM legs";

fn main() {
    Runner::new().run(measure, figures);
}

fn measure(c: &mut Criterion) -> Pairs {
    let mut pairs = Pairs::default();
    let side = |count| {
        let mut options = RegistryOptions::default();
        options.count_calls = count;
        let function = function_with(options, "testing", "add");
        let subject = Subject::new(&function, &[floats(1, 0.5, 1.0), floats(1, 2.5, 1.0)]);
        let mut scope = Some(Box::default());
        move |calls| StreamScope::enter(&mut scope, || subject.calls(calls))
    };
    pairs.measure("counted", side(true), side(false));
    queries(c);
    pairs
}

/// Great-circle distances of some two million rows, as a query. What watches them is there for the whole process, so that they do not take turns.
fn queries(c: &mut Criterion) {
    let mut group = c.benchmark_group("observe");
    let runtime = Runtime::new().expect("a runtime");
    let query = |ctx| black_box(collect(&runtime, ctx, SQL));
    group.sample_size(20);
    let mut options = RegistryOptions::default();
    options.count_calls = false;
    let off = Registry::new(options);
    let ctx = session(&off);
    group.bench_function("off", |b| b.iter(|| query(&ctx)));

    let mut options = RegistryOptions::default();
    options.context = Arc::new(LocalContext::default());
    let on = Registry::new(options);
    for observer in OBSERVERS {
        on.load_file(built(observer)).expect("the observer loads");
    }
    let layer = ObserverLayer::default();
    layer.observe(&on);
    tracing_subscriber::registry()
        .with(tracing_subscriber::filter::LevelFilter::INFO)
        .with(layer)
        .init();
    let recorder = Numbers::default();
    metrics::set_global_recorder(recorder.clone()).expect("nobody else records");
    let publisher = MetricsPublisher::start(&on, Duration::from_secs(1)).expect("a thread");
    let ctx = session(&on);
    // A filter may leave it out.
    let mut ran = false;
    group.bench_function("on", |b| {
        ran = true;
        b.iter(|| query(&ctx));
    });
    drop(publisher);
    assert!(!ran || recorder.has("wasmfusion_function_calls_total"));
    assert!(on.flush_observers(Duration::from_secs(20)));
    let observed: u64 = on
        .observers()
        .iter()
        .map(|observer| observer.delivered)
        .sum();
    assert!(!ran || observed > 0, "{:?}", on.observers());
    group.finish();
}

/// A recorder of metrics that keeps the last number of each series.
#[derive(Clone, Default)]
struct Numbers(Arc<Mutex<HashMap<Key, Arc<AtomicU64>>>>);

impl Numbers {
    fn series(&self, key: &Key) -> Arc<AtomicU64> {
        Arc::clone(self.0.lock().entry(key.clone()).or_default())
    }

    fn has(&self, name: &str) -> bool {
        self.0.lock().keys().any(|key| key.name() == name)
    }
}

impl Recorder for Numbers {
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

/// A session with the plugin `geo` and a table of places.
fn session(registry: &Registry) -> SessionContext {
    registry.load_file(built("geo")).expect("the plugin loads");
    let ctx = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2));
    ctx.register_plugins(registry).expect("the names are free");
    let columns = ["la", "lo", "lb", "lp"].into_iter().zip(places(BATCH));
    let batch = RecordBatch::try_from_iter(columns).expect("a batch");
    let batches = if is_test() { 2 } else { BATCHES };
    let half = vec![batch.clone(); batches / 2];
    let table = MemTable::try_new(batch.schema(), vec![half.clone(), half]).expect("a table");
    ctx.register_table("legs", Arc::new(table))
        .expect("the name is free");
    ctx
}

fn figures(figures: &Figures, pairs: Pairs) {
    figures.print("observe/count_ns", pairs["counted"].difference_ns);
    figures.ratio("observe/on_ratio", "observe", ["on", "off"]);
}
