//! `env`.

use crate::capability::CapabilityKind;
use crate::host::error::{HostError, Status};
use crate::host::gate::{Answer, Call};

/// Longest name, in bytes.
const NAME_BYTES_MAX: usize = 1 << 10;

pub(super) fn get(call: &mut Call<'_>, name: u32, length: u32, out: u32, capacity: u32) -> Answer {
    let name = call.text("name", name, length, NAME_BYTES_MAX)?;
    call.require(CapabilityKind::Env, &name)?;
    let error = |status, problem: &str| {
        HostError::new(
            status,
            format!("the environment's variable `{name}` {problem}"),
        )
    };
    // Such names make the system's own function panic or lie.
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(error(
            Status::Invalid,
            "cannot be: it is empty, or has `=` or a zero byte",
        )
        .into());
    }
    match std::env::var(name.as_str()) {
        Ok(value) => call.reply(value.as_bytes(), out, capacity),
        Err(std::env::VarError::NotPresent) => Err(error(Status::NotFound, "is not set").into()),
        Err(std::env::VarError::NotUnicode(_)) => Err(error(Status::Failed, "is not UTF-8").into()),
    }
}
