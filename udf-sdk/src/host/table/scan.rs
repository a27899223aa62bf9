//! Reading the entries of a table in order, page by page.

use alloc::vec::Vec;
use core::ops::{Bound, RangeBounds};

use super::sys;
use crate::host::error::{Error, Result};
use crate::host::handle::Handle;
use crate::host::reply::{Reader, read_into};

/// Most entries that are asked for at once.
const PAGE: u32 = 256;

/// The entries of a table in the order of their keys: pairs of key and value. It asks the host for some hundred at a time, and ends
/// after the first error.
#[derive(Debug)]
pub struct Scan<'t> {
    handle: &'t Handle,
    /// The first key of the next page.
    start: Vec<u8>,
    /// The first key that does not belong to the scan; without end if it is empty.
    end: Vec<u8>,
    page: Vec<u8>,
    /// Where the next entry is in the page.
    next: usize,
    finished: bool,
}

impl<'t> Scan<'t> {
    pub(super) fn new(handle: &'t Handle, start: Vec<u8>, end: Option<Vec<u8>>) -> Self {
        Scan {
            handle,
            // An empty end is an end here, before which nothing is; the host would take it for none.
            finished: end.as_ref().is_some_and(|end| *end <= start),
            start,
            end: end.unwrap_or_default(),
            page: Vec::new(),
            next: 0,
        }
    }

    pub(super) fn of_range<K: AsRef<[u8]>>(handle: &'t Handle, keys: &impl RangeBounds<K>) -> Self {
        let start = match keys.start_bound() {
            Bound::Included(key) => key.as_ref().to_vec(),
            Bound::Excluded(key) => behind(key.as_ref()),
            Bound::Unbounded => Vec::new(),
        };
        let end = match keys.end_bound() {
            Bound::Included(key) => Some(behind(key.as_ref())),
            Bound::Excluded(key) => Some(key.as_ref().to_vec()),
            Bound::Unbounded => None,
        };
        Scan::new(handle, start, end)
    }

    pub(super) fn of_prefix(handle: &'t Handle, prefix: &[u8]) -> Self {
        // The first key behind all that begin so: the last byte that can be raised is, what follows goes.
        let mut end = prefix.to_vec();
        while end.pop_if(|byte| *byte == u8::MAX).is_some() {}
        let end = end.pop().map(|last| {
            end.push(last + 1);
            end
        });
        Scan::new(handle, prefix.to_vec(), end)
    }

    /// Asks for the next page.
    fn turn(&mut self) -> Result<()> {
        let (handle, start, end) = (self.handle.number(), &self.start, &self.end);
        self.next = 0;
        read_into(&mut self.page, |out, capacity| {
            // SAFETY: both keys are there until the call is over, and the reply has the room that is said.
            unsafe {
                sys::table_scan(
                    handle,
                    start.as_ptr(),
                    start.len(),
                    end.as_ptr(),
                    end.len(),
                    PAGE,
                    out,
                    capacity,
                )
            }
        })
    }

    /// The next entry of the page.
    fn entry(&mut self) -> Result<(Vec<u8>, Vec<u8>)> {
        let mut reader = Reader(self.page.get(self.next..).unwrap_or_default());
        let (key_length, value_length) = (reader.length()?, reader.length()?);
        let key = reader.take(key_length)?;
        let value = reader.take(value_length)?;
        // Keys ascend within the range, or else a scan would not end.
        if key < self.start.as_slice() || !self.end.is_empty() && key >= self.end.as_slice() {
            return Err(Error::broken("a key is out of order"));
        }
        let entry = (key.to_vec(), value.to_vec());
        self.next = self.page.len() - reader.0.len();
        self.start.clear();
        self.start.extend_from_slice(key);
        self.start.push(0);
        Ok(entry)
    }
}

/// The first key behind this one.
fn behind(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

impl Iterator for Scan<'_> {
    type Item = Result<(Vec<u8>, Vec<u8>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.finished && self.next >= self.page.len() {
            if let Err(error) = self.turn() {
                self.finished = true;
                return Some(Err(error));
            }
            // A page may be short for any reason; one without entries is the last.
            self.finished = self.page.is_empty();
        }
        if self.finished {
            return None;
        }
        let entry = self.entry();
        self.finished = entry.is_err();
        Some(entry)
    }
}

