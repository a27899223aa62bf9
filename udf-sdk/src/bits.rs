//! Bitmaps: bit `i` is bit `i % 8` of byte `i / 8`.

/// Bit `index` of the bitmap at `bitmap`.
///
/// # Safety
///
/// The bitmap has more than `index` bits.
#[inline(always)]
pub(crate) unsafe fn get(bitmap: *const u8, index: usize) -> bool {
    // SAFETY: by the contract of this function.
    let byte = unsafe { *bitmap.add(index / 8) };
    byte >> (index % 8) & 1 != 0
}

/// Eight bytes, each 0 or 1, as the eight bits of a byte.
#[inline(always)]
pub(crate) fn pack(bytes: [u8; 8]) -> u8 {
    // Multiplied so, byte i ends up in bit 56 + i and no two of them meet.
    (u64::from_le_bytes(bytes).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_every_byte() {
        for byte in 0..=255u8 {
            let bytes = core::array::from_fn(|bit| byte >> bit & 1);
            assert_eq!(pack(bytes), byte);
            let back: [u8; 8] = core::array::from_fn(|bit| {
                // SAFETY: a bitmap of eight bits.
                unsafe { get(&byte, bit) }.into()
            });
            assert_eq!(back, bytes);
        }
    }
}
