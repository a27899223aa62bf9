//! The tables that plugins write: one redb database, in a file or in memory, and its tables as guests see them.
//!
//! A write is seen by all at once, but is not written to the disk at once: that would take milliseconds each. It goes into a [`Batch`] in
//! memory, and a thread writes the batch into the database, one second after the first write in it or when it is large ([`Flusher`]);
//! [`Store::flush`] and dropping the store do so too. So a process that is killed, or a machine that loses power, loses what was written
//! in about the last second, never a part of a batch, and never a batch without losing those after it. The file can be read after that.
//!
//! What must stay true, so that no thread of queries waits for the disk:
//!
//! - **Who holds the lock of [`State`] touches memory only.** A batch that is written stays readable as `in_flight`, and leaves it under the
//!   same lock under which `stored` becomes what has it.
//! - **Only who holds `committing` writes into the database or begins to read it**: both can wait for the disk in there. Everybody else
//!   reads `stored`, which was begun after the last commit, and reads of which wait for nobody.
//! - **A batch leaves `in_flight` when it is in the database and never otherwise.** One whose commit has failed is written again before
//!   anything else is; a batch that is written twice is the same as once. Until a commit succeeds, writes are refused with what went wrong.
//! - **What is not in the database is bounded** by [`StoreLimits::unsaved_bytes_max`]. Writes beyond that are refused, and do not wait.
//!
//! In memory there is no disk to wait for and no thread: who fills a batch writes it.
//!
//! Which tables there are and how large they are is kept in memory and written with each batch.

use std::collections::BTreeMap;
use std::io;
use std::mem;
use std::path::Path;
use std::sync::Arc;
#[cfg(test)]
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use redb::{Database, ReadTransaction, ReadableDatabase};

use super::batch::{Batch, Keys, Part, look_up};
use super::error::StoreError;
use super::flusher::Flusher;
use super::layout::{
    SIZES, check_entry, check_sizes, data, entry_bytes, failed, guarded, stored_name,
};
use super::limits::{Figure, StoreLimits};
use super::open::{self, Sizes};
use crate::host::error::{HostError, Status};

/// How many changes a batch may have before it is written without waiting for more.
const FLUSH_CHANGES_MAX: u64 = 10_000;
/// How many bytes a batch may have before it is written without waiting for more.
const FLUSH_BYTES_MAX: u64 = 16 << 20;
/// How many changes of the newest batch a scan copies at a time.
const PART_CHANGES: usize = 128;

/// One database. Dropping it writes what was not yet written, and has closed the file when it returns.
#[derive(Debug)]
pub(super) struct Store {
    shared: Option<Arc<Shared>>,
    /// There is none in memory.
    flusher: Option<Flusher>,
}

#[derive(Debug)]
pub(super) struct Shared {
    // It reads the database, so it is dropped first.
    state: Mutex<State>,
    database: Database,
    limits: StoreLimits,
    /// Held by who writes into the database.
    committing: Mutex<()>,
    /// Whether commits fail.
    #[cfg(test)]
    failing: AtomicBool,
}

/// What is known of the tables, and what is not in the database yet.
#[derive(Debug)]
struct State {
    /// Sizes of the tables, in bytes.
    tables: BTreeMap<String, u64>,
    /// Size of all tables together, in bytes.
    bytes: u64,
    /// What was written since the last batch was sent off.
    newest: Batch,
    /// What is being written into the database, or could not be.
    in_flight: Option<Arc<Batch>>,
    /// The database without these two.
    stored: Arc<ReadTransaction>,
    /// How often `stored` has changed.
    commits: u64,
    /// Why the last commit failed, if it did.
    failure: Option<HostError>,
}

/// That something was written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    /// Whether it is the first of its batch.
    first: bool,
    /// Whether its batch is large enough to be written.
    full: bool,
}

impl Store {
    /// A store in memory.
    pub(super) fn in_memory(limits: StoreLimits) -> Result<Self, HostError> {
        let database = open::in_memory()
            .map_err(|error| failed(&format!("no memory for tables of plugins: {error}")))?;
        Ok(Self {
            shared: Some(Arc::new(Shared::new(database, Sizes::new(), limits)?)),
            flusher: None,
        })
    }

