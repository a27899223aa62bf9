//! Copies of single buffers, each tested for its place in memory and charged to the budget.

use arrow::array::OffsetSizeTrait;
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer};
use arrow::datatypes::ArrowNativeType;

use super::{Node, Reader};
use crate::columns::ColumnError;

impl<'m> Reader<'m, '_> {
    /// Takes bytes from the budget, before they are allocated.
    #[inline]
    pub(super) fn charge(&mut self, bytes: usize) -> Result<(), ColumnError> {
        match self.bytes_left.checked_sub(bytes) {
            Some(left) => {
                self.bytes_left = left;
                Ok(())
            }
            None => Err(ColumnError::TooLarge {
                bytes_max: self.bytes_max,
            }),
        }
    }

    /// The address of buffer number `index`.
    #[inline]
    pub(super) fn buffer_address(&self, node: &Node<'_>, index: usize) -> Result<u32, ColumnError> {
        Ok(self
            .memory
            .address_at("result's buffer addresses", node.array.buffers, index)?)
    }

    /// Copies bytes of guest memory.
    pub(super) fn copy(&mut self, bytes: &[u8]) -> Result<Buffer, ColumnError> {
        self.charge(bytes.len())?;
        Ok(bytes.to_vec().into())
    }

    /// The bytes of the rows in buffer number `index`, which has `width` bytes for each.
    #[inline]
    pub(super) fn row_bytes(
        &self,
        node: &Node<'_>,
        index: usize,
        width: usize,
    ) -> Result<&'m [u8], ColumnError> {
        let address = self.buffer_address(node, index)?;
        let bytes = self
            .memory
            .slice("result's values", address, node.end(), width)?;
        // In bounds, as all values up to the last one are.
        let first = node.start.saturating_mul(width);
        Ok(bytes.get(first..).unwrap_or_default())
    }

    /// Copies a number for each row from buffer number `index`.
    #[inline]
    pub(super) fn values<T: ArrowNativeType>(
        &mut self,
        node: &Node<'_>,
        index: usize,
    ) -> Result<Vec<T>, ColumnError> {
        let bytes = self.row_bytes(node, index, size_of::<T>())?;
        self.numbers_of(bytes)
    }

    /// Copies bytes as numbers: as many as there are whole ones.
    #[inline]
    fn numbers_of<T: ArrowNativeType>(&mut self, bytes: &[u8]) -> Result<Vec<T>, ColumnError> {
        self.charge(bytes.len())?;
        Ok(numbers(bytes))
    }

    /// Copies a bit for each row.
    pub(super) fn bits(
        &mut self,
        node: &Node<'_>,
        region: &'static str,
        address: u32,
    ) -> Result<BooleanBuffer, ColumnError> {
        let bytes = self
            .memory
            .slice(region, address, node.end().div_ceil(8), 1)?;
        let (first, bit) = (node.start / 8, node.start % 8);
        let copy = self.copy(bytes.get(first..).unwrap_or_default())?;
        Ok(BooleanBuffer::new(copy, bit, node.rows))
    }

    /// The nulls among the rows, counted here: what the guest counted is only compared.
    #[inline]
    pub(super) fn nulls(&mut self, node: &Node<'_>) -> Result<Option<NullBuffer>, ColumnError> {
        if node.array.null_count == 0 {
            return Ok(None);
        }
        self.some_nulls(node)
    }

    fn some_nulls(&mut self, node: &Node<'_>) -> Result<Option<NullBuffer>, ColumnError> {
        let address = self.buffer_address(node, 0)?;
        if address == 0 && node.array.null_count == -1 {
            return Ok(None);
        }
        let nulls = NullBuffer::new(self.bits(node, "result's validity", address)?);
        if node.whole
            && node.array.null_count != -1
            && usize::try_from(node.array.null_count) != Ok(nulls.null_count())
        {
            return Err(node.invalid(format!(
                "its null_count is {}, its validity bitmap has {} nulls",
                node.array.null_count,
                nulls.null_count()
            )));
        }
        Ok(Some(nulls).filter(|nulls| nulls.null_count() > 0))
    }

    /// Copies the offsets of the rows, tested to rise and moved to start at 0; and the place where they started.
    pub(super) fn offsets<O: OffsetSizeTrait>(
        &mut self,
        node: &Node<'_>,
    ) -> Result<(OffsetBuffer<O>, usize), ColumnError> {
        let address = self.buffer_address(node, 1)?;
        let count = node.end().saturating_add(1);
        let width = size_of::<O>();
        let bytes = self
            .memory
            .slice("result's offsets", address, count, width)?;
        let bytes = bytes
            .get(node.start.saturating_mul(width)..)
            .unwrap_or_default();
        let mut offsets = self.numbers_of::<O>(bytes)?;
        let Some(first) = offsets.first().copied() else {
            return Err(node.invalid("it has no offsets"));
        };
        let rises = |offsets: &[O]| {
            // No early way out, so that the compiler can compare many at once.
            std::iter::zip(offsets, offsets.iter().skip(1))
                .fold(true, |rises, (one, next)| rises & (one <= next))
        };
        if first < O::default() || !rises(&offsets) {
            return Err(node.invalid("its offsets are negative or fall"));
        }
        if first != O::default() {
            for offset in &mut offsets {
                // None of them is smaller than `first`, which is not negative.
                *offset = O::usize_as(offset.as_usize().saturating_sub(first.as_usize()));
            }
        }
        // SAFETY: there is one offset at least, the first is 0 now, and `rises` has tested that none is smaller than the one before.
        let offsets = unsafe { OffsetBuffer::new_unchecked(offsets.into()) };
        Ok((offsets, first.as_usize()))
    }
}

/// Copies bytes as numbers: as many as there are whole ones.
#[inline]
pub(super) fn numbers<T: ArrowNativeType>(bytes: &[u8]) -> Vec<T> {
    let count = bytes.len().checked_div(size_of::<T>()).unwrap_or_default();
    let mut numbers = Vec::<T>::with_capacity(count);
    let whole = count.saturating_mul(size_of::<T>());
    // SAFETY: `numbers` has room for `count` numbers, which are `whole` bytes and not more than `bytes` has. The memory is the host's
    // own and new, so the two do not overlap. Arrow's native types (a sealed trait) are integers, floats and
    // structs of integers without padding: every pattern of bits is a value of theirs, and all `count` of them are set here.
    unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), numbers.as_mut_ptr().cast::<u8>(), whole);
        numbers.set_len(count);
    }
    numbers
}
