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
    Limits, Registry, RegistryOptions, ScalarFunction, SessionContextExt, StreamScope,
};
use wasmfusion_sql_tests::{evil_guests, new_session, test_plugins};

/// The settings that are tested below. A setting that is added must be added here, and tested.
const TESTED: [&str; 14] = [
    "call_timeout_ms",
    "describe_timeout_ms",
    "memory_bytes_max",
    "table_elements_max",
    "stack_bytes_max",
    "result_bytes_max",
    "error_bytes_max",
    "module_bytes_max",
    "module_functions_max",
    "module_function_bytes_max",
    "manifest_bytes_max",
    "manifest_functions_max",
    "type_depth_max",
    "instances_max",
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

fn call(function: &ScalarFunction) -> Result<(), String> {
    let args = ScalarFunctionArgs {
        args: Vec::new(),
        arg_fields: Vec::new(),
        number_rows: 1,
        return_field: Arc::new(Field::new("answer", DataType::Int64, false)),
        config_options: Arc::new(ConfigOptions::default()),
    };
    match function
        .invoke_with_args(args)
        .map_err(|error| error.strip_backtrace())?
    {
        ColumnarValue::Scalar(ScalarValue::Int64(Some(42))) => Ok(()),
        other => Err(format!("expected 42, found {other:?}")),
    }
}
