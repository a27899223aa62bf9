//! Files come, change and go; versions are returned to; what is taken back ends.

use std::fs;
use std::sync::Arc;

use datafusion::arrow::util::display::array_value_to_string;
use wasmfusion::{Registry, SessionContextExt};
use wasmfusion_sql_tests::{DATA, Guest, OUT, new_session};

use super::{adding, adding_in, problem, put, until, until_refused, value};

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
    put(folder.path(), "other.wat", &adding_in("other", "first", 1));
    read();
    assert!(problem(&directory, "other.wat").is_some());
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
