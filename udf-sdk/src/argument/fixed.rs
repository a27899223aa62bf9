//! Values of fixed width, read straight from the column.

use super::Argument;
use crate::call::{BLOCK_ROWS, Operand};
use crate::data_type::DataType;
use crate::error::Error;
use crate::pool::Pool;
use crate::value::Fixed;

/// Where the values of an argument are.
#[derive(Clone, Copy, Debug)]
pub struct FixedColumn<T> {
    values: *const T,
    /// All ones, or zero for a constant, of which `values` holds the copies for a block.
    mask: usize,
}

// SAFETY: `get` reads the values that `open` found or made.
unsafe impl<'a, T: Fixed> Argument<'a> for T {
    const TYPE: DataType = <T as Fixed>::TYPE;
    type Column = FixedColumn<T>;
    type Cursor = *const T;

    #[inline]
    fn open(operand: Operand<'a>, pool: &mut Pool) -> Result<FixedColumn<T>, Error> {
        // SAFETY: the host laid out the type that the function declared, which is `T`'s.
        let values: &[T] = unsafe { operand.array.values() };
        let mut column = FixedColumn {
            values: values.as_ptr(),
            mask: operand.mask(),
        };
        if let (true, 2.., Some(&value)) = (operand.constant, operand.rows, values.first()) {
            let mut copies = pool.buffer();
            for _ in 0..operand.rows.min(BLOCK_ROWS) {
                copies.push(value);
            }
            column.values = pool.keep(copies).cast();
        }
        Ok(column)
    }

    #[inline(always)]
    unsafe fn block(column: &FixedColumn<T>, start: usize) -> *const T {
        // SAFETY: the column has a row `start`.
        unsafe { column.values.add(start & column.mask) }
    }

    #[inline(always)]
    unsafe fn get(cursor: *const T, row: usize) -> T {
        // SAFETY: the column has this row, or the constant so many copies.
        unsafe { *cursor.add(row) }
    }
}
