//! `secret`.

use std::sync::Arc;

use crate::capability::CapabilityKind;
use crate::host::error::{HostError, Status};
use crate::host::gate::{Answer, Call};

/// Longest name, in bytes.
const NAME_BYTES_MAX: usize = 1 << 10;

pub(super) fn get(call: &mut Call<'_>, name: u32, length: u32, out: u32, capacity: u32) -> Answer {
    let name = call.text("name", name, length, NAME_BYTES_MAX)?;
    call.require(CapabilityKind::Secret, &name)?;
    let host = Arc::clone(call.calls.host());
    let secret = host.secret(&name).ok_or_else(|| {
        HostError::new(
            Status::NotFound,
            format!("the secret `{name}` has no value; the operator sets it in `[secrets]`"),
        )
    })?;
    call.reply(secret.reveal().as_bytes(), out, capacity)
}
