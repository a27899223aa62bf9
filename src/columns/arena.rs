//! The host's region in guest memory, handed out from front to back.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

use super::ColumnError;

/// Hands out addresses in the host's region. It holds no memory: what lies there is written through
/// [`GuestMemory`](crate::memory::GuestMemory), which tests every address again.
#[derive(Clone, Debug)]
pub struct Arena {
    /// First address that is free.
    next: u64,
    /// First address behind the region, at most 2^32.
    end: u64,
    /// Size of the region.
    capacity: u64,
}

impl Arena {
    /// The region of `size` bytes at `address`, all of it free.
    pub fn new(address: u32, size: u32) -> Self {
        let (start, capacity) = (u64::from(address), u64::from(size));
        let end = start.saturating_add(capacity).min(1 << 32);
        Self {
            next: start,
            end,
            capacity,
        }
    }

    /// Bytes that are taken.
    #[inline]
    pub const fn used(&self) -> u64 {
        self.capacity
            .saturating_sub(self.end.saturating_sub(self.next))
    }

    /// The most that [`Self::alloc`] takes from the region for the same numbers, wherever it stands.
    #[inline]
    pub const fn cost(bytes: u64, align: u32) -> u64 {
        bytes.saturating_add(align.saturating_sub(1) as u64)
    }

    /// Takes `bytes` bytes that start at a multiple of `align`, a power of two.
    ///
    /// # Errors
    ///
    /// [`ColumnError::RegionFull`].
    #[inline]
    pub fn alloc(&mut self, bytes: u64, align: u32) -> Result<u32, ColumnError> {
        debug_assert!(align.is_power_of_two());
        let mask = u64::from(align).wrapping_sub(1);
        // `next` is at most 2^32, so the first sum cannot overflow.
        let start = self.next.wrapping_add(mask) & !mask;
        match start.checked_add(bytes) {
            Some(next) if next <= self.end => {
                self.next = next;
                // At the very end of a 4 GiB memory an address of nothing is 2^32; it becomes 0, the address of nothing.
                Ok(start as u32)
            }
            _ => Err(self.full()),
        }
    }

    #[cold]
    #[inline(never)]
    fn full(&self) -> ColumnError {
        ColumnError::RegionFull {
            capacity: self.capacity,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_aligned_and_do_not_overlap() {
        let mut arena = Arena::new(10, 300);
        assert_eq!(arena.alloc(1, 1).unwrap(), 10);
        assert_eq!(arena.alloc(8, 64).unwrap(), 64);
        assert_eq!(arena.alloc(0, 64).unwrap(), 128);
        assert_eq!(arena.alloc(182, 8).unwrap(), 128);
        assert!(matches!(
            arena.alloc(1, 1),
            Err(ColumnError::RegionFull { capacity: 300 })
        ));
        assert_eq!(arena.alloc(0, 1).unwrap(), 310);
    }

    #[test]
    fn the_last_page_of_a_32_bit_memory_can_be_used() {
        let mut arena = Arena::new(u32::MAX - 63, 64);
        assert_eq!(arena.alloc(64, 64).unwrap(), u32::MAX - 63);
        assert!(arena.alloc(1, 1).is_err());
        let mut arena = Arena::new(u32::MAX, u32::MAX);
        assert!(arena.alloc(1, 64).is_err());
        assert!(arena.alloc(u64::MAX, 1).is_err());
    }
}
