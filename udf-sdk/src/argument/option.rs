//! NULL as an argument.

use super::Argument;
use super::boolean::Bits;
use crate::call::Operand;
use crate::data_type::DataType;
use crate::error::Error;
use crate::pool::Pool;

// SAFETY: `get` reads the bitmap that `open` found, and through `T` what `T` opened.
unsafe impl<'a, T: Argument<'a>> Argument<'a> for Option<T> {
    const TYPE: DataType = T::TYPE;
    const NULLS: bool = true;
    type Column = (Bits, T::Column);
    type Cursor = (Bits, T::Cursor);

    #[inline]
    fn open(operand: Operand<'a>, pool: &mut Pool) -> Result<Self::Column, Error> {
        let validity = Bits {
            bitmap: operand.array.validity(),
            start: 0,
            mask: operand.mask(),
        };
        Ok((validity, T::open(operand, pool)?))
    }

    #[inline(always)]
    unsafe fn block(column: &Self::Column, start: usize) -> Self::Cursor {
        // SAFETY: by the contract of `Argument::block`.
        (column.0.from(start), unsafe { T::block(&column.1, start) })
    }

    #[inline(always)]
    unsafe fn get(cursor: Self::Cursor, row: usize) -> Self {
        // SAFETY: the bitmap, if there is one, has a bit for each row; and by the contract of `Argument::get`.
        unsafe {
            if cursor.0.bitmap.is_null() || cursor.0.get(row) {
                Some(T::get(cursor.1, row))
            } else {
                None
            }
        }
    }
}
