//! Every setting in `Limits` has a test that fails when the setting has no effect.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl};
use wasmfusion::{
    HostContext, Limits, LocalContext, NoContext, Outcome, PluginSettings, Registry,
    RegistryOptions, ScalarFunction, SessionContextExt, StreamScope,
};
use wasmfusion_sql_tests::{
    DATA, Guest, Logged, OUT, Observing, Server, built_plugins, evil_guests, new_session,
    test_plugins,
};

/// The settings that are tested below. A setting that is added must be added here, and tested.
const TESTED: [&str; 35] = [
    "call_timeout_ms",
    "query_timeout_ms",
    "describe_timeout_ms",
    "call_fuel_max",
    "memory_bytes_max",
    "plugin_memory_bytes_max",
    "table_elements_max",
    "stack_bytes_max",
    "call_rows_max",
    "scan_rows_max",
    "result_bytes_max",
    "error_bytes_max",
    "host_call_timeout_ms",
    "host_call_bytes_max",
    "handles_max",
    "plugin_handles_max",
    "file_bytes_max",
    "log_bytes_max",
    "logs_per_second_max",
    "metric_series_max",
    "metrics_per_second_max",
    "audit_records_per_second_max",
    "observer_events_max",
    "observer_bytes_max",
    "compile_timeout_ms",
    "plugin_instances_max",
    "module_bytes_max",
    "module_functions_max",
    "module_function_bytes_max",
    "manifest_bytes_max",
    "manifest_functions_max",
    "type_depth_max",
    "instances_max",
    "breaker_failures_max",
    "breaker_pause_ms",
];

fn registry(change: impl FnOnce(&mut Limits)) -> Registry {
    let mut options = RegistryOptions::default();
    change(&mut options.limits);
    Registry::new(options)
}

fn evil(name: &str) -> PathBuf {
    evil_guests().join(name).with_extension("wat")
}

fn good(name: &str) -> PathBuf {
    test_plugins().join(name).with_extension("wat")
}

/// Loads a guest under some limits and runs a query: the number of rows, or the message.
fn query(guest: PathBuf, sql: &str, change: impl FnOnce(&mut Limits)) -> Result<usize, String> {
    let registry = registry(change);
    registry
        .load_file(guest)
        .map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .map_err(|error| error.to_string())?;
    runtime
        .block_on(async {
            let ctx = new_session(&registry, Arc::default())?;
            let batches = ctx.wasm_sql(sql).await?.collect().await?;
            Ok(batches.iter().map(|batch| batch.num_rows()).sum())
        })
        .map_err(|error: datafusion::error::DataFusionError| error.strip_backtrace())
}

/// That the query works under the default limits, and that under `change` it is refused with a message that names `setting`.
fn refused(guest: PathBuf, sql: &str, setting: &str, change: impl FnOnce(&mut Limits)) -> String {
    assert_eq!(
        query(guest.clone(), sql, |_| {}).map(|_| ()),
        Ok(()),
        "{setting}: default limits"
    );
    let message = query(guest, sql, change).expect_err(setting);
    assert!(
        message.contains(setting),
        "expected `{setting}` in: {message}"
    );
    message
}

#[test]
fn every_setting_is_tested() {
    let shown = format!("{:?}", Limits::default());
    let fields = shown.trim_start_matches("Limits { ").trim_end_matches(" }");
    let settings: BTreeSet<&str> = fields
        .split(", ")
        .filter_map(|field| field.split_once(':'))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(settings, BTreeSet::from(TESTED));
}

#[test]
fn call_timeout_ms() {
    for timeout_ms in [50, 700] {
        let began = Instant::now();
        let message = query(
            evil("loop"),
            "SELECT evil(value) FROM range(0, 1)",
            |limits| limits.call_timeout_ms = timeout_ms,
        )
        .unwrap_err();
        let elapsed = began.elapsed();
        assert!(
            message.contains(&format!("ran longer than {timeout_ms} ms"))
                && message.contains("call_timeout_ms"),
            "{message}"
        );
        assert!(
            elapsed >= Duration::from_millis(timeout_ms),
            "{timeout_ms}: {elapsed:?}"
        );
        assert!(
            elapsed < Duration::from_secs(4),
            "{timeout_ms}: {elapsed:?}"
        );
    }
}

