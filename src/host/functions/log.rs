//! `log_enabled`, `log`: a plugin's records, into `tracing`, target `wasmfusion::plugin`.
//!
//! Control characters are escaped, so that a record cannot forge others, and secrets are redacted, before anything is cut.

use std::fmt::Write;
use std::sync::Arc;

use wasmfusion_abi::host::level;

use crate::host::error::{HostError, Status};
use crate::host::gate::{Answer, Call};
use crate::module::escape_cut;
use crate::settings::SECRET_BYTES_MAX;

/// Most fields of a record.
const FIELDS_MAX: u32 = 64;

/// The level's name in records of the audit.
fn level_name(level: i32) -> Result<&'static str, HostError> {
    match level {
        level::ERROR => Ok("error"),
        level::WARN => Ok("warn"),
        level::INFO => Ok("info"),
        level::DEBUG => Ok("debug"),
        level::TRACE => Ok("trace"),
        level => Err(HostError::new(
            Status::Invalid,
            format!("{level} is not a level; there are 1 (error) to 5 (trace)"),
        )),
    }
}

fn is_enabled(level: i32) -> bool {
    use tracing::{Level, enabled};
    match level {
        level::ERROR => enabled!(target: "wasmfusion::plugin", Level::ERROR),
        level::WARN => enabled!(target: "wasmfusion::plugin", Level::WARN),
        level::INFO => enabled!(target: "wasmfusion::plugin", Level::INFO),
        level::DEBUG => enabled!(target: "wasmfusion::plugin", Level::DEBUG),
        _ => enabled!(target: "wasmfusion::plugin", Level::TRACE),
    }
}

pub(super) fn enabled(call: &mut Call<'_>, level: i32) -> Answer {
    let name = level_name(level)?;
    call.known_target(name.into());
    Ok(is_enabled(level).into())
}

pub(super) fn write(
    call: &mut Call<'_>,
    level: i32,
    message: u32,
    length: u32,
    fields: u32,
    field_count: u32,
) -> Answer {
    let name = level_name(level)?;
    call.known_target(name.into());
    if !is_enabled(level) {
        return Ok(0);
    }
    let host = Arc::clone(call.calls.host());
    if let Some(dropped) = host.drop_log() {
        return Err(dropped.into());
    }
    let bytes_max = call.calls.limits().log_bytes_max;
    // More than is shown, so that the cut is seen, and a secret that it goes through.
    let most = bytes_max.saturating_add(SECRET_BYTES_MAX + 1);
    let text = call.bytes("message", message, length)?;
    let text = String::from_utf8_lossy(text.get(..most).unwrap_or(text));
    let shown = escape_cut(&host.redactor().redact(&text), bytes_max);
    let room = call.calls.limits().host_call_bytes_max;
    let mut shown_fields = String::new();
    let mut most = most;
    for (name, value) in call.pairs("fields", fields, field_count, FIELDS_MAX, room)? {
        let mut pair = format!("{name}={value}");
        pair.truncate(pair.floor_char_boundary(most));
        most -= pair.len();
        let pair = host.redactor().redact(&pair);
        let left = bytes_max.saturating_sub(shown.len() + shown_fields.len());
        let space = if shown_fields.is_empty() { "" } else { " " };
        // Writing to a `String` cannot fail.
        let _ = write!(shown_fields, "{space}{}", escape_cut(&pair, left));
    }
    let function = host.function_name(call.calls.function());
    let query = call.calls.query();
    let (plugin, fields) = (host.name(), shown_fields.as_str());
    let function = format!("{plugin}::{function}");
    // A level is part of the call site.
    macro_rules! emit {
        ($level:ident) => {
            tracing::$level!(
                target: "wasmfusion::plugin",
                {
                    wasmfusion.plugin.name = plugin,
                    code.function.name = function,
                    wasmfusion.query.id = query,
                    wasmfusion.log.fields = fields,
                },
                "{shown}"
            )
        };
    }
    match level {
        level::ERROR => emit!(error),
        level::WARN => emit!(warn),
        level::INFO => emit!(info),
        level::DEBUG => emit!(debug),
        _ => emit!(trace),
    }
    Ok(0)
}