    /// A store in a file, which is made if it is not there.
    pub(super) fn open(path: &Path, limits: StoreLimits) -> Result<Self, StoreError> {
        let (database, sizes) = open::open(path)?;
        Self::lasting(database, sizes, limits).map_err(|source| StoreError::Io {
            path: path.to_path_buf(),
            source,
        })
    }

    /// A store in a database that lasts, with tables of these sizes.
    pub(super) fn lasting(
        database: Database,
        sizes: Sizes,
        limits: StoreLimits,
    ) -> io::Result<Self> {
        let shared = Shared::new(database, sizes, limits).map_err(io::Error::other)?;
        let shared = Arc::new(shared);
        let flushed = Arc::clone(&shared);
        let flusher = Flusher::start(move || flushed.flush())?;
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
        state.tables.get(name).copied().unwrap_or_default()
    }

    /// How many changes are not in the database.
    #[cfg(test)]
    pub(super) fn unsaved(&self) -> u64 {
        self.shared().unwrap().state.lock().unsaved_changes()
    }

    /// Has commits fail from now on, or no more.
    #[cfg(test)]
    pub(super) fn fail_commits(&self, failing: bool) {
        let shared = self.shared().unwrap();
        shared.failing.store(failing, Ordering::Relaxed);
    }

    /// Writes what was not yet written to the disk, and waits for it.
    pub(super) fn flush(&self) -> Result<(), HostError> {
        let flushed = self.shared()?.flush();
        if let (Err(_), Some(flusher)) = (&flushed, &self.flusher) {
            // No write will: they are refused until it has succeeded.
            flusher.wake();
        }
        flushed
    }

    /// Removes a table with all that is in it, and waits until it is removed from the disk; whether it was there. If the disk fails, it is
    /// removed with the next flush that does not.
    pub(super) fn delete_table(&self, name: &str) -> Result<bool, HostError> {
        let shared = self.shared()?;
        if !shared.state.lock().clear(name) {
            return Ok(false);
        }
        self.flush()?;
        Ok(true)
    }

    /// What is not closed yet.
    pub(super) fn shared(&self) -> Result<&Arc<Shared>, HostError> {
        self.shared
            .as_ref()
            .ok_or_else(|| failed("the store is closed"))
    }

    /// Sees to it that what was written gets into the database. Waits for nothing, unless the database is in memory.
    pub(super) fn written(&self, written: Written) -> Result<(), HostError> {
        match &self.flusher {
            Some(flusher) if written.full => flusher.wake_now(),
            Some(flusher) if written.first => flusher.wake(),
            None if written.full => self.flush()?,
            _ => {}
        }
        Ok(())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let in_file = self.flusher.is_some();
        drop(self.flusher.take());
        let Some(shared) = self.shared.take() else {
            return;
        };
        if in_file && let Err(error) = shared.flush() {
            let lost = shared.state.lock().unsaved_changes();
            tracing::error!(error.message = %error, wasmfusion.lost = lost, "tables of plugins could not be written to the disk");
        }
        // A database that has panicked once may do so again when it is closed, which must not end the process.
        let _ = guarded(move || {
            drop(shared);
            Ok(())
        });
    }
}

impl Shared {
    fn new(database: Database, sizes: Sizes, limits: StoreLimits) -> Result<Self, HostError> {
        let stored = guarded(|| Ok(Arc::new(database.begin_read()?)))?;
        let state = State {
            bytes: sizes.values().fold(0, |sum: u64, &b| sum.saturating_add(b)),
            tables: sizes,
            newest: Batch::default(),
            in_flight: None,
            stored,
            commits: 0,
            failure: None,
        };
        Ok(Self {
            state: Mutex::new(state),
            database,
            limits,
            committing: Mutex::new(()),
            #[cfg(test)]
            failing: AtomicBool::new(false),
        })
    }

