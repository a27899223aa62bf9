//! Good and hostile functions side by side for a long time: right results all along, and nothing that grows.
//!
//! In CI this takes seconds. `WASMFUSION_SOAK_SECONDS=1200 WASMFUSION_SOAK_KILLS=10000 cargo test --workspace --test soak --release` takes its time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::error::Result;
use datafusion::prelude::SessionContext;
use wasmfusion::{LocalContext, Registry, RegistryOptions, SessionContextExt};
use wasmfusion_sql_tests::{Server, built_plugins, evil_guests, new_session};

/// Queries, and the number that each returns.
const GOOD: [(&str, i64); 7] = [
    (
        "SELECT sum(add_one(value)) FROM range(0, 20000)",
        200_010_000,
    ),
    (
        "SELECT sum(length(repeat_text('abc', value))) FROM range(0, 100)",
        14_850,
    ),
    ("SELECT my_sum(value) FROM range(0, 20000)", 199_990_000),
    (
        "SELECT sum(s) FROM (SELECT value % 1000, my_sum(value) AS s FROM range(0, 20000) GROUP BY value % 1000)",
        199_990_000,
    ),
    (
        "SELECT sum(s) FROM (SELECT running_sum(value) OVER (PARTITION BY value % 10 ORDER BY value) AS s FROM range(0, 2000))",
        134_234_500,
    ),
    (
        "SELECT sum(s) FROM (SELECT my_sum(value) OVER (ORDER BY value ROWS BETWEEN 3 PRECEDING AND CURRENT ROW) AS s FROM range(0, 2000))",
        7_984_010,
    ),
    ("SELECT sum(value) FROM my_range(20000)", 199_990_000),
];

/// Queries that ask the host for something, and the number that each returns. `URL` is that of a server that answers `hello`.
const GOOD_ASKING: [(&str, i64); 7] = [
    (
        "SELECT CAST(round(sum(convert_currency(CAST(value AS DOUBLE), 'USD', 'CHF'))) AS BIGINT) FROM range(0, 1000)",
        199_800,
    ),
    ("SELECT CAST(set_rate('CHF', 0.5) * 10 AS BIGINT)", 5),
    (
        "SELECT count(DISTINCT random_uuid()) FROM range(0, 1000)",
        1_000,
    ),
    ("SELECT CAST(length(signed('a text')) AS BIGINT)", 64),
    (
        "SELECT CAST(length(lookup_line('/tmp/wasmfusion-files-soak.csv', 'BER')) AS BIGINT)",
        10,
    ),
    ("SELECT CAST(word_count('three small words') AS BIGINT)", 3),
    ("SELECT CAST(length(http_get('URL')) AS BIGINT)", 5),
];

/// Queries, and a part of the error that each ends with.
const HOSTILE: [(&str, &str); 8] = [
    ("SELECT spin() FROM range(0, 10)", "ran longer"),
    (
        "SELECT recurse(value + 100000000) FROM range(0, 10)",
        "too deeply",
    ),
    ("SELECT eat(1000) FROM range(0, 10)", "bytes of memory"),
    (
        "SELECT panic(CAST(value AS VARCHAR)) FROM range(0, 10)",
        "panic",
    ),
    (
        "SELECT spin_forever(value) FROM range(0, 10) GROUP BY value",
        "ran longer",
    ),
    (
        "SELECT panic_at_13(value) FROM range(0, 100)",
        "13 is not welcome",
    ),
    (
        "SELECT window_spin(value) OVER () FROM range(0, 10)",
        "ran longer",
    ),
    ("SELECT * FROM panics_after(100)", "panic"),
];

/// Queries that ask the host for what they were not granted, or without end.
const HOSTILE_ASKING: [(&str, &str); 6] = [
    (
        "SELECT run_command('sh', '-c id')",
        "was not granted `exec:sh`",
    ),
    (
        "SELECT http_get('https://169.254.169.254/latest')",
        "169.254.169.254",
    ),
    ("SELECT env_var('PATH')", "was not granted `env:PATH`"),
    (
        "SELECT append_line('/etc/passwd', 'x')",
        "`fs:write:/etc/passwd`",
    ),
    ("SELECT set_rate('euro', 1.0)", "`euro` is not a currency"),
    ("SELECT evil(1)", "ran longer"),
];

/// A hostile guest that asks the host for the same without end. Two would have the same name.
const ENDLESS: &str = "host_loop_log.wat";

/// A file that `files.wasm` was granted.
const FILE: &str = "/tmp/wasmfusion-files-soak.csv";

/// How often a good query is tried again.
const ATTEMPTS: usize = 5;

/// What the process holds.
#[derive(Debug)]
struct Holdings {
    threads: usize,
    files: usize,
    resident_kib: usize,
}

