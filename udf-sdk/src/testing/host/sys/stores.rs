//! Key-value tables and vector indexes.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Bound;

use wasmfusion_abi::host::table;

use super::super::state::{Open, State, invalid, not_found};
use super::{answer, bytes, call, text};
use crate::host::{Error, ErrorKind, Result};

/// Most entries in the reply of a scan, so that scans have pages.
const PAGE: usize = 100;

/// The table that a handle stands for, if it was opened so.
fn opened(state: &mut State, handle: i32, needed: i32) -> Result<&mut BTreeMap<Vec<u8>, Vec<u8>>> {
    let State {
        handles, tables, ..
    } = state;
    let Some(Open::Table { name, mode }) = handles.get(&handle) else {
        return Err(invalid("the handle is no open table"));
    };
    if mode & needed != needed {
        let message = "the table was not opened for this";
        return Err(Error::new(ErrorKind::Denied, message));
    }
    tables.get_mut(name).ok_or_else(|| not_found("table", name))
}

fn number(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

functions! {
    fn table_open(name: *const u8, length: usize, mode: i32) {
        call("table_open", |state| {
            let name = text(name, length);
            if mode & (table::READ | table::WRITE) == 0 {
                return Err(invalid("a table is opened to read or to write"));
            }
            if !state.tables.contains_key(&name) {
                return Err(not_found("table", &name));
            }
            Ok(state.open(Open::Table { name, mode }))
        })
    }

    fn table_get(handle: i32, key: *const u8, length: usize, out: *mut u8, capacity: usize) {
        answer("table_get", out, capacity, |state| {
            let table = opened(state, handle, table::READ)?;
            let value = table.get(bytes(key, length)).cloned();
            value.ok_or_else(|| not_found("such key", ""))
        })
    }

    fn table_put(handle: i32, key: *const u8, length: usize, value: *const u8, value_length: usize) {
        call("table_put", |state| {
            let table = opened(state, handle, table::WRITE)?;
            table.insert(bytes(key, length).to_vec(), bytes(value, value_length).to_vec());
            Ok(0)
        })
    }

    fn table_delete(handle: i32, key: *const u8, length: usize) {
        call("table_delete", |state| {
            let table = opened(state, handle, table::WRITE)?;
            Ok(i64::from(table.remove(bytes(key, length)).is_some()))
        })
    }

    fn table_scan(handle: i32, start: *const u8, start_length: usize, end: *const u8, end_length: usize, limit: u32, out: *mut u8, capacity: usize) {
        answer("table_scan", out, capacity, |state| {
            let (start, end) = (bytes(start, start_length), bytes(end, end_length));
            let end = if end.is_empty() { Bound::Unbounded } else { Bound::Excluded(end) };
            let table = opened(state, handle, table::READ)?;
            let mut reply = Vec::new();
            let entries = table.range::<[u8], _>((Bound::Included(start), end));
            for (key, value) in entries.take(PAGE.min(limit as usize)) {
                reply.extend(number(key.len()));
                reply.extend(number(value.len()));
                reply.extend(key);
                reply.extend(value);
            }
            Ok(reply)
        })
    }

    fn vector_open(name: *const u8, length: usize) {
        call("vector_open", |state| {
            let name = text(name, length);
            if !state.indexes.contains_key(&name) {
                return Err(not_found("vector index", &name));
            }
            Ok(state.open(Open::Index { name }))
        })
    }

    fn vector_search(handle: i32, vector: *const f32, dimensions: usize, k: u32, out: *mut u8, capacity: usize) {
        answer("vector_search", out, capacity, |state| {
            let wanted = core::slice::from_raw_parts(vector, dimensions);
            let Open::Index { name } = state.handle(handle)?.clone() else {
                return Err(invalid("the handle is no open index"));
            };
            let mut found = Vec::new();
            for (key, vector) in state.indexes.get(&name).into_iter().flatten() {
                if vector.len() != dimensions {
                    return Err(invalid("the vectors of the index have another length"));
                }
                let squares = vector.iter().zip(wanted).map(|(one, other)| (one - other).powi(2));
                found.push((squares.sum::<f32>().sqrt(), key));
            }
            found.sort_by(|one, other| one.0.total_cmp(&other.0));
            let mut reply = Vec::new();
            for (distance, key) in found.into_iter().take(k as usize) {
                reply.extend(number(key.len()));
                reply.extend(distance.to_le_bytes());
                reply.extend(key);
            }
            Ok(reply)
        })
    }
}
