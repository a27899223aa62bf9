//! Copies of one module in two directories.

use std::fs;
use std::sync::Arc;

use wasmfusion::Registry;
use wasmfusion_sql_tests::new_session;

use super::{adding, problem, put, until, value};

#[tokio::test]
async fn a_copy_in_another_directory_keeps_the_plugin() {
    let (one, two) = (tempfile::tempdir(), tempfile::tempdir());
    let (one, two) = (one.expect("a folder"), two.expect("a folder"));
    put(one.path(), "first.wat", &adding("first", 1));
    put(two.path(), "copy.wat", &adding("first", 1));
    let registry = Registry::default();
    let first = registry.open_dir(one.path()).expect("it can be watched");
    let second = registry.open_dir(two.path()).expect("it can be watched");
    assert_eq!(problem(&second, "copy.wat"), None);
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    // The copy cannot change what belongs to the other directory.
    put(two.path(), "copy.wat", &adding("first", 2));
    second.refresh().expect("it can be read");
    let refused = problem(&second, "copy.wat").expect("it is refused");
    assert!(
        refused.contains("a plugin of this name is loaded already"),
        "{refused}"
    );
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("2"));
    // Its going takes nothing along.
    put(two.path(), "copy.wat", &adding("first", 1));
    second.refresh().expect("it can be read");
    assert_eq!(problem(&second, "copy.wat"), None);
    fs::remove_file(two.path().join("copy.wat")).expect("ours");
    second.refresh().expect("it can be read");
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("2"));
    // The copy takes over when the other goes, and then its changes count.
    put(two.path(), "copy.wat", &adding("first", 1));
    second.refresh().expect("it can be read");
    fs::remove_file(one.path().join("first.wat")).expect("ours");
    first.refresh().expect("it can be read");
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("2"));
    put(two.path(), "copy.wat", &adding("first", 5));
    second.refresh().expect("it can be read");
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("6"));
    // One that was refused comes as soon as the name is free, without a change of its own.
    put(one.path(), "first.wat", &adding("first", 7));
    first.refresh().expect("it can be read");
    assert!(problem(&first, "first.wat").is_some());
    fs::remove_file(two.path().join("copy.wat")).expect("ours");
    until(&ctx, "SELECT first(1)", Some("8")).await;
    // Who does not watch any more keeps nobody out.
    drop(first);
    put(two.path(), "copy.wat", &adding("first", 7));
    second.refresh().expect("it can be read");
    put(two.path(), "copy.wat", &adding("first", 9));
    second.refresh().expect("it can be read");
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("10"));
}
