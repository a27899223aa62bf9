//! Functions that take whole columns: `#[udf(batch)]`.

use alloc::format;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use core::slice;

use crate::argument::Argument;
use crate::bind;
use crate::call::{Call, Operand};
use crate::data_type::DataType;
use crate::dynamic::Type;
use crate::error::Error;
use crate::pool::Pool;
use crate::raw::ArrowArray;
use crate::value::{Fixed, FixedBuilder, Value, Written};

/// A type that a parameter of a batch function can have: [`Column`], [`AnyColumn`](crate::any::AnyColumn), and as the last
/// parameter a `Vec` of one of them, for any number of arguments.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a type that a batch function can have as a parameter",
    note = "a parameter is a Column<'_, T> or an AnyColumn<'_>, and the last one may be a Vec of them"
)]
pub trait BatchArgument<'a>: Sized {
    /// The SQL type.
    const TYPE: DataType;
    /// Whether the function wants to see rows in which the argument is NULL.
    const NULLS: bool;
    /// Whether this stands for all arguments from its place on.
    const VARIADIC: bool = false;

    /// Opens the argument at place `index`.
    ///
    /// # Errors
    ///
    /// As [`Argument::open`].
    fn open_from(call: &mut Call<'a>, index: usize) -> Result<Self, Error>;
}

/// An argument of a batch function: a column, or a constant that holds for every row.
///
/// Rows that are NULL do not reach the function, unless `T` is an `Option`.
pub struct Column<'a, T: Argument<'a>> {
    operand: Operand<'a>,
    column: T::Column,
}

impl<'a, T: Argument<'a>> Column<'a, T> {
    pub(crate) fn new(operand: Operand<'a>) -> Result<Self, Error> {
        // A constant is read at one place, and so needs no copies, which are all that a pool is for.
        let one_row = Operand {
            rows: operand.rows.min(1),
            ..operand
        };
        let column = T::open(one_row, &mut Pool::new())?;
        Ok(Column { operand, column })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.operand.rows
    }

    /// Whether every row has the same value, and the column just one.
    pub fn is_constant(&self) -> bool {
        self.operand.constant
    }

    /// The value of a row.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    #[inline]
    pub fn get(&self, row: usize) -> T {
        assert!(row < self.rows(), "the column has no row {row}");
        self.value(row)
    }

    /// The values of some rows in order.
    ///
    /// # Panics
    ///
    /// If there are no such rows.
    #[inline]
    pub fn range(&self, rows: Range<usize>) -> impl ExactSizeIterator<Item = T> {
        assert!(
            rows.end <= self.rows(),
            "the column does not have the rows {rows:?}"
        );
        rows.map(|row| self.value(row))
    }

    /// The values of all rows in order.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = T> {
        (0..self.rows()).map(|row| self.value(row))
    }

    #[inline(always)]
    fn value(&self, row: usize) -> T {
        let place = row & self.operand.mask();
        // SAFETY: every caller has checked `row`; a constant's value is at place 0.
        unsafe { T::get(T::block(&self.column, 0), place) }
    }
}

impl<'a, T: Argument<'a> + Fixed> Column<'a, T> {
    /// The values as they lie in memory: one for each row, or just one if [`Column::is_constant`].
    pub fn values(&self) -> &'a [T] {
        // SAFETY: the column was opened as values of this type.
        unsafe { self.operand.array.values() }
    }
}

impl<'a, T: Argument<'a>> fmt::Debug for Column<'a, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Column")
            .field("type", &T::TYPE)
            .field("rows", &self.rows())
            .field("constant", &self.is_constant())
            .finish()
    }
}

impl<'a, T: Argument<'a>> BatchArgument<'a> for Column<'a, T> {
    const TYPE: DataType = T::TYPE;
    const NULLS: bool = T::NULLS;

    fn open_from(call: &mut Call<'a>, index: usize) -> Result<Self, Error> {
        let operand = call.operand(index);
        Column::new(operand).map_err(|error| call.operand_error(index, error.message()))
    }
}

