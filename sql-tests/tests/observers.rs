//! Observers: what they are told, what they are not, and that nothing they do can hurt a query.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::util::display::array_value_to_string;
use datafusion::error::DataFusionError;
use datafusion::prelude::{ParquetReadOptions, SessionContext};
use futures::StreamExt;
use tracing_subscriber::layer::SubscriberExt;
use wasmfusion::{
    LocalContext, ObserverCounts, ObserverLayer, PluginSettings, Registry, RegistryOptions,
    SessionContextExt,
};
use wasmfusion_sql_tests::{COUNT, Guest, Observing, SUM, built_plugins, new_session};

/// Longest time until something is seen.
const SEEN_AFTER: Duration = Duration::from_secs(20);
/// Longest time until everything is delivered.
const DELIVERED_AFTER: Duration = Duration::from_secs(20);

const ROWS: &[(&str, &str)] = &[("rows", "Int64")];

fn granting<S: AsRef<str>>(capabilities: &[S]) -> PluginSettings {
    let grant = |settings: PluginSettings, capability: &S| {
        settings
            .grant(capability.as_ref())
            .unwrap_or_else(|error| panic!("{error}"))
    };
    capabilities.iter().fold(PluginSettings::default(), grant)
}

fn load(registry: &Registry, plugin: &Observing) {
    let settings = granting(plugin.capabilities());
    registry
        .load_bytes_with("watch.wat", plugin.text().as_bytes(), &settings)
        .unwrap_or_else(|error| panic!("{error}"));
}

/// A registry with one plugin in it, and a session.
fn observed(plugin: &Observing) -> (Registry, SessionContext) {
    observed_with(plugin, RegistryOptions::default())
}

fn observed_with(plugin: &Observing, options: RegistryOptions) -> (Registry, SessionContext) {
    let registry = Registry::new(options);
    load(&registry, plugin);
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    (registry, ctx)
}

fn refusal(plugin: &Observing, settings: &PluginSettings) -> String {
    Registry::default()
        .load_bytes_with("watch.wat", plugin.text().as_bytes(), settings)
        .expect_err("refused")
        .to_string()
}

async fn rows(ctx: &SessionContext, sql: &str) -> Result<Vec<Vec<String>>, String> {
    let told = |error: DataFusionError| error.strip_backtrace();
    let frame = ctx.wasm_sql(sql).await.map_err(told)?;
    let batches = frame.collect().await.map_err(told)?;
    let mut rows = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let value = |column| array_value_to_string(column, row).expect("text");
            rows.push(batch.columns().iter().map(|c| value(c)).collect());
        }
    }
    Ok(rows)
}

async fn value(ctx: &SessionContext, sql: &str) -> Result<String, String> {
    let rows = rows(ctx, sql).await?;
    Ok(rows.into_iter().flatten().next().unwrap_or_default())
}

fn flush(registry: &Registry) {
    assert!(registry.flush_observers(DELIVERED_AFTER), "{registry:?}");
}

/// The metric of a plugin that counts.
fn seen(registry: &Registry, plugin: &str) -> f64 {
    let metrics = registry.metrics().all();
    let of_plugin = metrics.iter().find(|m| &*m.plugin == plugin);
    of_plugin.map_or(0.0, |metric| metric.value)
}

fn counts(registry: &Registry, function: &str) -> ObserverCounts {
    let all = registry.observers();
    let found = all.iter().find(|counts| &*counts.function == function);
    found.expect("it is loaded").clone()
}

