//! `tcp_connect`, `tcp_read`, `tcp_write`: connections to hosts that were granted.

use super::network::{bounds, policy};
use crate::capability::CapabilityKind::NetConnect;
use crate::host::error::{HostError, Status};
use crate::host::gate::{Answer, Call, Refused};
use crate::host::handle::{Handle, wrong_kind};
use crate::host::net::tcp::TcpConnection;

/// Longest name of a host, in bytes.
const HOST_BYTES_MAX: usize = 255;

pub(super) fn connect(
    call: &mut Call<'_>,
    host: u32,
    length: u32,
    port: u32,
    timeout_ms: u32,
) -> Answer {
    let host = call.text("host", host, length, HOST_BYTES_MAX)?;
    call.target(&format!("{host}:{port}"));
    call.calls.require_blocking()?;
    let port = u16::try_from(port)
        .map_err(|_| HostError::new(Status::Invalid, format!("{port} is not a port")))?;
    let policy = policy(call, NetConnect);
    let connection = TcpConnection::connect(&host, port, &policy, &bounds(call, timeout_ms, 0));
    if policy.has_reached() {
        call.reaches_outside();
    }
    let connection = connection?;
    let handle = Handle::Tcp {
        connection: Box::new(connection),
        target: compact_str::format_compact!("{host}:{port}"),
    };
    Ok(call.calls.handles().open(handle)?)
}

/// Does something with the connection of this handle and the guest's memory.
fn with_connection(
    call: &mut Call<'_>,
    handle: u32,
    f: impl FnOnce(&mut TcpConnection, &mut Call<'_>) -> Answer,
) -> Answer {
    call.calls.require_blocking()?;
    let slot = call.calls.handles().lend(handle)?;
    let Some(Handle::Tcp {
        mut connection,
        target,
    }) = slot
    else {
        call.calls.handles().give_back(handle, slot);
        return Err(wrong_kind(handle, "a connection").into());
    };
    call.target(&target);
    let result = f(&mut connection, call);
    let lent = Some(Handle::Tcp { connection, target });
    call.calls.handles().give_back(handle, lent);
    result
}

pub(super) fn read(call: &mut Call<'_>, handle: u32, out: u32, capacity: u32) -> Answer {
    let capacity = (capacity as usize).min(call.calls.limits().host_call_bytes_max);
    with_connection(call, handle, |connection, call| {
        let bounds = bounds(call, 0, 0);
        let room = call
            .memory
            .slice_mut("room to read into", out, capacity, 1)?;
        let read = connection.read(room, &bounds)?;
        call.count(read);
        Ok(read as i64)
    })
}

pub(super) fn write(call: &mut Call<'_>, handle: u32, bytes: u32, length: u32) -> Answer {
    with_connection(call, handle, |connection, call| {
        let bounds = bounds(call, 0, 0);
        connection.write(call.bytes("bytes", bytes, length)?, &bounds)?;
        Ok::<i64, Refused>(0)
    })
}
