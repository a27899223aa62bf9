//! What the metrics of the host are: for people who meet them in a tool.

use metrics::Unit;

/// What is published of each registry: name, unit, and what it is.
type Described = (&'static str, Unit, &'static str);

const COUNTERS: &[Described] = &[
    (
        "wasmfusion_function_calls_total",
        Unit::Count,
        "Calls of guests: one for each batch of a scalar function, for each operation on the states of other kinds.",
    ),
    (
        "wasmfusion_function_rows_total",
        Unit::Count,
        "Rows that went into calls, or that were asked for.",
    ),
    (
        "wasmfusion_function_input_bytes_total",
        Unit::Bytes,
        "Bytes of columns that were copied into guests' memory.",
    ),
    (
        "wasmfusion_function_output_bytes_total",
        Unit::Bytes,
        "Bytes of columns that were copied out of guests' memory.",
    ),
    (
        "wasmfusion_function_host_calls_total",
        Unit::Count,
        "Calls of host functions.",
    ),
    (
        "wasmfusion_function_denials_total",
        Unit::Count,
        "Calls of host functions that were refused for want of a grant.",
    ),
    (
        "wasmfusion_function_fuel_total",
        Unit::Count,
        "Units of fuel, where fuel is counted.",
    ),
    (
        "wasmfusion_function_failures_total",
        Unit::Count,
        "Calls that failed, by reason: error, trap, timeout, limit, bad_result, cancelled.",
    ),
    (
        "wasmfusion_function_instances_total",
        Unit::Count,
        "Instances that have called the function.",
    ),
    (
        "wasmfusion_pool_hits_total",
        Unit::Count,
        "Streams that found an instance which was made ahead or used before.",
    ),
    (
        "wasmfusion_pool_misses_total",
        Unit::Count,
        "Instances that were made for a stream, a call or a state.",
    ),
    (
        "wasmfusion_pool_waits_total",
        Unit::Count,
        "How often somebody had to wait until an instance could be made.",
    ),
    (
        "wasmfusion_artifacts_total",
        Unit::Count,
        "What became of compiled modules on disk, by event: hit, miss, refused, written, evicted.",
    ),
    (
        "wasmfusion_audit_lost_total",
        Unit::Count,
        "Records of the audit that were lost because there were too many.",
    ),
];

const GAUGES: &[Described] = &[
    (
        "wasmfusion_function_guest_seconds_total",
        Unit::Seconds,
        "Time that guests ran, host calls not included.",
    ),
    (
        "wasmfusion_function_copy_seconds_total",
        Unit::Seconds,
        "Time to copy columns in and out of guests' memory and to check them.",
    ),
    (
        "wasmfusion_function_host_seconds_total",
        Unit::Seconds,
        "Time in host functions.",
    ),
    (
        "wasmfusion_function_call_duration_seconds",
        Unit::Seconds,
        "Duration of a call, copies included: median, 99th percentile, maximum.",
    ),
    (
        "wasmfusion_function_memory_peak_bytes",
        Unit::Bytes,
        "Largest memory that an instance had which called the function.",
    ),
    (
        "wasmfusion_info",
        Unit::Count,
        "1 for each version of each plugin that is in use.",
    ),
    (
        "wasmfusion_instances",
        Unit::Count,
        "Instances of the plugin that live.",
    ),
    (
        "wasmfusion_instances_idle",
        Unit::Count,
        "Those of them that wait for a stream.",
    ),
    (
        "wasmfusion_instance_memory_bytes",
        Unit::Bytes,
        "Memory of the plugin's instances.",
    ),
];

/// Tells the recorder what each metric of the host is.
pub(super) fn describe() {
    for &(name, unit, what) in COUNTERS {
        metrics::describe_counter!(name, unit, what);
    }
    for &(name, unit, what) in GAUGES {
        metrics::describe_gauge!(name, unit, what);
    }
}
