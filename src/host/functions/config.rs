//! `config`: the operator's values, as JSON.

use crate::host::error::{HostError, Status};
use crate::host::gate::{Answer, Call};

/// Longest key, in bytes.
const KEY_BYTES_MAX: usize = 1 << 10;

pub(super) fn get(call: &mut Call<'_>, key: u32, length: u32, out: u32, capacity: u32) -> Answer {
    let key = call.text("key", key, length, KEY_BYTES_MAX)?;
    let host = std::sync::Arc::clone(call.calls.host());
    let value = match key.as_str() {
        "" => Some(host.config_text()),
        key => host.config_value(key),
    };
    match value {
        Some(value) => {
            // The key is the operator's own.
            call.known_target(key);
            call.reply(value.as_bytes(), out, capacity)
        }
        None => {
            call.target(&key);
            Err(HostError::new(
                Status::NotFound,
                format!("the configuration has no key `{key}`; the operator sets it in `[config]`"),
            )
            .into())
        }
    }
}
