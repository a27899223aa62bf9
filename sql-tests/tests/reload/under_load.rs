//! Versions change while queries run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use wasmfusion::Registry;
use wasmfusion_sql_tests::new_session;

use super::{adding, adding_in, put, until, value};

/// Versions that follow one another under load.
const VERSIONS: i64 = 60;

/// No query fails while versions follow one another, and each is answered by one version alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_missing_while_versions_change() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "first.wat", &adding("first", 0));
    let registry = Registry::default();
    let directory = registry.open_dir(folder.path()).expect("it can be watched");
    let (done, queries) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let (ctx, done, queries) = (ctx.clone(), Arc::clone(&done), Arc::clone(&queries));
            tokio::spawn(async move {
                let (mut latest, mut longest) = (0, Duration::ZERO);
                while !done.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    let versions = "SELECT concat(min(first(value) - value), ' ', max(first(value) - value)) FROM range(0, 1000)";
                    let found = value(&ctx, versions).await.expect("no query fails");
                    longest = longest.max(began.elapsed());
                    let (min, max) = found.split_once(' ').expect("two numbers");
                    assert_eq!(min, max);
                    let version: i64 = min.parse().expect("a number");
                    assert!(version >= latest, "{version} after {latest}");
                    latest = version;
                    queries.fetch_add(1, Ordering::Relaxed);
                }
                longest
            })
        })
        .collect();
    for version in 1..=VERSIONS {
        let text = match version % 10 {
            // A version that fails now and then.
            9 => "(module".to_owned(),
            _ => adding("first", version),
        };
        put(folder.path(), "first.wat", &text);
        let directory = &directory;
        tokio::task::block_in_place(|| directory.refresh().expect("it can be read"));
    }
    until(&ctx, "SELECT first(0)", Some(&VERSIONS.to_string())).await;
    done.store(true, Ordering::Relaxed);
    let mut longest = Duration::ZERO;
    for worker in workers {
        longest = longest.max(worker.await.expect("no query fails"));
    }
    println!(
        "{} queries over {VERSIONS} versions, the longest took {longest:?}",
        queries.load(Ordering::Relaxed)
    );
    assert!(queries.load(Ordering::Relaxed) > 2);
}

/// A plugin that gives itself another name, in one file, takes its functions along in one step.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_renames_itself_is_never_missing() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "it.wat", &adding_in("aa", "ff", 0));
    let registry = Registry::default();
    let directory = registry.open_dir(folder.path()).expect("it can be watched");
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    let done = Arc::new(AtomicBool::new(false));
    let worker = {
        let (ctx, done) = (ctx.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            while !done.load(Ordering::Relaxed) {
                value(&ctx, "SELECT ff(1)").await.expect("it is there");
            }
        })
    };
    for turn in 1..=20 {
        let name = ["aa", "bb"][turn % 2];
        let text = adding_in(name, "ff", turn as i64);
        put(folder.path(), "it.wat", &text);
        tokio::task::block_in_place(|| directory.refresh().expect("it can be read"));
        let plugins = registry.plugins();
        let names: Vec<&str> = plugins.iter().map(|plugin| plugin.name()).collect();
        assert_eq!(names, [name]);
        let expected = (turn + 1).to_string();
        assert_eq!(value(&ctx, "SELECT ff(1)").await, Ok(expected));
    }
    done.store(true, Ordering::Relaxed);
    worker.await.expect("no query fails");
}
