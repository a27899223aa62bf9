//! Suspend, resume, unload, reload, from Rust.

use std::fs;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl};
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use wasmfusion::{
    Plugin, PluginState, Registry, RegistryOptions, ScalarFunction, SessionContextExt, StreamScope,
    SuspendedBy,
};
use wasmfusion_sql_tests::{Guest, new_session};

use super::{adding, events_of, value};

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn loaded(name: &str, number: i64) -> (Registry, Arc<Plugin>) {
    let registry = Registry::default();
    let plugin = registry.load_bytes("it.wat", adding(name, number).as_bytes());
    let plugin = plugin.expect("it loads");
    (registry, plugin)
}

/// Rows of a query whose first batch is seen before `between` runs.
async fn rows_around(ctx: &SessionContext, sql: &str, between: impl FnOnce()) -> usize {
    let frame = ctx.sql(sql).await.expect("it is planned");
    let mut stream = frame.execute_stream().await.expect("it begins");
    let first: RecordBatch = stream.next().await.expect("a batch").expect("it answers");
    between();
    let mut rows = first.num_rows();
    while let Some(batch) = stream.next().await {
        rows += batch.expect("it goes on").num_rows();
    }
    rows
}

#[tokio::test]
async fn a_suspended_plugin_is_planned_and_not_called() {
    let (registry, plugin) = loaded("first", 1);
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    registry
        .suspend("first", Some("it leaks\u{1b}[2J"))
        .expect("it is there");
    assert_eq!(registry.state("first"), Some(PluginState::Suspended));
    let suspension = plugin.suspension().expect("it is suspended");
    assert_eq!(suspension.by, SuspendedBy::Host);
    let planned = ctx.sql("SELECT first(1)").await.expect("it is planned");
    let error = planned.collect().await.expect_err("it is suspended");
    let error = error.strip_backtrace();
    for part in [
        "function first (plugin first) cannot be called",
        "suspended by its host since 20",
        "(it leaks\\u{1b}[2J)",
        "wasmfusion_resume('first')",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    // So are functions of the same plugin that a statement makes now, of other versions, too.
    let other = base64(&adding("first", 2));
    let create = format!("CREATE FUNCTION more() LANGUAGE WASM AS 'data:;base64,{other}#first'");
    ctx.wasm_sql(&create).await.expect("it is created");
    let error = value(&ctx, "SELECT more(1)").await.expect_err("suspended");
    assert!(error.contains("it leaks"), "{error}");
    assert!(registry.resume("first").expect("it is there"));
    assert_eq!(value(&ctx, "SELECT more(1)").await.as_deref(), Ok("3"));
}

#[tokio::test]
async fn what_runs_goes_on() {
    let (registry, _) = loaded("first", 1);
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    value(&ctx, "SET datafusion.execution.target_partitions = 1")
        .await
        .expect("it is set");
    // The guest has little memory.
    value(&ctx, "SET datafusion.execution.batch_size = 1024")
        .await
        .expect("it is set");
    let all = "SELECT first(value) FROM range(0, 100000)";
    let rows = rows_around(&ctx, all, || {
        registry.suspend("first", None).expect("it is there");
    });
    assert_eq!(rows.await, 100_000);
    assert!(value(&ctx, "SELECT first(1)").await.is_err());
    assert!(registry.resume("first").expect("it is there"));
    assert!(!registry.resume("first").expect("it is there"));
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("2"));
    // A plugin that is unloaded drains.
    let rows = rows_around(&ctx, all, || {
        registry.unload("first").expect("it was loaded");
        let statuses = registry.statuses();
        assert_eq!(statuses[0].state, PluginState::Draining);
        assert!(statuses[0].instances > 0);
    });
    assert_eq!(rows.await, 100_000);
    assert_eq!(registry.state("first"), Some(PluginState::Unloaded));
    assert!(ctx.sql("SELECT first(1)").await.is_err());
    registry.roll_back("first").expect("it is kept");
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("2"));
    assert_eq!(
        events_of(&registry, "first"),
        ["loaded", "suspended", "resumed", "unloaded", "rolled_back"]
    );
}

/// An aggregate that spills, or a stream after a failure, has further instances: so does a stream of a plugin that was suspended meanwhile.
#[test]
fn a_stream_that_has_begun_gets_further_instances() {
    let body = "(if (i64.lt_s (local.get $x) (i64.const 0)) (then (unreachable))) (local.get $x)";
    let registry = Registry::default();
    let guest = Guest::new("first", &[], body).text();
    let plugin = registry.load_bytes("it.wat", guest.as_bytes());
    let function = ScalarFunction::all(&plugin.expect("it loads")).remove(0);
    let call = |number: i64| {
        let field = Arc::new(Field::new("x", DataType::Int64, true));
        let called = function.invoke_with_args(ScalarFunctionArgs {
            args: vec![ColumnarValue::Scalar(ScalarValue::Int64(Some(number)))],
            arg_fields: vec![Arc::clone(&field)],
            number_rows: 1,
            return_field: field,
            config_options: Arc::default(),
        });
        called.map(drop).map_err(|error| error.strip_backtrace())
    };
    let mut scope = Some(Box::new(StreamScope::default()));
    StreamScope::enter(&mut scope, || call(1)).expect("it answers");
    registry.suspend("first", None).expect("it is there");
    StreamScope::enter(&mut scope, || {
        let error = call(-1).expect_err("it traps");
        assert!(error.contains("unreachable"), "{error}");
        call(1).expect("another instance answers");
    });
    let error = call(1).expect_err("outside of the stream");
    assert!(error.contains("suspended by its host"), "{error}");
    let mut other = Some(Box::new(StreamScope::default()));
    StreamScope::enter(&mut other, || call(1)).expect_err("another stream");
}

