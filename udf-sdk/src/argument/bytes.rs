//! Text and bytes, borrowed from the column.

use core::slice;
use core::str;

use super::Argument;
use crate::call::Operand;
use crate::data_type::DataType;
use crate::error::Error;
use crate::pool::Pool;

/// Offsets and data of an argument.
#[derive(Clone, Copy, Debug)]
pub struct Spans {
    offsets: *const i32,
    data: *const u8,
    mask: usize,
}

impl Spans {
    /// The bytes of a row.
    ///
    /// # Safety
    ///
    /// The column has this row and lives for `'a`.
    #[inline(always)]
    unsafe fn get<'a>(self, row: usize) -> &'a [u8] {
        // SAFETY: the host promises offsets that grow and lie in the data; there is one more than there are rows.
        unsafe {
            let offsets = self.offsets.add(row & self.mask);
            let (start, end) = (*offsets as usize, *offsets.add(1) as usize);
            slice::from_raw_parts(self.data.add(start), end - start)
        }
    }
}

macro_rules! bytes {
    ($($rust:ty: $sql:ident, $bytes:ident => $value:expr;)*) => {$(
        // SAFETY: `get` reads the buffers that `open` found.
        unsafe impl<'a> Argument<'a> for $rust {
            const TYPE: DataType = DataType::$sql;
            type Column = Spans;
            type Cursor = Spans;

            #[inline]
            fn open(operand: Operand<'a>, _: &mut Pool) -> Result<Spans, Error> {
                Ok(Spans {
                    offsets: operand.array.buffer(1),
                    data: operand.array.buffer(2),
                    mask: operand.mask(),
                })
            }

            #[inline(always)]
            unsafe fn block(column: &Spans, start: usize) -> Spans {
                Spans {
                    // SAFETY: the column has a row `start`.
                    offsets: unsafe { column.offsets.add(start & column.mask) },
                    ..*column
                }
            }

            #[inline(always)]
            unsafe fn get(cursor: Spans, row: usize) -> Self {
                // SAFETY: by the contract of `Argument::get`.
                let $bytes: &'a [u8] = unsafe { cursor.get(row) };
                $value
            }
        }
    )*};
}

bytes! {
    &'a [u8]: Binary, bytes => bytes;
    // SAFETY: the host promises UTF-8.
    &'a str: Utf8, bytes => unsafe { str::from_utf8_unchecked(bytes) };
}