#[test]
fn query_timeout_ms() {
    for timeout_ms in [100, 700] {
        let began = Instant::now();
        let message = query(
            evil("loop"),
            "SELECT evil(value) FROM range(0, 1)",
            |limits| limits.query_timeout_ms = Some(timeout_ms),
        )
        .unwrap_err();
        let elapsed = began.elapsed();
        assert!(
            message.contains(&format!("its query ran longer than {timeout_ms} ms"))
                && message.contains("query_timeout_ms"),
            "{message}"
        );
        assert!(
            elapsed >= Duration::from_millis(timeout_ms - 10),
            "{timeout_ms}: {elapsed:?}"
        );
        assert!(
            elapsed < Duration::from_secs(4),
            "{timeout_ms}: {elapsed:?}"
        );
    }
}

/// A guest that does something `x` times.
fn times(body: &str) -> Guest {
    let body = format!(
        "(local $answer i64)
         (block $done (loop $again
            (br_if $done (i64.eqz (local.get $x)))
            (local.set $x (i64.sub (local.get $x) (i64.const 1)))
            (local.set $answer {body})
            (br_if $done (i64.lt_s (local.get $answer) (i64.const 0)))
            (br $again)))
         (local.get $answer)"
    );
    Guest::new("guest", &[], &body)
}

fn ask(guest: &Guest, x: i64, options: RegistryOptions) -> Result<(), String> {
    asked(guest, x, options).map(drop)
}

/// Loads a guest with what it asks for and calls it once.
fn asked(guest: &Guest, x: i64, options: RegistryOptions) -> Result<Registry, String> {
    let registry = Registry::new(options);
    let settings = guest
        .capabilities()
        .iter()
        .fold(PluginSettings::default(), |settings, c| {
            settings.grant(c).expect("a capability")
        });
    let plugin = registry
        .load_bytes_with("guest.wat", guest.text().as_bytes(), &settings)
        .map_err(|error| error.to_string())?;
    let function = ScalarFunction::named(&plugin, "guest").ok_or("no function")?;
    call_with(
        &function,
        vec![ColumnarValue::Scalar(ScalarValue::Int64(Some(x)))],
    )?;
    Ok(registry)
}

/// That a guest can be called with `fits` and not with `exceeds` under a limit, whose name the message has, and with both under the default.
fn limited(
    guest: &Guest,
    (fits, exceeds): (i64, i64),
    setting: &str,
    change: impl Fn(&mut Limits),
    context: impl Fn() -> Arc<dyn HostContext>,
) {
    let options = |changed: bool| {
        let mut options = RegistryOptions::default();
        options.context = context();
        if changed {
            change(&mut options.limits);
        }
        options
    };
    assert_eq!(
        ask(guest, exceeds, options(false)),
        Ok(()),
        "{setting}: default limits"
    );
    assert_eq!(ask(guest, fits, options(true)), Ok(()), "{setting}");
    let message = ask(guest, exceeds, options(true)).expect_err(setting);
    assert!(
        message.contains(setting),
        "expected `{setting}` in: {message}"
    );
}

fn no_context() -> Arc<dyn HostContext> {
    Arc::new(NoContext)
}

#[test]
fn call_fuel_max() {
    let guest = times("(i64.const 1)");
    let change = |limits: &mut Limits| limits.call_fuel_max = Some(10_000);
    limited(&guest, (500, 5_000), "call_fuel_max", change, no_context);
    // The same call burns the same fuel, whenever and wherever.
    let burned = |x| {
        let enough = |fuel: &u64| {
            let mut options = RegistryOptions::default();
            options.limits.call_fuel_max = Some(*fuel);
            ask(&guest, x, options).is_ok()
        };
        let (mut low, mut high) = (0, 1 << 16);
        while high - low > 1 {
            let middle = (low + high) / 2;
            if enough(&middle) {
                high = middle
            } else {
                low = middle
            }
        }
        high
    };
    let hundred = burned(100);
    assert_eq!(hundred, burned(100));
    assert_eq!(burned(300) - burned(200), burned(200) - hundred);
}

#[test]
fn plugin_memory_bytes_max() {
    // The guest's four pages and the watch page.
    const INSTANCE_BYTES: u64 = 5 << 16;
    let message = instances(|limits| limits.plugin_memory_bytes_max = 2 * INSTANCE_BYTES + 1);
    assert!(
        message.contains("its plugin's instances have 655360 already, the limit is 655361"),
        "{message}"
    );
    assert!(message.contains("plugin_memory_bytes_max"), "{message}");
}

