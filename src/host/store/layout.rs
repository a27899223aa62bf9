//! How the store is laid out in its database, how large things count, and the one gate to redb: nothing that goes wrong in there gets
//! past [`guarded`].
//!
//! | table of the database | key | value |
//! |---|---|---|
//! | `wasmfusion` | `format` | [`FORMAT`] |
//! | `sizes` | name of a plugins' table | its size in bytes, as [`entry_bytes`] counts |
//! | `t/` and the name | key | value |

use std::panic::{AssertUnwindSafe, catch_unwind};

use redb::TableDefinition;

use super::limits::{Figure, StoreLimits};
use crate::host::error::{HostError, Status};

/// That it is ours, and which layout it has.
pub(super) const ABOUT: TableDefinition<'static, &str, u64> = TableDefinition::new("wasmfusion");
/// Sizes of tables, in bytes.
pub(super) const SIZES: TableDefinition<'static, &str, u64> = TableDefinition::new("sizes");
/// The key of the layout's number.
pub(super) const FORMAT_KEY: &str = "format";
/// The number of this layout.
pub(super) const FORMAT: u64 = 1;

/// A table of plugins, under the name that it has in the database.
pub(super) fn data(stored: &str) -> TableDefinition<'_, &'static [u8], &'static [u8]> {
    TableDefinition::new(stored)
}

/// The name that a table of plugins has in the database.
pub(super) fn stored_name(name: &str) -> String {
    format!("t/{name}")
}

/// What an entry counts, in bytes.
pub(super) fn entry_bytes(key: usize, value: usize) -> u64 {
    StoreLimits::ENTRY_BYTES
        .saturating_add(key as u64)
        .saturating_add(value as u64)
}

/// Whether key and value may be as long as they are.
pub(super) fn check_entry(limits: &StoreLimits, key: &[u8], value: &[u8]) -> Result<(), Figure> {
    let figure = |what, bytes: &[u8], max, setting| {
        let (is, unit) = (bytes.len() as u64, "bytes");
        Figure {
            what,
            is,
            max,
            unit,
            setting,
        }
        .check()
    };
    figure("the key", key, limits.key_bytes_max, "key_bytes_max")?;
    figure(
        "the value",
        value,
        limits.value_bytes_max,
        "value_bytes_max",
    )
}

/// Whether a table and all of them may be as large as they would be.
pub(super) fn check_sizes(limits: &StoreLimits, table: u64, all: u64) -> Result<(), Figure> {
    let figure = |what, is, max, setting| {
        let unit = "bytes";
        Figure {
            what,
            is,
            max,
            unit,
            setting,
        }
        .check()
    };
    figure(
        "the table",
        table,
        limits.table_bytes_max,
        "table_bytes_max",
    )?;
    figure("the store", all, limits.store_bytes_max, "store_bytes_max")
}

/// Runs something of redb's. It checks what it reads, but a file is foreign input: should it panic over one, that ends the call and
/// not the query.
pub(super) fn guarded<T>(run: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, HostError> {
    // What was left half done is redb's, and it refuses to go on with that.
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(failed(&error.to_string())),
        Err(_) => Err(failed("its file is damaged")),
    }
}

/// That the store did not do what it should.
pub(super) fn failed(reason: &str) -> HostError {
    HostError::new(
        Status::Failed,
        format!("the store of tables failed: {reason}; tell who runs this"),
    )
}
