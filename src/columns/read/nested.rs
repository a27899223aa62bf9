//! Lists, maps and structs. Of a child only what the rows cover is read, so its offsets are moved to start at 0.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, FixedSizeListArray, GenericListArray, GenericListViewArray, MapArray,
    OffsetSizeTrait, StructArray,
};
use arrow::datatypes::{ArrowNativeType, FieldRef, Fields};

use super::{Node, Reader};
use crate::columns::ColumnError;

impl Reader<'_, '_> {
    /// The address of child number `index`.
    pub(super) fn child(&self, node: &Node<'_>, index: usize) -> Result<u32, ColumnError> {
        Ok(self
            .memory
            .address_at("result's children", node.array.children, index)?)
    }

    pub(super) fn list<O: OffsetSizeTrait>(
        &mut self,
        node: &Node<'_>,
        field: &FieldRef,
    ) -> Result<ArrayRef, ColumnError> {
        let nulls = self.nulls(node)?;
        let (offsets, first) = self.offsets::<O>(node)?;
        let covered = offsets.last().map_or(0, |last| last.as_usize());
        let child = self.child(node, 0)?;
        let values = self.part(child, field.data_type(), first, covered)?;
        let array = GenericListArray::<O>::try_new(field.clone(), offsets, values, nulls)
            .map_err(|error| node.invalid(error.to_string()))?;
        Ok(Arc::new(array))
    }

    pub(super) fn map(
        &mut self,
        node: &Node<'_>,
        field: &FieldRef,
        sorted: bool,
    ) -> Result<ArrayRef, ColumnError> {
        let nulls = self.nulls(node)?;
        let (offsets, first) = self.offsets::<i32>(node)?;
        let covered = offsets.last().map_or(0, |last| last.as_usize());
        let child = self.child(node, 0)?;
        let entries = self.part(child, field.data_type(), first, covered)?;
        let Some(entries) = entries.as_struct_opt() else {
            return Err(node.invalid("its entries are not structs"));
        };
        let array = MapArray::try_new(field.clone(), offsets, entries.clone(), nulls, sorted)
            .map_err(|error| node.invalid(error.to_string()))?;
        Ok(Arc::new(array))
    }

    pub(super) fn list_view<O: OffsetSizeTrait>(
        &mut self,
        node: &Node<'_>,
        field: &FieldRef,
    ) -> Result<ArrayRef, ColumnError> {
        let nulls = self.nulls(node)?;
        let mut offsets = self.values::<O>(node, 1)?;
        let mut sizes = self.values::<O>(node, 2)?;
        let (mut first, mut end) = (usize::MAX, 0);
        for (row, (offset, size)) in offsets.iter_mut().zip(&mut sizes).enumerate() {
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                // What a null covers means nothing.
                (*offset, *size) = (O::default(), O::default());
            }
            let (Some(start), Some(length)) = (offset.to_usize(), size.to_usize()) else {
                return Err(node.invalid(format!("row {row} has a negative offset or size")));
            };
            if length == 0 {
                continue;
            }
            // Rows may share values; what they add up to is still bounded.
            self.charge(length)?;
            first = first.min(start);
            end = end.max(start.saturating_add(length));
        }
        let first = first.min(end);
        for (offset, size) in offsets.iter_mut().zip(&sizes) {
            *offset = match size.as_usize() {
                0 => O::default(),
                _ => O::usize_as(offset.as_usize().saturating_sub(first)),
            };
        }
        let child = self.child(node, 0)?;
        let values = self.part(child, field.data_type(), first, end.saturating_sub(first))?;
        let (offsets, sizes) = (offsets.into(), sizes.into());
        let array =
            GenericListViewArray::<O>::try_new(field.clone(), offsets, sizes, values, nulls)
                .map_err(|error| node.invalid(error.to_string()))?;
        Ok(Arc::new(array))
    }

    pub(super) fn fixed_list(
        &mut self,
        node: &Node<'_>,
        field: &FieldRef,
        width: i32,
    ) -> Result<ArrayRef, ColumnError> {
        self.charge(node.rows)?;
        let nulls = self.nulls(node)?;
        let covered = usize::try_from(width).ok().and_then(|width| {
            Some((
                node.start.checked_mul(width)?,
                node.rows.checked_mul(width)?,
            ))
        });
        let Some((first, count)) = covered else {
            return Err(node.invalid("its values are beyond all bounds"));
        };
        let child = self.child(node, 0)?;
        let values = self.part(child, field.data_type(), first, count)?;
        let field = field.clone();
        let array = FixedSizeListArray::try_new_with_length(field, width, values, nulls, node.rows)
            .map_err(|error| node.invalid(error.to_string()))?;
        Ok(Arc::new(array))
    }

    pub(super) fn structure(
        &mut self,
        node: &Node<'_>,
        fields: &Fields,
    ) -> Result<ArrayRef, ColumnError> {
        self.charge(node.rows)?;
        let nulls = self.nulls(node)?;
        let mut columns = Vec::with_capacity(fields.len());
        for (index, field) in fields.iter().enumerate() {
            let child = self.child(node, index)?;
            // A struct's own offset holds for its children too.
            columns.push(self.part(child, field.data_type(), node.start, node.rows)?);
        }
        let array = StructArray::try_new_with_length(fields.clone(), columns, nulls, node.rows)
            .map_err(|error| node.invalid(error.to_string()))?;
        Ok(Arc::new(array))
    }
}
