//! The default of what the embedder gives plugins access to: tables that plugins write, in a file or in memory, tables that the
//! embedder gives them to read, and vector indexes.
//!
//! Who may use which name is not decided here but by grants. All plugins see the same tables under the same names; who wants each to
//! have its own implements [`HostContext`].

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use self::redb::Store;
use self::table::StoredTable;
use super::context::{HostContext, KeyValueTable, PluginId, VectorIndex};
use super::error::{HostError, Status};

mod batch;
mod cells;
mod error;
mod flusher;
mod layout;
mod limits;
mod nearest;
mod open;
mod redb;
mod session;
mod snapshot;
mod table;

pub use self::error::StoreError;
pub use self::limits::{Figure, StoreLimits};
pub use self::nearest::{Metric, NearestNeighbours};
pub use self::snapshot::SnapshotTable;

/// Tables and vector indexes of this process. Clones are the same context.
///
/// A table that the embedder has [added](Self::add_table) hides one of the same name that plugins have written, and plugins can write it
/// only if it takes writes itself. Any other name is a table that plugins write: it is made by the first write, within
/// [`StoreLimits`]. One that is not to be written is there only if something was written to it.
///
/// With [`open`](Self::open), what plugins write lasts. A write is on the disk about one second later, or as soon as
/// [`flush`](Self::flush) has returned or the last clone is gone. A process that is killed loses at most what was written in that second;
/// the file can be read all the same, and has each write wholly or not at all, in their order.
///
/// Plugins never wait for the disk. Where it is too slow for what they write, writes are refused as soon as
/// [`unsaved_bytes_max`](StoreLimits::unsaved_bytes_max) wait for it. Where it fails, what was taken stays in memory, can be read, and is
/// tried again every second; until that succeeds, writes are refused with what went wrong.
///
/// ```ignore
/// let context = LocalContext::open("plugins.redb")?;
/// context.add_table("countries", Arc::new(SnapshotTable::of_session(&ctx, "countries", "code").await?))?;
/// ```
#[derive(Clone, Default)]
pub struct LocalContext(Arc<Inner>);

#[derive(Default)]
struct Inner {
    limits: StoreLimits,
    tables: RwLock<BTreeMap<String, Arc<dyn KeyValueTable>>>,
    indexes: RwLock<BTreeMap<String, Arc<dyn VectorIndex>>>,
    /// In memory, it is made when the first plugin wants to write.
    store: Mutex<Option<Arc<Store>>>,
}

impl LocalContext {
    /// A context whose tables are in memory, within these limits.
    pub fn in_memory(limits: StoreLimits) -> Self {
        Self(Arc::new(Inner {
            limits,
            ..Inner::default()
        }))
    }