#[test]
fn plugin_instances_max() {
    let message = instances(|limits| limits.plugin_instances_max = 2);
    assert!(
        message.contains("found 2 instances of its plugin alive"),
        "{message}"
    );
    assert!(message.contains("plugin_instances_max"), "{message}");
}

/// What the third of three scopes is told, of which two may have an instance. When one of them is gone, it may.
fn instances(change: impl FnOnce(&mut Limits)) -> String {
    let registry = registry(change);
    let text = Guest::new("guest", &[], "(i64.const 1)").text();
    let plugin = registry.load_bytes("guest.wat", text.as_bytes()).unwrap();
    let function = ScalarFunction::named(&plugin, "guest").unwrap();
    let mut scopes: Vec<_> = (0..3)
        .map(|_| Some(Box::new(StreamScope::default())))
        .collect();
    let call = |scope: &mut Option<Box<StreamScope>>| {
        StreamScope::enter(scope, || {
            call_with(
                &function,
                vec![ColumnarValue::Scalar(ScalarValue::Int64(Some(1)))],
            )
        })
    };
    assert_eq!(call(&mut scopes[0]), Ok(()));
    assert_eq!(call(&mut scopes[1]), Ok(()));
    let message = call(&mut scopes[2]).unwrap_err();
    scopes[0] = None;
    assert_eq!(call(&mut scopes[2]), Ok(()));
    message
}

#[test]
fn call_rows_max() {
    let series = || built_plugins().join("series.wasm");
    // A partition cannot be cut.
    let message = refused(
        series(),
        "SELECT interpolate(CAST(value AS DOUBLE)) OVER (ORDER BY value) FROM range(0, 1000)",
        "call_rows_max",
        |limits| limits.call_rows_max = 100,
    );
    assert!(
        message.contains("with 1000 rows at once, the limit is 100"),
        "{message}"
    );
    // A batch can.
    let sql = "SELECT kind(value) FROM range(0, 1000)";
    assert_eq!(
        query(good("overloads"), sql, |limits| limits.call_rows_max = 7),
        Ok(1_000)
    );
}

#[test]
fn scan_rows_max() {
    let series = || built_plugins().join("series.wasm");
    let sql = "SELECT * FROM linspace(0.0, 1.0, 1000)";
    let message = refused(series(), sql, "scan_rows_max", |limits| {
        limits.scan_rows_max = 999
    });
    assert!(message.contains("returned more than 999 rows"), "{message}");
    assert_eq!(
        query(series(), sql, |limits| limits.scan_rows_max = 1_000),
        Ok(1_000)
    );
}

#[test]
fn host_call_timeout_ms() {
    let server = Server::start(Duration::from_secs(20));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let settings = PluginSettings::default()
        .grant("net:http:*:443")
        .and_then(|settings| settings.grant("net:http:127.0.0.1:*"))
        .and_then(|settings| settings.grant("net:connect:127.0.0.1:*"))
        .unwrap();
    for timeout_ms in [100, 700] {
        let registry = registry(|limits| limits.host_call_timeout_ms = timeout_ms);
        registry
            .load_file_with(built_plugins().join("fetch.wasm"), &settings)
            .unwrap();
        let ctx = new_session(&registry, Arc::default()).unwrap();
        let began = Instant::now();
        let sql = format!("SELECT http_get('{}')", server.url());
        let outcome = runtime.block_on(async { ctx.wasm_sql(&sql).await?.collect().await });
        let elapsed = began.elapsed();
        let message = outcome.unwrap_err().strip_backtrace();
        assert!(message.contains("time"), "{message}");
        assert!(
            elapsed >= Duration::from_millis(timeout_ms),
            "{timeout_ms}: {elapsed:?}"
        );
        assert!(
            elapsed < Duration::from_millis(timeout_ms + 1_000),
            "{timeout_ms}: {elapsed:?}"
        );
    }
}

#[test]
fn host_call_bytes_max() {
    let body = format!("(call $random (i32.const {DATA}) (i32.wrap_i64 (local.get $x)))");
    let guest = Guest::new("guest", &["random"], &body).import("random", "ii");
    let change = |limits: &mut Limits| limits.host_call_bytes_max = 100;
    limited(
        &guest,
        (100, 101),
        "host_call_bytes_max",
        change,
        no_context,
    );
}

