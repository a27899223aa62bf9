//! Queries on two threads while versions of a plugin follow one another: how many fail, and how long the longest takes.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use datafusion::prelude::SessionContext;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use wasmfusion::{Registry, SessionContextExt};
use wasmfusion_benches::{Runner, built, is_test};

/// Versions that follow one another, and the time between two.
const VERSIONS: usize = 100;
const EVERY: Duration = Duration::from_millis(100);
/// A query: fifty thousand rows.
const SQL: &str =
    "SELECT sum(great_circle_km(52.5, 13.4, value / 1000.0, 2.3)) FROM range(0, 50000)";

/// What queries came to.
#[derive(Default)]
struct Load {
    queries: AtomicU64,
    failed: AtomicU64,
    longest_ns: AtomicU64,
}

fn main() {
    Runner::new().run(
        |_| measure(),
        |figures, measured| {
            for (name, value) in measured {
                figures.print(name, value);
            }
        },
    );
}

fn measure() -> [(&'static str, f64); 4] {
    let versions = if is_test() { 3 } else { VERSIONS };
    let folder = TempDir::new().expect("a folder");
    let module = fs::read(built("geo")).expect("it is built");
    // A section without a meaning makes another module.
    let put = |version: usize| {
        let mut bytes = module.clone();
        bytes.extend_from_slice(&[0, 6, 1, b'v']);
        bytes.extend_from_slice(&(version as u32).to_le_bytes());
        let new = folder.path().join(".geo.new");
        fs::write(&new, bytes).expect("written");
        fs::rename(&new, folder.path().join("geo.wasm")).expect("moved");
    };
    put(0);
    let registry = Registry::default();
    let directory = registry.open_dir(folder.path()).expect("it can be watched");
    let ctx = SessionContext::new();
    ctx.register_plugins(&registry).expect("the names are free");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .expect("a runtime");

    let calm = under_load(&runtime, &ctx, || {
        std::thread::sleep(EVERY * versions as u32)
    });
    let digest = || registry.plugin("geo").map(|plugin| plugin.digest());
    let reloading = under_load(&runtime, &ctx, || {
        for version in 1..=versions {
            let (before, due) = (digest(), Instant::now() + EVERY);
            put(version);
            // The watcher sees it; queries go on.
            while digest() == before {
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    });
    drop(directory);
    let get = |number: &AtomicU64| number.load(Ordering::Relaxed) as f64;
    [
        ("reload/queries", get(&reloading.queries)),
        ("reload/failed_queries", get(&reloading.failed)),
        ("reload/stall_ms", get(&reloading.longest_ns) / 1e6),
        ("reload/calm_longest_ms", get(&calm.longest_ns) / 1e6),
    ]
}

/// Queries on two threads as long as `meanwhile` takes.
fn under_load(runtime: &Runtime, ctx: &SessionContext, meanwhile: impl FnOnce()) -> Load {
    let load = Arc::new(Load::default());
    let done = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let (ctx, load, done) = (ctx.clone(), Arc::clone(&load), Arc::clone(&done));
            runtime.spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    let answer = async { ctx.sql(SQL).await?.collect().await }.await;
                    let took = began.elapsed().as_nanos() as u64;
                    load.longest_ns.fetch_max(took, Ordering::Relaxed);
                    load.queries.fetch_add(1, Ordering::Relaxed);
                    load.failed
                        .fetch_add(u64::from(answer.is_err()), Ordering::Relaxed);
                }
            })
        })
        .collect();
    meanwhile();
    done.store(true, Ordering::Relaxed);
    for worker in workers {
        runtime.block_on(worker).expect("no panic");
    }
    Arc::into_inner(load).expect("nobody has it any more")
}