impl core::iter::FusedIterator for Scan<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::ErrorKind;
    use crate::host::table::Table;
    use crate::testing;
    use alloc::format;
    use alloc::string::String;

    fn keys(scan: Scan<'_>) -> Vec<String> {
        scan.map(|entry| entry.map(|(key, _)| String::from_utf8_lossy(&key).into_owned()))
            .collect::<Result<_>>()
            .expect("nothing fails")
    }

    #[test]
    fn goes_through_all_pages() {
        let entries = (0..1000).map(|number| (format!("{number:04}"), "value"));
        let host = testing::host().table("t", entries);
        let table = Table::open("t").expect("it is there");
        let all: Result<Vec<_>> = table.iter().collect();
        let all = all.expect("nothing fails");
        assert_eq!((all.len(), &all[999].0[..]), (1000, &b"0999"[..]));
        assert!(host.calls("table_scan") > 3);
        assert!(
            (&table)
                .into_iter()
                .all(|entry| entry.is_ok_and(|(_, value)| value == b"value"))
        );
    }

    #[test]
    fn keeps_to_its_range() {
        let entries = ["", "a", "a\0", "b", "ba", "c"].map(|key| (key, key));
        let _host = testing::host().table("t", entries);
        let table = Table::open("t").expect("it is there");
        assert_eq!(keys(table.scan("a".."b")), ["a", "a\0"]);
        assert_eq!(keys(table.scan("a"..="b")), ["a", "a\0", "b"]);
        assert_eq!(keys(table.scan("b"..)), ["b", "ba", "c"]);
        assert_eq!(keys(table.scan(.."a")), [""]);
        assert_eq!(keys(table.scan::<&str>(..)).len(), 6);
        let behind: (Bound<&str>, Bound<&str>) = (Bound::Excluded("a"), Bound::Unbounded);
        assert_eq!(keys(table.scan::<&str>(behind)), ["a\0", "b", "ba", "c"]);
        assert!(keys(table.scan(.."")).is_empty());
        assert!(keys(table.scan("c".."a")).is_empty());
        assert_eq!(keys(table.scan_prefix("b")), ["b", "ba"]);
        assert_eq!(keys(table.scan_prefix("")).len(), 6);
    }

    #[test]
    fn knows_what_begins_with_the_last_byte() {
        let entries: [(&[u8], _); 3] = [(b"\xfe", ""), (b"\xff", ""), (b"\xff\xff\x01", "")];
        let _host = testing::host().table("t", entries);
        let table = Table::open("t").expect("it is there");
        assert_eq!(table.scan_prefix(b"\xff").count(), 2);
        assert_eq!(table.scan_prefix(b"\xff\xff").count(), 1);
    }

    #[test]
    fn ends_after_an_error() {
        let host = testing::host().table("t", [("a", "")]);
        let table = Table::open("t").expect("it is there");
        let host = host.failing("table_scan", ErrorKind::Timeout, "too slow");
        let mut scan = table.iter();
        assert!(matches!(scan.next(), Some(Err(error)) if error.kind() == ErrorKind::Timeout));
        assert!(scan.next().is_none());
        drop(host);
    }

    #[test]
    fn refuses_broken_pages() {
        let host = testing::host().table("t", [("a", "")]);
        let table = Table::open("t").expect("it is there");
        for page in [
            &[1, 0, 0, 0][..],
            &[1, 0, 0, 0, 9, 0, 0, 0, b'a'],
            &[255; 8],
            &[0; 7],
        ] {
            host.replying("table_scan", page);
            let mut scan = table.iter();
            assert!(matches!(scan.next(), Some(Err(_))), "{page:?}");
            assert!(scan.next().is_none());
        }
        // The same key again and again.
        host.replying("table_scan", &[1, 0, 0, 0, 0, 0, 0, 0, b'a']);
        let mut scan = table.iter();
        assert!(matches!(scan.next(), Some(Ok(_))));
        assert!(matches!(scan.next(), Some(Err(_))));
        assert!(scan.next().is_none());
    }
}
