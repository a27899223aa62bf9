//! The one gate to guest memory: the only place where a guest's address becomes a slice.
//!
//! Every access multiplies checked, tests the bounds and names the region it was after in its error.
//! [`GuestMemory`] holds the memory as `&mut [u8]`, so the compiler forbids calling the guest, which could
//! write to it or move it, while any view into it is alive. This room knows bytes and the structs of the binary interface;
//! it knows neither Arrow nor the engine.
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

mod record;

pub use record::Record;

// Buffers cross by memcpy. A big-endian host would have to turn every number around.
#[cfg(target_endian = "big")]
compile_error!(
    "guest memory is little-endian and is copied as it is: big-endian hosts are not supported"
);

/// The linear memory of one guest, while the guest is not running.
pub struct GuestMemory<'a> {
    bytes: &'a mut [u8],
}

/// An address and a size that do not lie in the guest's memory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// The region reaches beyond the end of memory.
    #[error(
        "{region}: {count} x {width} bytes at address {address} do not fit in the guest's memory of {memory_bytes} bytes"
    )]
    OutOfBounds {
        /// What was to be read or written.
        region: &'static str,
        /// Where it was said to start.
        address: u32,
        /// How many elements it was said to have.
        count: usize,
        /// Bytes of an element.
        width: usize,
        /// Size of the memory.
        memory_bytes: usize,
    },
    /// The address is 0, which means "not there", although there must be something.
    #[error("{region}: its address is 0, although it may not be empty")]
    Missing {
        /// What was to be read.
        region: &'static str,
    },
    /// A text has no zero byte where one must end it.
    #[error("{region}: no zero byte ends it within {bytes_max} bytes at address {address}")]
    Unterminated {
        /// What was to be read.
        region: &'static str,
        /// Where it starts.
        address: u32,
        /// How many bytes were looked at, at most.
        bytes_max: usize,
    },
}

impl<'a> GuestMemory<'a> {
    /// Wraps a guest's memory.
    pub fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes }
    }

    /// Size of the memory in bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the guest has no memory at all.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The `count` elements of `width` bytes each at `address`. Nothing is read where `count` or `width` is 0, whatever the address.
    ///
    /// # Errors
    ///
    /// [`MemoryError`] if they are not all in memory, or if `address` is 0.
    #[inline]
    pub fn slice(
        &self,
        region: &'static str,
        address: u32,
        count: usize,
        width: usize,
    ) -> Result<&[u8], MemoryError> {
        if let Some(bytes) = count.checked_mul(width) {
            if bytes == 0 {
                return Ok(&[]);
            }
            if let Some(found) = self.bytes.get(address as usize..)
                && let Some(found) = found.get(..bytes)
                && address != 0
            {
                return Ok(found);
            }
        }
        Err(refusal(self.len(), region, address, count, width))
    }

    /// As [`Self::slice`], to write to.
    ///
    /// # Errors
    ///
    /// As [`Self::slice`].
    #[inline]
    pub fn slice_mut(
        &mut self,
        region: &'static str,
        address: u32,
        count: usize,
        width: usize,
    ) -> Result<&mut [u8], MemoryError> {
        let memory_bytes = self.bytes.len();
        let found = match count.checked_mul(width) {
            Some(0) => return Ok(&mut []),
            Some(bytes) if address != 0 => self
                .bytes
                .get_mut(address as usize..)
                .and_then(|tail| tail.get_mut(..bytes)),
            _ => None,
        };
        found.ok_or_else(|| refusal(memory_bytes, region, address, count, width))
    }

    /// The bytes at `address` up to the first zero byte, which must be among the first `bytes_max` bytes.
    ///
    /// # Errors
    ///
    /// [`MemoryError`] if it is not, or if `address` is 0.
    pub fn text(
        &self,
        region: &'static str,
        address: u32,
        bytes_max: usize,
    ) -> Result<&[u8], MemoryError> {
        let bytes = self.slice(
            region,
            address,
            self.len().saturating_sub(address as usize),
            1,
        )?;
        let bytes = bytes.get(..bytes_max).unwrap_or(bytes);
        let text = bytes.iter().position(|byte| *byte == 0);
        text.and_then(|end| bytes.get(..end))
            .ok_or(MemoryError::Unterminated {
                region,
                address,
                bytes_max,
            })
    }

    /// Reads a struct of the binary interface. It need not be aligned.
    ///
    /// # Errors
    ///
    /// As [`Self::slice`].
    #[inline]
    pub fn read<T: Record>(&self, region: &'static str, address: u32) -> Result<T, MemoryError> {
        let bytes = self.slice(region, address, 1, size_of::<T>())?;
        T::load(bytes).ok_or_else(|| refusal(self.len(), region, address, 1, size_of::<T>()))
    }

    /// Writes a struct of the binary interface, its padding as zeros.
    ///
    /// # Errors
    ///
    /// As [`Self::slice`].
    #[inline]
    pub fn write<T: Record>(
        &mut self,
        region: &'static str,
        address: u32,
        record: &T,
    ) -> Result<(), MemoryError> {
        record.store(self.slice_mut(region, address, 1, size_of::<T>())?);
        Ok(())
    }

    /// Reads the address that is number `index` of those at `address`.
    ///
    /// # Errors
    ///
    /// As [`Self::slice`].
    #[inline]
    pub fn address_at(
        &self,
        region: &'static str,
        address: u32,
        index: usize,
    ) -> Result<u32, MemoryError> {
        let bytes = self.slice(region, address, index.saturating_add(1), size_of::<u32>())?;
        match bytes.last_chunk() {
            Some(last) => Ok(u32::from_le_bytes(*last)),
            None => Err(refusal(
                self.len(),
                region,
                address,
                index,
                size_of::<u32>(),
            )),
        }
    }
}

