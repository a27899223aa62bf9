//! Observers: functions that are told of the engine's events. `#[observer]` makes the calls to this.

use crate::argument::Arguments;
use crate::call::Call;
use crate::error::Error;

/// What an observer returns: nothing, or a `Result` of nothing.
#[diagnostic::on_unimplemented(
    message = "an observer cannot return `{Self}`",
    note = "it returns nothing, or Result<(), E>"
)]
pub trait Observed {
    /// Whether the event was taken.
    ///
    /// # Errors
    ///
    /// The function's own error.
    fn into_taken(self) -> Result<(), Error>;
}

impl Observed for () {
    #[inline(always)]
    fn into_taken(self) -> Result<(), Error> {
        Ok(())
    }
}

impl<E: Into<Error>> Observed for Result<(), E> {
    #[inline(always)]
    fn into_taken(self) -> Result<(), Error> {
        self.map_err(Into::into)
    }
}

/// Calls `function` for every event.
///
/// # Errors
///
/// The first error that the function returns; the events behind it are not seen. An argument that cannot be had as its type.
pub fn run<'a, A, R>(call: &mut Call<'a>, mut function: impl FnMut(A) -> R) -> Result<(), Error>
where
    A: Arguments<'a>,
    R: Observed,
{
    let columns = A::open(call)?;
    let (rows, block_rows) = (call.rows(), call.block_rows());
    let mut start = 0;
    while start < rows {
        let count = block_rows.min(rows - start);
        // SAFETY: `columns` outlives the block, and `start` is less than the number of rows.
        let cursors = unsafe { A::block(&columns, start) };
        for row in 0..count {
            // SAFETY: `row` is less than `count`, so `start + row` is a row; with constants among the arguments,
            // `count` is at most the rows of a block.
            function(unsafe { A::get(cursors, row) }).into_taken()?;
        }
        start += count;
    }
    Ok(())
}
