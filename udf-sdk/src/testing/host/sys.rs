//! The functions of a tests' host, as guests call them: with addresses, statuses and replies that may not fit.

use alloc::string::String;
use alloc::vec::Vec;

use wasmfusion_abi::host::status;

use super::state::{State, current};
use crate::host::sys::Pair;
use crate::host::{ErrorKind, Result};
use crate::raw::Slice;

/// Functions of a host that get addresses.
macro_rules! functions {
    ($(fn $name:ident($($param:ident: $type:ty),*) $body:block)*) => {$(
        /// # Safety
        ///
        /// Addresses and lengths describe memory that may be read, or written where the host replies.
        pub(crate) unsafe extern "C" fn $name($($param: $type),*) -> i64 {
            // SAFETY: by the contract of this function.
            unsafe { $body }
        }
    )*};
}

/// Functions of a host that get numbers alone.
macro_rules! plain_functions {
    ($(fn $name:ident($($param:ident: $type:ty),*) $body:block)*) => {$(
        /// # Safety
        ///
        /// Nothing is needed.
        pub(crate) unsafe extern "C" fn $name($($param: $type),*) -> i64 {
            $body
        }
    )*};
}

mod files;
mod outside;
mod own;
mod stores;

pub(crate) use files::{
    file_list, file_open, file_read, file_remove, file_seek, file_size, file_write,
};
pub(crate) use outside::{exec, http, tcp_connect, tcp_read, tcp_write};
pub(crate) use own::{
    clock_monotonic, clock_realtime, close, config, env, error, log, log_enabled, metric,
    metric_record, random, reply, secret,
};
pub(crate) use stores::{
    table_delete, table_get, table_open, table_put, table_scan, vector_open, vector_search,
};

/// Bytes that a guest handed over.
///
/// # Safety
///
/// There are so many, and they live until the reference is gone.
unsafe fn bytes<'a>(address: *const u8, length: usize) -> &'a [u8] {
    if length == 0 {
        return &[];
    }
    // SAFETY: by the contract of this function.
    unsafe { core::slice::from_raw_parts(address, length) }
}

/// Text that a guest handed over.
///
/// # Safety
///
/// As [`bytes`].
unsafe fn text(address: *const u8, length: usize) -> String {
    // SAFETY: by the contract of this function.
    String::from_utf8_lossy(unsafe { bytes(address, length) }).into_owned()
}

/// Pairs that a guest handed over.
///
/// # Safety
///
/// As [`bytes`], for the pairs and all that they point to.
unsafe fn pairs(address: *const Pair, count: usize) -> Vec<(String, String)> {
    if count == 0 {
        return Vec::new();
    }
    // SAFETY: by the contract of this function.
    unsafe {
        let pairs = core::slice::from_raw_parts(address, count).iter();
        pairs
            .map(|Pair { name, value }| (slice_text(name), slice_text(value)))
            .collect()
    }
}

/// # Safety
///
/// As [`bytes`].
unsafe fn slice_text(slice: &Slice) -> String {
    // SAFETY: by the contract of this function.
    unsafe { text(slice.address, slice.length) }
}

/// Runs a function of the thread's host and returns what a guest hears.
fn call(name: &str, run: impl FnOnce(&mut State) -> Result<i64>) -> i64 {
    let Some(state) = current() else {
        return status::UNAVAILABLE;
    };
    let mut state = state.borrow_mut();
    *state.calls.entry(name.into()).or_default() += 1;
    let outcome = match state.failing.get(name) {
        Some(error) => Err(error.clone()),
        None => run(&mut state),
    };
    outcome.unwrap_or_else(|error| {
        state.words = error.message().into();
        match error.kind() {
            ErrorKind::Denied => status::DENIED,
            ErrorKind::NotFound => status::NOT_FOUND,
            ErrorKind::Invalid => status::INVALID,
            ErrorKind::Limit => status::LIMIT,
            ErrorKind::Timeout => status::TIMEOUT,
            ErrorKind::Failed => status::FAILED,
            ErrorKind::Unavailable => status::UNAVAILABLE,
        }
    })
}

/// The same for a function with a reply.
///
/// # Safety
///
/// There is room for `capacity` bytes at `out`.
unsafe fn answer(
    name: &str,
    out: *mut u8,
    capacity: usize,
    run: impl FnOnce(&mut State) -> Result<Vec<u8>>,
) -> i64 {
    call(name, |state| {
        let reply = match state.replying.get(name) {
            Some(reply) => reply.clone(),
            None => run(state)?,
        };
        let length = reply.len();
        if length <= capacity {
            // SAFETY: there is room, by the contract of this function.
            unsafe { write(&reply, out) };
        } else {
            state.reply = reply;
        }
        Ok(length as i64)
    })
}

/// # Safety
///
/// There is room for the bytes at `out`.
unsafe fn write(bytes: &[u8], out: *mut u8) {
    // SAFETY: by the contract of this function; they are nobody's else, so they do not overlap.
    unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), out, bytes.len()) };
}
