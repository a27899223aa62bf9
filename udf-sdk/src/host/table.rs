//! Key-value tables. Capabilities `table:read:NAME` and `table:write:NAME`.
//!
//! Keys and values are bytes; keys are in the order of their bytes.
//!
//! ```no_run
//! use wasmfusion_udf::host::table::{Access, Table};
//!
//! let rates = Table::open("rates")?;
//! let euro: Option<Vec<u8>> = rates.get("EUR")?;
//! for entry in rates.scan("A".."M") {
//!     let (code, value) = entry?;
//! }
//! Table::open_for("rates", Access::Write)?.put("EUR", "1")?;
//! # Ok::<(), wasmfusion_udf::host::Error>(())
//! ```

use alloc::vec::Vec;
use core::ops::RangeBounds;

use wasmfusion_abi::host::{status, table};

use super::error::{Result, check, check_done};
use super::handle::Handle;
use super::{reply, sys};

mod scan;

pub use scan::Scan;

/// An open table, which is closed when it is dropped.
#[derive(Debug)]
pub struct Table {
    handle: Handle,
}

/// What a table is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// To get and to scan. Capability `table:read`.
    Read,
    /// To put and to delete. Capability `table:write`.
    Write,
    /// Both.
    ReadWrite,
}

impl Table {
    /// Opens a table to read it.
    ///
    /// # Errors
    ///
    /// If there is no such table, or none that may be read.
    pub fn open(name: &str) -> Result<Self> {
        Self::open_for(name, Access::Read)
    }

    /// Opens a table.
    ///
    /// # Errors
    ///
    /// If there is no such table, or none that may be used so.
    pub fn open_for(name: &str, access: Access) -> Result<Self> {
        let mode = match access {
            Access::Read => table::READ,
            Access::Write => table::WRITE,
            Access::ReadWrite => table::READ | table::WRITE,
        };
        // SAFETY: the name is there until the call is over.
        let handle = unsafe { sys::table_open(name.as_ptr(), name.len(), mode) };
        Ok(Table {
            handle: Handle::new(handle)?,
        })
    }

    /// The value of a key.
    ///
    /// # Errors
    ///
    /// If the table was not opened to be read, or reading fails.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>> {
        let mut value = Vec::new();
        Ok(self.get_into(key, &mut value)?.then_some(value))
    }

    /// Puts the value of a key into `value`, in place of what was there, and returns whether there is one. A loop over many keys
    /// allocates nothing with this.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn get_into(&self, key: impl AsRef<[u8]>, value: &mut Vec<u8>) -> Result<bool> {
        let (key, handle) = (key.as_ref(), self.handle.number());
        let mut found = true;
        reply::read_into(value, |out, capacity| {
            // SAFETY: the key is there until the call is over, and the reply has the room that is said.
            let returned =
                unsafe { sys::table_get(handle, key.as_ptr(), key.len(), out, capacity) };
            // That there is no such key is no failure.
            found = returned != status::NOT_FOUND;
            if found { returned } else { 0 }
        })?;
        Ok(found)
    }

    /// Sets the value of a key.
    ///
    /// # Errors
    ///
    /// If the table was not opened to be written, or writing fails.
    pub fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        let (key, value) = (key.as_ref(), value.as_ref());
        // SAFETY: key and value are there until the call is over.
        check_done(unsafe {
            sys::table_put(
                self.handle.number(),
                key.as_ptr(),
                key.len(),
                value.as_ptr(),
                value.len(),
            )
        })
    }

    /// Removes a key; returns whether it was there.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put).
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        let key = key.as_ref();
        // SAFETY: the key is there until the call is over.
        let was_there =
            check(unsafe { sys::table_delete(self.handle.number(), key.as_ptr(), key.len()) })?;
        Ok(was_there != 0)
    }

    /// All entries, in the order of their keys.
    pub fn iter(&self) -> Scan<'_> {
        Scan::new(&self.handle, Vec::new(), None)
    }

    /// The entries whose keys are in a range, in the order of their keys.
    pub fn scan<K: AsRef<[u8]>>(&self, keys: impl RangeBounds<K>) -> Scan<'_> {
        Scan::of_range(&self.handle, &keys)
    }

    /// The entries whose keys begin so, in the order of their keys.
    pub fn scan_prefix(&self, prefix: impl AsRef<[u8]>) -> Scan<'_> {
        Scan::of_prefix(&self.handle, prefix.as_ref())
    }
}

impl<'t> IntoIterator for &'t Table {
    type Item = Result<(Vec<u8>, Vec<u8>)>;
    type IntoIter = Scan<'t>;

    fn into_iter(self) -> Scan<'t> {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::ErrorKind;
    use crate::testing;

    #[test]
    fn gets_puts_and_deletes() {
        let long = "x".repeat(5000);
        let host = testing::host().table("rates", [("EUR", "1"), ("LONG", &long), ("NONE", "")]);
        let table = Table::open_for("rates", Access::ReadWrite).expect("it is there");
        assert_eq!(table.get("EUR"), Ok(Some(b"1".to_vec())));
        assert_eq!(table.get("NONE"), Ok(Some(Vec::new())));
        assert_eq!(table.get(b"USD"), Ok(None));
        let mut value = b"before".to_vec();
        assert_eq!(table.get_into("LONG", &mut value), Ok(true));
        assert_eq!(value, long.as_bytes());
        assert_eq!(table.get_into("USD", &mut value), Ok(false));
        assert!(value.is_empty());
        assert_eq!(table.put("USD", b"1.1"), Ok(()));
        assert_eq!(table.get("USD"), Ok(Some(b"1.1".to_vec())));
        assert_eq!(
            (table.delete("USD"), table.delete("USD")),
            (Ok(true), Ok(false))
        );
        assert_eq!(host.read_table("rates").len(), 3);
        drop(table);
        assert_eq!(host.open_handles(), 0);
    }

    #[test]
    fn is_opened_for_something() {
        let _host = testing::host().table("rates", [("EUR", "1")]);
        let kind = |table: Result<Table>| table.map_err(|error| error.kind()).err();
        assert_eq!(kind(Table::open("other")), Some(ErrorKind::NotFound));
        let read = Table::open("rates").expect("it is there");
        assert!(read.put("EUR", "2").is_err());
        let write = Table::open_for("rates", Access::Write).expect("it is there");
        assert!(write.get("EUR").is_err());
        assert_eq!(write.put("EUR", "2"), Ok(()));
    }
}
