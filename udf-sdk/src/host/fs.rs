//! Files of the host. Capabilities `fs:read:PATH` and `fs:write:PATH`.
//!
//! ```no_run
//! use wasmfusion_udf::host::fs::{self, File};
//!
//! let words = fs::read_to_string("/data/words.txt")?;
//! File::options().append(true).create(true).open("/data/log.txt")?.write_all(b"read\n")?;
//! for entry in fs::list("/data")? {
//!     println!("{}{}", entry.name, if entry.is_folder { "/" } else { "" });
//! }
//! # Ok::<(), wasmfusion_udf::host::Error>(())
//! ```
//!
//! With the feature `std`, a [`File`] has the traits `Read`, `Write` and `Seek` of `std::io`. The functions of `std::fs` are not there in a
//! plugin: they fail.

use alloc::string::String;
use alloc::vec::Vec;

use super::error::{Error, ErrorKind, Result, check_done};
use super::{reply, sys};

mod file;

pub use file::{File, OpenOptions};

/// What is in a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// Its name, without the folder's.
    pub name: String,
    /// Whether it is a folder itself.
    pub is_folder: bool,
}

/// All bytes of a file.
///
/// # Errors
///
/// If there is no such file, or none that may be read.
pub fn read(path: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// All of a file, which is text.
///
/// # Errors
///
/// As [`read`], or if it is not UTF-8.
pub fn read_to_string(path: &str) -> Result<String> {
    String::from_utf8(read(path)?).map_err(|_| {
        Error::new(
            ErrorKind::Invalid,
            alloc::format!("{path}: the file is not UTF-8"),
        )
    })
}

/// Makes a file of these bytes, in place of what was there.
///
/// # Errors
///
/// If the file may not be written.
pub fn write(path: &str, bytes: impl AsRef<[u8]>) -> Result<()> {
    File::create(path)?.write_all(bytes.as_ref())
}

/// Adds bytes to the end of a file, which is made if it is not there.
///
/// # Errors
///
/// As [`write()`].
pub fn append(path: &str, bytes: impl AsRef<[u8]>) -> Result<()> {
    let mut file = File::options().append(true).create(true).open(path)?;
    file.write_all(bytes.as_ref())
}

/// What is in a folder, as far as it may be read.
///
/// # Errors
///
/// If there is no such folder, or nothing in it may be read.
pub fn list(path: &str) -> Result<Vec<Entry>> {
    // SAFETY: the path is there until the call is over, and the reply has the room that is said.
    let names = reply::read(|out, capacity| unsafe {
        sys::file_list(path.as_ptr(), path.len(), out, capacity)
    })?;
    let names = reply::text(names)?;
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let names = names
        .strip_suffix('\0')
        .ok_or_else(|| Error::broken("a name has no end"))?;
    Ok(names.split('\0').map(Entry::new).collect())
}

/// Removes a file.
///
/// # Errors
///
/// If there is no such file, or none that may be written.
pub fn remove(path: &str) -> Result<()> {
    // SAFETY: the path is there until the call is over.
    check_done(unsafe { sys::file_remove(path.as_ptr(), path.len()) })
}

impl Entry {
    fn new(name: &str) -> Self {
        let folder = name.strip_suffix('/');
        Entry {
            name: folder.unwrap_or(name).into(),
            is_folder: folder.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn reads_writes_lists_and_removes() {
        let host = testing::host()
            .file("/data/a.txt", "one")
            .file("/data/sub/b.txt", [255]);
        assert_eq!(read_to_string("/data/a.txt").as_deref(), Ok("one"));
        assert_eq!(append("/data/a.txt", " two"), Ok(()));
        assert_eq!(
            host.read_file("/data/a.txt").as_deref(),
            Some(&b"one two"[..])
        );
        assert_eq!(write("/data/a.txt", [1]), Ok(()));
        assert_eq!(read("/data/a.txt").as_deref(), Ok(&[1][..]));
        let names = list("/data").map(|entries| {
            entries
                .into_iter()
                .map(|entry| (entry.name, entry.is_folder))
                .collect::<Vec<_>>()
        });
        assert_eq!(
            names,
            Ok([("a.txt".into(), false), ("sub".into(), true)].into())
        );
        assert_eq!(remove("/data/a.txt"), Ok(()));
        assert!(read("/data/a.txt").is_err_and(|error| error.kind() == ErrorKind::NotFound));
        assert!(
            read_to_string("/data/sub/b.txt")
                .is_err_and(|error| error.kind() == ErrorKind::Invalid)
        );
        assert!(list("/nowhere").is_err());
        assert_eq!(host.open_handles(), 0);
    }
}
