//! Writes that are not in the database yet, and how they are read together with it.
//!
//! A key is looked for in the newest batch first, then in the one that is being written, then in the database. What a batch says of a key
//! hides what is below it, also if it says that the key was removed.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::iter;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use bytes::Bytes;
use redb::{ReadTransaction, TableError};

use super::layout::{data, entry_bytes, guarded, stored_name};
use crate::host::context::Visit;
use crate::host::error::HostError;

/// What a change takes in memory besides what [`entry_bytes`] counts, about.
const CHANGE_BYTES: u64 = 112;

/// Keys from one on and up to another one.
pub(super) type Keys<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// A key and its new value, none if it was removed.
type Change<'a> = (&'a Bytes, Option<&'a Bytes>);

/// Writes that get into the database in one commit.
#[derive(Default)]
pub(super) struct Batch {
    tables: BTreeMap<String, Changes>,
    changes: u64,
    bytes: u64,
}

/// What is new in one table.
#[derive(Default)]
struct Changes {
    /// Whether all that was in it before was removed.
    cleared: bool,
    entries: BTreeMap<Bytes, Option<Bytes>>,
    /// The size of the table with these changes, in bytes. None if it was removed and not made again.
    size: Option<u64>,
}

impl Batch {
    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// How many keys it changes.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// What it takes in memory, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What it says of a key: its value, or that it has none. None if it says nothing.
    pub(super) fn get(&self, table: &str, key: &[u8]) -> Option<Option<&Bytes>> {
        let changes = self.tables.get(table)?;
        match changes.entries.get(key) {
            Some(value) => Some(value.as_ref()),
            None => changes.cleared.then_some(None),
        }
    }

    /// By how many bytes its memory would grow with this value of a key, or without one.
    pub(super) fn growth(&self, table: &str, key: &[u8], value: Option<&Bytes>) -> u64 {
        let entries = self.tables.get(table).map(|changes| &changes.entries);
        let old = entries.and_then(|entries| entries.get(key));
        let old = old.map_or(0, |value| change_bytes(key, value.as_ref()));
        change_bytes(key, value).saturating_sub(old)
    }

    /// Sets the value of a key, or removes it; the table has this size then.
    pub(super) fn set(&mut self, table: &str, key: &[u8], value: Option<Bytes>, size: u64) {
        let added = change_bytes(key, value.as_ref());
        let changes = self.tables.entry(table.to_owned()).or_default();
        changes.size = Some(size);
        let old = changes.entries.insert(Bytes::copy_from_slice(key), value);
        match old {
            Some(old) => self.bytes -= change_bytes(key, old.as_ref()),
            None => self.changes += 1,
        }
        self.bytes += added;
    }

    /// Removes a table with all that is in it.
    pub(super) fn clear(&mut self, table: &str) {
        let cleared = Changes {
            cleared: true,
            ..Changes::default()
        };
        let Some(old) = self.tables.insert(table.to_owned(), cleared) else {
            return;
        };
        self.changes -= old.entries.len() as u64;
        for (key, value) in &old.entries {
            self.bytes -= change_bytes(key, value.as_ref());
        }
    }

    /// What is new, by table.
    pub(super) fn tables(&self) -> impl Iterator<Item = TableChanges<'_>> {
        self.tables.iter().map(|(name, changes)| TableChanges {
            name,
            cleared: changes.cleared,
            size: changes.size,
            changes,
        })
    }

    /// The first changes of these keys, and the last key if there may be more of them.
    fn first(&self, table: &str, keys: Keys<'_>, at_most: usize) -> (Owned, Option<Bytes>) {
        let Some(changes) = self.tables.get(table) else {
            return (Owned::new(), None);
        };
        let first = changes.entries.range::<[u8], _>(keys).take(at_most);
        let first: Owned = first.map(|(k, v)| (k.clone(), v.clone())).collect();
        let last = match first.last() {
            Some((key, _)) if first.len() == at_most => Some(key.clone()),
            _ => None,
        };
        (first, last)
    }

    fn hides_what_is_below(&self, table: &str) -> bool {
        self.tables
            .get(table)
            .is_some_and(|changes| changes.cleared)
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What plugins have written is not shown.
        f.debug_struct("Batch")
            .field("changes", &self.changes)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

/// What is new in one table, as it is written.
pub(super) struct TableChanges<'a> {
    pub(super) name: &'a str,
    /// Whether all that was in it before was removed.
    pub(super) cleared: bool,
    /// Its size with the changes, in bytes. None if there is no such table any more.
    pub(super) size: Option<u64>,
    changes: &'a Changes,
}

impl<'a> TableChanges<'a> {
    /// Keys and their new values, in order.
    pub(super) fn entries(&self) -> impl Iterator<Item = Change<'a>> {
        self.changes.entries.iter().map(|(k, v)| (k, v.as_ref()))
    }
}

fn change_bytes(key: &[u8], value: Option<&Bytes>) -> u64 {
    entry_bytes(key.len(), value.map_or(0, Bytes::len)).saturating_add(CHANGE_BYTES)
}

