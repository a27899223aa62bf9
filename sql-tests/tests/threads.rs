//! What threads share: the registry, the watchdog and its list, scopes and their cancellation; the audit log, metrics and tables of plugins
//! that ask the host. All of it at once, for a moment.
//!
//! The thread sanitizer runs this file (`tools/sanitize.sh`). It has address space for few instances only, so the pools are small here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt;
use wasmfusion::{
    Cancellation, Interruption, LocalContext, Outcome, Plugin, PluginSettings, Registry,
    RegistryOptions, ScalarFunction, SessionContextExt, StreamScope,
};
use wasmfusion_sql_tests::{DATA, Guest, OUT, call};

/// Threads of each kind.
const THREADS: usize = 2;
/// What each of them does, so many times.
const TURNS: usize = 25;
/// Time that a call may take, in milliseconds.
const TIMEOUT_MS: u64 = 20;
/// Instances of an engine.
const INSTANCES_MAX: u32 = 24;
/// Rows of a query.
const ROWS: usize = 20_000;

/// A guest with `add`, which adds a number to its argument, and `spin`, which never ends.
fn guest(name: &str, number: usize) -> String {
    let parameters = r#""params": [{"name": "x", "type": "Int64"}], "returns": {"type": "Int64"}"#;
    let manifest = format!(
        r#"{{"name": "{name}", "version": "1", "functions": [{{"name": "{name}_add", "export": "add", {parameters}}}, {{"name": "{name}_spin", "export": "spin", {parameters}}}]}}"#
    );
    let length = manifest.len();
    let manifest = manifest.replace('"', "\\\"");
    format!(
        r#"(module
          (memory (export "memory") 2)
          (func (export "wasmfusion_abi_version") (result i32) (i32.const 1))
          (func (export "wasmfusion_describe") (result i32)
            (i32.store (i32.const 1016) (i32.const 1024))
            (i32.store (i32.const 1020) (i32.const {length}))
            (i32.const 1016))
          (data (i32.const 1024) "{manifest}")
          (func (export "wasmfusion_alloc") (param $size i32) (param $align i32) (result i32)
            (if (i32.gt_u (i32.add (local.get $size) (i32.const 65536)) (i32.mul (memory.size) (i32.const 65536)))
              (then
                (drop (memory.grow (i32.add (i32.shr_u (local.get $size) (i32.const 16)) (i32.const 1))))))
            (i32.const 65536))
          (func (export "add") (param $frame i32) (result i32)
            (local $in i32) (local $out i32) (local $end i32)
            (local.set $in (i32.load offset=4 (i32.load offset=40 (i32.load offset=8 (local.get $frame)))))
            (local.set $out (i32.load offset=4 (i32.load offset=40 (i32.load offset=12 (local.get $frame)))))
            (local.set $end (i32.add (local.get $in) (i32.mul (i32.load (local.get $frame)) (i32.const 8))))
            (loop $next
              (if (i32.lt_u (local.get $in) (local.get $end))
                (then
                  (i64.store (local.get $out) (i64.add (i64.load (local.get $in)) (i64.const {number})))
                  (local.set $in (i32.add (local.get $in) (i32.const 8)))
                  (local.set $out (i32.add (local.get $out) (i32.const 8)))
                  (br $next))))
            (i32.const 0))
          (func (export "spin") (param $frame i32) (result i32)
            (loop $forever (br $forever))
            (unreachable)))"#
    )
}

fn registry(interruption: Interruption) -> Registry {
    let mut options = RegistryOptions::default();
    options.interruption = interruption;
    // The same guest fails over and over here.
    options.limits.breaker_failures_max = 0;
    options.limits.call_timeout_ms = TIMEOUT_MS;
    options.limits.memory_bytes_max = 4 << 20;
    options.limits.instances_max = INSTANCES_MAX;
    Registry::new(options)
}

