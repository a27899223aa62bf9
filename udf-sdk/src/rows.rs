//! Runs a function of one row over all rows of a call.

use crate::argument::Arguments;
use crate::call::Call;
use crate::error::Error;
use crate::value::{BitBuilder, Nulls, Outcome, Value, Writer, Written};

/// Calls `function` for every row and writes the result.
///
/// # Errors
///
/// The first error that the function returns, or an argument that cannot be had as its type.
#[inline(always)]
pub fn run<'a, A, R>(call: &mut Call<'a>, mut function: impl FnMut(A) -> R) -> Result<(), Error>
where
    A: Arguments<'a>,
    R: Outcome,
{
    let columns = A::open(call)?;
    let mut builder = R::Value::builder(&mut call.space());
    let (rows, block_rows) = (call.rows(), call.block_rows());
    let mut start = 0;
    while start < rows {
        let count = block_rows.min(rows - start);
        // SAFETY: `columns` outlives the block, and `start` is less than the number of rows.
        let cursors = unsafe { A::block(&columns, start) };
        R::Value::extend(&mut builder, count, |row| {
            // SAFETY: `row` is less than `count`, so `start + row` is a row; with constants among the arguments,
            // `count` is at most the rows of a block.
            function(unsafe { A::get(cursors, row) }).into_row()
        })
        .map_err(Into::into)?;
        start += count;
    }
    let (result, pool) = call.result();
    R::Value::finish(builder, None, result, pool)
}

/// Calls `function` for every row with a writer for its result.
///
/// # Errors
///
/// As [`run`].
#[inline(always)]
pub fn run_writer<'a, A, W, R>(
    call: &mut Call<'a>,
    mut function: impl FnMut(A, &mut W) -> R,
) -> Result<(), Error>
where
    A: Arguments<'a>,
    W: Writer,
    R: Written,
{
    let columns = A::open(call)?;
    let mut space = call.space();
    let mut validity = BitBuilder::new(space.bitmap());
    let mut writer = W::new(&mut space);
    let mut null_count = 0;
    let (rows, block_rows) = (call.rows(), call.block_rows());
    let mut start = 0;
    while start < rows {
        let count = block_rows.min(rows - start);
        // SAFETY: as in `run`.
        let cursors = unsafe { A::block(&columns, start) };
        let mut run_row = |row| {
            // SAFETY: as in `run`.
            let valid = function(unsafe { A::get(cursors, row) }, &mut writer).into_valid()?;
            if valid {
                writer.end_value();
            } else {
                writer.end_null();
                null_count += 1;
            }
            Ok::<bool, Error>(valid)
        };
        if R::NULLABLE {
            validity.extend(count, run_row)?;
        } else {
            for row in 0..count {
                run_row(row)?;
            }
        }
        start += count;
    }
    let nulls = Nulls {
        validity,
        count: null_count,
    };
    let (result, pool) = call.result();
    writer.finish(Some(nulls), result, pool)
}
