//! Lists, maps and structs: their children are cut to what the rows cover, and their offsets moved to start at 0.

use arrow::array::{Array, ArrayRef, AsArray, OffsetSizeTrait, UInt64Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Fields, ToByteSlice};

use super::{Writer, buffer_cost, children_cost, measure_node, table_cost, validity_cost};
use crate::columns::ColumnError;
use crate::columns::types::can_be_taken;

fn mismatch(array: &dyn Array, target: &DataType) -> ColumnError {
    ColumnError::mismatch(array.data_type(), target)
}

/// The part of `values` that `offsets` cover.
fn covered<O: OffsetSizeTrait>(values: &dyn Array, offsets: &[O]) -> ArrayRef {
    match (offsets.first(), offsets.last()) {
        (Some(first), Some(last)) => values.slice(first.as_usize(), (*last - *first).as_usize()),
        _ => values.slice(0, 0),
    }
}

/// What a list or map costs apart from its child.
fn list_cost(array: &dyn Array, offset_bytes: usize) -> u64 {
    table_cost(2)
        + validity_cost(array.nulls())
        + buffer_cost((array.len() + 1) * offset_bytes)
        + children_cost(1)
}

pub(super) fn measure<O: OffsetSizeTrait>(
    array: &dyn Array,
    target: &DataType,
    field: &Field,
) -> Result<u64, ColumnError> {
    let list = array
        .as_list_opt::<O>()
        .ok_or_else(|| mismatch(array, target))?;
    let values = covered(list.values(), list.value_offsets());
    Ok(list_cost(array, size_of::<O>()) + measure_node(&values, field.data_type())?)
}

pub(super) fn measure_map(
    array: &dyn Array,
    target: &DataType,
    field: &Field,
) -> Result<u64, ColumnError> {
    let map = array.as_map_opt().ok_or_else(|| mismatch(array, target))?;
    let entries = covered(map.entries(), map.value_offsets());
    Ok(list_cost(array, size_of::<i32>()) + measure_node(&entries, field.data_type())?)
}

pub(super) fn measure_view<O: OffsetSizeTrait>(
    array: &dyn Array,
    target: &DataType,
    field: &Field,
) -> Result<u64, ColumnError> {
    let ranges = Ranges::<O>::of(array, target)?;
    Ok(table_cost(3)
        + validity_cost(array.nulls())
        + 2 * buffer_cost(array.len() * size_of::<O>())
        + children_cost(1)
        + measure_node(&ranges.values, field.data_type())?)
}

pub(super) fn measure_fixed(
    array: &dyn Array,
    target: &DataType,
    field: &Field,
) -> Result<u64, ColumnError> {
    let list = array
        .as_fixed_size_list_opt()
        .ok_or_else(|| mismatch(array, target))?;
    Ok(table_cost(1)
        + validity_cost(array.nulls())
        + children_cost(1)
        + measure_node(list.values(), field.data_type())?)
}

pub(super) fn measure_struct(
    array: &dyn Array,
    target: &DataType,
    fields: &Fields,
) -> Result<u64, ColumnError> {
    let structure = array
        .as_struct_opt()
        .ok_or_else(|| mismatch(array, target))?;
    let mut cost = table_cost(1) + validity_cost(array.nulls()) + children_cost(fields.len());
    for (column, field) in structure.columns().iter().zip(fields) {
        cost += measure_node(column, field.data_type())?;
    }
    Ok(cost)
}

impl Writer<'_, '_> {
    pub(super) fn list<O: OffsetSizeTrait>(
        &mut self,
        at: u32,
        array: &dyn Array,
        target: &DataType,
        field: &Field,
    ) -> Result<(), ColumnError> {
        let list = array
            .as_list_opt::<O>()
            .ok_or_else(|| mismatch(array, target))?;
        self.offset_list(at, array, list.value_offsets(), list.values(), field)
    }

    pub(super) fn map(
        &mut self,
        at: u32,
        array: &dyn Array,
        target: &DataType,
        field: &Field,
    ) -> Result<(), ColumnError> {
        let map = array.as_map_opt().ok_or_else(|| mismatch(array, target))?;
        self.offset_list(at, array, map.value_offsets(), map.entries(), field)
    }

    fn offset_list<O: OffsetSizeTrait>(
        &mut self,
        at: u32,
        array: &dyn Array,
        offsets: &[O],
        values: &dyn Array,
        field: &Field,
    ) -> Result<(), ColumnError> {
        let (validity, null_count) = self.validity(array.nulls())?;
        let values = covered(values, offsets);
        let offsets = self.offsets::<O, O>(offsets)?;
        let child = self.children(1)?;
        self.node(child, &values, field.data_type())?;
        let buffers = [validity, offsets];
        self.array(at, array.len(), null_count, &buffers, &[child], 0)
    }

