//! `--limit NAME=VALUE`: every field of [`Limits`] by its name.

use std::fmt::Write;
use std::str::FromStr;

use wasmfusion::Limits;

use crate::size;

/// One limit, set on the command line.
#[derive(Clone, Copy, Debug)]
pub struct LimitSetting {
    name: &'static str,
    value: u64,
}

/// A field of [`Limits`]: its name, and what it limits.
type Field = (&'static str, &'static str);

const FIELDS: &[Field] = &[
    (
        "call_timeout_ms",
        "longest time of one call, in milliseconds",
    ),
    (
        "query_timeout_ms",
        "longest time from the start of a query until its last guest must be done, in milliseconds",
    ),
    (
        "describe_timeout_ms",
        "longest time to ask a module for its manifest, in milliseconds",
    ),
    (
        "call_fuel_max",
        "most fuel that one call burns, about one unit an instruction",
    ),
    ("memory_bytes_max", "largest memory of one instance"),
    (
        "plugin_memory_bytes_max",
        "largest memory of all instances of one plugin",
    ),
    (
        "table_elements_max",
        "most elements in the tables of one instance",
    ),
    ("stack_bytes_max", "deepest stack"),
    ("call_rows_max", "most rows in one call"),
    ("scan_rows_max", "most rows that a table function returns"),
    ("result_bytes_max", "largest result of one call"),
    ("error_bytes_max", "longest error message"),
    (
        "host_call_timeout_ms",
        "longest time of one host call, in milliseconds",
    ),
    (
        "host_call_bytes_max",
        "most bytes into or out of one host call",
    ),
    ("handles_max", "most things that an instance has open"),
    (
        "plugin_handles_max",
        "most things that all instances of one plugin have open",
    ),
    ("file_bytes_max", "largest file that is written to"),
    ("log_bytes_max", "longest log record"),
    (
        "logs_per_second_max",
        "most log records of one plugin in one second",
    ),
    ("metric_series_max", "most series of metrics of one plugin"),
    (
        "metrics_per_second_max",
        "most values that one plugin records in one second",
    ),
    (
        "audit_records_per_second_max",
        "most audit records of one plugin in one second, of calls that do nothing outside",
    ),
    (
        "observer_events_max",
        "most events that wait for the observers of one plugin",
    ),
    (
        "observer_bytes_max",
        "largest size of the events that wait for the observers of one plugin",
    ),
    ("module_bytes_max", "largest module"),
    ("module_functions_max", "most functions in a module"),
    ("module_function_bytes_max", "largest function in a module"),
    (
        "compile_timeout_ms",
        "longest time to wait for a module to be compiled, in milliseconds",
    ),
    ("manifest_bytes_max", "largest manifest"),
    ("manifest_functions_max", "most functions in a manifest"),
    ("type_depth_max", "deepest nesting of a type"),
    (
        "plugin_instances_max",
        "most instances of one plugin at one time",
    ),
    ("instances_max", "most instances at one time"),
    (
        "breaker_failures_max",
        "failures in a row until a plugin is suspended for a while; 0: never",
    ),
    (
        "breaker_pause_ms",
        "how long it is suspended until it is tried again, in milliseconds",
    ),
];

/// The default limits with these settings; of two for one field, the later counts.
pub fn limits(settings: &[LimitSetting]) -> Result<Limits, String> {
    let mut limits = Limits::default();
    for LimitSetting { name, value } in settings {
        let told = |problem| format!("--limit {name}={value}: {problem}");
        limits.set(name, *value).map_err(told)?;
    }
    Ok(limits)
}

/// The long help of `--limit`.
pub fn help() -> String {
    let mut help = String::from(
        "Set a limit on plugins, as in --limit call_timeout_ms=250 or --limit memory_bytes_max=64m. Sizes may have a unit: \
         k, m, g. May be given several times. The limits and their defaults:\n\n",
    );
    let defaults = Limits::default();
    for (name, what) in FIELDS {
        let value = defaults.all().find(|(other, _)| other == name);
        let value = value.and_then(|(_, value)| value);
        let default = value.map_or("none".to_owned(), |value| shown(name, value));
        writeln!(help, "  {name}={default}: {what}").expect("writing to a String cannot fail");
    }
    help
}

/// Sizes that are whole kibibytes or mebibytes, as one would write them.
fn shown(name: &str, value: u64) -> String {
    let bytes = name.contains("bytes");
    match value {
        _ if bytes && value != 0 && value.is_multiple_of(1 << 30) => format!("{}g", value >> 30),
        _ if bytes && value != 0 && value.is_multiple_of(1 << 20) => format!("{}m", value >> 20),
        _ if bytes && value != 0 && value.is_multiple_of(1 << 10) => format!("{}k", value >> 10),
        _ => value.to_string(),
    }
}

impl FromStr for LimitSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text
            .split_once('=')
            .ok_or("expected NAME=VALUE, as in call_timeout_ms=250")?;
        let (name, _) = FIELDS
            .iter()
            .find(|(other, _)| *other == name)
            .ok_or_else(|| {
                let names: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
                format!(
                    "there is no limit `{name}`; the limits are {}",
                    names.join(", ")
                )
            })?;
        let value = size::parse(value)?;
        Limits::default().set(name, value)?;
        Ok(Self { name, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_there() {
        let names: Vec<&str> = Limits::default().all().map(|(name, _)| name).collect();
        let ours: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
        assert_eq!(ours, names);
    }

    #[test]
    fn every_field_is_set() {
        for (name, _) in FIELDS {
            let settings = [format!("{name}=77").parse().unwrap()];
            let limits = limits(&settings).unwrap();
            let set: Vec<_> = limits.all().filter(|(other, _)| other == name).collect();
            assert_eq!(set, [(*name, Some(77))]);
            assert_ne!(limits, Limits::default(), "{name}");
        }
    }

    #[test]
    fn what_is_no_limit() {
        for text in [
            "",
            "call_timeout_ms",
            "call_timeout_ms=",
            "nothing=1",
            "call_timeout_ms=-1",
            "instances_max=5000000000",
        ] {
            assert!(text.parse::<LimitSetting>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_help_names_all() {
        let help = help();
        assert!(
            help.contains("call_timeout_ms=5000:") && help.contains("memory_bytes_max=256m:"),
            "{help}"
        );
    }
}
