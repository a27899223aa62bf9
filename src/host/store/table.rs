//! A table of a store as guests see it.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use super::redb::Store;
use crate::host::context::{KeyValueTable, Visit};
use crate::host::error::HostError;

/// A table of a store, under a name.
pub(super) struct StoredTable {
    store: Arc<Store>,
    name: String,
}

impl StoredTable {
    /// The table of this name, which need not be there.
    pub(super) fn new(store: Arc<Store>, name: &str) -> Self {
        Self {
            store,
            name: name.to_owned(),
        }
    }
}

impl KeyValueTable for StoredTable {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, HostError> {
        self.store.shared()?.get(&self.name, key)
    }

    /// Each part is as it was at one moment: the table, unless much of it is not in the database yet.
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
        let end = end.map_or(Bound::Unbounded, Bound::Excluded);
        let mut start = Bound::Included(Bytes::copy_from_slice(start));
        loop {
            let keys = (start.as_ref().map(|key| &key[..]), end);
            let part = shared.part(&self.name, keys);
            if part.visit(&self.name, keys, visit)?.is_break() {
                return Ok(());
            }
            match part.last {
                Some(last) => start = Bound::Excluded(last),
                None => return Ok(()),
            }
        }
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), HostError> {
        let written = self.store.shared()?.put(&self.name, key, value)?;
        self.store.written(written)
    }

    fn delete(&self, key: &[u8]) -> Result<bool, HostError> {
        let Some(written) = self.store.shared()?.delete(&self.name, key)? else {
            return Ok(false);
        };
        self.store.written(written)?;
        Ok(true)
    }
}
