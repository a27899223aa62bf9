//! Strings and binaries as views, and the buffers that they look into.

use std::sync::Arc;

use arrow::array::{ArrayRef, ByteView, GenericByteViewArray, MAX_INLINE_VIEW_LEN};
use arrow::buffer::{Buffer, NullBuffer};
use arrow::datatypes::{BinaryViewType, ByteViewType, StringViewType, ToByteSlice};

use super::{Node, Reader};
use crate::columns::ColumnError;

/// What the host spends on a buffer besides its bytes. It is charged, as a guest can claim any number of empty ones.
const BUFFER_OVERHEAD_BYTES: usize = 64;

impl Reader<'_, '_> {
    pub(super) fn string_views(&mut self, node: &Node<'_>) -> Result<ArrayRef, ColumnError> {
        self.byte_views::<StringViewType>(node, |value| std::str::from_utf8(value).is_ok())
    }

    pub(super) fn binary_views(&mut self, node: &Node<'_>) -> Result<ArrayRef, ColumnError> {
        self.byte_views::<BinaryViewType>(node, |_| true)
    }

    /// Reads views of the type `V`. `is_valid` says whether bytes are a value of that type; any ASCII text must be.
    fn byte_views<V: ByteViewType>(
        &mut self,
        node: &Node<'_>,
        is_valid: impl Fn(&[u8]) -> bool,
    ) -> Result<ArrayRef, ColumnError> {
        let nulls = self.nulls(node)?;
        let mut views = self.values::<u128>(node, 1)?;
        let buffers = self.data_buffers(node)?;
        self.check(node, &mut views, &buffers, nulls.as_ref(), is_valid)?;
        // SAFETY: `check` has tested that each view lies in its buffer, has its prefix, and is a value of the type, and has set
        // to zero the padding of short views and all views of nulls. `nulls` has a bit for each row, as `views` has a view.
        let array =
            unsafe { GenericByteViewArray::<V>::new_unchecked(views.into(), buffers, nulls) };
        Ok(Arc::new(array))
    }

    /// Copies the data buffers, whose lengths are in the last buffer.
    fn data_buffers(&mut self, node: &Node<'_>) -> Result<Vec<Buffer>, ColumnError> {
        let n_buffers = usize::try_from(node.array.n_buffers).unwrap_or_default();
        let count = n_buffers.saturating_sub(3);
        self.charge(count.saturating_mul(BUFFER_OVERHEAD_BYTES))?;
        let address = self.buffer_address(node, n_buffers.saturating_sub(1))?;
        let memory = self.memory;
        let lengths = memory.slice("result's buffer lengths", address, count, size_of::<i64>())?;
        let mut buffers = Vec::with_capacity(count);
        for (index, length) in lengths.as_chunks().0.iter().enumerate() {
            let length = i64::from_le_bytes(*length);
            let Ok(length) = usize::try_from(length) else {
                return Err(node.invalid(format!("a data buffer has the length {length}")));
            };
            let address = self.buffer_address(node, index.saturating_add(2))?;
            let bytes = memory.slice("result's data buffer", address, length, 1)?;
            buffers.push(self.copy(bytes)?);
        }
        Ok(buffers)
    }

    /// Tests every view and sets to zero what means nothing.
    fn check(
        &mut self,
        node: &Node<'_>,
        views: &mut [u128],
        buffers: &[Buffer],
        nulls: Option<&NullBuffer>,
        is_valid: impl Fn(&[u8]) -> bool,
    ) -> Result<(), ColumnError> {
        // What is ASCII as a whole need not be looked at again for each value in it.
        let is_ascii: Vec<bool> = buffers.iter().map(|buffer| buffer.is_ascii()).collect();
        for (row, view) in views.iter_mut().enumerate() {
            if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                *view = 0;
                continue;
            }
            let length = *view as u32;
            if length <= MAX_INLINE_VIEW_LEN {
                let bits = length.wrapping_mul(8).wrapping_add(32);
                *view &= u128::MAX
                    .checked_shr(128_u32.wrapping_sub(bits))
                    .unwrap_or(0);
                let end = (length as usize).saturating_add(4);
                let value = view.to_byte_slice().get(4..end).unwrap_or_default();
                if !value.is_ascii() && !is_valid(value) {
                    return Err(node.invalid(format!("value {row} is not valid")));
                }
                continue;
            }
            // Many views may share bytes; what they add up to is still bounded, here and for whoever copies them apart.
            self.charge(length as usize)?;
            let place = ByteView::from(*view);
            let index = place.buffer_index as usize;
            let start = place.offset as usize;
            let value = buffers
                .get(index)
                .and_then(|buffer| buffer.get(start..start.saturating_add(length as usize)));
            let Some(value) = value else {
                return Err(node.invalid(format!("value {row} is not in its buffer")));
            };
            if !value.starts_with(&place.prefix.to_le_bytes()) {
                return Err(node.invalid(format!("value {row} does not start with its prefix")));
            }
            if is_ascii.get(index) != Some(&true) && !is_valid(value) {
                return Err(node.invalid(format!("value {row} is not valid")));
            }
        }
        Ok(())
    }
}
