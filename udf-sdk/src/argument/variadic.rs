//! Any number of arguments at the end.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use super::Argument;
use crate::call::{Call, Operand};
use crate::data_type::DataType;
use crate::error::Error;
use crate::pool::Pool;

/// One row's values of the last parameter, which a call may repeat: there is at least one.
pub struct Variadic<'a, T: Argument<'a>> {
    cursor: VariadicCursor<T::Column>,
    row: usize,
}

impl<'a, T: Argument<'a>> Clone for Variadic<'a, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<'a, T: Argument<'a>> Copy for Variadic<'a, T> {}

impl<'a, T: Argument<'a>> Variadic<'a, T> {
    /// Number of values.
    #[expect(
        clippy::len_without_is_empty,
        reason = "there is always at least one value"
    )]
    pub fn len(&self) -> usize {
        self.cursor.count
    }

    /// Value `index`, counted from 0.
    pub fn get(&self, index: usize) -> Option<T> {
        // SAFETY: there are `count` columns, which stay in place as long as the block's rows are run, and they
        // all have the row that this was made for.
        (index < self.cursor.count).then(|| unsafe {
            let cursor = T::block(&*self.cursor.columns.add(index), self.cursor.start);
            T::get(cursor, self.row)
        })
    }

    /// The values in order.
    pub fn iter(&self) -> impl Iterator<Item = T> {
        let values = *self;
        (0..values.len()).filter_map(move |index| values.get(index))
    }
}

impl<'a, T: Argument<'a> + fmt::Debug> fmt::Debug for Variadic<'a, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The columns of a variadic parameter, and a block's first row.
#[derive(Debug)]
pub struct VariadicCursor<C> {
    columns: *const C,
    count: usize,
    start: usize,
}

impl<C> Clone for VariadicCursor<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for VariadicCursor<C> {}

// SAFETY: all reading is done by `T`.
unsafe impl<'a, T: Argument<'a>> Argument<'a> for Variadic<'a, T> {
    const TYPE: DataType = T::TYPE;
    const NULLS: bool = T::NULLS;
    const VARIADIC: bool = true;
    type Column = Vec<T::Column>;
    type Cursor = VariadicCursor<T::Column>;

    fn open(operand: Operand<'a>, pool: &mut Pool) -> Result<Self::Column, Error> {
        Ok(vec![T::open(operand, pool)?])
    }

    fn open_from(call: &mut Call<'a>, index: usize) -> Result<Self::Column, Error> {
        (index..call.arg_count())
            .map(|place| T::open_from(call, place))
            .collect()
    }

    #[inline(always)]
    unsafe fn block(column: &Self::Column, start: usize) -> Self::Cursor {
        VariadicCursor {
            columns: column.as_ptr(),
            count: column.len(),
            start,
        }
    }

    #[inline(always)]
    unsafe fn get(cursor: Self::Cursor, row: usize) -> Self {
        Variadic { cursor, row }
    }
}
