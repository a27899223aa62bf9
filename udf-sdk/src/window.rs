//! Window functions: a value for each row of a partition. `#[udwf]` makes the calls to this.

mod stream;

use alloc::format;
use alloc::vec::Vec;
use core::ops::Range;
use core::slice;

pub use wasmfusion_abi::WindowCall as Operation;
use wasmfusion_abi::flag;

use crate::batch::BatchArgument;
use crate::call::Call;
use crate::error::Error;
use crate::raw::WindowCall;
use crate::value::{Outcome, Value};

pub use stream::stream;

/// What was said about NULLs in SQL: `IGNORE NULLS`, or `RESPECT NULLS`, which is the same as nothing.
///
/// A window function that has a parameter of this type, at any place, may be called with `IGNORE NULLS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NullTreatment {
    /// NULLs are values as others.
    Respect,
    /// NULLs are to be passed over.
    Ignore,
}

impl NullTreatment {
    /// What was said in this call. `#[udwf]` calls it.
    pub fn of(call: &Call<'_>) -> Self {
        if call.flags() & flag::IGNORE_NULLS != 0 {
            NullTreatment::Ignore
        } else {
            NullTreatment::Respect
        }
    }

    /// Whether NULLs are to be passed over.
    pub fn ignores(self) -> bool {
        self == NullTreatment::Ignore
    }
}

/// The peers of a partition: rows that the window's `ORDER BY` does not tell apart, one set of them behind the other.
#[derive(Clone, Copy, Debug)]
pub struct Peers<'a> {
    starts: &'a [u32],
    rows: usize,
}

impl<'a> Peers<'a> {
    /// Peers by the first row of each set, for tests of a function's own.
    ///
    /// # Panics
    ///
    /// If the rows do not ascend from 0 to less than `rows`.
    pub fn new(starts: &'a [u32], rows: usize) -> Self {
        let ascend = starts.windows(2).all(|pair| pair[0] < pair[1]);
        let inside = starts.last().is_none_or(|last| (*last as usize) < rows);
        assert!(
            ascend && inside && starts.first().map_or(rows == 0, |first| *first == 0),
            "sets of peers start at 0 and ascend"
        );
        Peers { starts, rows }
    }

    /// The peers of a call. `#[udwf]` calls it.
    ///
    /// # Safety
    ///
    /// `window` is what `docs/abi.md` says and belongs to the call.
    pub unsafe fn of(call: &Call<'a>, window: &WindowCall) -> Self {
        let starts = match window.rank_count {
            0 => &[],
            // SAFETY: the host lays out so many numbers, which stay as they are during the call.
            count => unsafe { slice::from_raw_parts(window.ranks, count as usize) },
        };
        Peers {
            starts,
            rows: call.rows(),
        }
    }

    /// Number of sets.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Number of rows of all sets.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The rows of each set, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Range<usize>> + use<'a> {
        let (starts, rows) = (self.starts, self.rows);
        starts.iter().enumerate().map(move |(place, start)| {
            let end = starts.get(place + 1).map_or(rows, |end| *end as usize);
            *start as usize..end
        })
    }
}

/// Whether a call asks for this operation. `#[udwf]` calls it.
///
/// # Errors
///
/// If it asks for another.
pub fn expect(window: &WindowCall, operation: u32) -> Result<(), Error> {
    if window.operation == operation {
        Ok(())
    } else {
        Err(Error::new("the window function has no such operation"))
    }
}

/// The rows of the frame, which the arguments then are more than. `#[udwf(framed)]` calls it.
///
/// # Errors
///
/// If the frame is not within the rows of the arguments.
pub fn frame(call: &mut Call<'_>, window: &WindowCall) -> Result<Range<usize>, Error> {
    let (start, end) = (window.start as usize, window.end as usize);
    let operands = (0..call.arg_count()).map(|place| call.operand(place));
    let mut columns = operands.filter(|operand| !operand.constant);
    let rows = columns.next().map_or(end, |operand| operand.array.len());
    if start > end || end > rows {
        return Err(Error::new(
            "the frame is not within the rows of the partition",
        ));
    }
    call.set_arg_rows(rows);
    Ok(start..end)
}

/// Opens an argument, in which there must be no NULLs unless its type can say so. `#[udwf]` calls it.
///
/// # Errors
///
/// If there are NULLs, or as [`BatchArgument::open_from`].
pub fn open<'a, C: BatchArgument<'a>>(call: &mut Call<'a>, index: usize) -> Result<C, Error> {
    if !C::NULLS {
        let end = if C::VARIADIC {
            call.arg_count()
        } else {
            index + 1
        };
        for place in index..end {
            if call.operand(place).array.null_count() > 0 {
                return Err(call.operand_error(
                    place,
                    "there are NULLs, which the function does not expect: filter them out, or have it take an Option",
                ));
            }
        }
    }
    C::open_from(call, index)
}

/// What a function over a whole partition may return instead of writing to an `Output`: a `Vec` with a value for each
/// row, or a `Result` of one.
#[diagnostic::on_unimplemented(
    message = "a window function cannot return `{Self}`",
    note = "over a whole partition it returns a Vec with a value for each row, or a Result of one; or its last parameter is &mut Output<'_, T>"
)]
pub trait Rows {
    /// The value of a row.
    type Value: Value;

    /// The values of all rows.
    ///
    /// # Errors
    ///
    /// The function's own.
    fn into_rows(self) -> Result<Vec<Self::Value>, Error>;
}

impl<T: Value> Rows for Vec<T> {
    type Value = T;

    fn into_rows(self) -> Result<Vec<T>, Error> {
        Ok(self)
    }
}

impl<T: Value, E: Into<Error>> Rows for Result<Vec<T>, E> {
    type Value = T;

    fn into_rows(self) -> Result<Vec<T>, Error> {
        self.map_err(Into::into)
    }
}

/// Writes the values of all rows. `#[udwf]` calls it.
///
/// # Errors
///
/// The function's own, or if there are not as many values as rows.
pub fn write_rows<R: Rows>(call: &mut Call<'_>, rows: R) -> Result<(), Error> {
    let values = rows.into_rows()?;
    if values.len() != call.rows() {
        return Err(Error::new(format!(
            "the function returned {} values for {} rows",
            values.len(),
            call.rows()
        )));
    }
    let mut builder = R::Value::builder(&mut call.space());
    for value in values {
        R::Value::push(&mut builder, value);
    }
    let (result, pool) = call.result();
    R::Value::finish(builder, None, result, pool)
}

/// Writes the one value of a frame. `#[udwf(framed)]` calls it.
///
/// # Errors
///
/// The function's own.
pub fn write_value<O: Outcome>(call: &mut Call<'_>, outcome: O) -> Result<(), Error> {
    let value = outcome.into_row().map_err(Into::into)?;
    let mut builder = O::Value::builder(&mut call.space());
    O::Value::push(&mut builder, value);
    let (result, pool) = call.result();
    O::Value::finish(builder, None, result, pool)
}
