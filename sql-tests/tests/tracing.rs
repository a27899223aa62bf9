//! Spans: of loading, of streams, of calls; beside those of datafusion-tracing, in whichever order the rules are.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::execution::SessionStateBuilder;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_tracing::{
    InstrumentationOptions, instrument_with_info_spans, pretty_format_compact_batch,
};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use wasmfusion::{Registry, RegistryOptions, SessionContextExt};
use wasmfusion_sql_tests::{Guest, built_plugins};

/// A span.
#[derive(Clone, Debug)]
struct Seen {
    name: &'static str,
    target: String,
    level: Level,
    /// Place of its parent among all spans.
    parent: Option<usize>,
    fields: BTreeMap<String, String>,
    closed: bool,
}

/// All spans of the process, in the order in which they began.
static SEEN: Mutex<Vec<Seen>> = Mutex::new(Vec::new());

/// Where a span is among all.
struct Place(usize);

struct Collect;

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let value = format!("{value:?}");
        self.fields.insert(field.name().to_owned(), value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields
            .insert(field.name().to_owned(), value.to_owned());
    }
}

fn seen() -> MutexGuard<'static, Vec<Seen>> {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Collect {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let span = context.span(id).expect("it is new");
        let parent = span.parent();
        let parent = parent.and_then(|span| span.extensions().get::<Place>().map(|place| place.0));
        let metadata = attributes.metadata();
        let mut new = Seen {
            name: metadata.name(),
            target: metadata.target().to_owned(),
            level: *metadata.level(),
            parent,
            fields: BTreeMap::new(),
            closed: false,
        };
        attributes.record(&mut new);
        let mut seen = seen();
        span.extensions_mut().insert(Place(seen.len()));
        seen.push(new);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let span = context.span(id).expect("it lives");
        if let Some(Place(place)) = span.extensions().get() {
            values.record(&mut seen()[*place]);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let span = context.span(&id).expect("it is still there");
        if let Some(Place(place)) = span.extensions().get() {
            seen()[*place].closed = true;
        }
    }
}

/// Who holds this is the only one that makes spans.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    static STARTED: LazyLock<()> = LazyLock::new(|| {
        let subscriber = tracing_subscriber::registry().with(Collect);
        tracing::subscriber::set_global_default(subscriber).expect("nobody else sets one");
    });
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    LazyLock::force(&STARTED);
    seen().clear();
    alone
}

/// All spans of a name.
fn named(name: &str) -> Vec<Seen> {
    let seen = seen();
    seen.iter()
        .filter(|span| span.name == name)
        .cloned()
        .collect()
}

/// The names of a span's ancestors, the nearest first; of datafusion-tracing's, the operator.
fn ancestors(span: &Seen) -> Vec<String> {
    let seen = seen();
    let mut names = Vec::new();
    let mut next = span.parent;
    while let Some(place) = next {
        let span = &seen[place];
        names.push(match span.name {
            "InstrumentedExec" => span.fields["otel.name"].clone(),
            name => name.to_owned(),
        });
        next = span.parent;
    }
    names
}

fn instrument() -> Arc<dyn PhysicalOptimizerRule + Send + Sync> {
    let options = InstrumentationOptions::builder()
        .record_metrics(true)
        .preview_limit(2)
        .preview_fn(Arc::new(|batch| {
            pretty_format_compact_batch(batch, 64, 3, 10).map(|text| text.to_string())
        }))
        .build();
    instrument_with_info_spans!(options: options)
}

fn registry() -> Registry {
    let registry = Registry::default();
    for plugin in ["geo", "text", "stats", "series"] {
        let file = built_plugins().join(plugin).with_extension("wasm");
        registry.load_file(file).expect("it loads");
    }
    registry
}

fn builder() -> SessionStateBuilder {
    let config = SessionConfig::new().with_target_partitions(3);
    SessionStateBuilder::new()
        .with_default_features()
        .with_config(config)
}

