//! `random`.

use crate::host::error::{HostError, Status};
use crate::host::gate::{Answer, Call, too_large};

pub(super) fn fill(call: &mut Call<'_>, out: u32, length: u32) -> Answer {
    let max = call.calls.limits().host_call_bytes_max;
    if length as usize > max {
        return Err(too_large("room for random bytes", length as usize, max).into());
    }
    call.count(length as usize);
    let room = call
        .memory
        .slice_mut("room for random bytes", out, length as usize, 1)?;
    getrandom::fill(room).map_err(|error| {
        HostError::new(
            Status::Failed,
            format!("the system gave no random bytes: {error}"),
        )
    })?;
    Ok(0)
}
