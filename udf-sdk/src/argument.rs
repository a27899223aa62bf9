//! Parameters: which Rust types can be a function's parameter, and how a row's value is read from a column.

mod boolean;
mod bytes;
mod fixed;
mod list;
mod option;
mod owned;
mod tuple;
mod variadic;

use crate::call::{Call, Operand};
use crate::data_type::DataType;
use crate::error::Error;
use crate::pool::Pool;

pub use list::List;
pub use tuple::Arguments;
pub use variadic::Variadic;

/// A Rust type that can be a function's parameter.
///
/// Implemented for numbers, `bool`, text (`&str`, `String`), bytes (`&[u8]`, `Vec<u8>`, `[u8; N]`), the types of
/// [`crate::types`], lists ([`List`], `&[T]` of numbers and dates, `Vec<T>`), `Option` of all of these, which is how a
/// function sees NULLs, and [`Variadic`] as the last parameter. `#[derive(SqlStruct)]` implements it for structs.
///
/// A column is opened once a call, and read in blocks of rows: inside a block, a constant of fixed width is as many
/// copies of itself, so that the loop over the rows is the same for columns and constants and can be vectorised.
///
/// # Safety
///
/// `get` may only read what `open` was given.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a type that a SQL function can have as a parameter",
    label = "no type of SQL",
    note = "there are bool, numbers, &str, &[u8], Decimal, Date, Timestamp and others, List and &[T] of these, structs with #[derive(SqlStruct)], and Option of all of these; and Column in batch functions"
)]
pub unsafe trait Argument<'a>: Sized {
    /// The SQL type.
    const TYPE: DataType;
    /// Whether the function wants to see rows in which the argument is NULL.
    const NULLS: bool = false;
    /// Whether this stands for all arguments from its place on.
    const VARIADIC: bool = false;
    /// The argument of one call.
    type Column;
    /// The argument of one block of rows.
    type Cursor: Copy;

    /// Opens an array of type `TYPE`, in which there are no nulls unless `NULLS`.
    ///
    /// # Errors
    ///
    /// If the values cannot be had as this type, in words that fit behind the argument's name.
    fn open(operand: Operand<'a>, pool: &mut Pool) -> Result<Self::Column, Error>;

    /// Opens the arguments from place `index` on. All but [`Variadic`] take one.
    ///
    /// # Errors
    ///
    /// As [`Argument::open`].
    fn open_from(call: &mut Call<'a>, index: usize) -> Result<Self::Column, Error> {
        let operand = call.operand(index);
        Self::open(operand, call.pool()).map_err(|error| call.operand_error(index, error.message()))
    }

    /// The block that starts at row `start`.
    ///
    /// # Safety
    ///
    /// The column lives and stays in place as long as the cursor is used, and has a row `start` or is empty.
    unsafe fn block(column: &Self::Column, start: usize) -> Self::Cursor;

    /// The value of a block's row.
    ///
    /// # Safety
    ///
    /// The column has a row `row` behind the block's start, and if it is a constant, then `row` is less than the rows of a block.
    unsafe fn get(cursor: Self::Cursor, row: usize) -> Self;
}