#[test]
fn handles_max() {
    let body = format!("(call $table_open (i32.const {DATA}) (i32.const 1) (i32.const 2))");
    let guest = times(&body)
        .capability("table:write:t")
        .import("table_open", "iii")
        .data("t");
    let change = |limits: &mut Limits| limits.handles_max = 3;
    limited(&guest, (3, 4), "handles_max", change, || {
        Arc::new(LocalContext::default())
    });
}

#[test]
fn plugin_handles_max() {
    let body = format!("(call $table_open (i32.const {DATA}) (i32.const 1) (i32.const 2))");
    let guest = times(&body)
        .capability("table:write:t")
        .import("table_open", "iii")
        .data("t");
    let change = |limits: &mut Limits| limits.plugin_handles_max = 3;
    limited(&guest, (3, 4), "plugin_handles_max", change, || {
        Arc::new(LocalContext::default())
    });
}

#[test]
fn file_bytes_max() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file").display().to_string();
    let body = format!(
        "(call $file_write
            (i32.wrap_i64 (call $file_open (i32.const {DATA}) (i32.const {}) (i32.const 6)))
            (i32.const {DATA}) (i32.wrap_i64 (local.get $x)))",
        path.len()
    );
    let guest = Guest::new("guest", &[&format!("fs:write:{path}")], &body)
        .import("file_open", "iii")
        .import("file_write", "iii")
        .data(&path);
    let change = |limits: &mut Limits| limits.file_bytes_max = 10;
    limited(&guest, (10, 11), "file_bytes_max", change, no_context);
}

#[test]
fn log_bytes_max() {
    for limit in [5, 20] {
        let logged = Logged::begin();
        let body = format!(
            "(call $log (i32.const 3) (i32.const {DATA}) (i32.const 20) (i32.const 0) (i32.const 0))"
        );
        let guest = Guest::new("guest", &["log"], &body)
            .import("log", "iiiii")
            .data("abcdefghijklmnopqrst");
        let mut options = RegistryOptions::default();
        options.limits.log_bytes_max = limit;
        assert_eq!(ask(&guest, 1, options), Ok(()));
        let text = logged.text();
        let (shown, cut) = "abcdefghijklmnopqrst".split_at(limit);
        assert!(text.contains(shown), "{text}");
        assert_eq!(text.contains("abcde…"), !cut.is_empty(), "{text}");
    }
}

#[test]
fn logs_per_second_max() {
    let _logged = Logged::begin();
    let body = format!(
        "(call $log (i32.const 3) (i32.const {DATA}) (i32.const 1) (i32.const 0) (i32.const 0))"
    );
    let guest = times(&body)
        .capability("log")
        .import("log", "iiiii")
        .data("x");
    let change = |limits: &mut Limits| limits.logs_per_second_max = 10;
    limited(&guest, (10, 100), "logs_per_second_max", change, no_context);
}

#[test]
fn metric_series_max() {
    // Names of different lengths.
    let body = format!(
        "(call $metric (i32.const 0) (i32.const {DATA}) (i32.add (i32.wrap_i64 (local.get $x)) (i32.const 1)) (i32.const 0) (i32.const 0))"
    );
    let guest = times(&body)
        .capability("metric:emit")
        .import("metric", "iiiii")
        .data("aaaaaaaaaa");
    let change = |limits: &mut Limits| limits.metric_series_max = 3;
    limited(&guest, (3, 4), "metric_series_max", change, no_context);
}

#[test]
fn metrics_per_second_max() {
    let body = format!(
        "(call $metric_record
            (i32.wrap_i64 (call $metric (i32.const 0) (i32.const {DATA}) (i32.const 1) (i32.const 0) (i32.const 0)))
            (f64.const 1))"
    );
    let guest = times(&body)
        .capability("metric:emit")
        .import("metric", "iiiii")
        .import("metric_record", "id")
        .data("a");
    let change = |limits: &mut Limits| limits.metrics_per_second_max = 10;
    limited(
        &guest,
        (10, 100),
        "metrics_per_second_max",
        change,
        no_context,
    );
}

