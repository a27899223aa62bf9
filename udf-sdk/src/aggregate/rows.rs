//! Rows into states: the loops of aggregate functions.

use core::mem;
use core::slice;

use super::groups::Groups;
use crate::argument::Arguments;
use crate::bits;
use crate::call::Call;
use crate::error::Error;
use crate::raw::AggregateCall;

/// Rows of a block that the compiler makes one turn of a loop, if a row is cheap: the host has each turn look whether it must stop.
const UNROLLED: usize = 16;

/// Rows of a block that the compiler keeps as a loop and can vectorise: one whose rows all go to the same state.
const VECTORISED: usize = 256;

/// A larger state is changed where it lies: to move it out and back would cost more than it helps.
const LOCAL_BYTES_MAX: usize = 128;

/// Which rows count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filter(*const u8);

impl Filter {
    /// A bitmap, or all rows if there is none.
    pub(super) fn new(bitmap: *const u8) -> Self {
        Filter(bitmap)
    }

    /// Whether a row counts.
    ///
    /// # Safety
    ///
    /// The bitmap, if there is one, has a bit for the row.
    #[inline(always)]
    pub(super) unsafe fn counts(self, row: usize) -> bool {
        // SAFETY: by the contract of this function.
        self.0.is_null() || unsafe { bits::get(self.0, row) }
    }

    /// The bits of eight rows from `start` on, a multiple of 8.
    ///
    /// # Safety
    ///
    /// There is a bitmap, and it has a bit for row `start`.
    #[inline(always)]
    unsafe fn eight(self, start: usize) -> u32 {
        // SAFETY: by the contract of this function; bits behind the last row are 0.
        u32::from(unsafe { *self.0.add(start / 8) })
    }
}

/// Calls `take` for every row that counts, with the state of its group.
///
/// # Errors
///
/// The first error that `take` returns, or an argument that cannot be had as its type.
///
/// # Safety
///
/// `aggregate` is what `docs/abi.md` says and belongs to the call, whose arguments have the types `A`.
#[inline(always)]
pub(super) unsafe fn take_in<'a, S: Default, A: Arguments<'a>>(
    call: &mut Call<'a>,
    aggregate: &AggregateCall,
    groups: &mut Groups<S>,
    heap_bytes: &impl Fn(&S) -> usize,
    take: impl Fn(&mut S, A) -> Result<(), Error>,
) -> Result<(), Error> {
    let arguments = A::open(call)?;
    let filter = Filter::new(aggregate.filter);
    let (mut more, mut less) = (0usize, 0usize);
    let outcome = if aggregate.group_ids.is_null() {
        groups.grow(1);
        let first = &mut groups.states()[0];
        less = heap_bytes(first);
        let outcome = if size_of::<S>() <= LOCAL_BYTES_MAX {
            // In a variable of its own the state can be in registers: nothing that is read can be a part of it.
            let mut state = mem::take(first);
            // SAFETY: by the contract of this function.
            let outcome = unsafe {
                each::<A, VECTORISED>(call, &arguments, filter, |_, values| {
                    take(&mut state, values)
                })
            };
            *first = state;
            outcome
        } else {
            // SAFETY: as before.
            unsafe {
                each::<A, UNROLLED>(call, &arguments, filter, |_, values| take(first, values))
            }
        };
        more = heap_bytes(first);
        outcome
    } else {
        // SAFETY: there is a number for each row.
        let ids = unsafe { slice::from_raw_parts(aggregate.group_ids, call.rows()) };
        let states = groups.states();
        // SAFETY: as before.
        unsafe {
            each::<A, UNROLLED>(call, &arguments, filter, |row, values| {
                // SAFETY: `each` gives numbers of rows.
                let state = &mut states[*ids.get_unchecked(row) as usize];
                less = less.wrapping_add(heap_bytes(state));
                let outcome = take(state, values);
                more = more.wrapping_add(heap_bytes(state));
                outcome
            })
        }
    };
    groups.count_heap(more, less);
    outcome
}

/// Calls `run` for every row that counts, with its number and its values, in blocks of `BLOCK` rows if all count.
///
/// # Safety
///
/// As [`take_in`].
#[inline(always)]
unsafe fn each<'a, A: Arguments<'a>, const BLOCK: usize>(
    call: &Call<'a>,
    arguments: &A::Columns,
    filter: Filter,
    mut run: impl FnMut(usize, A) -> Result<(), Error>,
) -> Result<(), Error> {
    let (rows, block_rows) = (call.rows(), call.block_rows());
    let mut start = 0;
    while start < rows {
        let count = block_rows.min(rows - start);
        // SAFETY: `arguments` outlives the block, and `start` is less than the number of rows.
        let cursors = unsafe { A::block(arguments, start) };
        // SAFETY: all rows below are less than `count`, as in `rows::run`.
        let mut run = |row| run(start + row, unsafe { A::get(cursors, row) });
        if filter.0.is_null() {
            let mut row = 0;
            while count - row >= BLOCK {
                for step in 0..BLOCK {
                    run(row + step)?;
                }
                row += BLOCK;
            }
            while row < count {
                run(row)?;
                row += 1;
            }
        } else {
            let mut row = 0;
            while row < count {
                // SAFETY: blocks start at multiples of 8, and the filter has a bit for each row.
                let mut eight = unsafe { filter.eight(start + row) };
                while eight != 0 {
                    run(row + eight.trailing_zeros() as usize)?;
                    eight &= eight - 1;
                }
                row += 8;
            }
        }
        start += count;
    }
    Ok(())
}
