//! Sessions that have functions of their own.

use std::sync::Arc;

use wasmfusion::{Registry, SessionContextExt};
use wasmfusion_sql_tests::new_session;

use super::{adding, problem, put, value};

#[tokio::test]
async fn what_a_statement_has_made_stays_what_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "first.wat", &adding("first", 1));
    let registry = Registry::default();
    let directory = registry.open_dir(folder.path()).expect("it can be watched");
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    let file = folder.path().join("first.wat");
    let create = format!(
        "CREATE OR REPLACE FUNCTION first() LANGUAGE WASM AS '{}'",
        file.display()
    );
    ctx.wasm_sql(&create).await.expect("it is created");
    put(folder.path(), "first.wat", &adding("first", 2));
    directory.refresh().expect("it can be read");
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("2"));
    let other = new_session(&registry, Arc::default()).expect("a session");
    assert_eq!(value(&other, "SELECT first(1)").await.as_deref(), Ok("3"));
    ctx.register_plugins(&registry).expect("once more");
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("2"));
    registry.unload("first").expect("it was loaded");
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("2"));
    assert!(value(&other, "SELECT first(1)").await.is_err());
}

#[tokio::test]
async fn a_name_of_the_engine_keeps_no_session_out() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "first.wat", &adding("first", 1));
    let registry = Registry::default();
    let directory = registry.open_dir(folder.path()).expect("it can be watched");
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    put(folder.path(), "abs.wat", &adding("abs", 1));
    directory.refresh().expect("it can be read");
    assert_eq!(problem(&directory, "abs.wat"), None);
    assert_eq!(value(&ctx, "SELECT abs(-1)").await.as_deref(), Ok("1"));
    let other = new_session(&registry, Arc::default()).expect("sessions can be made");
    assert_eq!(value(&other, "SELECT abs(-1)").await.as_deref(), Ok("1"));
    assert_eq!(value(&other, "SELECT first(-1)").await.as_deref(), Ok("0"));
    // Who loads it by hand is told.
    let by_hand = Registry::default();
    by_hand
        .load_bytes("abs.wat", adding("abs", 1).as_bytes())
        .expect("it loads");
    let refused = new_session(&by_hand, Arc::default()).err().expect("told");
    let error = refused.strip_backtrace();
    assert!(error.contains("has a function abs already"), "{error}");
}