#[tokio::test]
async fn a_suspension_outlives_versions() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("first.wat");
    fs::write(&file, adding("first", 1)).expect("written");
    let registry = Registry::default();
    registry.load_file(&file).expect("it loads");
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    registry.suspend("first", None).expect("it is there");
    fs::write(&file, adding("first", 2)).expect("written");
    registry.reload("first").await.expect("it is read again");
    assert_eq!(registry.state("first"), Some(PluginState::Suspended));
    assert!(value(&ctx, "SELECT first(1)").await.is_err());
    registry.resume("first").expect("it is there");
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("3"));
    // The version before is suspended with it, and resumed with it.
    registry.roll_back("first").expect("it is kept");
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("2"));
}

#[tokio::test]
async fn a_plugin_is_loaded_again_from_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("first.wat");
    fs::write(&file, adding("first", 1)).expect("written");
    let registry = Registry::default();
    registry.load_file(&file).expect("it loads");
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    fs::write(&file, "(module").expect("written");
    registry.reload("first").await.expect_err("it is refused");
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("2"));
    fs::write(&file, adding("other", 1)).expect("written");
    let error = registry.reload("first").await.expect_err("another name");
    assert!(error.to_string().contains("calls itself other"), "{error}");
    fs::write(&file, adding("first", 2)).expect("written");
    registry.reload("first").await.expect("it is taken");
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("3"));
    registry.unload("first").expect("it was loaded");
    registry.reload("first").await.expect("it comes back");
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("3"));
    assert_eq!(
        events_of(&registry, "first"),
        [
            "loaded", "refused", "refused", "reloaded", "unloaded", "loaded"
        ]
    );
    registry
        .load_bytes("bytes", adding("bytes", 1).as_bytes())
        .expect("it loads");
    let error = registry.reload("bytes").await.expect_err("from bytes");
    assert!(error.to_string().contains("loaded from bytes"), "{error}");
    let error = registry.reload("nix").await.expect_err("unknown");
    assert_eq!(
        error.to_string(),
        "there is no plugin nix; there are bytes, first"
    );
}

#[tokio::test]
async fn sessions_have_no_functions_of_operators_unless_they_shall() {
    let (registry, _) = loaded("first", 1);
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    let error = value(&ctx, "SELECT wasmfusion_suspend('first')").await;
    let error = error.expect_err("there is none");
    assert!(error.contains("nvalid function"), "{error}");
    // Where they are, nobody takes their names.
    let forged = adding("wasmfusion_resume", 1);
    let refused = registry.load_bytes("forged", forged.as_bytes());
    refused.expect_err("the name is the host's");
    let mut options = RegistryOptions::default();
    options.sql_admin = true;
    let ctx = new_session(&Registry::new(options), Arc::default()).expect("a session");
    let data = base64(&adding("first", 1));
    let create = format!(
        "CREATE OR REPLACE FUNCTION wasmfusion_resume() LANGUAGE WASM AS 'data:;base64,{data}#first'"
    );
    let error = ctx.wasm_sql(&create).await.expect_err("it is built in");
    assert!(error.strip_backtrace().contains("built in"), "{error}");
}

#[test]
fn what_was_refused_has_a_row() {
    let registry = Registry::default();
    registry
        .load_bytes("dir/broken.wat", b"(module")
        .expect_err("it is refused");
    let statuses = registry.statuses();
    let [failed] = statuses.as_slice() else {
        panic!("one: {statuses:?}");
    };
    assert_eq!(
        (&*failed.plugin, failed.state),
        ("broken", PluginState::Failed)
    );
    assert!(
        failed
            .problem
            .as_ref()
            .is_some_and(|p| p.contains("does not parse"))
    );
    assert_eq!(failed.version, None);
    assert_eq!(events_of(&registry, "dir/broken.wat"), ["refused"]);
    registry
        .load_bytes("dir/broken.wat", adding("first", 1).as_bytes())
        .expect("it was mended");
    assert_eq!(registry.state("broken"), None);
    assert_eq!(registry.state("first"), Some(PluginState::Ready));
}

#[test]
fn so_many_events_are_kept() {
    let mut options = RegistryOptions::default();
    options.events_max = 5;
    let registry = Registry::new(options);
    registry
        .load_bytes("it", adding("first", 1).as_bytes())
        .expect("it loads");
    for _ in 0..10 {
        registry.suspend("first", None).expect("it is there");
        registry.resume("first").expect("it is there");
    }
    assert_eq!(registry.events().len(), 5);
}
