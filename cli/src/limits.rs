//! `--limit NAME=VALUE`: every field of [`Limits`] by its name.

use std::fmt::Write;
use std::str::FromStr;

use wasmfusion::Limits;

use crate::size;

/// One limit, set on the command line.
#[derive(Clone, Copy, Debug)]
pub struct LimitSetting {
    field: &'static Field,
    value: u64,
}

/// A field of [`Limits`].
#[derive(Debug)]
struct Field {
    name: &'static str,
    what: &'static str,
    get: fn(&Limits) -> u64,
    /// `None` if the field cannot hold the value.
    set: fn(&mut Limits, u64) -> Option<()>,
}

macro_rules! fields {
    ($($name:ident: $what:literal,)*) => {
        &[$(Field {
            name: stringify!($name),
            what: $what,
            get: |limits| limits.$name as u64,
            set: |limits, value| {
                limits.$name = value.try_into().ok()?;
                Some(())
            },
        },)*]
    };
}

const FIELDS: &[Field] = fields! {
    call_timeout_ms: "longest time of one call, in milliseconds",
    describe_timeout_ms: "longest time to ask a module for its manifest, in milliseconds",
    memory_bytes_max: "largest memory of one instance",
    table_elements_max: "most elements in the tables of one instance",
    stack_bytes_max: "deepest stack",
    result_bytes_max: "largest result of one call",
    error_bytes_max: "longest error message",
    module_bytes_max: "largest module",
    module_functions_max: "most functions in a module",
    module_function_bytes_max: "largest function in a module",
    manifest_bytes_max: "largest manifest",
    manifest_functions_max: "most functions in a manifest",
    type_depth_max: "deepest nesting of a type",
    instances_max: "most instances at one time",
};

/// The default limits with these settings; of two for one field, the later counts.
pub fn limits(settings: &[LimitSetting]) -> Result<Limits, String> {
    let mut limits = Limits::default();
    for LimitSetting { field, value } in settings {
        (field.set)(&mut limits, *value)
            .ok_or_else(|| format!("--limit {}={value}: the value is too large", field.name))?;
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
    for Field {
        name, what, get, ..
    } in FIELDS
    {
        writeln!(help, "  {name}={}: {what}", shown(name, get(&defaults)))
            .expect("writing to a String cannot fail");
    }
    help
}

/// Sizes that are whole kibibytes or mebibytes, as one would write them.
fn shown(name: &str, value: u64) -> String {
    let bytes = name.contains("bytes");
    match value {
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
        let field = FIELDS
            .iter()
            .find(|field| field.name == name)
            .ok_or_else(|| {
                let names: Vec<&str> = FIELDS.iter().map(|field| field.name).collect();
                format!(
                    "there is no limit `{name}`; the limits are {}",
                    names.join(", ")
                )
            })?;
        let value = size::parse(value)?;
        if (field.set)(&mut Limits::default(), value).is_none() {
            return Err(format!("{value} is too large for {name}"));
        }
        Ok(Self { field, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Limits` cannot be taken apart here, but its `Debug` form names every field.
    #[test]
    fn every_field_is_there() {
        let shown = format!("{:?}", Limits::default());
        let names: Vec<&str> = shown
            .trim_start_matches("Limits {")
            .trim_end_matches('}')
            .split(',')
            .filter_map(|field| field.split_once(':'))
            .map(|(name, _)| name.trim())
            .collect();
        let ours: Vec<&str> = FIELDS.iter().map(|field| field.name).collect();
        assert_eq!(ours, names);
    }

    #[test]
    fn every_field_is_set() {
        for field in FIELDS {
            let settings = [format!("{}=77", field.name).parse().unwrap()];
            let limits = limits(&settings).unwrap();
            assert_eq!((field.get)(&limits), 77, "{}", field.name);
            assert_ne!(limits, Limits::default(), "{}", field.name);
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