impl<'a, C: BatchArgument<'a>> BatchArgument<'a> for Vec<C> {
    const TYPE: DataType = C::TYPE;
    const NULLS: bool = C::NULLS;
    const VARIADIC: bool = true;

    fn open_from(call: &mut Call<'a>, index: usize) -> Result<Self, Error> {
        (index..call.arg_count())
            .map(|place| C::open_from(call, place))
            .collect()
    }
}

/// What the last parameter of a batch function is: `&mut` [`Output`] or [`AnyOutput`](crate::any::AnyOutput).
#[diagnostic::on_unimplemented(
    message = "a batch function cannot write its result to `&mut {Self}`",
    note = "the last parameter is &mut Output<'_, T>, or &mut AnyOutput<'_> in functions with `bind`"
)]
pub trait BatchOutput<'p>: Sized {
    /// The result's type and whether it may be NULL; nothing if binding decides.
    const RETURNS: Option<(DataType, bool)>;
    /// What a binding function returns that makes a state `S`.
    type Prepared<S>;

    /// The result's type and the state.
    fn prepared<S>(prepared: Self::Prepared<S>) -> (Type, S);

    /// Opens the result of a call.
    ///
    /// # Errors
    ///
    /// If the function was not bound and has to be.
    fn open(call: &'p mut Call<'_>) -> Result<Self, Error>;

    /// Hands over the result.
    ///
    /// # Errors
    ///
    /// If the function did not write as many values as there are rows.
    fn finish(self) -> Result<(), Error>;
}

/// What a batch function returns: nothing, or a `Result` of nothing.
///
/// # Errors
///
/// The function's own error.
pub fn written(outcome: impl Written) -> Result<(), Error> {
    outcome.into_valid().map(|_| ())
}

/// The result of a batch function, a column of `T`.
pub struct Output<'p, T: Value> {
    builder: T::Builder,
    written: usize,
    rows: usize,
    result: &'p mut ArrowArray,
    pool: &'p mut Pool,
}

impl<T: Value> Output<'_, T> {
    /// Number of rows: so many values have to be written.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Appends a value.
    #[inline]
    pub fn push(&mut self, value: T) {
        T::push(&mut self.builder, value);
        self.written += 1;
    }
}

impl<T: Value> Extend<T> for Output<'_, T> {
    #[inline]
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        for value in values {
            self.push(value);
        }
    }
}

impl<T: Fixed + Value<Builder = FixedBuilder>> Output<'_, T> {
    /// The place of all values that are not written yet, which counts as writing them: the fastest way, for loops
    /// that the compiler can vectorise. What is in there at first does not mean anything.
    pub fn values_mut(&mut self) -> &mut [T] {
        let count = self.rows.saturating_sub(self.written);
        self.written = self.rows;
        let values = self.builder.append_zeroed::<T>(count);
        // SAFETY: `count` values of this type, written and aligned, which nobody else refers to.
        unsafe { slice::from_raw_parts_mut(values, count) }
    }
}

impl<T: Value> fmt::Debug for Output<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("type", &T::TYPE)
            .field("rows", &self.rows)
            .field("written", &self.written)
            .finish()
    }
}

impl<'p, T: Value> BatchOutput<'p> for Output<'p, T> {
    const RETURNS: Option<(DataType, bool)> = Some((T::TYPE, T::NULLABLE));
    type Prepared<S> = S;

    fn prepared<S>(prepared: S) -> (Type, S) {
        bind::prepared(Self::RETURNS, prepared)
    }

    fn open(call: &'p mut Call<'_>) -> Result<Self, Error> {
        let builder = T::builder(&mut call.space());
        let rows = call.rows();
        let (result, pool) = call.result();
        Ok(Output {
            builder,
            written: 0,
            rows,
            result,
            pool,
        })
    }

    fn finish(self) -> Result<(), Error> {
        if self.written != self.rows {
            return Err(Error::new(format!(
                "the function wrote {} values for {} rows",
                self.written, self.rows
            )));
        }
        T::finish(self.builder, None, self.result, self.pool)
    }
}