/// Waits until something is as expected.
async fn until(what: &str, is: impl Fn() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < SEEN_AFTER, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn all_queries_of_a_session_are_seen() {
    let plugin = Observing::new("watch", &["query"])
        .observer(
            "starts",
            "query_start",
            &[("query", "Int64"), ("sql", "Utf8?")],
            COUNT,
        )
        .observer("ends", "query_end", ROWS, COUNT);
    let (registry, ctx) = observed(&plugin);
    for _ in 0..5 {
        assert_eq!(value(&ctx, "SELECT 1").await.as_deref(), Ok("1"));
    }
    ctx.sql("SELECT 2")
        .await
        .expect("planned")
        .collect()
        .await
        .expect("rows");
    flush(&registry);
    assert_eq!(seen(&registry, "watch"), 12.0);
    for name in ["starts", "ends"] {
        let ObserverCounts {
            delivered,
            dropped,
            failed,
            ..
        } = counts(&registry, name);
        assert_eq!((delivered, dropped, failed), (6, 0, 0), "{name}");
    }
    let table = "SELECT plugin, function, event, delivered, dropped, failed, last_error FROM wasmfusion.observers ORDER BY function";
    let table = rows(&ctx, table).await.expect("a table");
    assert_eq!(table[0], ["watch", "ends", "query_end", "6", "0", "0", ""]);
    assert_eq!(table[1][..3], ["watch", "starts", "query_start"]);
}

#[tokio::test]
async fn only_the_columns_that_are_asked_for_cross_by_name() {
    // Its only parameter is one that stands behind others in the event.
    let plugin = Observing::new("watch", &["query"]).observer("sum", "query_end", ROWS, SUM);
    let (registry, ctx) = observed(&plugin);
    for count in [3, 4, 5] {
        let sql = format!("SELECT * FROM generate_series(1, {count})");
        rows(&ctx, &sql).await.expect("rows");
    }
    flush(&registry);
    assert_eq!(seen(&registry, "watch"), 12.0);
}

#[tokio::test]
async fn events_without_what_is_asked_for_are_left_out() {
    let failing = &[("rows", "Int64"), ("error", "Utf8")];
    let plugin =
        Observing::new("watch", &["query"]).observer("failures", "query_end", failing, COUNT);
    let (registry, ctx) = observed(&plugin);
    value(&ctx, "SELECT 1").await.expect("it answers");
    let divided = "SELECT 1 / (x - 1) FROM (VALUES (1)) AS t(x)";
    value(&ctx, divided).await.expect_err("by zero");
    // Nobody waits for all of it: two streams, and one end.
    let series = ctx.sql("SELECT * FROM generate_series(1, 100000000)").await;
    let mut stream = series
        .expect("planned")
        .execute_stream()
        .await
        .expect("begun");
    stream.next().await.expect("a batch").expect("of rows");
    drop(stream);
    flush(&registry);
    assert_eq!(counts(&registry, "failures").delivered, 2);
}

#[tokio::test]
async fn an_instance_lives_on_and_has_no_querys_end() {
    // Adds up how often it was called: 1 + 2 + 3 if it remembers.
    let body = "(call $add (f64.convert_i32_u (i32.load (i32.const 100000))))
        (i32.store (i32.const 100000) (i32.add (i32.load (i32.const 100000)) (i32.const 1)))
        (i32.const 0)";
    let plugin = Observing::new("watch", &["query"]).observer("calls", "query_end", ROWS, body);
    let mut options = RegistryOptions::default();
    options.limits.query_timeout_ms = Some(100);
    let (registry, ctx) = observed_with(&plugin, options);
    for _ in 0..4 {
        value(&ctx, "SELECT 1").await.expect("it answers");
        flush(&registry);
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    assert_eq!(seen(&registry, "watch"), 6.0);
    assert_eq!(counts(&registry, "calls").failed, 0);
}

#[tokio::test]
async fn operators_and_calls_and_audit_records_are_told() {
    let calls = &[("rows", "Int64"), ("guest_ns", "Int64")];
    let failures = &[("query", "Int64"), ("error", "Utf8")];
    let audit = &[("calls", "Int64"), ("outcome", "Utf8")];
    let operator = &[("node", "Int64"), ("metrics", "Utf8")];
    let plugin = Observing::new("watch", &["operator", "call", "audit"])
        .observer("operators", "operator", operator, COUNT)
        .observer("called", "call", calls, SUM)
        .observer("failed", "call", failures, COUNT)
        .observer("records", "audit", audit, COUNT);
    let (registry, ctx) = observed(&plugin);
    let guest = Guest::new("guest", &["clock"], "(if (result i64) (i64.eq (local.get $x) (i64.const 7)) (then (unreachable)) (else (call $clock_realtime)))")
        .import("clock_realtime", "");
    registry
        .load_bytes_with("guest.wat", guest.text().as_bytes(), &granting(&["clock"]))
        .expect("granted");
    ctx.register_plugins(&registry).expect("new functions");
    value(&ctx, "SELECT guest(x) FROM (VALUES (1), (2)) AS t(x)")
        .await
        .expect("it answers");
    registry.audit().expect("begun").flush();
    flush(&registry);
    assert!(counts(&registry, "operators").delivered >= 2);
    assert_eq!(counts(&registry, "failed").delivered, 0);
    assert_eq!(counts(&registry, "records").delivered, 1);
    assert_eq!(counts(&registry, "called").delivered, 1);

    let error = value(&ctx, "SELECT guest(x) FROM (VALUES (7)) AS t(x)").await;
    assert!(error.is_err_and(|error| error.contains("unreachable")));
    flush(&registry);
    assert_eq!(counts(&registry, "failed").delivered, 1);
}

#[tokio::test]
async fn metrics_that_have_changed_are_told_each_second_and_never_those_of_observers() {
    let metric = &[("count", "Int64"), ("value", "Float64")];
    let watch = Observing::new("watch", &["metric"]).observer("metrics", "metric", metric, COUNT);
    let other = Observing::new("other", &["metric"]).observer("others", "metric", metric, COUNT);
    let (registry, ctx) = observed(&watch);
    load(&registry, &other);
    let guest = Guest::new("guest", &["metric:emit"], "(call $metric_record (i32.wrap_i64 (call $metric (i32.const 0) (i32.const 4096) (i32.const 4) (i32.const 0) (i32.const 0))) (f64.const 1))")
        .import("metric", "iiiii")
        .import("metric_record", "id")
        .data("rows");
    registry
        .load_bytes_with(
            "guest.wat",
            guest.text().as_bytes(),
            &granting(&["metric:emit"]),
        )
        .expect("granted");
    ctx.register_plugins(&registry).expect("new functions");
    value(&ctx, "SELECT guest(x) FROM (VALUES (1)) AS t(x)")
        .await
        .expect("it answers");
    until("a metric", || counts(&registry, "metrics").delivered > 0).await;
    until("a metric", || counts(&registry, "others").delivered > 0).await;
    // Both have counted since then, in metrics of their own.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    for name in ["metrics", "others"] {
        assert_eq!(counts(&registry, name).delivered, 1, "{name}");
    }
}

#[tokio::test]
async fn observers_do_not_observe_themselves() {
    let params = &[("plugin", "Utf8"), ("calls", "Int64")];
    let trap = "(call $add (f64.const 1)) (unreachable)";
    let plugin = Observing::new("watch", &["query", "call", "audit"])
        .observer("ends", "query_end", ROWS, COUNT)
        .observer("called", "call", params, trap)
        .observer("records", "audit", params, COUNT)
        .identity("same");
    let (registry, ctx) = observed(&plugin);
    value(&ctx, "SELECT same(x) FROM (VALUES (1)) AS t(x)")
        .await
        .expect("it answers");
    flush(&registry);
    let before = registry.observers();
    // Its host calls have left records by now.
    let audit = registry.audit().expect("begun");
    until("records", || !audit.records().is_empty()).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    flush(&registry);
    assert_eq!(registry.observers(), before);
    assert_eq!(counts(&registry, "records").delivered, 0);
}

#[tokio::test]
async fn spans_and_events_are_told_as_json() {
    // Adds up the lengths of the first column's texts: the last of its offsets.
    let lengths = "(call $add (f64.convert_i32_u
          (i32.load (i32.add (i32.shl (i32.load (local.get $frame)) (i32.const 2))
            (i32.load offset=4 (i32.load offset=40 (i32.load offset=8 (local.get $frame))))))))
        (i32.const 0)";
    let spans = &[("fields", "Utf8"), ("duration_ns", "Int64")];
    let plugin = Observing::new("watch", &["span"])
        .observer("spans", "span", spans, lengths)
        .observer("messages", "span", &[("message", "Utf8")], COUNT);
    let registry = Registry::default();
    let layer = ObserverLayer::default();
    let subscriber = tracing_subscriber::registry().with(layer.clone());
    let _set = tracing::subscriber::set_default(subscriber);
    // Nobody observes yet.
    tracing::info!("unheard");
    layer.observe(&registry);
    load(&registry, &plugin);
    {
        let span = tracing::info_span!("work", rows = 7, note = tracing::field::Empty);
        span.record("note", "a\"b");
        let _entered = span.enter();
        tracing::info!(answer = 42, "heard");
    }
    flush(&registry);
    assert_eq!(counts(&registry, "spans").delivered, 1);
    assert_eq!(
        seen(&registry, "watch"),
        r#"{"note":"a\"b","rows":7}"#.len() as f64 + 1.0
    );
    assert_eq!(counts(&registry, "messages").delivered, 1);
}

