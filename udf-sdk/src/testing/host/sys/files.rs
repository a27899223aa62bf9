//! Files.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use wasmfusion_abi::host::file;

use super::super::state::{Open, State, invalid, not_found};
use super::{answer, bytes, call, text, write};
use crate::host::Result;

/// The bytes of the file that a handle stands for, if it was opened so, and the place in it.
fn opened(state: &mut State, handle: i32, needed: i32) -> Result<(&mut Vec<u8>, &mut usize)> {
    let State { handles, files, .. } = state;
    let Some(Open::File {
        path,
        mode,
        position,
    }) = handles.get_mut(&handle)
    else {
        return Err(invalid("the handle is no open file"));
    };
    if *mode & needed != needed {
        return Err(invalid("the file was not opened for this"));
    }
    let bytes = files.get_mut(path).ok_or_else(|| not_found("file", path))?;
    if *mode & file::APPEND != 0 && needed == file::WRITE {
        *position = bytes.len();
    }
    Ok((bytes, position))
}

functions! {
    fn file_open(path: *const u8, length: usize, mode: i32) {
        call("file_open", |state| {
            let path = text(path, length);
            if mode & (file::READ | file::WRITE) == 0 {
                return Err(invalid("a file is opened to read or to write"));
            }
            if !state.files.contains_key(&path) {
                if mode & file::WRITE == 0 || mode & file::CREATE == 0 {
                    return Err(not_found("file", &path));
                }
                state.files.insert(path.clone(), Vec::new());
            }
            if mode & file::TRUNCATE != 0 {
                state.files.insert(path.clone(), Vec::new());
            }
            Ok(state.open(Open::File { path, mode, position: 0 }))
        })
    }

    fn file_read(handle: i32, out: *mut u8, capacity: usize) {
        call("file_read", |state| {
            let (bytes, position) = opened(state, handle, file::READ)?;
            let rest = bytes.get(*position..).unwrap_or_default();
            let read = &rest[..rest.len().min(capacity)];
            write(read, out);
            *position += read.len();
            Ok(read.len() as i64)
        })
    }

    fn file_write(handle: i32, written: *const u8, length: usize) {
        call("file_write", |state| {
            let written = bytes(written, length);
            let (bytes, position) = opened(state, handle, file::WRITE)?;
            let end = *position + written.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[*position..end].copy_from_slice(written);
            *position = end;
            Ok(written.len() as i64)
        })
    }

    fn file_list(path: *const u8, length: usize, out: *mut u8, capacity: usize) {
        answer("file_list", out, capacity, |state| {
            let mut folder = text(path, length);
            if !folder.ends_with('/') {
                folder.push('/');
            }
            let inside = state.files.keys().filter_map(|path| path.strip_prefix(&folder));
            let names: BTreeSet<&str> = inside.map(|path| path.split_inclusive('/').next().unwrap_or(path)).collect();
            if names.is_empty() {
                return Err(not_found("folder", &folder));
            }
            let names: String = names.into_iter().flat_map(|name| [name, "\0"]).collect();
            Ok(names.into_bytes())
        })
    }

    fn file_remove(path: *const u8, length: usize) {
        call("file_remove", |state| {
            let path = text(path, length);
            state.files.remove(&path).ok_or_else(|| not_found("file", &path))?;
            Ok(0)
        })
    }
}

plain_functions! {
    fn file_seek(handle: i32, place: i64) {
        call("file_seek", |state| {
            let (_, position) = opened(state, handle, 0)?;
            *position = usize::try_from(place).map_err(|_| invalid("the place is negative"))?;
            Ok(place)
        })
    }

    fn file_size(handle: i32) {
        call("file_size", |state| Ok(opened(state, handle, 0)?.0.len() as i64))
    }
}
