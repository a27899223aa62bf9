//! Every limit on guests that can be set, with its default. What a format or the engine bounds by itself stands where it is read.

mod session;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use session::SessionLimits;

/// What a guest may use. All of them are on by default, but for those that are `None`.
///
/// An operator sets them for one plugin in the `[limits]` of the file beside it, under the same names; a SQL user can only make
/// some of them smaller, with `SET wasmfusion.…`.
///
/// ```
/// let mut limits = wasmfusion::Limits::default();
/// limits.call_timeout_ms = 250;
/// limits.memory_bytes_max = 64 << 20;
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Limits {
    /// Longest time that one call of an export may take, in milliseconds, host calls included. A call that runs longer is stopped.
    pub call_timeout_ms: u64,
    /// Longest time from the start of a query until its last guest must be done, in milliseconds. Guests that run then are stopped, and
    /// no others start. `None`: as long as the query takes.
    pub query_timeout_ms: Option<u64>,
    /// Longest time that a module's `start` function, `wasmfusion_abi_version` and `wasmfusion_describe` may take each, in milliseconds.
    pub describe_timeout_ms: u64,
    /// Units of fuel that one call of an export may burn: about one an instruction, the same number for the same call on every
    /// machine. Functions of plugins with this limit run up to four times slower in tight loops. `None`: fuel is not counted.
    pub call_fuel_max: Option<u64>,
    /// Largest linear memory of one instance, in bytes. Growth beyond it fails in the guest.
    pub memory_bytes_max: u64,
    /// Largest linear memory of all instances of one plugin together, in bytes. Growth beyond it fails in the guest.
    pub plugin_memory_bytes_max: u64,
    /// Largest number of elements in all tables of one instance together.
    pub table_elements_max: u64,
    /// Deepest native stack that guest code may use, in bytes; 2 MiB at most. A setting of the engine: plugins that differ in it compile apart.
    pub stack_bytes_max: usize,
    /// Largest number of rows in one call. Larger batches of a scalar function are passed in parts; larger partitions of a window are refused.
    pub call_rows_max: u32,
    /// Largest number of rows that one scan of a table function may return.
    pub scan_rows_max: u64,
    /// Largest result of one call, in bytes, after it was read out.
    pub result_bytes_max: usize,
    /// Longest error message that is taken from a guest, in bytes. The rest is cut.
    pub error_bytes_max: usize,
    /// Longest time that one host call may take, in milliseconds.
    pub host_call_timeout_ms: u64,
    /// Largest number of bytes that go into or come out of one host call.
    pub host_call_bytes_max: usize,
    /// Largest number of things that an instance may have open: files, tables, connections.
    pub handles_max: usize,
    /// Largest number of things that all instances of one plugin may have open together.
    pub plugin_handles_max: usize,
    /// Largest size of a file that is written to, in bytes. How many files there are is for the patterns of the grants to say.
    pub file_bytes_max: u64,
    /// Longest log record, in bytes, fields included. The rest is cut.
    pub log_bytes_max: usize,
    /// Largest number of log records of one plugin in one second. What is more is dropped and counted.
    pub logs_per_second_max: u32,
    /// Largest number of series of metrics (name and labels) of one plugin.
    pub metric_series_max: usize,
    /// Largest number of values that one plugin may record in one second. What is more is dropped and counted.
    pub metrics_per_second_max: u32,
    /// Largest number of records of the audit that one plugin may leave in one second of calls that do nothing outside of the process. Calls
    /// that are the same have one record together; what is more is counted as lost.
    pub audit_records_per_second_max: u32,
    /// Largest number of events that may wait for the observers of one plugin. What is more is dropped and counted.
    pub observer_events_max: usize,
    /// Largest size of the events that may wait for the observers of one plugin, in bytes. What is more is dropped and counted.
    pub observer_bytes_max: usize,
    /// Largest module file, in bytes.
    pub module_bytes_max: usize,
    /// Largest number of functions in a module.
    pub module_functions_max: u32,
    /// Largest body of one function in a module, in bytes: what bounds the time to compile it.
    pub module_function_bytes_max: u32,
    /// Longest time to wait for a module to be compiled, in milliseconds. A compilation that takes longer ends on its own, unused.
    pub compile_timeout_ms: u64,
    /// Largest manifest, in bytes.
    pub manifest_bytes_max: usize,
    /// Largest number of functions in a manifest.
    pub manifest_functions_max: usize,
    /// Deepest nesting of a type that may cross into or out of a guest. A primitive has depth 1.
    pub type_depth_max: usize,
    /// Largest number of instances of one plugin that live at one time.
    pub plugin_instances_max: u32,
    /// Largest number of instances that live at one time, of all plugins together. A setting of the engine.
    pub instances_max: u32,
    /// Instances in a row that end in a trap, a call's timeout, a broken promise, or beyond a limit of stack, fuel or memory, until the plugin is
    /// suspended for a while. An instance that ends well sets the count back. 0: never.
    pub breaker_failures_max: u32,
    /// How long a plugin is suspended that has failed so often, in milliseconds, before one instance may try it again. The time doubles each time that
    /// fails, up to 32 times.
    pub breaker_pause_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            call_timeout_ms: 5_000,
            query_timeout_ms: None,
            describe_timeout_ms: 1_000,
            call_fuel_max: None,
            memory_bytes_max: 256 << 20,
            plugin_memory_bytes_max: 8 << 30,
            table_elements_max: 20_000,
            stack_bytes_max: 512 << 10,
            call_rows_max: 10_000_000,
            scan_rows_max: 1_000_000_000,
            result_bytes_max: 256 << 20,
            error_bytes_max: 4 << 10,
            host_call_timeout_ms: 5_000,
            host_call_bytes_max: 16 << 20,
            handles_max: 64,
            plugin_handles_max: 256,
            file_bytes_max: 64 << 20,
            log_bytes_max: 8 << 10,
            logs_per_second_max: 1_000,
            metric_series_max: 1_000,
            metrics_per_second_max: 10_000_000,
            audit_records_per_second_max: 10_000,
            observer_events_max: 8_192,
            observer_bytes_max: 16 << 20,
            module_bytes_max: 32 << 20,
            module_functions_max: 50_000,
            module_function_bytes_max: 1 << 20,
            compile_timeout_ms: 60_000,
            manifest_bytes_max: 1 << 20,
            manifest_functions_max: 1_000,
            type_depth_max: 16,
            plugin_instances_max: 1_000,
            instances_max: 1_000,
            breaker_failures_max: 20,
            breaker_pause_ms: 30_000,
        }
    }
}

