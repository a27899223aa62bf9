//! Random modules under the deadline: each of their functions must return, trap or be killed in time.
//!
//! The modules are the same at each run. `WASMFUSION_TORTURE_MODULES` says how many there are, `WASMFUSION_TORTURE_FIRST` with which to
//! start: a message names the module, so that it can be looked at alone.

mod plugin;
mod random;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl};
use wasmfusion::{Interruption, Registry, RegistryOptions, ScalarFunction};

/// Modules that are tried if nobody says how many.
const MODULES: u64 = 500;
/// Time that a call may take, in milliseconds.
const TIMEOUT_MS: u64 = 20;
/// How much later than its deadline a guest may end.
const LATE_MAX: Duration = Duration::from_millis(100);
/// A machine that does something else for a moment is no fault of ours. A guest that cannot be stopped is so each time.
const ATTEMPTS: usize = 3;
/// Rows of a call.
const ROWS: usize = 64;

#[test]
fn every_guest_ends_in_time() {
    torture(
        Interruption::WatchPage,
        setting("WASMFUSION_TORTURE_MODULES").unwrap_or(MODULES),
    );
}

#[test]
fn every_guest_ends_in_time_by_epochs() {
    torture(
        Interruption::Epoch,
        setting("WASMFUSION_TORTURE_MODULES").unwrap_or(MODULES) / 6,
    );
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn torture(interruption: Interruption, modules: u64) {
    let mut options = RegistryOptions::default();
    options.interruption = interruption;
    // The same guest fails over and over here.
    options.limits.breaker_failures_max = 0;
    options.limits.call_timeout_ms = TIMEOUT_MS;
    options.limits.describe_timeout_ms = TIMEOUT_MS;
    options.limits.memory_bytes_max = 16 << 20;
    let registry = Registry::new(options);

    let first = setting("WASMFUSION_TORTURE_FIRST").unwrap_or(0);
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let mut latest = Duration::ZERO;
    for seed in first..first + modules {
        let name = format!("random{seed}");
        let random = random::module(seed);
        let guest = plugin::wrap(&name, &random, seed);
        let loaded = match registry.load_bytes(&name, &guest.bytes) {
            Ok(plugin) => plugin,
            Err(error) => {
                // A start function may have trapped, or was killed. Nothing else may keep a module out.
                let message = error.to_string();
                assert!(
                    guest.has_start && message.contains("function start"),
                    "{name}: {message}"
                );
                *counts.entry("ended at start").or_default() += 1;
                continue;
            }
        };
        *counts.entry("modules").or_default() += 1;
        // The start function runs before each call, under a deadline of its own.
        let deadline = Duration::from_millis(TIMEOUT_MS) * if guest.has_start { 2 } else { 1 };
        for function in ScalarFunction::all(&loaded) {
            let (outcome, late) =
                call_in_time(&format!("{name}, {}", function.name()), &function, deadline);
            *counts.entry(outcome).or_default() += 1;
            latest = latest.max(late);
        }
        registry.unload(&name);
    }
    let counts: Vec<String> = counts
        .iter()
        .map(|(what, count)| format!("{count} {what}"))
        .collect();
    println!(
        "{interruption:?}: {}; the latest ended {latest:?} after its deadline",
        counts.join(", ")
    );
}

/// Calls a function, and says how it ended and how late that was.
fn call_in_time(
    name: &str,
    function: &ScalarFunction,
    deadline: Duration,
) -> (&'static str, Duration) {
    let mut late = Duration::ZERO;
    for _ in 0..ATTEMPTS {
        let began = Instant::now();
        let outcome = call(name, function);
        late = began.elapsed().saturating_sub(deadline);
        if late <= LATE_MAX {
            return (outcome, late);
        }
    }
    panic!("{name}: ended {late:?} after its deadline, {ATTEMPTS} times");
}

fn call(name: &str, function: &ScalarFunction) -> &'static str {
    let field = Arc::new(Field::new("x", DataType::Int64, false));
    let args = ScalarFunctionArgs {
        args: vec![ColumnarValue::Scalar(ScalarValue::Int64(Some(1)))],
        arg_fields: vec![Arc::clone(&field)],
        number_rows: ROWS,
        return_field: field,
        config_options: Arc::new(ConfigOptions::default()),
    };
    let Err(error) = function.invoke_with_args(args) else {
        return "returned";
    };
    let message = error.strip_backtrace();
    let kinds = [
        ("ran longer than", "killed"),
        (" failed: ", "trapped"),
        ("returned a bad result", "returned something else"),
        // Failed growth traps in no guest by itself, but a trap that comes after it is told as what caused it.
        ("memory_bytes_max", "out of memory"),
        ("table_elements_max", "out of table elements"),
        ("stack_bytes_max", "out of stack"),
    ];
    match kinds.iter().find(|(text, _)| message.contains(text)) {
        Some((_, kind)) => kind,
        None => panic!("{name}: {message}"),
    }
}