impl Holdings {
    fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let number = |key: &str| -> usize {
            let line = status.lines().find(|line| line.starts_with(key)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        Self {
            threads: number("Threads:"),
            files: std::fs::read_dir("/proc/self/fd").unwrap().count(),
            resident_kib: number("VmRSS:"),
        }
    }
}

/// A number from the environment, which a long run sets.
fn setting(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(default, |text| text.parse().expect("a number"))
}

async fn session(registry: &Registry) -> SessionContext {
    let ctx = new_session(registry, Arc::default()).unwrap();
    let functions = [
        "add_one",
        "repeat_text",
        "my_sum",
        "running_sum",
        "my_range",
        "recurse",
        "eat",
        "panic",
        "spin_forever",
        "panic_at_13",
        "window_spin",
        "panics_after",
    ];
    for function in functions {
        let sql = format!("CREATE FUNCTION {function}() LANGUAGE WASM AS 'testing.wasm'");
        ctx.wasm_sql(&sql).await.unwrap();
    }
    for plugin in ["rates", "system", "files", "fetch", "command"] {
        let sql = format!("CREATE FUNCTION {plugin}() LANGUAGE WASM AS '{plugin}.wasm#*'");
        ctx.wasm_sql(&sql).await.unwrap();
    }
    // Volatile, so that the planner does not call it.
    ctx.wasm_sql("CREATE FUNCTION spin() RETURNS BIGINT LANGUAGE WASM VOLATILE AS 'testing.wasm'")
        .await
        .unwrap();
    ctx
}

async fn number(ctx: &SessionContext, sql: &str) -> Result<i64> {
    let batches = ctx.wasm_sql(sql).await?.collect().await?;
    Ok(batches[0].column(0).as_primitive::<Int64Type>().value(0))
}

fn registry() -> Registry {
    let mut options = RegistryOptions::default();
    options.module_root = Some(built_plugins());
    // The same guest fails over and over here.
    options.limits.breaker_failures_max = 0;
    options.limits.call_timeout_ms = 50;
    options.limits.memory_bytes_max = 16 << 20;
    options.context = Arc::new(LocalContext::default());
    let registry = Registry::new(options);
    registry.load_file(evil_guests().join(ENDLESS)).unwrap();
    registry
}

/// Every query with what is expected of it: first what calls functions alone, then what asks the host.
fn queries<E: Copy>(
    calling: &[(&'static str, E)],
    asking: &[(&'static str, E)],
    url: &str,
) -> Vec<(String, E)> {
    let all = calling.iter().chain(asking);
    all.map(|(sql, expected)| (sql.replace("URL", url), *expected))
        .collect()
}

/// One query after the other until the time is over, good and hostile ones in turns, each time in another order.
async fn work(
    registry: Registry,
    url: Arc<str>,
    worker: usize,
    end: Instant,
    done: Arc<AtomicUsize>,
) {
    let mut turn = worker;
    let good = queries(&GOOD, &GOOD_ASKING, &url);
    let hostile = queries(&HOSTILE, &HOSTILE_ASKING, &url);
    while Instant::now() < end {
        // Sessions come and go, too.
        let ctx = session(&registry).await;
        for sql in [
            "SELECT set_rate('USD', 1.25)",
            "SELECT set_rate('CHF', 0.5)",
        ] {
            ctx.wasm_sql(sql).await.unwrap().collect().await.unwrap();
        }
        for _ in 0..32 {
            turn = turn.wrapping_mul(6_364_136_223).wrapping_add(1_442_695_041);
            let choice = turn >> 16;
            let (sql, expected) = &good[choice % good.len()];
            // On a machine that is busy a short call may pass its deadline, but not always.
            let mut found = number(&ctx, sql).await;
            for _ in 0..ATTEMPTS {
                match &found {
                    Err(error) if error.to_string().contains("ran longer") => {}
                    _ => break,
                }
                found = number(&ctx, sql).await;
            }
            assert_eq!(found.unwrap(), *expected, "{sql}");
            let (sql, expected) = &hostile[choice % hostile.len()];
            let error = number(&ctx, sql).await.unwrap_err().to_string();
            let ended = error.contains(expected) || error.contains("ran longer");
            assert!(ended, "{sql}: {error}");
            done.fetch_add(2, Ordering::Relaxed);
            if Instant::now() >= end {
                break;
            }
        }
    }
}

fn soak(seconds: u64, url: &Arc<str>) -> usize {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    let done = Arc::new(AtomicUsize::new(0));
    let registry = registry();
    runtime.block_on(async {
        let end = Instant::now() + Duration::from_secs(seconds);
        let workers: Vec<_> = (0..2)
            .map(|worker| {
                let (registry, url) = (registry.clone(), Arc::clone(url));
                tokio::spawn(work(registry, url, worker, end, Arc::clone(&done)))
            })
            .collect();
        for worker in workers {
            worker.await.unwrap();
        }
    });
    done.load(Ordering::Relaxed)
}

#[test]
#[cfg(target_os = "linux")]
fn nothing_grows() {
    let seconds = setting("WASMFUSION_SOAK_SECONDS", 8);
    // Once to have everything that stays: compiled code, slots of memories that were used, arenas of the allocator.
    let server = Server::start(Duration::ZERO);
    let url: Arc<str> = server.url().into();
    std::fs::write(FILE, "BER,Berlin\n").unwrap();
    soak((seconds / 4).clamp(4, 60), &url);
    let before = Holdings::now();
    let queries = soak(seconds, &url);
    let after = Holdings::now();
    println!("{queries} queries in {seconds} s; before: {before:?}, after: {after:?}");
    assert!(queries > 20, "only {queries} queries");
    // The threads of a runtime that has ended may take a moment to be gone.
    assert!(after.threads <= before.threads + 4, "{before:?} {after:?}");
    assert!(after.files <= before.files + 4, "{before:?} {after:?}");
    let grown = after.resident_kib.saturating_sub(before.resident_kib);
    assert!(grown < 128 << 10, "{before:?} {after:?}");
}

#[test]
fn guests_are_killed_one_after_the_other() {
    let kills = setting("WASMFUSION_SOAK_KILLS", 200);
    let mut options = RegistryOptions::default();
    options.module_root = Some(built_plugins());
    // The same guest fails over and over here.
    options.limits.breaker_failures_max = 0;
    options.limits.call_timeout_ms = 1;
    let registry = Registry::new(options);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let ctx = session(&registry).await;
        let began = Instant::now();
        for _ in 0..kills {
            let error = number(&ctx, "SELECT spin() FROM range(0, 1)").await;
            assert!(error.unwrap_err().to_string().contains("ran longer"));
        }
        println!("{kills} kills in {:?}", began.elapsed());
    });
}
