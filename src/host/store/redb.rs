//! The tables that plugins write: one redb database, in a file or in memory, and its tables as guests see them.
//!
//! A write is seen by all at once, but is not written to the disk at once: that would take milliseconds each. A thread does so for all
//! that were written, one second after the first of them ([`Flusher`]); [`Store::flush`] and dropping the store do so too, and so does a
//! write when [`FLUSH_WRITES_MAX`] or [`FLUSH_BYTES_MAX`] wait. So a process that is killed, or a machine that loses power, loses what
//! was written in about the last second, never a part of a write, and never a write without losing those after it. The file can be
//! read after that.
//!
//! Which tables there are and how large they are is kept in memory and written with each flush: a put changes one tree.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use redb::{Database, Durability, ReadableDatabase, TableError, WriteTransaction};

use super::error::StoreError;
use super::flusher::Flusher;
use super::layout::{
    SIZES, check_entry, check_sizes, data, entry_bytes, failed, guarded, stored_name, write_sizes,
};
use super::limits::{Figure, StoreLimits};
use super::open;
use crate::host::error::HostError;

/// How many writes may wait until they are on the disk.
const FLUSH_WRITES_MAX: u64 = 10_000;
/// How many bytes of writes may wait until they are on the disk. They are in memory until then, and so is what they have replaced, which
/// is why a store in memory flushes too.
const FLUSH_BYTES_MAX: u64 = 16 << 20;

/// One database. Dropping it writes what was not yet written, and has closed the file when it returns.
#[derive(Debug)]
pub(super) struct Store {
    shared: Option<Arc<Shared>>,
    flusher: Option<Flusher>,
}

#[derive(Debug)]
pub(super) struct Shared {
    database: Database,
    limits: StoreLimits,
    state: Mutex<State>,
}

/// What is known of the tables, and whoever holds the lock on it may write.
#[derive(Debug, Default)]
struct State {
    tables: BTreeMap<String, Size>,
    /// Size of all tables together, in bytes.
    bytes: u64,
    /// Writes since the last flush.
    pending: u64,
    /// Their size, in bytes.
    pending_bytes: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Size {
    bytes: u64,
    /// Whether it differs from what the database says.
    changed: bool,
}

impl Store {
    /// A store in memory.
    pub(super) fn in_memory(limits: StoreLimits) -> Result<Self, HostError> {
        let database = open::in_memory()
            .map_err(|error| failed(&format!("no memory for tables of plugins: {error}")))?;
        Ok(Self {
            shared: Some(Arc::new(Shared {
                database,
                limits,
                state: Mutex::default(),
            })),
            flusher: None,
        })
    }

    /// A store in a file, which is made if it is not there.
    pub(super) fn open(path: &Path, limits: StoreLimits) -> Result<Self, StoreError> {
        let (database, sizes) = open::open(path)?;
        let bytes = sizes.values().fold(0u64, |sum, &b| sum.saturating_add(b));
        let tables = sizes
            .into_iter()
            .map(|(name, bytes)| {
                let changed = false;
                (name, Size { bytes, changed })
            })
            .collect();
        let state = State {
            tables,
            bytes,
            ..State::default()
        };
        let shared = Arc::new(Shared {
            database,
            limits,
            state: Mutex::new(state),
        });
        let flushed = Arc::clone(&shared);
        let flush = move || flushed.flush(&mut flushed.state.lock());
        let flusher = Flusher::start(flush).map_err(|source| StoreError::Io {
            path: path.to_path_buf(),
            source,
        })?;
        Ok(Self {
            shared: Some(shared),
            flusher: Some(flusher),
        })
    }

    /// Names of the tables, in order.
    pub(super) fn names(&self) -> Vec<String> {
        let Ok(shared) = self.shared() else {
            return Vec::new();
        };
        shared.state.lock().tables.keys().cloned().collect()
    }

    /// Whether there is a table of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.shared()
            .is_ok_and(|shared| shared.state.lock().tables.contains_key(name))
    }

    /// Size of a table, in bytes.
    #[cfg(test)]
    pub(super) fn bytes(&self, name: &str) -> u64 {
        let state = self.shared().unwrap().state.lock();
        state.tables.get(name).copied().unwrap_or_default().bytes
    }

    /// Writes what was not yet written to the disk.
    pub(super) fn flush(&self) -> Result<(), HostError> {
        let shared = self.shared()?;
        shared.flush(&mut shared.state.lock())
    }

    /// Removes a table with all that is in it; whether it was there.
    pub(super) fn delete_table(&self, name: &str) -> Result<bool, HostError> {
        let shared = self.shared()?;
        let mut state = shared.state.lock();
        let Some(size) = state.tables.get(name).copied() else {
            return Ok(false);
        };
        guarded(|| {
            let txn = shared.database.begin_write()?;
            txn.delete_table(data(&stored_name(name)))?;
            write_sizes(&txn, state.changed())?;
            txn.open_table(SIZES)?.remove(name)?;
            txn.commit()?;
            Ok(())
        })?;
        state.tables.remove(name);
        state.bytes = state.bytes.saturating_sub(size.bytes);
        state.flushed();
        Ok(true)
    }

    /// What is not closed yet.
    pub(super) fn shared(&self) -> Result<&Arc<Shared>, HostError> {
        self.shared
            .as_ref()
            .ok_or_else(|| failed("the store is closed"))
    }

