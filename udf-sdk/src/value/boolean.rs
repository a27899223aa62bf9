//! Truth values, and bitmaps in general: one bit a value.

use super::Value;
use crate::bits;
use crate::buffer::Buffer;
use crate::call::Space;
use crate::data_type::DataType;
use crate::error::Error;
use crate::pool::Pool;
use crate::raw::ArrowArray;

/// Collects bits.
#[derive(Debug)]
pub struct BitBuilder {
    bytes: Buffer,
    length: usize,
}

/// Which values of a column are NULL.
#[derive(Debug)]
pub struct Nulls {
    /// A bit for each value: whether it is one.
    pub(crate) validity: BitBuilder,
    /// Number of NULLs.
    pub(crate) count: usize,
}

impl Nulls {
    /// A validity bitmap's buffer and the number of nulls. Without nulls there is no bitmap.
    #[inline]
    pub(crate) fn into_parts(nulls: Option<Nulls>) -> (Option<Buffer>, usize) {
        match nulls {
            Some(nulls) if nulls.count > 0 => (Some(nulls.validity.bytes), nulls.count),
            _ => (None, 0),
        }
    }
}

impl BitBuilder {
    #[inline]
    pub(crate) fn new(bytes: Buffer) -> Self {
        BitBuilder { bytes, length: 0 }
    }

    /// The bitmap.
    pub(crate) fn into_buffer(self) -> Buffer {
        self.bytes
    }

    /// Appends a bit.
    #[inline(always)]
    pub(crate) fn push(&mut self, bit: bool) {
        let shift = self.length % 8;
        if shift == 0 {
            self.bytes.push(u8::from(bit));
        } else if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(bit) << shift;
        }
        self.length += 1;
    }

    /// Appends `count` bits, `bit(0)` to `bit(count - 1)`; how many of them are set.
    #[inline(always)]
    pub(crate) fn extend<E>(
        &mut self,
        count: usize,
        mut bit: impl FnMut(usize) -> Result<bool, E>,
    ) -> Result<usize, E> {
        let (mut done, mut set) = (0, 0);
        if self.length.is_multiple_of(8) {
            // First bytes, which the compiler can vectorise, then eight of them into one.
            while count - done >= 64 {
                let mut wide = [0u8; 64];
                for (index, byte) in wide.iter_mut().enumerate() {
                    *byte = u8::from(bit(done + index)?);
                }
                let (eights, _) = wide.as_chunks::<8>();
                let mut packed = [0u8; 8];
                for (byte, eight) in packed.iter_mut().zip(eights) {
                    *byte = bits::pack(*eight);
                }
                self.bytes.push(packed);
                self.length += 64;
                done += 64;
                set += u64::from_ne_bytes(packed).count_ones() as usize;
            }
        }
        for index in done..count {
            let bit = bit(index)?;
            set += usize::from(bit);
            self.push(bit);
        }
        Ok(set)
    }
}

impl Value for bool {
    const TYPE: DataType = DataType::Boolean;
    type Builder = BitBuilder;

    #[inline]
    fn builder(space: &mut Space<'_>) -> BitBuilder {
        BitBuilder::new(space.values(1))
    }

    #[inline(always)]
    fn push(builder: &mut BitBuilder, value: bool) {
        builder.push(value);
    }

    #[inline(always)]
    fn push_null(builder: &mut BitBuilder) {
        builder.push(false);
    }

    #[inline(always)]
    fn extend<E>(
        builder: &mut BitBuilder,
        count: usize,
        row: impl FnMut(usize) -> Result<bool, E>,
    ) -> Result<(), E> {
        builder.extend(count, row).map(|_| ())
    }

    #[inline]
    fn finish(
        builder: BitBuilder,
        nulls: Option<Nulls>,
        out: &mut ArrowArray,
        pool: &mut Pool,
    ) -> Result<(), Error> {
        let (bitmap, null_count) = Nulls::into_parts(nulls);
        pool.write(
            out,
            builder.length,
            null_count,
            [bitmap, Some(builder.bytes)],
            &[],
        );
        Ok(())
    }
}
