//! Results: which Rust types can be a column of values, and how they become one.

mod boolean;
mod bytes;
mod fixed;
mod list;
mod option;
mod structure;
mod writer;

use core::convert::Infallible;

use crate::call::Space;
use crate::data_type::DataType;
use crate::error::Error;
use crate::pool::Pool;
use crate::raw::ArrowArray;

pub use boolean::{BitBuilder, Nulls};
pub use bytes::BytesBuilder;
pub use fixed::{Fixed, FixedBuilder};
pub use list::{Element, ListBuilder};
pub use option::OptionBuilder;
pub use structure::StructBuilder;
pub use writer::{BytesWriter, ListWriter, TextWriter, Writer, Written};

/// A Rust type whose values can be a function's result, an element of a list or a field of a struct.
///
/// Implemented for numbers, `bool`, text (`&str`, `String`, `Cow<str>`), bytes (`&[u8]`, `Vec<u8>`, `Cow<[u8]>`, `[u8; N]`),
/// the types of [`crate::types`], `Vec<T>` and `&[T]` of any of them, and `Option` of all of these. `#[derive(SqlStruct)]`
/// implements it for structs.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a type that a SQL function can return",
    label = "no type of SQL",
    note = "there are bool, numbers, String, Vec<u8>, Decimal, Date, Timestamp and others, Vec<T> of these, structs with #[derive(SqlStruct)], and Option and Result of all of these"
)]
pub trait Value: Sized {
    /// The SQL type.
    const TYPE: DataType;
    /// Whether there can be NULLs among the values.
    const NULLABLE: bool = false;
    /// Collects values into a column.
    type Builder;

    /// An empty builder.
    fn builder(space: &mut Space<'_>) -> Self::Builder;

    /// Appends a value.
    fn push(builder: &mut Self::Builder, value: Self);

    /// Makes room for `count` values, for [`Value::push_within`].
    #[inline(always)]
    fn reserve(_builder: &mut Self::Builder, _count: usize) {}

    /// Appends a value for which there is room, which some types can do without a look at it.
    ///
    /// # Safety
    ///
    /// It is one of the values that [`Value::reserve`] was told of last, and there was no other way of appending since.
    #[inline(always)]
    unsafe fn push_within(builder: &mut Self::Builder, value: Self) {
        Self::push(builder, value);
    }

    /// Appends whatever may stand where a validity bitmap says NULL.
    fn push_null(builder: &mut Self::Builder);

    /// Appends `count` values, `row(0)` to `row(count - 1)`.
    ///
    /// # Errors
    ///
    /// The first error that `row` returns.
    #[inline(always)]
    fn extend<E>(
        builder: &mut Self::Builder,
        count: usize,
        mut row: impl FnMut(usize) -> Result<Self, E>,
    ) -> Result<(), E> {
        for index in 0..count {
            Self::push(builder, row(index)?);
        }
        Ok(())
    }

    /// As [`Value::extend`] with values of which some are NULL: appends the others, and for every value a bit that
    /// says whether it is one. Returns how many are.
    ///
    /// # Errors
    ///
    /// The first error that `row` returns.
    #[inline(always)]
    fn extend_options<E>(
        builder: &mut Self::Builder,
        validity: &mut BitBuilder,
        count: usize,
        mut row: impl FnMut(usize) -> Result<Option<Self>, E>,
    ) -> Result<usize, E> {
        validity.extend(count, |index| {
            let value = row(index)?;
            let valid = value.is_some();
            match value {
                Some(value) => Self::push(builder, value),
                None => Self::push_null(builder),
            }
            Ok(valid)
        })
    }

    /// Writes the column to `out`, with the NULLs that [`Option`] collected.
    ///
    /// # Errors
    ///
    /// If it is too large for its type.
    fn finish(
        builder: Self::Builder,
        nulls: Option<Nulls>,
        out: &mut ArrowArray,
        pool: &mut Pool,
    ) -> Result<(), Error>;
}

/// What a function of one row may return: a value, or a `Result` of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a type that a SQL function can return",
    label = "no type of SQL",
    note = "there are bool, numbers, String, Vec<u8>, Decimal, Date, Timestamp and others, Vec<T> of these, structs with #[derive(SqlStruct)], and Option and Result of all of these"
)]
pub trait Outcome {
    /// The value.
    type Value: Value;
    /// The error; it ends the query.
    type Error: Into<Error>;

    /// The value or the error.
    ///
    /// # Errors
    ///
    /// The function's own error.
    fn into_row(self) -> Result<Self::Value, Self::Error>;
}

impl<T: Value> Outcome for T {
    type Value = T;
    type Error = Infallible;

    #[inline(always)]
    fn into_row(self) -> Result<T, Infallible> {
        Ok(self)
    }
}

impl<T: Value, E: Into<Error>> Outcome for Result<T, E> {
    type Value = T;
    type Error = E;

    #[inline(always)]
    fn into_row(self) -> Result<T, E> {
        self
    }
}