fn load(registry: &Registry, name: &str, number: usize) -> Arc<Plugin> {
    registry
        .load_bytes(name, guest(name, number).as_bytes())
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn function(plugin: &Arc<Plugin>, export: &str) -> ScalarFunction {
    ScalarFunction::named(plugin, export).expect("the guest has it")
}

/// A call that has to return in time; on a machine that is busy it may be stopped, but not always.
fn call_in_time(function: &ScalarFunction, x: i64) -> i64 {
    for _ in 0..1_000 {
        match call(function, x) {
            Ok(found) => return found,
            Err(error) => assert!(error.to_string().contains("ran longer"), "{error}"),
        }
    }
    panic!("a short call never ends in time");
}

/// Calls, some of them stopped at their deadline and some cancelled, while plugins are loaded, listed and unloaded.
fn everything_at_once(interruption: Interruption) {
    let registry = registry(interruption);
    let lasting = load(&registry, "lasting", 1);
    let (done, stopped) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let mut workers = Vec::new();
        for thread in 0..THREADS {
            let (registry, lasting, stopped) = (&registry, &lasting, &stopped);
            // Good calls, in a scope and outside.
            workers.push(scope.spawn(move || {
                let add = function(lasting, "add");
                for turn in 0..TURNS as i64 {
                    assert_eq!(call_in_time(&add, turn), turn + 1);
                    StreamScope::enter(&mut Some(Box::default()), || {
                        for x in 0..20 {
                            assert_eq!(call_in_time(&add, x), x + 1);
                        }
                    });
                }
            }));
            // Calls that are stopped at their deadline.
            workers.push(scope.spawn(move || {
                let spin = function(lasting, "spin");
                for _ in 0..TURNS {
                    let error = call(&spin, 1).unwrap_err().to_string();
                    assert!(error.contains("ran longer"), "{error}");
                    stopped.fetch_add(1, Ordering::Relaxed);
                }
            }));
            // Calls that another thread cancels, before their deadline or at it.
            workers.push(scope.spawn(move || {
                let spin = function(lasting, "spin");
                for turn in 0..TURNS {
                    let cancellation = Cancellation::default();
                    let other = cancellation.clone();
                    let canceller = std::thread::spawn(move || {
                        std::thread::sleep(Duration::from_millis(TIMEOUT_MS * turn as u64 % 30));
                        other.cancel();
                    });
                    let streams = StreamScope::with_cancellation(cancellation);
                    StreamScope::enter(&mut Some(Box::new(streams)), || {
                        assert!(call(&spin, 1).is_err());
                    });
                    canceller.join().unwrap();
                    stopped.fetch_add(1, Ordering::Relaxed);
                }
            }));
            // Plugins that come, are called, and go, also while somebody still has them.
            workers.push(scope.spawn(move || {
                let name = format!("passing{thread}");
                for turn in 0..TURNS {
                    let first = load(registry, &name, turn);
                    registry.unload(&name);
                    let second = load(registry, &name, turn + 100);
                    assert_eq!(call_in_time(&function(&first, "add"), 0), turn as i64);
                    let expected = turn as i64 + 100;
                    assert_eq!(call_in_time(&function(&second, "add"), 0), expected);
                    registry.unload(&name);
                }
            }));
        }
        // Whoever looks at the registry finds the plugin that stays.
        let (registry, done) = (&registry, &done);
        scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                assert!(registry.plugin("lasting").is_some());
                assert!(!registry.functions().is_empty());
                std::thread::yield_now();
            }
        });
        let outcomes: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        done.store(true, Ordering::Relaxed);
        assert!(outcomes.iter().all(|outcome| outcome.is_ok()));
    });
    assert_eq!(stopped.into_inner(), 2 * THREADS * TURNS);
}

#[test]
fn everything_at_once_with_watch_pages() {
    everything_at_once(Interruption::WatchPage);
}

#[test]
fn everything_at_once_with_epochs() {
    everything_at_once(Interruption::Epoch);
}

