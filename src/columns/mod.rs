//! Columns: Arrow arrays into guest memory, and out of it again as hostile input.
//!
//! ```text
//!   measure ──▶ write ──▶ (the guest runs) ──▶ read
//!               one copy                       one copy, then every check on the host's own copy
//! ```
//!
//! [`measure`] says how many bytes of the host's region an argument takes at most, [`write()`] puts it there with
//! all that `docs/abi.md` promises to guests, [`lay_out_result`] prepares the result, and [`read`] takes it back.
//! Types cross at bind time: [`write_schema`], [`read_schema`]; what they may be is decided in [`check_type`].
//!
//! The rooms here know neither DataFusion nor the engine: they work on plain bytes.
#![cfg_attr(
    not(test),
    deny(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

mod arena;
mod error;
mod read;
mod result;
mod schema;
#[cfg(test)]
pub(crate) mod tests;
mod types;
mod write;

pub use arena::Arena;
pub use error::ColumnError;
pub use read::{ReadLimits, fixed_column, read};
pub use result::{lay_out_result, measure_result, rows_within, value_bytes};
pub use schema::{SchemaLimits, measure_schema, read_schema, write_schema};
pub(crate) use types::{can_be_taken, fits};
pub use types::{check_type, parse_type, type_depth};
pub use write::{
    copy_indices, fixed_values, measure, measure_bits, measure_indices, write, write_bits,
    write_indices,
};