    /// Tells the thread that flushes that there is something to write.
    pub(super) fn wake(&self) {
        if let Some(flusher) = &self.flusher {
            flusher.wake();
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let in_file = self.flusher.is_some();
        drop(self.flusher.take());
        let Some(shared) = self.shared.take() else {
            return;
        };
        if in_file && let Err(error) = shared.flush(&mut shared.state.lock()) {
            tracing::error!(%error, "tables of plugins could not be written to the disk");
        }
        // A database that has panicked once may do so again when it is closed, which must not end the process.
        let _ = guarded(move || {
            drop(shared);
            Ok(())
        });
    }
}

impl Shared {
    /// Writes what was not yet written to the disk, and the sizes of tables with it.
    fn flush(&self, state: &mut State) -> Result<(), HostError> {
        if state.pending == 0 {
            return Ok(());
        }
        guarded(|| {
            let mut txn = self.database.begin_write()?;
            // Who chooses what is written could otherwise have half a commit taken for a whole one.
            txn.set_two_phase_commit(true);
            write_sizes(&txn, state.changed())?;
            txn.commit()?;
            Ok(())
        })?;
        state.flushed();
        Ok(())
    }

    /// A transaction that lasts with the next flush.
    fn begin_write(&self) -> Result<WriteTransaction, redb::Error> {
        let mut txn = self.database.begin_write()?;
        txn.set_durability(Durability::None)?;
        Ok(txn)
    }

    /// Sets the value of a key.
    pub(super) fn put(&self, name: &str, key: &[u8], value: &[u8]) -> Result<Written, HostError> {
        let limits = &self.limits;
        let entry = entry_bytes(key.len(), value.len());
        check_entry(limits, key, value)?;
        let mut state = self.state.lock();
        let table = state.tables.get(name).copied();
        if table.is_none() {
            Figure {
                what: "the store",
                is: (state.tables.len() as u64).saturating_add(1),
                max: limits.tables_max,
                unit: "tables",
                setting: "tables_max",
            }
            .check()?;
        }
        let size = table.unwrap_or_default().bytes;
        let total = state.bytes;
        let stored = stored_name(name);
        let (size, total) = guarded(|| {
            let txn = self.begin_write()?;
            let mut table = txn.open_table(data(&stored))?;
            let old = table
                .insert(key, value)?
                .map_or(0, |old| entry_bytes(key.len(), old.value().len()));
            drop(table);
            let new = |bytes: u64| bytes.saturating_sub(old).saturating_add(entry);
            let sizes = (new(size), new(total));
            // An entry that gets no larger is always taken, so that a limit that was lowered does not lock what is there.
            if entry > old
                && let Err(figure) = check_sizes(limits, sizes.0, sizes.1)
            {
                txn.abort()?;
                return Ok(Err(figure));
            }
            txn.commit()?;
            Ok(Ok(sizes))
        })??;
        state.set(name, size, total);
        self.written(&mut state, entry)
    }

    /// Removes a key. `None` if it was not there.
    pub(super) fn delete(&self, name: &str, key: &[u8]) -> Result<Option<Written>, HostError> {
        let mut state = self.state.lock();
        let Some(size) = state.tables.get(name).copied() else {
            return Ok(None);
        };
        let stored = stored_name(name);
        let old = guarded(|| {
            let txn = self.begin_write()?;
            let mut table = txn.open_table(data(&stored))?;
            let old = table
                .remove(key)?
                .map(|old| entry_bytes(key.len(), old.value().len()));
            drop(table);
            match old {
                Some(_) => txn.commit()?,
                None => txn.abort()?,
            }
            Ok(old)
        })?;
        let Some(old) = old else {
            return Ok(None);
        };
        let total = state.bytes.saturating_sub(old);
        state.set(name, size.bytes.saturating_sub(old), total);
        self.written(&mut state, old).map(Some)
    }

    /// Counts a write, and flushes if there were many.
    fn written(&self, state: &mut State, bytes: u64) -> Result<Written, HostError> {
        state.pending = state.pending.saturating_add(1);
        state.pending_bytes = state.pending_bytes.saturating_add(bytes);
        if state.pending >= FLUSH_WRITES_MAX || state.pending_bytes >= FLUSH_BYTES_MAX {
            self.flush(state)?;
        }
        Ok(Written {
            first: state.pending == 1,
        })
    }

    /// The table as it is now. `None` if nothing was written to it yet.
    pub(super) fn read(&self, stored: &str) -> Result<Option<Reader>, redb::Error> {
        let txn = self.database.begin_read()?;
        match txn.open_table(data(stored)) {
            Ok(table) => Ok(Some(table)),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// A table as it was at one moment.
pub(super) type Reader = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;

/// That something was written, and whether it is the first since the last flush.
pub(super) struct Written {
    pub(super) first: bool,
}

impl State {
    /// The sizes that the database does not know.
    fn changed(&self) -> impl Iterator<Item = (&str, u64)> {
        let changed = self.tables.iter().filter(|(_, size)| size.changed);
        changed.map(|(name, size)| (name.as_str(), size.bytes))
    }

    /// That the database has all there is.
    fn flushed(&mut self) {
        (self.pending, self.pending_bytes) = (0, 0);
        for size in self.tables.values_mut() {
            size.changed = false;
        }
    }

    fn set(&mut self, name: &str, bytes: u64, total: u64) {
        let changed = true;
        let size = Size { bytes, changed };
        match self.tables.get_mut(name) {
            Some(place) => *place = size,
            None => {
                self.tables.insert(name.to_owned(), size);
            }
        }
        self.bytes = total;
    }
}
