//! What the embedder gives plugins access to: key-value tables and vector indexes.
//!
//! Grants are not checked here: a plugin that was not granted a name never gets as far as asking for it.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;

use super::error::{HostError, Status};
use crate::module::Digest;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PluginId<'a> {
    /// The name that the plugin gives itself. Two modules may give themselves the same.
    pub name: &'a str,
    /// Which module it is: to tell plugins apart that must not have the same tables.
    pub digest: Digest,
}

/// Where plugins' tables and indexes come from. [`LocalContext`](super::LocalContext) is one that keeps them in files and in memory;
/// who has a store of their own implements this for it.
pub trait HostContext: fmt::Debug + Send + Sync {
    /// The table of this name, as this plugin sees it. `None` if there is none; `create` if it is to be written, so that one
    /// that is not there may be made.
    ///
    /// # Errors
    ///
    /// What the guest is told.
    fn table(
        &self,
        plugin: PluginId<'_>,
        name: &str,
        create: bool,
    ) -> Result<Option<Arc<dyn KeyValueTable>>, HostError>;

    /// The vector index of this name, as this plugin sees it. `None` if there is none.
    ///
    /// # Errors
    ///
    /// What the guest is told.
    fn vector_index(
        &self,
        plugin: PluginId<'_>,
        name: &str,
    ) -> Result<Option<Arc<dyn VectorIndex>>, HostError>;
}

/// What a scan shows each key and its value to, until it breaks.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// A table of keys and values, both bytes, in the order of the keys. Called from threads that run queries: be quick.
pub trait KeyValueTable: Send + Sync {
    /// The value of a key.
    ///
    /// # Errors
    ///
    /// What the guest is told.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, HostError>;

    /// Shows entries to `visit` in the order of their keys, from `start` on and up to `end`, which does not belong to them, until it breaks.
    ///
    /// # Errors
    ///
    /// What the guest is told.
    fn scan(
        &self,
        start: &[u8],
        end: Option<&[u8]>,
        visit: &mut Visit<'_>,
    ) -> Result<(), HostError>;

    /// Sets the value of a key.
    ///
    /// # Errors
    ///
    /// What the guest is told.
    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), HostError> {
        let _ = (key, value);
        Err(read_only())
    }

    /// Removes a key; whether it was there.
    ///
    /// # Errors
    ///
    /// What the guest is told.
    fn delete(&self, key: &[u8]) -> Result<bool, HostError> {
        let _ = key;
        Err(read_only())
    }
}

fn read_only() -> HostError {
    HostError::new(
        Status::Unavailable,
        "the table can only be read; open it without the mode to write",
    )
}

/// An index of vectors, each with a key. Called from threads that run queries.
pub trait VectorIndex: Send + Sync {
    /// Length of its vectors.
    fn dimensions(&self) -> usize;

    /// Shows the `k` entries nearest to `query` to `visit`, nearest first, as key and distance. `query` has as many
    /// [dimensions](Self::dimensions) as the index.
    ///
    /// # Errors
    ///
    /// What the guest is told.
    fn search(
        &self,
        query: &[f32],
        k: usize,
        visit: &mut dyn FnMut(&[u8], f32),
    ) -> Result<(), HostError>;
}

/// A context that has nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoContext;

impl HostContext for NoContext {
    fn table(
        &self,
        _plugin: PluginId<'_>,
        _name: &str,
        _create: bool,
    ) -> Result<Option<Arc<dyn KeyValueTable>>, HostError> {
        Ok(None)
    }

    fn vector_index(
        &self,
        _plugin: PluginId<'_>,
        _name: &str,
    ) -> Result<Option<Arc<dyn VectorIndex>>, HostError> {
        Ok(None)
    }
}
