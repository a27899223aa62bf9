//! Bitmaps: bit 0 comes first, and behind the last value there are zeros.

use arrow::buffer::BooleanBuffer;

use super::Writer;
use crate::columns::ColumnError;

impl Writer<'_, '_> {
    /// Copies a bitmap, shifted to start at bit 0 of its first byte.
    pub(super) fn bitmap(&mut self, bits: &BooleanBuffer) -> Result<u32, ColumnError> {
        let (address, target) = self.space(bits.len().div_ceil(8), 1)?;
        if bits.offset().is_multiple_of(8) {
            let first = bits.offset() / 8;
            let source = bits.values().get(first..).unwrap_or_default();
            for (target, source) in target.iter_mut().zip(source) {
                *target = *source;
            }
            if !bits.len().is_multiple_of(8)
                && let Some(last) = target.last_mut()
            {
                *last &= (1_u8 << (bits.len() % 8)) - 1;
            }
            return Ok(address);
        }
        let chunks = bits.bit_chunks();
        let (whole, rest) = target.as_chunks_mut();
        for (target, chunk) in whole.iter_mut().zip(chunks.iter()) {
            *target = chunk.to_le_bytes();
        }
        // The remainder is the last one of `iter_padded`, but it may have filled all 8 bytes of a chunk above.
        let remainder = chunks.remainder_bits().to_le_bytes();
        let rest = match whole.get_mut(chunks.chunk_len()..) {
            Some([last]) => last.as_mut_slice(),
            _ => rest,
        };
        for (target, source) in rest.iter_mut().zip(remainder) {
            *target = source;
        }
        Ok(address)
    }
}