/// Queries of several partitions side by side, of which some are dropped on their way.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn queries_run_and_are_dropped_side_by_side() {
    let registry = registry(Interruption::WatchPage);
    load(&registry, "lasting", 1);
    let workers: Vec<_> = (0..THREADS)
        .map(|worker| {
            let registry = registry.clone();
            tokio::spawn(async move {
                for turn in 0..TURNS / 5 {
                    let config = SessionConfig::new().with_target_partitions(2);
                    let ctx = SessionContext::new_with_config(config);
                    ctx.register_plugins(&registry).unwrap();
                    let sql = format!(
                        "SELECT sum(s) FROM (SELECT value % 10, sum(lasting_add(value)) AS s FROM range(0, {ROWS}) GROUP BY value % 10)"
                    );
                    let sum = (ROWS * (ROWS + 1) / 2) as i64;
                    let found = ctx.wasm_sql(&sql).await.unwrap().collect().await;
                    match found {
                        Ok(batches) => {
                            let column = batches[0].column(0).as_primitive::<Int64Type>();
                            assert_eq!(column.value(0), sum);
                        }
                        Err(error) => assert!(error.to_string().contains("ran longer"), "{error}"),
                    }
                    // One batch, or a guest that does not come to its end.
                    let name = if (turn + worker) % 2 == 0 { "add" } else { "spin" };
                    let sql = format!("SELECT lasting_{name}(value) FROM range(0, {ROWS})");
                    let frame = ctx.wasm_sql(&sql).await.unwrap();
                    let mut stream = frame.execute_stream().await.unwrap();
                    let wait = Duration::from_millis(TIMEOUT_MS / 4);
                    // Whatever came is dropped together with the stream.
                    let _ = tokio::time::timeout(wait, stream.next()).await;
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
}

/// What [`asking`] needs, and how many host calls one call of it makes.
const ASKED: [&str; 4] = [
    "log",
    "metric:emit",
    "table:read:shared",
    "table:write:shared",
];
const HOST_CALLS: usize = 8;

/// A guest that puts its argument into a table, logs, counts, and returns the length of what it finds in the table.
fn asking(name: &str) -> String {
    let body = format!(
        "(local $table i32) (local $found i64)
         (i64.store (i32.const {OUT}) (local.get $x))
         (local.set $table (i32.wrap_i64 (call $table_open (i32.const {DATA}) (i32.const 6) (i32.const 3))))
         (drop (call $table_put (local.get $table) (i32.const {OUT}) (i32.const 8) (i32.const {OUT}) (i32.const 8)))
         (local.set $found (call $table_get (local.get $table) (i32.const {OUT}) (i32.const 8) (i32.const {OUT}) (i32.const 64)))
         (drop (call $close (local.get $table)))
         (drop (call $log (i32.const 3) (i32.const {DATA}) (i32.const 6) (i32.const 0) (i32.const 0)))
         (drop (call $metric_record
           (i32.wrap_i64 (call $metric (i32.const 0) (i32.const {DATA}) (i32.const 6) (i32.const 0) (i32.const 0)))
           (f64.const 1)))
         (drop (call $log_enabled (i32.const 3)))
         (local.get $found)"
    );
    Guest::new(name, &ASKED, &body)
        .data("shared")
        .import("table_open", "iii")
        .import("table_put", "iiiii")
        .import("table_get", "iiiii")
        .import("close", "i")
        .import("log", "iiiii")
        .import("log_enabled", "i")
        .import("metric", "iiiii")
        .import("metric_record", "id")
        .text()
}

/// Guests that ask the host, in several threads, while others read what they left: every call is on record or counted as lost.
#[test]
fn what_guests_ask_for_is_counted() {
    let mut options = RegistryOptions::default();
    options.limits.memory_bytes_max = 4 << 20;
    options.limits.instances_max = INSTANCES_MAX;
    options.context = Arc::new(LocalContext::default());
    options.audit.queue_records_max = 64;
    options.audit.history_records_max = 1 << 20;
    let registry = Registry::new(options);
    let settings = ASKED
        .iter()
        .fold(PluginSettings::default(), |settings, grant| {
            settings.grant(grant).unwrap()
        });
    let plugins = ["first", "second"].map(|name| {
        let guest = asking(name);
        let loaded = registry.load_bytes_with(name, guest.as_bytes(), &settings);
        loaded.unwrap_or_else(|error| panic!("{name}: {error}"))
    });
    let calls = AtomicUsize::new(0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (registry, calls, done) = (&registry, &calls, &done);
        let workers: Vec<_> = (0..2 * THREADS)
            .map(|thread| {
                let plugin = &plugins[thread % plugins.len()];
                scope.spawn(move || {
                    let ask = ScalarFunction::named(plugin, plugin.name()).unwrap();
                    for turn in 0..TURNS as i64 {
                        StreamScope::enter(&mut Some(Box::default()), || {
                            assert_eq!(call(&ask, turn).unwrap(), size_of::<i64>() as i64);
                        });
                        calls.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        scope.spawn(move || {
            let audit = registry.audit().unwrap();
            while !done.load(Ordering::Relaxed) {
                assert!(audit.records().len() <= HOST_CALLS * 2 * THREADS * TURNS);
                assert!(registry.metrics().all().len() <= 2);
                std::thread::yield_now();
            }
        });
        let outcomes: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        done.store(true, Ordering::Relaxed);
        assert!(outcomes.iter().all(|outcome| outcome.is_ok()));
    });
    let calls = calls.into_inner();
    assert_eq!(calls, 2 * THREADS * TURNS);
    let audit = registry.audit().unwrap();
    let kept = audit.records();
    let kept = kept.iter().filter(|record| record.outcome != Outcome::Lost);
    assert_eq!(kept.count() + audit.lost() as usize, HOST_CALLS * calls);
    let counted: f64 = registry.metrics().all().iter().map(|one| one.value).sum();
    assert_eq!(counted, calls as f64);
}
