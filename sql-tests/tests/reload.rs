//! A directory of plugins that is watched, while its files come, change and go.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use datafusion::arrow::util::display::array_value_to_string;
use datafusion::prelude::SessionContext;
use wasmfusion::{PluginDirectory, Registry, SessionContextExt};
use wasmfusion_sql_tests::{DATA, Guest, OUT, new_session};

/// Longest time until a change is seen.
const SEEN_AFTER: Duration = Duration::from_secs(20);
/// Versions that follow one another under load.
const VERSIONS: i64 = 60;

/// A plugin `name` whose function `name` adds a number.
fn adding(name: &str, number: i64) -> String {
    let body = format!("(i64.add (local.get $x) (i64.const {number}))");
    Guest::new(name, &[], &body).text()
}

/// Puts a file into its place in one step, as tools that deploy do.
fn put(folder: &Path, name: &str, text: &str) {
    let new = folder.join(format!(".{name}.new"));
    fs::write(&new, text).expect("written");
    fs::rename(&new, folder.join(name)).expect("moved");
}

async fn value(ctx: &SessionContext, sql: &str) -> Result<String, String> {
    let frame = ctx.sql(sql).await.map_err(|error| error.to_string())?;
    let batches = frame.collect().await.map_err(|error| error.to_string())?;
    Ok(array_value_to_string(batches[0].column(0), 0).expect("text"))
}

/// Waits until a query says what is expected, or fails if `None`.
async fn until(ctx: &SessionContext, sql: &str, expected: Option<&str>) {
    let began = Instant::now();
    loop {
        let found = value(ctx, sql).await.ok();
        if found.as_deref() == expected {
            return;
        }
        assert!(
            began.elapsed() < SEEN_AFTER,
            "{sql}: {found:?}, expected {expected:?}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn problem(directory: &PluginDirectory, name: &str) -> Option<String> {
    let files = directory.files();
    let file = files.iter().find(|file| file.path.ends_with(name));
    file.expect("the file is known").problem.clone()
}

/// Waits until a file is refused, or is not.
async fn until_refused(directory: &PluginDirectory, name: &str, refused: bool) {
    let began = Instant::now();
    while problem(directory, name).is_some() != refused {
        assert!(
            began.elapsed() < SEEN_AFTER,
            "{name}: {:?}",
            problem(directory, name)
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn files_come_change_and_go() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "first.wat", &adding("first", 1));
    put(folder.path(), "broken.wat", "(module");
    let registry = Registry::default();
    let directory = registry.open_dir(folder.path()).expect("it can be watched");
    // One that is refused keeps no other out, and is told.
    assert_eq!(registry.plugins().len(), 1);
    assert!(problem(&directory, "broken.wat").is_some());
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("2"));

    // New.
    put(folder.path(), "second.wat", &adding("second", 10));
    until(&ctx, "SELECT second(1)", Some("11")).await;
    // Changed; a query that was planned before goes on with what it was planned with.
    let planned = ctx.sql("SELECT first(1)").await.expect("it is planned");
    put(folder.path(), "first.wat", &adding("first", 2));
    until(&ctx, "SELECT first(1)", Some("3")).await;
    let batches = planned.collect().await.expect("it answers");
    assert_eq!(
        array_value_to_string(batches[0].column(0), 0).expect("text"),
        "2"
    );
    // Broken: the version before stays, and it is said why.
    put(folder.path(), "first.wat", "(module (memory 1))");
    until_refused(&directory, "first.wat", true).await;
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("3"));
    // Mended.
    put(folder.path(), "first.wat", &adding("first", 3));
    until(&ctx, "SELECT first(1)", Some("4")).await;
    assert_eq!(problem(&directory, "first.wat"), None);
    // Other settings are another version, too.
    put(
        folder.path(),
        "first.toml",
        "[aliases]\nprimus = \"first\"\n",
    );
    until(&ctx, "SELECT primus(1)", Some("4")).await;
    put(folder.path(), "first.toml", "grants = [\"nonsense\"]\n");
    until_refused(&directory, "first.wat", true).await;
    assert_eq!(value(&ctx, "SELECT primus(1)").await.as_deref(), Ok("4"));
    // Gone.
    fs::remove_file(folder.path().join("second.wat")).expect("ours");
    until(&ctx, "SELECT second(1)", None).await;
    assert!(registry.plugin("second").is_none());
    // What a session made of a plugin by itself is its own, and so is what it has dropped.
    ctx.wasm_sql("DROP FUNCTION first").await.expect("dropped");
    put(folder.path(), "first.toml", "");
    until_refused(&directory, "first.wat", false).await;
    assert!(value(&ctx, "SELECT first(1)").await.is_err());
    let other = new_session(&registry, Arc::default()).expect("a session");
    assert_eq!(value(&other, "SELECT first(1)").await.as_deref(), Ok("4"));
}

#[tokio::test]
async fn a_version_can_be_returned_to() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "first.wat", &adding("first", 1));
    let registry = Registry::default();
    let directory = registry.open_dir(folder.path()).expect("it can be watched");
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    let error = registry
        .roll_back("first")
        .expect_err("nothing to return to")
        .to_string();
    assert!(error.contains("no former version"), "{error}");
    for number in 2..10 {
        put(folder.path(), "first.wat", &adding("first", number));
        directory.refresh().expect("it can be read");
        let expected = (number + 1).to_string();
        assert_eq!(value(&ctx, "SELECT first(1)").await, Ok(expected));
    }
    let versions = registry.former_versions("first");
    assert!(
        (1..9).contains(&versions.len()),
        "{} versions are kept",
        versions.len()
    );
    let back = registry.roll_back("first").expect("there is one");
    assert!(Arc::ptr_eq(&back, versions.last().expect("there is one")));
    let states = "SELECT string_agg(state || ' ' || n, ', ' ORDER BY state) FROM (SELECT state, count(*) AS n FROM wasmfusion.plugins GROUP BY state)";
    let states = value(&ctx, states).await.expect("it answers");
    assert!(
        states.starts_with("former ") && states.contains("ready 1"),
        "{states}"
    );
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("9"));
    // The file counts again when it changes.
    directory.refresh().expect("it can be read");
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("9"));
    put(folder.path(), "first.wat", &adding("first", 100));
    until(&ctx, "SELECT first(1)", Some("101")).await;
}