#[test]
fn what_is_not_granted_is_refused() {
    let plugin = Observing::new("watch", &["query"]).observer("ends", "query_end", ROWS, COUNT);
    let error = refusal(&plugin, &granting(&["metric:emit"]));
    assert!(error.contains("grants = [\"observe:query\"]"), "{error}");
    let plugin = Observing::new("watch", &["call"]).observer("ends", "query_end", ROWS, COUNT);
    let error = refusal(&plugin, &granting(plugin.capabilities()));
    assert!(
        error.contains("add \"observe:query\" to `capabilities`"),
        "{error}"
    );
}

#[test]
fn parameters_are_columns_of_the_event() {
    let refused = |params: &[(&str, &str)]| {
        let plugin =
            Observing::new("watch", &["query"]).observer("ends", "query_end", params, COUNT);
        refusal(&plugin, &granting(plugin.capabilities()))
    };
    let error = refused(&[("row", "Int64")]);
    assert!(
        error.contains("no such column; it has time Timestamp(ns, \"UTC\"), query Int64"),
        "{error}"
    );
    let error = refused(&[("rows", "Int32")]);
    assert!(
        error.contains("its type is Int32, but the column is Int64"),
        "{error}"
    );
    assert!(refused(&[]).contains("it has no parameters"));
    let plugin = Observing::new("watch", &["query"]).observer("ends", "query", ROWS, COUNT);
    let error = refusal(&plugin, &granting(plugin.capabilities()));
    assert!(
        error.contains("unknown variant `query`, expected one of `query_start`"),
        "{error}"
    );
}

