//! `table_open`, `table_get`, `table_put`, `table_delete`, `table_scan`: key-value tables of the [`HostContext`](crate::host::HostContext).

use std::ops::ControlFlow;
use std::sync::Arc;

use wasmfusion_abi::host::table;

use crate::capability::CapabilityKind;
use crate::host::error::{HostError, Status};
use crate::host::gate::{Answer, Call, Refused};
use crate::host::handle::{Handle, OpenTable, wrong_kind};

/// Longest name, in bytes.
const NAME_BYTES_MAX: usize = 255;
/// Bytes of the two lengths before an entry.
const LENGTHS_BYTES: usize = 8;

pub(super) fn open(call: &mut Call<'_>, name: u32, length: u32, mode: i32) -> Answer {
    let name = call.text("name", name, length, NAME_BYTES_MAX)?;
    call.target(&name);
    let (read, write) = (mode & table::READ != 0, mode & table::WRITE != 0);
    if mode & !(table::READ | table::WRITE) != 0 || !(read || write) {
        return Err(HostError::new(
            Status::Invalid,
            format!("{mode} is not a mode of a table; there are 1 (read), 2 (write), 3 (both)"),
        )
        .into());
    }
    if read {
        call.require(CapabilityKind::TableRead, &name)?;
    }
    if write {
        call.require(CapabilityKind::TableWrite, &name)?;
    }
    let host = Arc::clone(call.calls.host());
    let table = host.context().table(host.id(), &name, write)?;
    let table = table.ok_or_else(|| {
        HostError::new(
            Status::NotFound,
            format!(
                "there is no table `{name}`; the operator or a plugin that may write has to make it"
            ),
        )
    })?;
    let handle = Handle::Table(OpenTable {
        table,
        name: call.shown_target(),
        read,
        write,
    });
    Ok(call.calls.handles().open(handle)?)
}

/// The table of this handle, opened for what is done now.
fn opened(call: &mut Call<'_>, handle: u32, write: bool) -> Result<OpenTable, Refused> {
    let Handle::Table(open) = call.calls.handles().get(handle)? else {
        return Err(wrong_kind(handle, "a table").into());
    };
    let open = open.clone();
    call.known_target(open.name.clone());
    call.uses(match write {
        true => CapabilityKind::TableWrite,
        false => CapabilityKind::TableRead,
    });
    if if write { open.write } else { open.read } {
        return Ok(open);
    }
    let mode = if write { "written" } else { "read" };
    Err(HostError::new(
        Status::Denied,
        format!("the table `{}` was not opened to be {mode}", open.name),
    )
    .into())
}

pub(super) fn get(
    call: &mut Call<'_>,
    handle: u32,
    key: u32,
    length: u32,
    out: u32,
    capacity: u32,
) -> Answer {
    let open = opened(call, handle, false)?;
    let value = open.table.get(call.bytes("key", key, length)?)?;
    match value {
        Some(value) => call.reply(&value, out, capacity),
        None => Err(HostError::new(
            Status::NotFound,
            format!("the table `{}` has no such key", open.name),
        )
        .into()),
    }
}

pub(super) fn put(
    call: &mut Call<'_>,
    handle: u32,
    key: u32,
    key_length: u32,
    value: u32,
    value_length: u32,
) -> Answer {
    let open = opened(call, handle, true)?;
    let key = call.owned("key", key, key_length)?;
    open.table
        .put(&key, call.bytes("value", value, value_length)?)?;
    Ok(0)
}

pub(super) fn delete(call: &mut Call<'_>, handle: u32, key: u32, length: u32) -> Answer {
    let open = opened(call, handle, true)?;
    Ok(open.table.delete(call.bytes("key", key, length)?)?.into())
}

#[expect(clippy::too_many_arguments, reason = "they are the guest's")]
pub(super) fn scan(
    call: &mut Call<'_>,
    handle: u32,
    start: u32,
    start_length: u32,
    end: u32,
    end_length: u32,
    limit: u32,
    out: u32,
    capacity: u32,
) -> Answer {
    let open = opened(call, handle, false)?;
    let start = call.owned("start", start, start_length)?;
    let end = call.owned("end", end, end_length)?;
    let end = (!end.is_empty()).then_some(end);
    let bytes_max = call.calls.limits().host_call_bytes_max;
    let mut reply = Vec::new();
    let mut entries = 0;
    let mut too_large = None;
    if limit > 0 {
        open.table.scan(&start, end.as_deref(), &mut |key, value| {
            let bytes = LENGTHS_BYTES + key.len() + value.len();
            if reply.len() + bytes > bytes_max {
                // The rest is for the next call, unless not even one entry fits.
                too_large = (entries == 0).then_some(bytes);
                return ControlFlow::Break(());
            }
            reply.extend_from_slice(&(key.len() as u32).to_le_bytes());
            reply.extend_from_slice(&(value.len() as u32).to_le_bytes());
            reply.extend_from_slice(key);
            reply.extend_from_slice(value);
            entries += 1;
            match entries < limit {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        })?;
    }
    if let Some(bytes) = too_large {
        return Err(crate::host::gate::too_large("entry", bytes, bytes_max).into());
    }
    call.reply(&reply, out, capacity)
}