/// A session without datafusion-tracing, one in which its rule comes before ours, and one in which it comes after.
fn sessions(registry: &Registry) -> [SessionContext; 3] {
    let plain = SessionContext::new_with_state(builder().build());
    plain.register_plugins(registry).expect("names are free");
    let before = builder().with_physical_optimizer_rule(instrument());
    let before = SessionContext::new_with_state(before.build());
    before.register_plugins(registry).expect("names are free");
    let after = SessionStateBuilder::new_from_existing(plain.state());
    let after = after.with_physical_optimizer_rule(instrument());
    let after = SessionContext::new_with_state(after.build());
    [plain, before, after]
}

async fn answer(ctx: &SessionContext, sql: &str) -> String {
    let frame = ctx.sql(sql).await.expect("it is planned");
    let batches = frame.collect().await.expect("it answers");
    pretty_format_batches(&batches)
        .expect("a table")
        .to_string()
}

const DISTANCES: &str =
    "SELECT great_circle_km(CAST(value % 90 AS DOUBLE), 13.4, 48.9, 2.4) AS km FROM range(0, 1000)";

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::await_holding_lock, reason = "the spans of one test at a time")]
async fn calls_are_below_their_operators() {
    let _alone = alone();
    let registry = registry();
    let [plain, before, after] = sessions(&registry);
    for (ctx, operator) in [
        (&plain, None),
        (&before, Some("ProjectionExec")),
        (&after, Some("ProjectionExec")),
    ] {
        seen().clear();
        assert_eq!(answer(ctx, DISTANCES).await.lines().count(), 1_004);
        // The query's tasks may end a moment after its last row came.
        for _ in 0..100 {
            let open = |name| named(name).iter().any(|span| !span.closed);
            if !open("wasm_stream") && !open("InstrumentedExec") {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let streams = named("wasm_stream");
        assert!(!streams.is_empty());
        let mut rows = 0;
        for stream in &streams {
            assert!(stream.closed, "{stream:?}");
            assert_eq!(
                (stream.target.as_str(), stream.level),
                ("wasmfusion::stream", Level::DEBUG)
            );
            let nearest = ancestors(stream).into_iter().next();
            assert_eq!(nearest.as_deref(), operator);
            assert_eq!(stream.fields["otel.name"], "ProjectionExec geo");
            assert_eq!(stream.fields["otel.kind"], "internal");
            assert_eq!(stream.fields["wasmfusion.plugin.name"], "geo");
            assert_eq!(stream.fields["wasmfusion.plugin.digest"].len(), 64);
            assert!(!stream.fields.contains_key("error.type"));
            rows += stream.fields["wasmfusion.rows"]
                .parse::<u64>()
                .expect("a number");
        }
        assert_eq!(rows, 1_000);
        let calls = named("wasm_call");
        assert!(!calls.is_empty());
        for call in &calls {
            assert_eq!(
                (call.target.as_str(), call.level),
                ("wasmfusion::call", Level::TRACE)
            );
            let ancestors = ancestors(call);
            assert_eq!(ancestors[0], "wasm_stream");
            assert_eq!(ancestors.get(1).map(String::as_str), operator);
            assert_eq!(call.fields["code.function.name"], "geo::great_circle_km");
        }
        let of_calls = calls.iter().map(|call| {
            call.fields["wasmfusion.rows"]
                .parse::<u64>()
                .expect("a number")
        });
        assert_eq!(of_calls.sum::<u64>(), 1_000);
        if operator.is_some() {
            // Partitions that run at the same time share a span; one that begins after the others have ended has its own. What is counted is the
            // operator's, whole in the span that closes last.
            let operators = named("InstrumentedExec");
            let projections: Vec<_> = operators
                .iter()
                .filter(|span| span.fields["otel.name"] == "ProjectionExec")
                .collect();
            let of_any = |field: &str, is: &dyn Fn(&str) -> bool| {
                let values = projections.iter().map(|span| span.fields.get(field));
                assert!(
                    values.flatten().any(|value| is(value)),
                    "{field}: {projections:?}"
                );
            };
            of_any("datafusion.metrics.output_rows", &|rows| rows == "1.00 K");
            of_any("datafusion.preview", &|preview| preview.contains("km"));
        }
    }
}

/// What datafusion-tracing wraps is found all the same, and answers as before: functions of all kinds, and keys of repartitions.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::await_holding_lock, reason = "the spans of one test at a time")]
async fn answers_are_the_same() {
    let _alone = alone();
    let registry = registry();
    let functions: Vec<String> = registry
        .functions()
        .iter()
        .map(|f| f.name().to_owned())
        .collect();
    let [plain, before, after] = sessions(&registry);
    for sql in [
        "SELECT slugify('No. ' || (value % 7)) AS slug, count(*) AS n FROM range(0, 5000) GROUP BY 1 ORDER BY 1",
        "SELECT value % 3 AS k, geometric_mean(CAST(value + 1 AS DOUBLE)) AS m FROM range(0, 5000) GROUP BY 1 ORDER BY 1",
        "SELECT value, moving_median(CAST(value AS DOUBLE)) OVER (ORDER BY value ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS e FROM range(0, 100) ORDER BY 1",
        "SELECT count(*) FROM range(0, 1000) WHERE great_circle_km(CAST(value % 90 AS DOUBLE), 13.4, 48.9, 2.4) > 2000",
    ] {
        let expected = answer(&plain, sql).await;
        for ctx in [&before, &after] {
            let explained = answer(ctx, &format!("EXPLAIN {sql}")).await;
            assert!(explained.contains("wasm=["), "{functions:?} {explained}");
            assert_eq!(answer(ctx, sql).await, expected, "{sql}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::await_holding_lock, reason = "the spans of one test at a time")]
async fn failures_are_seen() {
    let _alone = alone();
    let mut options = RegistryOptions::default();
    options.limits.call_timeout_ms = 100;
    let registry = Registry::new(options);
    for (name, body) in [
        ("trapping", "unreachable"),
        ("endless", "(loop $again (br $again)) (local.get $x)"),
        ("refusing", "(i64.const -1)"),
    ] {
        let text = Guest::new(name, &[], body).text();
        registry
            .load_bytes(name, text.as_bytes())
            .expect("it loads");
    }
    let [plain, ..] = sessions(&registry);
    for (function, kind) in [
        ("trapping", "trap"),
        ("endless", "limit"),
        ("refusing", "guest"),
    ] {
        seen().clear();
        let frame = plain
            .sql(&format!("SELECT {function}(value) FROM range(0, 1)"))
            .await;
        frame
            .expect("it is planned")
            .collect()
            .await
            .expect_err("it fails");
        for name in ["wasm_call", "wasm_stream"] {
            let spans = named(name);
            let failed = spans.last().expect("there is one");
            assert_eq!(failed.fields["otel.status_code"], "ERROR", "{failed:?}");
            assert_eq!(failed.fields["error.type"], kind, "{failed:?}");
        }
    }
    let trap = named("wasm_call");
    assert!(
        trap.iter()
            .all(|call| call.fields["otel.status_description"].len() > 5)
    );
}

#[test]
fn loading_is_seen() {
    let _alone = alone();
    let registry = Registry::default();
    let outer = tracing::info_span!("outer");
    outer.in_scope(|| {
        let file = built_plugins().join("geo.wasm");
        registry.load_file(file).expect("it loads");
        registry
            .load_bytes("bad", b"nothing")
            .expect_err("it is refused");
    });
    let loads = named("wasm_load");
    let [geo, bad] = loads.as_slice() else {
        panic!("{loads:?}");
    };
    assert_eq!(ancestors(geo), ["outer"]);
    assert_eq!(
        (geo.target.as_str(), geo.level),
        ("wasmfusion::load", Level::INFO)
    );
    assert_eq!(geo.fields["wasmfusion.plugin.name"], "geo");
    assert!(geo.fields["file.path"].ends_with("geo.wasm"));
    assert!(!geo.fields.contains_key("error.type"));
    assert_eq!(bad.fields["otel.status_code"], "ERROR");
    assert_eq!(bad.fields["error.type"], "module");
    assert!(bad.closed && geo.closed);
}