#[tokio::test]
async fn sql_cannot_call_an_observer() {
    let plugin = Observing::new("watch", &["query"])
        .observer("ends", "query_end", ROWS, COUNT)
        .identity("same");
    let (_registry, ctx) = observed(&plugin);
    assert_eq!(value(&ctx, "SELECT same(3)").await.as_deref(), Ok("3"));
    let error = value(&ctx, "SELECT ends(3)").await.expect_err("unknown");
    assert!(error.contains("ends"), "{error}");
    let functions = "SELECT string_agg(name, ',') FROM wasmfusion.functions";
    assert_eq!(value(&ctx, functions).await.as_deref(), Ok("same"));

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("watch.wat");
    let registry = Registry::default();
    fs::write(&file, plugin.text()).expect("written");
    let mut options = RegistryOptions::default();
    options.grants = granting(plugin.capabilities()).grants;
    drop(registry);
    let ctx = new_session(&Registry::new(options), Arc::default()).expect("a session");
    let create = format!(
        "CREATE FUNCTION ends(rows BIGINT) RETURNS BIGINT LANGUAGE WASM AS '{}'",
        file.display()
    );
    let error = value(&ctx, &create).await.expect_err("refused");
    assert!(
        error.contains("an observer in place of such a function"),
        "{error}"
    );
}