    /// A context whose tables are in this file, within the default limits. The file is made if it is not there, and is read from start to
    /// end if it is: in async code, use `spawn_blocking`.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or written, is in use, is damaged, or is something else.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with(path, StoreLimits::default())
    }

    /// A context whose tables are in this file, within these limits; see [`open`](Self::open).
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_with(path: impl AsRef<Path>, limits: StoreLimits) -> Result<Self, StoreError> {
        let store = Store::open(path.as_ref(), limits)?;
        Ok(Self(Arc::new(Inner {
            limits,
            store: Mutex::new(Some(Arc::new(store))),
            ..Inner::default()
        })))
    }

    /// Gives plugins a table. One that was added under this name before is replaced; who has opened that keeps it until it is closed.
    ///
    /// # Errors
    ///
    /// If the name is not one: 1 to 255 bytes, no control characters.
    pub fn add_table(
        &self,
        name: impl Into<String>,
        table: Arc<dyn KeyValueTable>,
    ) -> Result<&Self, StoreError> {
        let name = name.into();
        check_name(&name)?;
        self.0.tables.write().insert(name, table);
        Ok(self)
    }

    /// Gives plugins a vector index. One that was added under this name before is replaced; who has opened that keeps it until it is closed.
    ///
    /// # Errors
    ///
    /// If the name is not one: 1 to 255 bytes, no control characters.
    pub fn add_index(
        &self,
        name: impl Into<String>,
        index: Arc<dyn VectorIndex>,
    ) -> Result<&Self, StoreError> {
        let name = name.into();
        check_name(&name)?;
        self.0.indexes.write().insert(name, index);
        Ok(self)
    }

    /// Takes a table back that was added; whether there was one. What plugins have written under this name can be seen again.
    pub fn remove_table(&self, name: &str) -> bool {
        self.0.tables.write().remove(name).is_some()
    }

    /// Takes a vector index back; whether there was one.
    pub fn remove_index(&self, name: &str) -> bool {
        self.0.indexes.write().remove(name).is_some()
    }

    /// Removes what plugins have written under this name, for good; whether there was something. Takes milliseconds: in async code, use
    /// `spawn_blocking`.
    ///
    /// # Errors
    ///
    /// If the file cannot be written. Plugins see nothing of it any more even so, and its removal is tried again.
    pub fn delete_stored(&self, name: &str) -> Result<bool, StoreError> {
        let Some(store) = self.stored() else {
            return Ok(false);
        };
        store.delete_table(name).map_err(not_written)
    }

    /// Writes to the disk what plugins have written and is not there yet. Takes milliseconds: in async code, use `spawn_blocking`.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn flush(&self) -> Result<(), StoreError> {
        let Some(store) = self.stored() else {
            return Ok(());
        };
        store.flush().map_err(not_written)
    }

    /// Names of all tables, added and written, in order.
    pub fn table_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.0.tables.read().keys().cloned().collect();
        if let Some(store) = self.stored() {
            names.extend(store.names());
        }
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Names of all vector indexes, in order.
    pub fn index_names(&self) -> Vec<String> {
        self.0.indexes.read().keys().cloned().collect()
    }

    fn stored(&self) -> Option<Arc<Store>> {
        self.0.store.lock().clone()
    }

    /// The store, which is made in memory if there is none yet.
    fn stored_or_new(&self) -> Result<Arc<Store>, HostError> {
        let mut place = self.0.store.lock();
        if let Some(store) = &*place {
            return Ok(Arc::clone(store));
        }
        let store = Arc::new(Store::in_memory(self.0.limits)?);
        *place = Some(Arc::clone(&store));
        Ok(store)
    }
}

impl fmt::Debug for LocalContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalContext")
            .field("limits", &self.0.limits)
            .field("tables", &self.table_names())
            .field("indexes", &self.index_names())
            .finish()
    }
}

impl HostContext for LocalContext {
    fn table(
        &self,
        _plugin: PluginId<'_>,
        name: &str,
        create: bool,
    ) -> Result<Option<Arc<dyn KeyValueTable>>, HostError> {
        check_name(name).map_err(invalid)?;
        if let Some(table) = self.0.tables.read().get(name) {
            return Ok(Some(Arc::clone(table)));
        }
        let store = if create {
            self.stored_or_new()?
        } else {
            match self.stored() {
                Some(store) if store.has(name) => store,
                _ => return Ok(None),
            }
        };
        Ok(Some(Arc::new(StoredTable::new(store, name))))
    }

    fn vector_index(
        &self,
        _plugin: PluginId<'_>,
        name: &str,
    ) -> Result<Option<Arc<dyn VectorIndex>>, HostError> {
        check_name(name).map_err(invalid)?;
        Ok(self.0.indexes.read().get(name).map(Arc::clone))
    }
}

/// Whether a table or an index can have this name.
fn check_name(name: &str) -> Result<(), StoreError> {
    const NAME_BYTES_MAX: usize = 255;
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.len() > NAME_BYTES_MAX {
        "it is longer than 255 bytes"
    } else if name.chars().any(char::is_control) {
        "it has control characters"
    } else {
        return Ok(());
    };
    let name = error::shown(name.as_bytes());
    Err(StoreError::Name { name, reason })
}

fn invalid(error: StoreError) -> HostError {
    HostError::new(Status::Invalid, error.to_string())
}

fn not_written(error: HostError) -> StoreError {
    let reason = error.message().to_owned();
    StoreError::Write { reason }
}

#[cfg(test)]
mod tests;