#[test]
fn audit_records_per_second_max() {
    // Every call has another target than those before it, so that each has a record.
    let body = format!(
        "(block (result i64)
            (i32.store8 (i32.const {DATA})
                (i32.add (i32.const 65) (i32.wrap_i64 (i64.rem_u (local.get $x) (i64.const 26)))))
            (drop (call $env (i32.const {DATA}) (i32.const 1) (i32.const {OUT}) (i32.const 64)))
            (i64.const 0))"
    );
    let guest = times(&body).capability("env:*").import("env", "iiii");
    let lost = |calls: i64, max: u32| {
        let mut options = RegistryOptions::default();
        options.limits.audit_records_per_second_max = max;
        let registry = asked(&guest, calls, options).expect("it is answered");
        let audit = registry.audit().expect("there is one");
        let lost = audit.lost();
        let named = audit
            .records()
            .iter()
            .any(|record| record.outcome == Outcome::Lost && &*record.plugin == "guest");
        assert_eq!(lost > 0, named);
        lost
    };
    assert_eq!(lost(100, 10_000), 0);
    assert_eq!(lost(10, 10), 0);
    assert!((80..=90).contains(&lost(100, 10)));
}

/// What was dropped of so many events, while the observer is busy with the first.
fn dropped(events: usize, change: impl FnOnce(&mut Limits)) -> u64 {
    let busy = "(loop $again (br $again)) (i32.const 0)";
    let guest = Observing::new("watch", &["query"]).observer(
        "seen",
        "query_start",
        &[("sql", "Utf8")],
        busy,
    );
    let registry = registry(|limits| {
        limits.call_timeout_ms = 60_000;
        change(limits);
    });
    let grant = |settings: PluginSettings, capability: &String| settings.grant(capability);
    let settings = guest
        .capabilities()
        .iter()
        .try_fold(PluginSettings::default(), grant)
        .unwrap();
    registry
        .load_bytes_with("watch.wat", guest.text().as_bytes(), &settings)
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let ctx = new_session(&registry, Arc::default()).unwrap();
        let query = async || {
            let frame = ctx.wasm_sql("SELECT 1").await.unwrap();
            frame.collect().await.unwrap();
        };
        query().await;
        // Long enough for it to be called.
        tokio::time::sleep(Duration::from_millis(300)).await;
        for _ in 0..events {
            query().await;
        }
    });
    let dropped = registry.observers()[0].dropped;
    registry.unload("watch");
    dropped
}

#[test]
fn observer_events_max() {
    assert_eq!(dropped(20, |_| {}), 0);
    assert_eq!(dropped(20, |limits| limits.observer_events_max = 5), 15);
}

#[test]
fn observer_bytes_max() {
    assert_eq!(dropped(20, |_| {}), 0);
    // One event is taken, whatever its size.
    assert_eq!(dropped(20, |limits| limits.observer_bytes_max = 1), 19);
}

#[test]
fn compile_timeout_ms() {
    let stats = built_plugins().join("stats.wasm");
    let loaded = registry(|limits| limits.compile_timeout_ms = 1).load_file(&stats);
    let message = loaded.unwrap_err().to_string();
    assert!(
        message.contains("longer than 1 ms") && message.contains("compile_timeout_ms"),
        "{message}"
    );
    registry(|_| {}).load_file(&stats).unwrap();
}

#[test]
fn describe_timeout_ms() {
    for timeout_ms in [50, 700] {
        let began = Instant::now();
        let message = registry(|limits| limits.describe_timeout_ms = timeout_ms)
            .load_file(evil("loop_in_describe"))
            .unwrap_err()
            .to_string();
        let elapsed = began.elapsed();
        assert!(
            message.contains(&format!("ran longer than {timeout_ms} ms"))
                && message.contains("describe_timeout_ms"),
            "{message}"
        );
        assert!(
            elapsed >= Duration::from_millis(timeout_ms),
            "{timeout_ms}: {elapsed:?}"
        );
        assert!(
            elapsed < Duration::from_secs(4),
            "{timeout_ms}: {elapsed:?}"
        );
    }
}

#[test]
fn memory_bytes_max() {
    // What a module starts with.
    refused(
        good("overloads"),
        "SELECT answer()",
        "memory_bytes_max",
        |limits| limits.memory_bytes_max = 1 << 16,
    );
    // What it grows to.
    for limit in [1 << 20, 4 << 20] {
        let message = query(evil("memory_bomb"), "SELECT evil(1)", |limits| {
            limits.memory_bytes_max = limit
        })
        .unwrap_err();
        assert!(
            message.contains(&format!("the limit is {limit}"))
                && message.contains("memory_bytes_max"),
            "{message}"
        );
    }
}