/// A limit by its name.
type Named = (&'static str, fn(&Limits) -> Option<u64>);

macro_rules! names {
    (@get $limits:ident $name:ident optional) => { $limits.$name };
    (@get $limits:ident $name:ident) => { Some($limits.$name as u64) };
    ($($name:ident $(($optional:ident))?,)*) => {
        &[$((stringify!($name), |limits| names!(@get limits $name $($optional)?)),)*]
    };
}

const NAMES: &[Named] = names! {
    call_timeout_ms,
    query_timeout_ms (optional),
    describe_timeout_ms,
    call_fuel_max (optional),
    memory_bytes_max,
    plugin_memory_bytes_max,
    table_elements_max,
    stack_bytes_max,
    call_rows_max,
    scan_rows_max,
    result_bytes_max,
    error_bytes_max,
    host_call_timeout_ms,
    host_call_bytes_max,
    handles_max,
    plugin_handles_max,
    file_bytes_max,
    log_bytes_max,
    logs_per_second_max,
    metric_series_max,
    metrics_per_second_max,
    audit_records_per_second_max,
    observer_events_max,
    observer_bytes_max,
    module_bytes_max,
    module_functions_max,
    module_function_bytes_max,
    compile_timeout_ms,
    manifest_bytes_max,
    manifest_functions_max,
    type_depth_max,
    plugin_instances_max,
    instances_max,
    breaker_failures_max,
    breaker_pause_ms,
};

impl Limits {
    /// Every limit by its name; `None` where there is no limit.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, Option<u64>)> {
        NAMES.iter().map(|(name, get)| (*name, get(self)))
    }

    /// Sets the limit of this name.
    ///
    /// # Errors
    ///
    /// If there is no limit of this name, or the value is too large for it.
    pub fn set(&mut self, name: &str, value: u64) -> Result<(), String> {
        *self = self.with(serde_json::Map::from_iter([(
            name.to_owned(),
            value.into(),
        )]))?;
        Ok(())
    }

    /// These limits with those of `changes` in place of theirs.
    ///
    /// # Errors
    ///
    /// What is wrong with a name or a value.
    pub(crate) fn with(&self, changes: serde_json::Map<String, Value>) -> Result<Self, String> {
        let mut limits = serde_json::to_value(self).map_err(|error| error.to_string())?;
        if let Value::Object(limits) = &mut limits {
            limits.extend(changes);
        }
        serde_path_to_error::deserialize(limits).map_err(|error| {
            let place = format!("`{}`", error.path());
            match error.inner().to_string() {
                problem if problem.contains(&place) => problem,
                problem => format!("{place}: {problem}"),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(changes: Value) -> Result<Limits, String> {
        let Value::Object(changes) = changes else {
            panic!("changes are an object");
        };
        Limits::default().with(changes)
    }

    #[test]
    fn every_limit_has_its_name() {
        let limits = serde_json::to_value(Limits::default()).expect("limits are data");
        let limits = limits.as_object().expect("with names");
        assert_eq!(NAMES.len(), limits.len());
        for (name, value) in Limits::default().all() {
            assert_eq!(limits[name].as_u64(), value, "{name}");
        }
    }

    #[test]
    fn changes_are_laid_over() {
        let limits =
            with(json!({"call_timeout_ms": 7, "call_fuel_max": 9})).expect("both are limits");
        assert_eq!((limits.call_timeout_ms, limits.call_fuel_max), (7, Some(9)));
        assert_eq!(limits.memory_bytes_max, Limits::default().memory_bytes_max);
    }

    #[test]
    fn what_is_no_limit_is_refused() {
        let error = |changes| with(changes).expect_err("refused");
        assert!(error(json!({"call_timeout": 7})).contains("unknown field `call_timeout`"));
        assert!(error(json!({"call_timeout_ms": "7"})).contains("`call_timeout_ms`"));
        assert!(error(json!({"call_timeout_ms": -7})).contains("`call_timeout_ms`"));
    }
}
