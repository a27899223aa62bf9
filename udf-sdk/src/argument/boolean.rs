//! Truth values, read from a bitmap.

use super::Argument;
use crate::bits;
use crate::call::Operand;
use crate::data_type::DataType;
use crate::error::Error;
use crate::pool::Pool;

/// A bitmap from a bit on, or one bit for every row.
#[derive(Clone, Copy, Debug)]
pub struct Bits {
    pub(super) bitmap: *const u8,
    pub(super) start: usize,
    pub(super) mask: usize,
}

impl Bits {
    /// The same from a later row on.
    #[inline(always)]
    pub(super) fn from(self, start: usize) -> Bits {
        Bits {
            start: self.start + start,
            ..self
        }
    }

    /// Whether the row's bit is set.
    ///
    /// # Safety
    ///
    /// The bitmap has a bit for the row.
    #[inline(always)]
    pub(super) unsafe fn get(self, row: usize) -> bool {
        // SAFETY: by the contract of this function.
        unsafe { bits::get(self.bitmap, (self.start + row) & self.mask) }
    }
}

// SAFETY: `get` reads the bitmap that `open` found.
unsafe impl<'a> Argument<'a> for bool {
    const TYPE: DataType = DataType::Boolean;
    type Column = Bits;
    type Cursor = Bits;

    #[inline]
    fn open(operand: Operand<'a>, _: &mut Pool) -> Result<Bits, Error> {
        Ok(Bits {
            bitmap: operand.array.buffer(1),
            start: 0,
            mask: operand.mask(),
        })
    }

    #[inline(always)]
    unsafe fn block(column: &Bits, start: usize) -> Bits {
        column.from(start)
    }

    #[inline(always)]
    unsafe fn get(cursor: Bits, row: usize) -> bool {
        // SAFETY: by the contract of `Argument::get`.
        unsafe { cursor.get(row) }
    }
}