#[test]
fn table_elements_max() {
    let message = registry(|limits| limits.table_elements_max = 10_000)
        .load_file(evil("tables_too_large"))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("more than the 10000 that `table_elements_max` allows"),
        "{message}"
    );
    let loaded =
        registry(|limits| limits.table_elements_max = 30_000).load_file(evil("tables_too_large"));
    assert!(loaded.is_ok(), "{loaded:?}");
    for limit in [5_000, 15_000] {
        let message = query(evil("table_bomb"), "SELECT evil(1)", |limits| {
            limits.table_elements_max = limit
        })
        .unwrap_err();
        assert!(
            message.contains(&format!("the limit is {limit}"))
                && message.contains("table_elements_max"),
            "{message}"
        );
    }
}

#[test]
fn stack_bytes_max() {
    let sql = "SELECT descend(value) FROM range(3000, 3001)";
    let message = refused(good("depth"), sql, "stack_bytes_max", |limits| {
        limits.stack_bytes_max = 32 << 10
    });
    assert!(
        message.contains("the limit is 32768 bytes of stack"),
        "{message}"
    );
    // More than the default is more than the default.
    let sql = "SELECT descend(value) FROM range(50000, 50001)";
    assert!(
        query(good("depth"), sql, |_| {})
            .unwrap_err()
            .contains("stack_bytes_max")
    );
    assert_eq!(
        query(good("depth"), sql, |limits| limits.stack_bytes_max =
            2 << 20),
        Ok(1)
    );
}

#[test]
fn result_bytes_max() {
    let message = query(
        good("overloads"),
        "SELECT kind(value) FROM range(0, 1000)",
        |limits| limits.result_bytes_max = 7_999,
    )
    .unwrap_err();
    assert!(message.contains("limit of 7999 bytes"), "{message}");
    assert_eq!(
        query(
            good("overloads"),
            "SELECT kind(value) FROM range(0, 1000)",
            |limits| limits.result_bytes_max = 8_000
        ),
        Ok(1_000)
    );
}

#[test]
fn error_bytes_max() {
    for (limit, text) in [(5, "it go…"), (11, "it goes on …")] {
        let message = query(evil("message_4gb"), "SELECT evil(1)", |limits| {
            limits.error_bytes_max = limit
        })
        .unwrap_err();
        assert!(message.ends_with(text), "{message}");
    }
}

#[test]
fn module_bytes_max() {
    refused(
        good("overloads"),
        "SELECT answer()",
        "module_bytes_max",
        |limits| limits.module_bytes_max = 1_000,
    );
}

#[test]
fn module_functions_max() {
    refused(
        good("overloads"),
        "SELECT answer()",
        "module_functions_max",
        |limits| limits.module_functions_max = 10,
    );
}

#[test]
fn module_function_bytes_max() {
    refused(
        good("overloads"),
        "SELECT answer()",
        "module_function_bytes_max",
        |limits| limits.module_function_bytes_max = 20,
    );
}

#[test]
fn manifest_bytes_max() {
    refused(
        good("overloads"),
        "SELECT answer()",
        "manifest_bytes_max",
        |limits| limits.manifest_bytes_max = 200,
    );
}

#[test]
fn manifest_functions_max() {
    refused(
        good("overloads"),
        "SELECT answer()",
        "manifest_functions_max",
        |limits| limits.manifest_functions_max = 2,
    );
}

#[test]
fn type_depth_max() {
    let sql = "SELECT same([[value]]) FROM range(0, 1)";
    assert_eq!(
        query(good("identity"), sql, |limits| limits.type_depth_max = 3),
        Ok(1)
    );
    let message = query(good("identity"), sql, |limits| limits.type_depth_max = 2).unwrap_err();
    assert!(message.contains("deeper than the limit"), "{message}");
    // In a manifest.
    refused(
        good("overloads"),
        "SELECT answer()",
        "type_depth_max",
        |limits| limits.type_depth_max = 1,
    );
}