    pub(super) fn list_view<O: OffsetSizeTrait>(
        &mut self,
        at: u32,
        array: &dyn Array,
        target: &DataType,
        field: &Field,
    ) -> Result<(), ColumnError> {
        let ranges = Ranges::<O>::of(array, target)?;
        let (validity, null_count) = self.validity(array.nulls())?;
        let offsets = self.buffer(ranges.offsets.to_byte_slice())?;
        let sizes = self.buffer(ranges.sizes.to_byte_slice())?;
        let child = self.children(1)?;
        self.node(child, &ranges.values, field.data_type())?;
        let buffers = [validity, offsets, sizes];
        self.array(at, array.len(), null_count, &buffers, &[child], 0)
    }

    pub(super) fn fixed_list(
        &mut self,
        at: u32,
        array: &dyn Array,
        target: &DataType,
        field: &Field,
    ) -> Result<(), ColumnError> {
        let list = array
            .as_fixed_size_list_opt()
            .ok_or_else(|| mismatch(array, target))?;
        let (validity, null_count) = self.validity(array.nulls())?;
        let child = self.children(1)?;
        self.node(child, list.values(), field.data_type())?;
        self.array(at, array.len(), null_count, &[validity], &[child], 0)
    }

    pub(super) fn structure(
        &mut self,
        at: u32,
        array: &dyn Array,
        target: &DataType,
        fields: &Fields,
    ) -> Result<(), ColumnError> {
        let structure = array
            .as_struct_opt()
            .ok_or_else(|| mismatch(array, target))?;
        let (validity, null_count) = self.validity(array.nulls())?;
        let children = self.child_arrays(
            structure
                .columns()
                .iter()
                .zip(fields)
                .map(|(column, field)| (column.clone(), field.data_type())),
        )?;
        self.array(at, array.len(), null_count, &[validity], &children, 0)
    }

    /// Writes several children: the addresses of their structs.
    pub(super) fn child_arrays<'t>(
        &mut self,
        children: impl ExactSizeIterator<Item = (ArrayRef, &'t DataType)>,
    ) -> Result<Vec<u32>, ColumnError> {
        let first = self.children(children.len())?;
        let mut addresses = Vec::with_capacity(children.len());
        for (index, (child, target)) in children.enumerate() {
            let address = first + (index * super::ARRAY_BYTES) as u32;
            self.node(address, &child, target)?;
            addresses.push(address);
        }
        Ok(addresses)
    }
}

/// The rows of a list view, which may lie anywhere in its values and overlap: either the shortest part of the values
/// that holds all of them, or, if there are gaps so that this is shorter, one row after the other.
struct Ranges<O> {
    values: ArrayRef,
    offsets: Vec<O>,
    sizes: Vec<O>,
}

impl<O: OffsetSizeTrait> Ranges<O> {
    fn of(array: &dyn Array, target: &DataType) -> Result<Self, ColumnError> {
        let list = array
            .as_list_view_opt::<O>()
            .ok_or_else(|| mismatch(array, target))?;
        let nulls = array.nulls();
        // Where a row is null, or empty, its offset means nothing.
        let rows = || {
            std::iter::zip(list.value_offsets(), list.value_sizes())
                .enumerate()
                .map(|(row, (offset, size))| {
                    let size = size.as_usize();
                    if size == 0 || nulls.is_some_and(|nulls| nulls.is_null(row)) {
                        None
                    } else {
                        Some(offset.as_usize()..offset.as_usize() + size)
                    }
                })
        };
        let first = rows().flatten().map(|row| row.start).min().unwrap_or(0);
        let last = rows().flatten().map(|row| row.end).max().unwrap_or(0);
        let total: usize = rows().flatten().map(|row| row.len()).sum();
        let sizes = rows().map(|row| O::usize_as(row.map_or(0, |row| row.len())));
        let sizes = sizes.collect();
        if total < last - first && can_be_taken(list.values().data_type()) {
            let indices: UInt64Array = rows()
                .flatten()
                .flatten()
                .map(|index| index as u64)
                .collect::<Vec<_>>()
                .into();
            let mut end = 0;
            let offsets = rows().map(|row| {
                let start = end;
                end += row.map_or(0, |row| row.len());
                O::usize_as(start)
            });
            return Ok(Self {
                offsets: offsets.collect(),
                sizes,
                values: take(list.values(), &indices, None)?,
            });
        }
        let offsets = rows().map(|row| O::usize_as(row.map_or(0, |row| row.start - first)));
        Ok(Self {
            offsets: offsets.collect(),
            sizes,
            values: list.values().slice(first, last - first),
        })
    }
}