/// Whatever an observer does, queries go on, and what it cannot take is counted.
async fn undisturbed(what: &str, body: &str, expected: &str) {
    let plugin = Observing::new("watch", &["query", "call"])
        .observer("hostile", "query_end", ROWS, body)
        .identity("same");
    let mut options = RegistryOptions::default();
    options.limits.call_timeout_ms = 200;
    options.limits.memory_bytes_max = 16 << 20;
    options.limits.observer_events_max = 8;
    let (registry, ctx) = observed_with(&plugin, options);
    let began = Instant::now();
    for x in 0..40 {
        let sql = format!("SELECT same({x}) FROM (VALUES (1)) AS t(y)");
        assert_eq!(value(&ctx, &sql).await, Ok(x.to_string()), "{what}");
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{what}");
    until(what, || counts(&registry, "hostile").failed > 0).await;
    let counted = counts(&registry, "hostile");
    let error = counted.last_error.expect("it has failed");
    assert!(error.contains(expected), "{what}: {error}");
    assert!(error.contains("hostile (plugin watch)"), "{what}: {error}");
    until(what, || {
        let counted = counts(&registry, "hostile");
        counted.delivered + counted.failed + counted.dropped == 40
    })
    .await;
    // It is gone at once.
    let began = Instant::now();
    registry.unload("watch");
    assert!(began.elapsed() < Duration::from_secs(1), "{what}");
    assert!(registry.observers().is_empty());
}

#[tokio::test]
async fn hostile_observers_hurt_no_query() {
    for (what, body, expected) in [
        (
            "a loop",
            "(loop $l (br $l)) (i32.const 0)",
            "ran longer than 200 ms",
        ),
        ("a trap", "(unreachable)", "unreachable"),
        (
            "a memory bomb",
            "(loop $l (br_if $l (i32.ge_s (memory.grow (i32.const 16)) (i32.const 0)))) (unreachable)",
            "wanted",
        ),
        (
            "an error that is not there",
            "(i32.store offset=32 (local.get $frame) (i32.const -8)) (i32.store offset=36 (local.get $frame) (i32.const -1)) (i32.const 1)",
            "gave no message",
        ),
        (
            "a metric outside of its memory",
            "(drop (call $metric (i32.const 0) (i32.const -4) (i32.const 40) (i32.const 0) (i32.const 0))) (i32.const 0)",
            "an address that is not its own",
        ),
        (
            "endless recursion",
            "(call $add (f64.const 0)) (drop (call $deep (local.get $frame))) (i32.const 0)) (func $deep (param i32) (result i32) (i32.add (call $deep (local.get 0)) (i32.const 1))",
            "called itself too deeply",
        ),
    ] {
        undisturbed(what, body, expected).await;
    }
}

#[tokio::test]
async fn an_observer_that_has_failed_is_replaced() {
    // Traps at the first event that it sees with so many rows.
    let body = "(if (i64.eq (i64.load (i32.load offset=4 (i32.load offset=40 (i32.load offset=8 (local.get $frame))))) (i64.const 3))
        (then (unreachable))) (call $add (f64.const 1)) (i32.const 0)";
    let plugin = Observing::new("watch", &["query"]).observer("ends", "query_end", ROWS, body);
    let (registry, ctx) = observed(&plugin);
    for (count, failed, delivered) in [(1, 0, 1), (3, 1, 1), (2, 1, 2)] {
        let sql = format!("SELECT * FROM generate_series(1, {count})");
        rows(&ctx, &sql).await.expect("rows");
        flush(&registry);
        let counted = counts(&registry, "ends");
        assert_eq!((counted.failed, counted.delivered), (failed, delivered));
    }
}

/// Puts a file into its place in one step.
fn put(folder: &Path, name: &str, text: &str) {
    let new = folder.join(format!(".{name}.new"));
    fs::write(&new, text).expect("written");
    fs::rename(&new, folder.join(name)).expect("moved");
}

#[tokio::test]
async fn a_reload_takes_effect() {
    let folder = tempfile::tempdir().expect("a folder");
    let version = |event: &str, column: &str| {
        Observing::new("watch", &["query"]).observer("ends", event, &[(column, "Int64")], COUNT)
    };
    put(
        folder.path(),
        "watch.toml",
        "grants = [\"observe:query\", \"metric:emit\"]\n",
    );
    put(
        folder.path(),
        "watch.wat",
        &version("query_end", "rows").text(),
    );
    let registry = Registry::default();
    let directory = registry.open_dir(folder.path()).expect("it can be watched");
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    value(&ctx, "SELECT 1").await.expect("it answers");
    flush(&registry);
    assert_eq!(counts(&registry, "ends").delivered, 1);
    // Another version has counts of its own.
    put(
        folder.path(),
        "watch.wat",
        &version("query_start", "query").text(),
    );
    until("a new version", || {
        counts(&registry, "ends").event.name() == "query_start"
    })
    .await;
    value(&ctx, "SELECT 1").await.expect("it answers");
    flush(&registry);
    assert_eq!(counts(&registry, "ends").delivered, 1);
    registry.roll_back("watch").expect("there is one");
    assert_eq!(counts(&registry, "ends").event.name(), "query_end");
    // Left out by its operator, and taken back.
    put(folder.path(), "watch.toml", "grants = [\"metric:emit\"]\n");
    until("nothing", || registry.observers().is_empty()).await;
    value(&ctx, "SELECT 1").await.expect("it answers");
    drop(directory);
}