#[test]
fn a_directory_that_cannot_be_watched_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = Registry::default()
        .open_dir(folder.path().join("nowhere"))
        .expect_err("told");
    assert!(
        error.to_string().contains("nowhere could not be watched"),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_put_back_is_taken_again() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "first.wat", &adding("first", 1));
    let registry = Registry::default();
    let directory = registry.open_dir(folder.path()).expect("it can be watched");
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    let read = || directory.refresh().expect("it can be read");
    put(folder.path(), "first.wat", &adding("first", 2));
    read();
    registry.roll_back("first").expect("there is one");
    // What was rolled back to, and then what was rolled back.
    put(folder.path(), "first.wat", &adding("first", 1));
    read();
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("2"));
    put(folder.path(), "first.wat", &adding("first", 2));
    read();
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("3"));
    registry.roll_back("first").expect("there is one");
    fs::write(folder.path().join("first.toml"), "").expect("written");
    read();
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("3"));

    // A copy under another name is the same plugin, as long as one of both is there.
    put(folder.path(), "copy.wat", &adding("first", 2));
    read();
    fs::remove_file(folder.path().join("copy.wat")).expect("ours");
    read();
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("3"));
    // A name that is taken is free when its owner goes.
    put(folder.path(), "newer.wat", &adding("first", 7));
    read();
    assert!(problem(&directory, "newer.wat").is_some());
    fs::remove_file(folder.path().join("first.wat")).expect("ours");
    read();
    assert_eq!(problem(&directory, "newer.wat"), None);
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("8"));
    // Nobody brings a function that another plugin has.
    let other = adding("other", 1).replace(
        "\"functions\": [{\"name\": \"other\"",
        "\"functions\": [{\"name\": \"first\"",
    );
    put(folder.path(), "other.wat", &other);
    read();
    new_session(&registry, Arc::default()).expect("sessions can be made");
}

#[tokio::test]
async fn what_is_taken_back_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let guest = Guest::new("asks", &["clock"], "(call $clock_realtime)")
        .import("clock_realtime", "")
        .text();
    put(folder.path(), "asks.toml", "grants = [\"clock\"]");
    put(folder.path(), "asks.wat", &guest);
    let registry = Registry::default();
    let directory = registry.open_dir(folder.path()).expect("it can be watched");
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    value(&ctx, "SELECT asks(1)").await.expect("it was granted");
    fs::remove_file(folder.path().join("asks.toml")).expect("ours");
    directory.refresh().expect("it can be read");
    assert!(value(&ctx, "SELECT asks(1)").await.is_err());
    assert!(registry.plugin("asks").is_none());
    assert!(problem(&directory, "asks.wat").is_some_and(|problem| problem.contains("clock")));
    put(folder.path(), "asks.toml", "grants = [\"clock\"]");
    directory.refresh().expect("it can be read");
    value(&ctx, "SELECT asks(1)")
        .await
        .expect("it was granted again");
}

#[tokio::test]
async fn a_secret_that_has_changed_is_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let body = format!(
        "(call $secret (i32.const {DATA}) (i32.const 3) (i32.const {OUT}) (i32.const 4096))"
    );
    let guest = Guest::new("tells", &["secret:key"], &body)
        .import("secret", "iiii")
        .data("key");
    let settings = "grants = [\"secret:key\"]\n[secrets]\nkey = { file = \"FILE\" }\n";
    let file = folder.path().join("key");
    let settings = settings.replace("FILE", file.to_str().expect("text"));
    fs::write(&file, "twelve bytes").expect("written");
    put(folder.path(), "tells.toml", &settings);
    put(folder.path(), "tells.wat", &guest.text());
    let registry = Registry::default();
    let directory = registry.open_dir(folder.path()).expect("it can be watched");
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    assert_eq!(value(&ctx, "SELECT tells(1)").await.as_deref(), Ok("12"));
    fs::write(&file, "a longer secret").expect("written");
    put(folder.path(), "tells.toml", &settings);
    directory.refresh().expect("it can be read");
    assert_eq!(value(&ctx, "SELECT tells(1)").await.as_deref(), Ok("15"));
}

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