#[cold]
#[inline(never)]
fn refusal(
    memory_bytes: usize,
    region: &'static str,
    address: u32,
    count: usize,
    width: usize,
) -> MemoryError {
    if address == 0 {
        return MemoryError::Missing { region };
    }
    MemoryError::OutOfBounds {
        region,
        address,
        count,
        width,
        memory_bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_must_lie_in_memory() {
        let mut bytes = [7; 100];
        let mut memory = GuestMemory::new(&mut bytes);
        assert_eq!(memory.slice("x", 96, 4, 1).unwrap(), [7; 4]);
        assert_eq!(memory.slice("x", 4_000_000_000, 0, 8).unwrap(), [0; 0]);
        assert_eq!(memory.slice_mut("x", 0, 5, 0).unwrap(), [0; 0]);
        assert_eq!(
            memory.slice("x", 0, 1, 1),
            Err(MemoryError::Missing { region: "x" })
        );
        for (address, count, width) in [
            (96, 5, 1),
            (97, 1, 4),
            (u32::MAX, 1, 1),
            (4, usize::MAX, 2),
            (4, usize::MAX, 1),
            (101, 1, 1),
        ] {
            assert!(memory.slice("x", address, count, width).is_err());
            let error = memory.slice_mut("the thing", address, count, width);
            let text = error.unwrap_err().to_string();
            assert!(
                text.contains("the thing") && text.contains("100 bytes"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_text_ends_with_a_zero_byte() {
        let mut bytes = *b"\0abc\0def";
        let memory = GuestMemory::new(&mut bytes);
        assert_eq!(memory.text("name", 1, 4).unwrap(), b"abc");
        assert_eq!(memory.text("name", 4, 1).unwrap(), b"");
        assert!(memory.text("name", 1, 3).is_err());
        assert!(memory.text("name", 5, 100).is_err());
        assert!(memory.text("name", 0, 100).is_err());
        assert!(memory.text("name", 9, 100).is_err());
    }

    #[test]
    fn addresses_are_read_from_a_table() {
        let mut bytes = [1, 0, 0, 0, 2, 0, 0, 0, 3];
        let memory = GuestMemory::new(&mut bytes);
        assert_eq!(memory.address_at("children", 4, 0).unwrap(), 2);
        assert!(memory.address_at("children", 4, 1).is_err());
        assert!(memory.address_at("children", 4, usize::MAX).is_err());
    }
}