    /// Writes what was not yet written to the disk, and the sizes of tables with it. What is written meanwhile is for the next flush.
    fn flush(&self) -> Result<(), HostError> {
        let _committing = self.committing.lock();
        let left = self.state.lock().in_flight.clone();
        if let Some(batch) = left {
            self.commit(&batch)?;
        }
        let batch = self.state.lock().send_off();
        match batch {
            Some(batch) => self.commit(&batch),
            None => Ok(()),
        }
    }

    /// Writes what is in flight into the database. For who holds `committing`, but not the lock of the state.
    fn commit(&self, batch: &Batch) -> Result<(), HostError> {
        let committed = guarded(|| {
            self.write(batch)?;
            Ok(Arc::new(self.database.begin_read()?))
        });
        let mut state = self.state.lock();
        let stored = match committed {
            Ok(stored) => stored,
            Err(error) => {
                state.failure = Some(error.clone());
                return Err(error);
            }
        };
        let before = mem::replace(&mut state.stored, stored);
        state.commits += 1;
        state.in_flight = None;
        state.failure = None;
        drop(state);
        guarded(move || {
            drop(before);
            Ok(())
        })
    }

    /// Writes a batch into the database, wholly or not at all.
    fn write(&self, batch: &Batch) -> Result<(), redb::Error> {
        #[cfg(test)]
        if self.failing.load(Ordering::Relaxed) {
            return Err(redb::Error::Io(io::Error::other("no room")));
        }
        let mut txn = self.database.begin_write()?;
        // Who chooses what is written could otherwise have half a commit taken for a whole one.
        txn.set_two_phase_commit(true);
        let mut sizes = txn.open_table(SIZES)?;
        for changes in batch.tables() {
            let stored = stored_name(changes.name);
            if changes.cleared {
                txn.delete_table(data(&stored))?;
            }
            let Some(size) = changes.size else {
                sizes.remove(changes.name)?;
                continue;
            };
            let mut table = txn.open_table(data(&stored))?;
            for (key, value) in changes.entries() {
                match value {
                    Some(value) => table.insert(&key[..], &value[..])?,
                    None => table.remove(&key[..])?,
                };
            }
            sizes.insert(changes.name, size)?;
        }
        drop(sizes);
        txn.commit()?;
        Ok(())
    }

    /// The value of a key.
    pub(super) fn get(&self, name: &str, key: &[u8]) -> Result<Option<Bytes>, HostError> {
        let state = self.state.lock();
        if let Some(value) = state.changed(name, key) {
            return Ok(value.cloned());
        }
        let stored = Arc::clone(&state.stored);
        drop(state);
        guarded(move || look_up(&stored, name, key, Bytes::copy_from_slice))
    }

    /// The part of a table that begins with these keys, as it is now.
    pub(super) fn part(&self, name: &str, keys: Keys<'_>) -> Part {
        let state = self.state.lock();
        let (newest, in_flight) = (&state.newest, state.in_flight.as_ref());
        Part::new(name, keys, PART_CHANGES, newest, in_flight, &state.stored)
    }

    /// Sets the value of a key.
    pub(super) fn put(&self, name: &str, key: &[u8], value: &[u8]) -> Result<Written, HostError> {
        let limits = &self.limits;
        let entry = entry_bytes(key.len(), value.len());
        check_entry(limits, key, value)?;
        let value = Bytes::copy_from_slice(value);
        let (mut state, old) = self.lock_at(name, key)?;
        let size = state.tables.get(name).copied();
        if size.is_none() {
            Figure {
                what: "the store",
                is: (state.tables.len() as u64).saturating_add(1),
                max: limits.tables_max,
                unit: "tables",
                setting: "tables_max",
            }
            .check()?;
        }
        let old = old.unwrap_or(0);
        let new = |bytes: u64| bytes.saturating_sub(old).saturating_add(entry);
        let (size, total) = (new(size.unwrap_or(0)), new(state.bytes));
        // An entry that gets no larger is always taken, so that a limit that was lowered does not lock what is there.
        if entry > old {
            check_sizes(limits, size, total)?;
        }
        state.write(limits, name, key, Some(value), (size, total))
    }

