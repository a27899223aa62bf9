//! How much plugins may store, and how it is told that it was too much.

use std::fmt;

use crate::host::error::{HostError, Status};

/// How much plugins may store in one [`LocalContext`](super::LocalContext). Tables that the embedder gives are not counted.
///
/// ```ignore
/// let mut limits = StoreLimits::default();
/// limits.table_bytes_max = 16 << 20;
/// let context = LocalContext::open_with("plugins.redb", limits)?;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreLimits {
    /// Longest key, in bytes. 1 KiB by default.
    pub key_bytes_max: u64,
    /// Longest value, in bytes. 1 MiB by default.
    pub value_bytes_max: u64,
    /// Largest table, in bytes: each entry counts with its key, its value and [`ENTRY_BYTES`](Self::ENTRY_BYTES). 256 MiB by default.
    pub table_bytes_max: u64,
    /// Largest number of tables. 1,000 by default.
    pub tables_max: u64,
    /// All tables together, counted as for one. 1 GiB by default. A file can be larger by what its pages leave empty.
    pub store_bytes_max: u64,
    /// What is not in the file yet and takes memory, in bytes: each key that was written counts as in a table, and 112 more. 256 MiB by
    /// default. Where a disk is so slow that there would be more, writes are refused until it has caught up: what runs a query does not
    /// wait for a disk.
    pub unsaved_bytes_max: u64,
}

impl StoreLimits {
    /// What an entry counts besides its key and its value: about what its place in the store takes.
    pub const ENTRY_BYTES: u64 = 16;
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            key_bytes_max: 1 << 10,
            value_bytes_max: 1 << 20,
            table_bytes_max: 256 << 20,
            tables_max: 1_000,
            store_bytes_max: 1 << 30,
            unsaved_bytes_max: 256 << 20,
        }
    }
}

/// A figure that is above its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    /// What was measured: "a key".
    pub what: &'static str,
    /// How much it is.
    pub is: u64,
    /// How much it may be.
    pub max: u64,
    /// Of what: "bytes".
    pub unit: &'static str,
    /// The setting or argument that allows more.
    pub setting: &'static str,
}

impl Figure {
    /// # Errors
    ///
    /// If it is above its limit.
    pub(super) fn check(self) -> Result<(), Self> {
        if self.is > self.max {
            Err(self)
        } else {
            Ok(())
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            is,
            max,
            unit,
            setting,
        } = self;
        write!(
            f,
            "{what} would have {is} {unit}, more than the {max} that `{setting}` allows"
        )
    }
}

impl From<Figure> for HostError {
    fn from(figure: Figure) -> Self {
        Self::new(Status::Limit, figure.to_string())
    }
}
