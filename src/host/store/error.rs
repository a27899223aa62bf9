//! Why a store could not be opened, or a table or an index not be made of what it was to be made of. For the embedder: guests get
//! [`HostError`](crate::host::error::HostError).

use std::io;
use std::path::PathBuf;

use super::limits::Figure;

/// Why a store could not be opened or written, or a table or an index not be made.
///
/// Names and keys were escaped before they got here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Somebody else has the file open.
    #[error(
        "store {}: it is in use; close it in the other process, or, in this one, share the context that has it open",
        path.display()
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error(
        "store {}: the file is not a store of plugins' tables ({reason}); nothing in it was changed, give another path",
        path.display()
    )]
    NotAStore {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The file was a store once.
    #[error(
        "store {}: the file is damaged ({reason}); restore it from a copy, or move it away to begin with an empty one",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The file cannot be read or written.
    #[error("store {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Writes could not be made to last.
    #[error(
        "the store could not be written: {reason}; what was written since the last flush may be lost"
    )]
    Write {
        /// What went wrong.
        reason: String,
    },
    /// A name that a table or an index cannot have.
    #[error("the name \"{name}\" cannot be used: {reason}")]
    Name {
        /// The name, escaped and cut.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A column that cannot be used for this.
    #[error("column \"{column}\": {reason}")]
    Column {
        /// Its name, escaped.
        column: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A value that cannot be used.
    #[error("row {row} (the first is 1): {reason}")]
    Row {
        /// Place of the row in all batches together, from 1.
        row: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A key that is there more than once.
    #[error(
        "the key \"{key}\" is there more than once; choose a column whose values are unique, or group the rows by it"
    )]
    DuplicateKey {
        /// The key, escaped and cut.
        key: String,
    },
    /// It would be larger than it may be.
    #[error("{0}")]
    Limit(Figure),
    /// The vectors cannot be used.
    #[error("the index cannot be built: {reason}")]
    Index {
        /// What is wrong.
        reason: String,
    },
    /// The table could not be read from its session.
    #[error("the table could not be read: {0}")]
    Query(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Bytes as text for an error: escaped, and cut where they are long.
pub(super) fn shown(bytes: &[u8]) -> String {
    const SHOWN_BYTES_MAX: usize = 64;
    match bytes.get(..SHOWN_BYTES_MAX) {
        Some(start) if bytes.len() > SHOWN_BYTES_MAX => format!("{}…", start.escape_ascii()),
        _ => bytes.escape_ascii().to_string(),
    }
}