#[test]
fn instances_max() {
    let registry = registry(|limits| limits.instances_max = 2);
    let plugin = registry.load_file(good("overloads")).unwrap();
    let function = ScalarFunction::named(&plugin, "answer").unwrap();
    // Each scope keeps its instance.
    let mut scopes: Vec<_> = (0..3)
        .map(|_| Some(Box::new(StreamScope::default())))
        .collect();
    assert_eq!(
        StreamScope::enter(&mut scopes[0], || call(&function)),
        Ok(())
    );
    assert_eq!(
        StreamScope::enter(&mut scopes[1], || call(&function)),
        Ok(())
    );
    let message = StreamScope::enter(&mut scopes[2], || call(&function)).unwrap_err();
    assert!(
        message.contains("function answer (plugin overloads)") && message.contains("instances_max"),
        "{message}"
    );
    // One that ends makes room for another.
    scopes[0] = None;
    assert_eq!(
        StreamScope::enter(&mut scopes[2], || call(&function)),
        Ok(())
    );
}

/// That `answer()` is 42.
fn call(function: &ScalarFunction) -> Result<(), String> {
    match invoke(function, Vec::new())? {
        ColumnarValue::Scalar(ScalarValue::Int64(Some(42))) => Ok(()),
        other => Err(format!("expected 42, found {other:?}")),
    }
}

/// That a function returns something.
fn call_with(function: &ScalarFunction, args: Vec<ColumnarValue>) -> Result<(), String> {
    invoke(function, args).map(|_| ())
}

fn invoke(function: &ScalarFunction, args: Vec<ColumnarValue>) -> Result<ColumnarValue, String> {
    let field = |_: &ColumnarValue| Arc::new(Field::new("x", DataType::Int64, true));
    let args = ScalarFunctionArgs {
        arg_fields: args.iter().map(field).collect(),
        args,
        number_rows: 1,
        return_field: Arc::new(Field::new("answer", DataType::Int64, true)),
        config_options: Arc::new(ConfigOptions::default()),
    };
    function
        .invoke_with_args(args)
        .map_err(|error| error.strip_backtrace())
}

/// How often a guest that always traps is called until it is suspended, up to 30 times.
fn calls_until_suspended(failures_max: u32) -> usize {
    let registry = registry(|limits| limits.breaker_failures_max = failures_max);
    let guest = Guest::new("traps", &[], "(unreachable)").text();
    let plugin = registry
        .load_bytes("traps.wat", guest.as_bytes())
        .expect("it loads");
    let calls = (0..30).take_while(|_| {
        let error = call_alone(&plugin).expect_err("it traps");
        !error.contains("its circuit breaker")
    });
    calls.count()
}

/// Calls a plugin's first function with one number, outside of a query.
fn call_alone(plugin: &Arc<wasmfusion::Plugin>) -> Result<(), String> {
    let function = ScalarFunction::all(plugin).remove(0);
    let field = Arc::new(Field::new("x", DataType::Int64, true));
    let arguments = ScalarFunctionArgs {
        args: vec![ColumnarValue::Scalar(ScalarValue::Int64(Some(1)))],
        arg_fields: vec![Arc::clone(&field)],
        number_rows: 1,
        return_field: field,
        config_options: Arc::new(ConfigOptions::default()),
    };
    let called = function.invoke_with_args(arguments);
    called.map(drop).map_err(|error| error.strip_backtrace())
}

#[test]
fn breaker_failures_max() {
    assert_eq!(calls_until_suspended(3), 3);
    assert_eq!(calls_until_suspended(7), 7);
    assert_eq!(
        calls_until_suspended(Limits::default().breaker_failures_max),
        20
    );
    assert_eq!(calls_until_suspended(0), 30);
}

#[test]
fn breaker_pause_ms() {
    for (pause_ms, is_tried) in [(60_000, false), (1, true)] {
        let registry = registry(|limits| {
            limits.breaker_failures_max = 1;
            limits.breaker_pause_ms = pause_ms;
        });
        let guest = Guest::new("traps", &[], "(unreachable)").text();
        let plugin = registry
            .load_bytes("traps.wat", guest.as_bytes())
            .expect("it loads");
        call_alone(&plugin).expect_err("it traps");
        std::thread::sleep(Duration::from_millis(20));
        let error = call_alone(&plugin).expect_err("it traps, or is suspended");
        assert_eq!(!error.contains("its circuit breaker"), is_tried, "{error}");
    }
}