/// The examples, as their operator has set them up, over the real flights.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_observers_watch_the_flights() {
    let mut options = RegistryOptions::default();
    options.context = Arc::new(LocalContext::default());
    let registry = Registry::new(options);
    for name in ["slow_queries", "anomaly", "sampler", "geo"] {
        let file = built_plugins().join(name).with_extension("wasm");
        registry
            .load_file(file)
            .unwrap_or_else(|error| panic!("{error}"));
    }
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    let flights = built_plugins().join("../../data/flights-3m.parquet");
    let flights = flights.display().to_string();
    ctx.register_parquet("flights", flights, ParquetReadOptions::new())
        .await
        .expect("the data");
    let slow = "SELECT count(*) FROM flights WHERE great_circle_km(distance, 0.0, distance / 2, 1.0) > 1 AND 'AKIAIOSFODNN7EXAMPLE' <> ''";
    assert!(value(&ctx, slow).await.is_ok_and(|count| count != "0"));
    let error = value(&ctx, "SELECT 1 / (distance - distance) FROM flights").await;
    assert!(error.is_err());
    ctx.sql("SELECT max(distance) FROM flights")
        .await
        .expect("planned")
        .collect()
        .await
        .expect("rows");
    value(&ctx, "SELECT 1").await.expect("it answers");
    value(&ctx, "SELECT 2").await.expect("it answers");
    let far = "SELECT distance FROM flights WHERE distance > 4900";
    let all = rows(&ctx, far).await.expect("rows").len().to_string();
    flush(&registry);

    let metric = |name: &str| {
        let all = registry.metrics().all();
        all.iter()
            .find(|m| m.name == name)
            .map(|m| (m.value, m.count))
    };
    // A debug build is slow enough.
    assert!(metric("slow_queries").is_some_and(|(slow, _)| slow >= 1.0));
    assert_eq!(metric("query_seconds").map(|(_, count)| count), Some(6));
    // Streams that have tasks of their own may end a little later.
    until("calls", || metric("row_ns").is_some_and(|(ns, _)| ns > 0.0)).await;
    let samples = "SELECT rows, error IS NULL, sql FROM query_samples()";
    let samples = rows(&ctx, samples).await.expect("a table");
    // One in two: the second query, the fourth and the sixth, which has several streams.
    assert_eq!(samples.len(), 3, "{samples:?}");
    assert_eq!(
        samples[0][1..],
        ["false", "SELECT 1 / (distance - distance) FROM flights"]
    );
    assert_eq!(samples[1], ["1", "true", "SELECT 1"]);
    assert_eq!(samples[2], [all.as_str(), "true", far]);
}

#[tokio::test]
async fn texts_come_from_sql_or_from_the_plan_and_without_secrets() {
    let mut options = RegistryOptions::default();
    options.context = Arc::new(LocalContext::default());
    let registry = Registry::new(options);
    let granted = [
        "observe:query",
        "config",
        "table:read:query_samples",
        "table:write:query_samples",
    ];
    let settings = granting(&granted).config("one_in", 1);
    let file = built_plugins().join("sampler.wasm");
    registry.load_file_with(file, &settings).expect("granted");
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    let secret = "SELECT 'ghp_0123456789abcdefghijABCDEFGHIJ456789' AS token -- as written";
    value(&ctx, secret).await.expect("it answers");
    let create = "CREATE TABLE numbers AS SELECT * FROM (VALUES (1), (2)) AS t(x)";
    ctx.sql(create).await.expect("planned");
    ctx.sql("SELECT x + 1 AS y FROM numbers WHERE x > 1")
        .await
        .expect("planned")
        .collect()
        .await
        .expect("rows");
    flush(&registry);
    let samples = rows(&ctx, "SELECT sql FROM query_samples()")
        .await
        .expect("a table");
    assert_eq!(samples[0], ["SELECT '[redacted]' AS token -- as written"]);
    let last = samples.last().expect("a sample");
    let made = "SELECT (numbers.x + 1) AS y FROM numbers WHERE (numbers.x > 1)";
    assert_eq!(last[0].replace('"', ""), made, "{samples:?}");

    let series = ctx.sql("SELECT * FROM generate_series(1, 100000000)").await;
    let mut stream = series
        .expect("planned")
        .execute_stream()
        .await
        .expect("begun");
    stream.next().await.expect("a batch").expect("of rows");
    drop(stream);
    flush(&registry);
    let cancelled = "SELECT count(*) FROM query_samples() WHERE error = 'cancelled' AND rows > 0";
    assert_eq!(value(&ctx, cancelled).await.as_deref(), Ok("1"));
}
