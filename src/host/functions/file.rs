//! `file_open` and so on: files beneath what was granted.

use std::sync::Arc;

use wasmfusion_abi::host::file;

use crate::capability::CapabilityKind::{FsRead, FsWrite};
use crate::host::file::OpenFile;
use crate::host::gate::{Answer, Call, Refused, too_large};
use crate::host::handle::{Handle, wrong_kind};

/// Longest path, in bytes.
const PATH_BYTES_MAX: usize = 4 << 10;
/// Most entries of a folder that is listed.
const ENTRIES_MAX: usize = 100_000;

pub(super) fn open(call: &mut Call<'_>, path: u32, length: u32, mode: i32) -> Answer {
    let path = call.text("path", path, length, PATH_BYTES_MAX)?;
    call.target(&path);
    // What the mode's other bits mean, and which go together, the file's own room knows.
    if mode & file::READ != 0 {
        call.require(FsRead, &path)?;
    }
    if mode & !file::READ != 0 {
        call.require(FsWrite, &path)?;
    }
    call.reaches_outside();
    let bytes_max = call.calls.limits().file_bytes_max;
    let host = Arc::clone(call.calls.host());
    let file = host.files().open(&path, mode, bytes_max)?;
    let handle = Handle::File {
        file: Box::new(file),
        path,
    };
    Ok(call.calls.handles().open(handle)?)
}

/// Does something with the file of this handle and the guest's memory.
fn with_file<R>(
    call: &mut Call<'_>,
    handle: u32,
    f: impl FnOnce(&mut OpenFile, &mut Call<'_>) -> Result<R, Refused>,
) -> Result<R, Refused> {
    let slot = call.calls.handles().lend(handle)?;
    let Some(Handle::File { mut file, path }) = slot else {
        call.calls.handles().give_back(handle, slot);
        return Err(wrong_kind(handle, "a file").into());
    };
    call.target(&path);
    let result = f(&mut file, call);
    let lent = Some(Handle::File { file, path });
    call.calls.handles().give_back(handle, lent);
    result
}

pub(super) fn read(call: &mut Call<'_>, handle: u32, out: u32, capacity: u32) -> Answer {
    let capacity = (capacity as usize).min(call.calls.limits().host_call_bytes_max);
    with_file(call, handle, |file, call| {
        let room = call
            .memory
            .slice_mut("room to read into", out, capacity, 1)?;
        let read = file.read(room)?;
        call.count(read);
        Ok(read as i64)
    })
}

pub(super) fn write(call: &mut Call<'_>, handle: u32, bytes: u32, length: u32) -> Answer {
    with_file(call, handle, |file, call| {
        call.uses(FsWrite);
        file.write(call.bytes("bytes", bytes, length)?)?;
        Ok(0)
    })
}

pub(super) fn seek(call: &mut Call<'_>, handle: u32, position: u64) -> Answer {
    with_file(call, handle, |file, _| {
        file.seek(position.cast_signed())?;
        Ok(0)
    })
}

pub(super) fn size(call: &mut Call<'_>, handle: u32) -> Answer {
    with_file(call, handle, |file, _| {
        Ok(i64::try_from(file.size()?).unwrap_or(i64::MAX))
    })
}

pub(super) fn list(call: &mut Call<'_>, path: u32, length: u32, out: u32, capacity: u32) -> Answer {
    let path = call.text("path", path, length, PATH_BYTES_MAX)?;
    call.target(&path);
    let host = Arc::clone(call.calls.host());
    let mut reply = Vec::new();
    let bytes_max = call.calls.limits().host_call_bytes_max;
    for name in host.files().list(&path, ENTRIES_MAX)? {
        reply.extend_from_slice(name.as_bytes());
        reply.push(0);
        if reply.len() > bytes_max {
            return Err(too_large("list of names", reply.len(), bytes_max).into());
        }
    }
    call.reply(&reply, out, capacity)
}

pub(super) fn remove(call: &mut Call<'_>, path: u32, length: u32) -> Answer {
    let path = call.text("path", path, length, PATH_BYTES_MAX)?;
    call.require(FsWrite, &path)?;
    call.reaches_outside();
    let host = Arc::clone(call.calls.host());
    host.files().remove(&path)?;
    Ok(0)
}
