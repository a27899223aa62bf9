//! What functions cost is counted where they are called, and read while queries run.

use std::time::{Duration, Instant};

use datafusion::physical_plan::metrics::MetricValue;
use datafusion::physical_plan::{ExecutionPlan, collect, execute_stream};
use datafusion::prelude::SessionContext;
use futures::StreamExt as _;
use wasmfusion::{FailureCounts, FunctionUsage, Registry, RegistryOptions, WasmExec};
use wasmfusion_sql_tests::{Guest, built_plugins, evil_guests, new_session};

/// Rows of a batch.
const BATCH: u64 = 8_192;

fn session(plugin: &str) -> (Registry, SessionContext) {
    let registry = Registry::default();
    registry
        .load_file(built_plugins().join(plugin))
        .expect("a good plugin");
    let ctx = new_session(&registry, Default::default()).expect("a session");
    (registry, ctx)
}

fn usage(registry: &Registry, function: &str) -> FunctionUsage {
    let all = registry.usage();
    let usage = all.into_iter().find(|usage| &*usage.function == function);
    usage.expect("it is counted")
}

async fn run(ctx: &SessionContext, sql: &str) -> Result<(), String> {
    let frame = ctx.sql(sql).await.map_err(|error| error.to_string())?;
    frame.collect().await.map_err(|error| error.to_string())?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_counted_and_timed() {
    let (registry, ctx) = session("testing.wasm");
    let began = Instant::now();
    let batches = 100;
    let sql = format!(
        "SELECT count(add_one(value)) FROM range(0, {})",
        batches * BATCH
    );
    run(&ctx, &sql).await.expect("it works");
    let wall = began.elapsed();

    let usage = usage(&registry, "add_one");
    let counts = usage.counts;
    assert_eq!((counts.calls, counts.rows), (batches, batches * BATCH));
    // Eight bytes a row in each direction.
    assert_eq!(counts.bytes_in, 8 * batches * BATCH);
    assert_eq!(counts.bytes_out, 8 * batches * BATCH);
    // Two threads can spend twice the time.
    let spent = Duration::from_nanos(counts.guest_ns + counts.copy_ns);
    assert!(counts.guest_ns > 0 && counts.copy_ns > 0, "{counts:?}");
    assert!(spent < 2 * wall, "{spent:?} of {wall:?}");
    let [median, high, longest] = usage.call_ns.expect("calls were timed");
    assert!(0 < median && median <= high && high <= longest);
    assert_eq!(usage.failures, FailureCounts::default());
    assert!(usage.instances >= 1 && usage.memory_bytes_max > 0);
    assert_eq!((counts.host_calls, counts.denials, counts.fuel), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_query_is_seen() {
    let (registry, ctx) = session("testing.wasm");
    let frame = ctx
        .sql("SELECT add_one(value) FROM range(0, 10000000)")
        .await
        .expect("planned");
    let plan = frame.create_physical_plan().await.expect("planned");
    let mut stream = execute_stream(plan, ctx.task_ctx()).expect("it begins");
    stream.next().await.expect("a batch").expect("a good one");

    let instances = registry.instances();
    assert!(!instances.is_empty());
    assert!(instances.iter().all(|i| i.plugin.name() == "testing"));
    assert!(instances.iter().all(|i| i.memory_bytes > 0));
    let queries = registry.query_usage();
    let query = queries.last().expect("there is one");
    assert_eq!((query.running, &*query.function), (true, "add_one"));
    assert_eq!(query.query, instances[0].query);
    assert!(query.counts.rows >= BATCH);
    // Live calls count for the function as well.
    assert!(usage(&registry, "add_one").counts.rows >= query.counts.rows);

    drop(stream);
    let began = Instant::now();
    while !registry.instances().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let queries = registry.query_usage();
    let ended = queries.iter().find(|q| q.query == query.query);
    let ended = ended.expect("it is remembered");
    assert!(!ended.running && ended.counts.rows >= query.counts.rows);
    assert_eq!(usage(&registry, "add_one").counts.rows, ended.counts.rows);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_are_counted_by_kind() {
    let mut options = RegistryOptions::default();
    options.limits.call_timeout_ms = 50;
    options.limits.memory_bytes_max = 4 << 20;
    for (guest, expected) in [
        ("trap", "traps: 1"),
        ("loop", "timeouts: 1"),
        ("status_without_message", "errors: 1"),
        ("length_short", "bad_results: 1"),
        ("recursion", "limits: 1"),
    ] {
        let registry = Registry::new(options.clone());
        let file = evil_guests().join(guest).with_extension("wat");
        registry.load_file(file).expect("it can be loaded");
        let ctx = new_session(&registry, Default::default()).expect("a session");
        // One batch, in one stream; not a constant, which would be computed twice.
        let sql = "SELECT evil(x) FROM (VALUES (CAST(1 AS BIGINT)), (2)) AS t(x)";
        run(&ctx, sql).await.expect_err(guest);
        let failures = usage(&registry, "evil").failures;
        let shown = format!("{failures:?}");
        assert!(shown.contains(expected), "{guest}: {shown}");
        assert_eq!(shown.matches(": 1").count(), 1, "{guest}: {shown}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn host_calls_and_denials_are_counted() {
    let registry = Registry::default();
    // Asks for one variable, and reads another.
    let guest = Guest::new(
        "ask",
        &["env:ALLOWED"],
        "(call $env (i32.const 4096) (i32.const 6) (i32.const 8192) (i32.const 64))",
    )
    .import("env", "iiii")
    .data("DENIED");
    let mut settings = wasmfusion::PluginSettings::default();
    let granted = std::mem::take(&mut settings.grants).grant("env:ALLOWED");
    settings.grants = granted.expect("a capability");
    registry
        .load_bytes_with("ask.wat", guest.text().as_bytes(), &settings)
        .expect("a good guest");
    let ctx = new_session(&registry, Default::default()).expect("a session");
    let _denied = run(
        &ctx,
        "SELECT ask(x) FROM (VALUES (CAST(1 AS BIGINT)), (2)) AS t(x)",
    )
    .await;
    let counts = usage(&registry, "ask").counts;
    // The second one asks why the first was refused.
    assert_eq!((counts.host_calls, counts.denials), (2, 1), "{counts:?}");
    assert!(counts.host_ns > 0, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_version_goes_on_with_the_counts() {
    let registry = Registry::default();
    let adding = |number: i64| {
        let body = format!("(i64.add (local.get $x) (i64.const {number}))");
        Guest::new("adding", &[], &body).text()
    };
    for number in 1..=3 {
        registry.unload("adding");
        registry
            .load_bytes("adding.wat", adding(number).as_bytes())
            .expect("a good guest");
        let ctx = new_session(&registry, Default::default()).expect("a session");
        run(
            &ctx,
            "SELECT adding(x) FROM (VALUES (CAST(1 AS BIGINT)), (2)) AS t(x)",
        )
        .await
        .expect("it works");
        assert_eq!(
            usage(&registry, "adding").counts.rows,
            2 * number.cast_unsigned()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fuel_is_counted() {
    let mut options = RegistryOptions::default();
    options.limits.call_fuel_max = Some(1 << 30);
    let registry = Registry::new(options);
    registry
        .load_file(built_plugins().join("testing.wasm"))
        .expect("a good plugin");
    let ctx = new_session(&registry, Default::default()).expect("a session");
    let burned = async |rows: u64| {
        let before = usage(&registry, "add_one").counts.fuel;
        let sql = format!("SELECT count(add_one(value)) FROM range(0, {rows})");
        run(&ctx, &sql).await.expect("it works");
        usage(&registry, "add_one").counts.fuel - before
    };
    let (few, many) = (burned(100).await, burned(8_000).await);
    assert!(0 < few && few < many, "{few} and {many}");
}

/// The operators of a plan that call guests.
fn calling(plan: &dyn ExecutionPlan, found: &mut Vec<(String, u64)>) {
    let is_ours = (plan as &dyn std::any::Any).downcast_ref::<WasmExec>();
    if is_ours.is_some_and(|ours| !ours.functions().is_empty())
        && let Some(metrics) = plan.metrics()
    {
        for metric in metrics.iter() {
            let value: &MetricValue = metric.value();
            if value.name().starts_with("wasm_") {
                found.push((value.name().to_owned(), value.as_usize() as u64));
            }
        }
    }
    for child in plan.children() {
        calling(child.as_ref(), found);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_show_what_was_counted() {
    for (plugin, sql, function) in [
        (
            "testing.wasm",
            "SELECT add_one(value) FROM range(0, 100000)",
            "add_one",
        ),
        (
            "stats.wasm",
            "SELECT geometric_mean(CAST(value + 1 AS DOUBLE)) FROM range(0, 100000) GROUP BY value % 7",
            "geometric_mean",
        ),
    ] {
        let (registry, ctx) = session(plugin);
        let frame = ctx.sql(sql).await.expect("planned");
        let plan = frame.create_physical_plan().await.expect("planned");
        collect(plan.clone(), ctx.task_ctx())
            .await
            .expect("it works");
        let mut metrics = Vec::new();
        calling(plan.as_ref(), &mut metrics);
        let sum = |name: &str| -> u64 {
            let of = metrics.iter().filter(|(other, _)| other == name);
            of.map(|(_, value)| value).sum()
        };
        let counts = usage(&registry, function).counts;
        assert_eq!(sum("wasm_calls"), counts.calls, "{plugin}");
        assert_eq!(sum("wasm_rows"), counts.rows, "{plugin}");
        assert_eq!(sum("wasm_bytes_in"), counts.bytes_in, "{plugin}");
        assert_eq!(sum("wasm_bytes_out"), counts.bytes_out, "{plugin}");
        assert!(
            sum("wasm_guest_time") > 0 && sum("wasm_copy_time") > 0,
            "{plugin}"
        );
        assert!(sum("wasm_guest_time") <= counts.guest_ns, "{plugin}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_counted_if_nobody_wants_it() {
    let mut options = RegistryOptions::default();
    options.count_calls = false;
    let registry = Registry::new(options);
    registry
        .load_file(built_plugins().join("testing.wasm"))
        .expect("a good plugin");
    let ctx = new_session(&registry, Default::default()).expect("a session");
    run(&ctx, "SELECT count(add_one(value)) FROM range(0, 100)")
        .await
        .expect("it works");
    run(&ctx, "SELECT fail(x) FROM (VALUES ('a'), ('b')) AS t(x)")
        .await
        .expect_err("it fails");
    assert!(registry.usage().is_empty() && registry.query_usage().is_empty());
}

#[tokio::test]
async fn explain_says_which_module_it_is() {
    let (registry, ctx) = session("testing.wasm");
    let frame = ctx.sql("EXPLAIN VERBOSE SELECT add_one(value) FROM range(0, 10)");
    let batches = frame
        .await
        .expect("planned")
        .collect()
        .await
        .expect("explained");
    let shown = arrow::util::pretty::pretty_format_batches(&batches);
    let shown = shown.expect("text").to_string();
    let plugin = registry.plugin("testing").expect("it is loaded");
    let expected = format!(
        "wasm=[add_one@testing], plugins=[testing 0.1.0 from {}, sha256:{}]",
        plugin.source(),
        plugin.digest()
    );
    assert!(shown.contains(&expected), "{expected} in {shown}");
}
