//! A table of a store as guests see it.

use std::sync::Arc;

use bytes::Bytes;

use super::layout::{guarded, stored_name};
use super::redb::{Store, Written};
use crate::host::context::{KeyValueTable, Visit};
use crate::host::error::HostError;

/// A table of a store, under a name.
pub(super) struct StoredTable {
    store: Arc<Store>,
    name: String,
    stored: String,
}

impl StoredTable {
    /// The table of this name, which need not be there.
    pub(super) fn new(store: Arc<Store>, name: &str) -> Self {
        Self {
            store,
            name: name.to_owned(),
            stored: stored_name(name),
        }
    }
}

impl KeyValueTable for StoredTable {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, HostError> {
        let shared = self.store.shared()?;
        guarded(|| {
            let Some(table) = shared.read(&self.stored)? else {
                return Ok(None);
            };
            let value = table.get(key)?;
            Ok(value.map(|value| Bytes::copy_from_slice(value.value())))
        })
    }

    fn scan(
        &self,
        start: &[u8],
        end: Option<&[u8]>,
        visit: &mut Visit<'_>,
    ) -> Result<(), HostError> {
        if end.is_some_and(|end| end <= start) {
            return Ok(());
        }
        let shared = self.store.shared()?;
        let Some(table) = guarded(|| shared.read(&self.stored))? else {
            return Ok(());
        };
        let mut entries = guarded(|| {
            Ok(match end {
                Some(end) => table.range(start..end)?,
                None => table.range(start..)?,
            })
        })?;
        // Only redb is guarded: what `visit` panics with is not the store's.
        while let Some(entry) = guarded(|| entries.next().transpose().map_err(redb::Error::from))? {
            let (key, value) = entry;
            if visit(key.value(), value.value()).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), HostError> {
        let Written { first } = self.store.shared()?.put(&self.name, key, value)?;
        if first {
            self.store.wake();
        }
        Ok(())
    }

    fn delete(&self, key: &[u8]) -> Result<bool, HostError> {
        let written = self.store.shared()?.delete(&self.name, key)?;
        if let Some(Written { first: true }) = written {
            self.store.wake();
        }
        Ok(written.is_some())
    }
}
