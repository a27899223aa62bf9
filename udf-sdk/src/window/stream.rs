//! Window functions that go from row to row and keep a state.

use alloc::vec::Vec;

use wasmfusion_abi::WindowCall as Operation;

use crate::argument::Arguments;
use crate::array::Array;
use crate::call::Call;
use crate::error::Error;
use crate::raw::WindowCall;
use crate::rows;
use crate::value::{Outcome, Value};

/// Carries out one operation. `wanted` says of each parameter whether it takes NULLs: a row in which another one is NULL
/// does not reach `next`, and its result is NULL.
///
/// # Errors
///
/// The first error that `next` returns; an argument that cannot be had as its type; an unknown state or operation.
///
/// # Safety
///
/// `window` is what `docs/abi.md` says and belongs to the call.
pub unsafe fn stream<'a, S, A, O>(
    call: &mut Call<'a>,
    window: &mut WindowCall,
    wanted: &[bool],
    mut next: impl FnMut(&mut S, A) -> O,
) -> Result<(), Error>
where
    S: Default + 'static,
    A: Arguments<'a>,
    O: Outcome,
{
    match window.operation {
        Operation::CREATE => {
            window.state = call.pool().states.insert(S::default());
            Ok(())
        }
        Operation::NEXT => {
            let mut state = call.pool().states.lend::<S>(window.state)?;
            let with_nulls = with_nulls(call, wanted);
            let outcome = if with_nulls.is_empty() {
                rows::run(call, |values| next(&mut state, values))
            } else {
                // SAFETY: by the contract of this function.
                unsafe { some(call, &with_nulls, |values| next(&mut state, values)) }
            };
            call.pool().states.restore(window.state, state);
            outcome
        }
        Operation::DROP => call.pool().states.remove::<S>(window.state),
        _ => Err(Error::new("the window function has no such operation")),
    }
}

/// The arguments with NULLs that the function does not take.
fn with_nulls<'a>(call: &Call<'a>, wanted: &[bool]) -> Vec<(Array<'a>, bool)> {
    let Some(last) = wanted.len().checked_sub(1) else {
        return Vec::new();
    };
    (0..call.arg_count())
        .filter(|place| !wanted[(*place).min(last)])
        .map(|place| call.operand(place))
        .filter(|operand| operand.array.null_count() > 0)
        .map(|operand| (operand.array, operand.constant))
        .collect()
}

/// Calls `next` for the rows in which none of the arguments is NULL.
///
/// # Safety
///
/// As [`stream`].
unsafe fn some<'a, A: Arguments<'a>, O: Outcome>(
    call: &mut Call<'a>,
    with_nulls: &[(Array<'a>, bool)],
    mut next: impl FnMut(A) -> O,
) -> Result<(), Error> {
    let columns = A::open(call)?;
    let mut builder = <Option<O::Value>>::builder(&mut call.space());
    let (rows, block_rows) = (call.rows(), call.block_rows());
    let mut start = 0;
    while start < rows {
        let count = block_rows.min(rows - start);
        // SAFETY: `columns` outlives the block, and `start` is less than the number of rows.
        let cursors = unsafe { A::block(&columns, start) };
        for row in 0..count {
            let is_null = with_nulls
                .iter()
                .any(|(array, constant)| array.is_null(if *constant { 0 } else { start + row }));
            let value = if is_null {
                None
            } else {
                // SAFETY: `row` is less than `count`, as in `rows::run`.
                let outcome = next(unsafe { A::get(cursors, row) });
                Some(outcome.into_row().map_err(Into::into)?)
            };
            <Option<O::Value>>::push(&mut builder, value);
        }
        start += count;
    }
    let (result, pool) = call.result();
    <Option<O::Value>>::finish(builder, None, result, pool)
}