    /// Removes a key. `None` if it was not there.
    pub(super) fn delete(&self, name: &str, key: &[u8]) -> Result<Option<Written>, HostError> {
        let (mut state, old) = self.lock_at(name, key)?;
        let size = state.tables.get(name).copied();
        let (Some(size), Some(old)) = (size, old) else {
            return Ok(None);
        };
        let sizes = (size.saturating_sub(old), state.bytes.saturating_sub(old));
        state.write(&self.limits, name, key, None, sizes).map(Some)
    }

    /// The state, and what the entry of a key counts in it, if there is one. The database is read without the lock, and again if there
    /// was a commit meanwhile.
    fn lock_at(
        &self,
        name: &str,
        key: &[u8],
    ) -> Result<(MutexGuard<'_, State>, Option<u64>), HostError> {
        let mut read: Option<(u64, Option<usize>)> = None;
        loop {
            let state = self.state.lock();
            let changed = state.changed(name, key);
            let changed = changed.map(|value| value.map(Bytes::len));
            let read_before = read.filter(|(commits, _)| *commits == state.commits);
            if let Some(length) = changed.or(read_before.map(|(_, length)| length)) {
                return Ok((state, length.map(|length| entry_bytes(key.len(), length))));
            }
            let (commits, stored) = (state.commits, Arc::clone(&state.stored));
            drop(state);
            let length = guarded(move || look_up(&stored, name, key, <[u8]>::len))?;
            read = Some((commits, length));
        }
    }
}

impl State {
    /// What the batches say of a key: its value, or that it has none. None if they say nothing.
    fn changed(&self, name: &str, key: &[u8]) -> Option<Option<&Bytes>> {
        let newest = self.newest.get(name, key);
        newest.or_else(|| self.in_flight.as_ref()?.get(name, key))
    }

    /// Sets the value of a key, or removes it. `sizes` are those of the table and of all tables with that.
    fn write(
        &mut self,
        limits: &StoreLimits,
        name: &str,
        key: &[u8],
        value: Option<Bytes>,
        sizes: (u64, u64),
    ) -> Result<Written, HostError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let growth = self.newest.growth(name, key, value.as_ref());
        if growth > 0 {
            let in_flight = self.in_flight.as_ref().map_or(0, |batch| batch.bytes());
            let unsaved = self.newest.bytes().saturating_add(in_flight);
            let figure = Figure {
                what: "what waits to be written to the disk",
                is: unsaved.saturating_add(growth),
                max: limits.unsaved_bytes_max,
                unit: "bytes",
                setting: "unsaved_bytes_max",
            };
            figure.check().map_err(|figure| {
                let message = format!("{figure}; write less at once, or again a little later");
                HostError::new(Status::Limit, message)
            })?;
        }
        let first = self.newest.is_empty();
        let (size, total) = sizes;
        self.newest.set(name, key, value, size);
        match self.tables.get_mut(name) {
            Some(place) => *place = size,
            None => {
                self.tables.insert(name.to_owned(), size);
            }
        }
        self.bytes = total;
        // Long before writes are refused.
        let bytes_max = FLUSH_BYTES_MAX.min(limits.unsaved_bytes_max / 2);
        let full = self.newest.changes() >= FLUSH_CHANGES_MAX || self.newest.bytes() >= bytes_max;
        Ok(Written { first, full })
    }

    /// Removes a table with all that is in it; whether it was there.
    fn clear(&mut self, name: &str) -> bool {
        let Some(size) = self.tables.remove(name) else {
            return false;
        };
        self.bytes = self.bytes.saturating_sub(size);
        self.newest.clear(name);
        true
    }

    /// The newest batch, if there is something in it. It is in flight then.
    fn send_off(&mut self) -> Option<Arc<Batch>> {
        if self.newest.is_empty() {
            return None;
        }
        let batch = Arc::new(mem::take(&mut self.newest));
        self.in_flight = Some(Arc::clone(&batch));
        Some(batch)
    }

    /// How many changes are not in the database.
    fn unsaved_changes(&self) -> u64 {
        let in_flight = self.in_flight.as_ref().map_or(0, |batch| batch.changes());
        in_flight.saturating_add(self.newest.changes())
    }
}