/// Changes that were copied.
type Owned = Vec<(Bytes, Option<Bytes>)>;

/// A part of a table as it was at one moment.
pub(super) struct Part {
    newest: Owned,
    /// The last key of the part, if it is not the last part.
    pub(super) last: Option<Bytes>,
    in_flight: Option<Arc<Batch>>,
    /// None if a batch has removed all that is in there.
    stored: Option<Arc<ReadTransaction>>,
}

impl Part {
    /// The part of a table that begins with these keys. Of the newest batch it has `at_most` changes, which are copied.
    pub(super) fn new(
        table: &str,
        keys: Keys<'_>,
        at_most: usize,
        newest: &Batch,
        in_flight: Option<&Arc<Batch>>,
        stored: &Arc<ReadTransaction>,
    ) -> Self {
        let in_flight = in_flight.filter(|_| !newest.hides_what_is_below(table));
        let hidden = newest.hides_what_is_below(table)
            || in_flight.is_some_and(|batch| batch.hides_what_is_below(table));
        let (newest, last) = newest.first(table, keys, at_most);
        Self {
            newest,
            last,
            in_flight: in_flight.map(Arc::clone),
            stored: (!hidden).then(|| Arc::clone(stored)),
        }
    }

    /// Shows the entries of the part to `visit`, in the order of their keys, until it breaks.
    pub(super) fn visit(
        &self,
        table: &str,
        (start, end): Keys<'_>,
        visit: &mut Visit<'_>,
    ) -> Result<ControlFlow<()>, HostError> {
        let keys = (start, self.last.as_deref().map_or(end, Bound::Included));
        let newest = self.newest.iter().map(|(k, v)| (k, v.as_ref()));
        let in_flight = self.in_flight.as_ref();
        let in_flight = in_flight.and_then(|batch| batch.tables.get(table));
        let in_flight = in_flight.map(|changes| changes.entries.range::<[u8], _>(keys));
        let in_flight = in_flight.into_iter().flatten();
        let mut changes = merged(newest, in_flight.map(|(k, v)| (k, v.as_ref()))).peekable();

        let stored = self.stored.as_ref();
        let mut stored = guarded(|| {
            let Some(stored) = stored else {
                return Ok(None);
            };
            let reader = open(stored, table)?;
            let entries = reader.map(|reader| reader.range::<&[u8]>(keys));
            Ok(entries.transpose()?)
        })?;
        // Only redb is guarded: what `visit` panics with is not the store's.
        let mut next_stored = || match &mut stored {
            Some(entries) => guarded(|| entries.next().transpose().map_err(redb::Error::from)),
            None => Ok(None),
        };
        let mut entry = next_stored()?;
        loop {
            let order = match (changes.peek(), &entry) {
                (Some((change, _)), Some((key, _))) => {
                    let change: &[u8] = change;
                    change.cmp(key.value())
                }
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return Ok(ControlFlow::Continue(())),
            };
            let flow = if order == Ordering::Greater {
                match &entry {
                    Some((key, value)) => visit(key.value(), value.value()),
                    None => ControlFlow::Continue(()),
                }
            } else {
                match changes.next() {
                    Some((key, Some(value))) => visit(key, value),
                    _ => ControlFlow::Continue(()),
                }
            };
            if flow.is_break() {
                return Ok(flow);
            }
            if order != Ordering::Less {
                entry = next_stored()?;
            }
        }
    }
}

/// Changes of two batches in the order of their keys; of a key that is in both, the newer.
fn merged<'a>(
    newer: impl Iterator<Item = Change<'a>>,
    older: impl Iterator<Item = Change<'a>>,
) -> impl Iterator<Item = Change<'a>> {
    let (mut newer, mut older) = (newer.peekable(), older.peekable());
    iter::from_fn(move || {
        let order = match (newer.peek(), older.peek()) {
            (Some((newer, _)), Some((older, _))) => newer.cmp(older),
            (None, Some(_)) => Ordering::Greater,
            (_, None) => Ordering::Less,
        };
        match order {
            Ordering::Less => newer.next(),
            Ordering::Greater => older.next(),
            Ordering::Equal => {
                older.next();
                newer.next()
            }
        }
    })
}

/// A table in the database.
type Reader = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;

/// The table of this name in the database. None if nothing was written to it yet.
fn open(stored: &ReadTransaction, table: &str) -> Result<Option<Reader>, redb::Error> {
    match stored.open_table(data(&stored_name(table))) {
        Ok(reader) => Ok(Some(reader)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What `see` makes of the value that a key has in the database. None if it has none.
pub(super) fn look_up<T>(
    stored: &ReadTransaction,
    table: &str,
    key: &[u8],
    see: impl FnOnce(&[u8]) -> T,
) -> Result<Option<T>, redb::Error> {
    let Some(reader) = open(stored, table)? else {
        return Ok(None);
    };
    Ok(reader.get(key)?.map(|value| see(value.value())))
}
