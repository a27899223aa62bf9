//! Strings and binaries with offsets.

use std::sync::Arc;

use arrow::array::{ArrayRef, GenericBinaryArray, GenericStringArray, OffsetSizeTrait};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer};

use super::{Node, Reader};
use crate::columns::ColumnError;

impl Reader<'_, '_> {
    pub(super) fn strings<O: OffsetSizeTrait>(
        &mut self,
        node: &Node<'_>,
    ) -> Result<ArrayRef, ColumnError> {
        let (offsets, values, nulls) = self.bytes::<O>(node)?;
        if values.is_ascii() {
            // SAFETY: the offsets rise from 0 to the length of `values` (tested in `offsets`, cut in `bytes`), wherever one falls
            // in ASCII text there is a character's boundary, and `nulls` has a bit for each row.
            let array = unsafe { GenericStringArray::<O>::new_unchecked(offsets, values, nulls) };
            return Ok(Arc::new(array));
        }
        let array = GenericStringArray::<O>::try_new(offsets, values, nulls)
            .map_err(|error| node.invalid(error.to_string()))?;
        Ok(Arc::new(array))
    }

    pub(super) fn binaries<O: OffsetSizeTrait>(
        &mut self,
        node: &Node<'_>,
    ) -> Result<ArrayRef, ColumnError> {
        let (offsets, values, nulls) = self.bytes::<O>(node)?;
        let array = GenericBinaryArray::<O>::try_new(offsets, values, nulls)
            .map_err(|error| node.invalid(error.to_string()))?;
        Ok(Arc::new(array))
    }

    /// The parts of the column. The values are just those between the first offset and the last.
    fn bytes<O: OffsetSizeTrait>(
        &mut self,
        node: &Node<'_>,
    ) -> Result<(OffsetBuffer<O>, Buffer, Option<NullBuffer>), ColumnError> {
        let nulls = self.nulls(node)?;
        let (offsets, first) = self.offsets::<O>(node)?;
        let length = offsets.last().map_or(0, |last| last.as_usize());
        let address = self.buffer_address(node, 2)?;
        let region = "result's strings or binaries";
        let end = if length == 0 {
            0
        } else {
            first.saturating_add(length)
        };
        let bytes = self.memory.slice(region, address, end, 1)?;
        let values = self.copy(bytes.get(first..).unwrap_or_default())?;
        Ok((offsets, values, nulls))
    }
}
