//! Dictionaries, runs and unions: what no row refers to stays behind where it would be more than what they do.

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray, RunArray, UInt64Array,
    UnionArray, downcast_integer, downcast_run_end_index,
};
use arrow::compute::take;
use arrow::datatypes::{
    ArrowNativeType, DataType, Field, RunEndIndexType, ToByteSlice, UnionFields, UnionMode,
};

use super::bytes::positions;
use super::{ARRAY_BYTES, STRUCT_ALIGN, Writer, buffer_cost, children_cost, measure_node};
use super::{table_cost, validity_cost};
use crate::columns::types::can_be_taken;
use crate::columns::{Arena, ColumnError};

fn mismatch(array: &dyn Array, target: &DataType) -> ColumnError {
    ColumnError::mismatch(array.data_type(), target)
}

/// The values of a dictionary that are in use, in their order, and for each row the place of its value among them.
/// `None` if there are no more values than rows, or they cannot be picked: then all of them cross as they are.
fn used_values(array: &dyn Array) -> Result<Option<(ArrayRef, Vec<usize>)>, ColumnError> {
    let Some(dictionary) = array.as_any_dictionary_opt() else {
        return Ok(None);
    };
    let values = dictionary.values();
    if values.len() <= array.len() || !can_be_taken(values.data_type()) {
        return Ok(None);
    }
    let mut rows: Vec<(usize, usize)> = positions(dictionary)
        .into_iter()
        .enumerate()
        .map(|(row, position)| (position, row))
        .collect();
    rows.sort_unstable();
    let mut used: Vec<u64> = Vec::new();
    let mut places = vec![0; rows.len()];
    for (position, row) in rows {
        if position == usize::MAX {
            // All that follow are null.
            break;
        }
        if used.last() != Some(&(position as u64)) {
            used.push(position as u64);
        }
        if let Some(place) = places.get_mut(row) {
            *place = used.len() - 1;
        }
    }
    let values = take(values, &UInt64Array::from(used), None)?;
    Ok(Some((values, places)))
}

pub(super) fn measure_dictionary(
    array: &dyn Array,
    target: &DataType,
    values: &DataType,
) -> Result<u64, ColumnError> {
    let dictionary = array
        .as_any_dictionary_opt()
        .ok_or_else(|| mismatch(array, target))?;
    let value_cost = match used_values(array)? {
        Some((used, _)) => measure_node(&used, values)?,
        None => measure_node(dictionary.values(), values)?,
    };
    let key_bytes = dictionary
        .keys()
        .data_type()
        .primitive_width()
        .unwrap_or_default();
    Ok(table_cost(2)
        + validity_cost(array.nulls())
        + buffer_cost(array.len() * key_bytes)
        + Arena::cost(ARRAY_BYTES as u64, STRUCT_ALIGN)
        + value_cost)
}

/// The part of the values that the runs of the rows are about.
fn covered_runs<R: RunEndIndexType>(runs: &RunArray<R>) -> ArrayRef {
    if runs.is_empty() {
        return runs.values().slice(0, 0);
    }
    let first = runs.get_start_physical_index();
    let last = runs.get_end_physical_index();
    runs.values().slice(first, last + 1 - first)
}

pub(super) fn measure_runs(
    array: &dyn Array,
    target: &DataType,
    values: &Field,
) -> Result<u64, ColumnError> {
    macro_rules! runs {
        ($ends:ty) => {
            array.as_run_opt::<$ends>().map(|runs| {
                (
                    covered_runs(runs),
                    size_of::<<$ends as ArrowPrimitiveType>::Native>(),
                )
            })
        };
    }
    let found = match target {
        DataType::RunEndEncoded(ends, _) => downcast_run_end_index! {
            ends.data_type() => (runs),
            _ => None
        },
        _ => None,
    };
    let (covered, end_bytes) = found.ok_or_else(|| mismatch(array, target))?;
    Ok(children_cost(2)
        + table_cost(2)
        + buffer_cost(covered.len() * end_bytes)
        + measure_node(&covered, values.data_type())?)
}

/// A dense union's children, cut to the part that its rows refer to, and where that part starts in each, by type id.
fn covered_children(union: &UnionArray) -> (Vec<ArrayRef>, Vec<usize>) {
    let mut ranges: Vec<Option<(usize, usize)>> = vec![None; 128];
    let rows = std::iter::zip(union.type_ids(), union.offsets().into_iter().flatten());
    for (type_id, offset) in rows {
        let offset = offset.as_usize();
        if let Some(range) = ranges.get_mut(*type_id as usize) {
            *range = Some(match *range {
                Some((first, last)) => (first.min(offset), last.max(offset)),
                None => (offset, offset),
            });
        }
    }
    let children = union
        .fields()
        .iter()
        .map(|(type_id, _)| {
            let child = union.child(type_id);
            match ranges.get(type_id as usize).copied().flatten() {
                Some((first, last)) => child.slice(first, last + 1 - first),
                None => child.slice(0, 0),
            }
        })
        .collect();
    let starts = ranges
        .into_iter()
        .map(|range| range.map_or(0, |(first, _)| first))
        .collect();
    (children, starts)
}

pub(super) fn measure_union(
    array: &dyn Array,
    target: &DataType,
    fields: &UnionFields,
    mode: UnionMode,
) -> Result<u64, ColumnError> {
    let union = array
        .as_union_opt()
        .ok_or_else(|| mismatch(array, target))?;
    let mut cost = table_cost(2) + buffer_cost(array.len()) + children_cost(fields.len());
    let children = match mode {
        UnionMode::Sparse => union
            .fields()
            .iter()
            .map(|(id, _)| union.child(id).clone())
            .collect(),
        UnionMode::Dense => {
            cost += buffer_cost(array.len() * size_of::<i32>());
            covered_children(union).0
        }
    };
    for (child, (_, field)) in children.iter().zip(fields.iter()) {
        cost += measure_node(child, field.data_type())?;
    }
    Ok(cost)
}

impl Writer<'_, '_> {
    pub(super) fn dictionary(
        &mut self,
        at: u32,
        array: &dyn Array,
        target: &DataType,
        values: &DataType,
    ) -> Result<(), ColumnError> {
        let dictionary = array
            .as_any_dictionary_opt()
            .ok_or_else(|| mismatch(array, target))?;
        let (validity, null_count) = self.validity(array.nulls())?;
        let used = used_values(array)?;
        let places = used.as_ref().map(|(_, places)| places.as_slice());
        macro_rules! integer {
            ($key:ty, $keys:ident) => {
                self.keys::<$key>($keys.as_primitive(), places)
            };
        }
        let source = dictionary.keys();
        let keys = downcast_integer! {
            source.data_type() => (integer, source),
            _ => Err(mismatch(array, target))
        }?;
        let child = self.children(1)?;
        match &used {
            Some((used, _)) => self.node(child, used, values)?,
            None => self.node(child, dictionary.values(), values)?,
        }
        self.array(at, array.len(), null_count, &[validity, keys], &[], child)
    }

    /// Writes keys; `places` has them, if they have changed. The key of a null is 0, so that no key is out of range.
    fn keys<K: ArrowPrimitiveType>(
        &mut self,
        keys: &PrimitiveArray<K>,
        places: Option<&[usize]>,
    ) -> Result<u32, ColumnError> {
        let nulls = keys.nulls().filter(|nulls| nulls.null_count() > 0);
        if nulls.is_none() && places.is_none() {
            return self.buffer(keys.values().to_byte_slice());
        }
        let width = size_of::<K::Native>();
        let (address, slots) = self.space(keys.len(), width)?;
        for (row, slot) in slots.chunks_exact_mut(width).enumerate() {
            let key = match (nulls, places) {
                (Some(nulls), _) if nulls.is_null(row) => K::Native::default(),
                (_, Some(places)) => K::Native::usize_as(places.get(row).copied().unwrap_or(0)),
                (_, None) => keys.values().get(row).copied().unwrap_or_default(),
            };
            slot.copy_from_slice(key.to_byte_slice());
        }
        Ok(address)
    }

    pub(super) fn runs(
        &mut self,
        at: u32,
        array: &dyn Array,
        target: &DataType,
        values: &Field,
    ) -> Result<(), ColumnError> {
        macro_rules! runs {
            ($ends:ty) => {
                match array.as_run_opt::<$ends>() {
                    Some(runs) => self.run_array(at, runs, values.data_type()),
                    None => Err(mismatch(array, target)),
                }
            };
        }
        match target {
            DataType::RunEndEncoded(ends, _) => downcast_run_end_index! {
                ends.data_type() => (runs),
                _ => Err(mismatch(array, target))
            },
            _ => Err(mismatch(array, target)),
        }
    }

    fn run_array<R: RunEndIndexType>(
        &mut self,
        at: u32,
        runs: &RunArray<R>,
        target: &DataType,
    ) -> Result<(), ColumnError> {
        let values = covered_runs(runs);
        // The iterator ends the last run where the rows end. Without rows there is no run.
        let ends: Vec<R::Native> = runs.run_ends().sliced_values().take(values.len()).collect();
        let first = self.children(2)?;
        let second = first + ARRAY_BYTES as u32;
        let buffer = self.buffer(ends.to_byte_slice())?;
        self.array(first, ends.len(), 0, &[0, buffer], &[], 0)?;
        self.node(second, &values, target)?;
        self.array(at, runs.len(), 0, &[], &[first, second], 0)
    }

    pub(super) fn sparse_union(
        &mut self,
        at: u32,
        array: &dyn Array,
        target: &DataType,
        fields: &UnionFields,
    ) -> Result<(), ColumnError> {
        let union = array
            .as_union_opt()
            .ok_or_else(|| mismatch(array, target))?;
        let type_ids = self.buffer(union.type_ids().to_byte_slice())?;
        let ids: Vec<i8> = union.fields().iter().map(|(type_id, _)| type_id).collect();
        let types: Vec<&DataType> = fields.iter().map(|(_, field)| field.data_type()).collect();
        let children = self.child_arrays(
            ids.iter()
                .zip(types)
                .map(|(type_id, target)| (union.child(*type_id).clone(), target)),
        )?;
        self.array(at, array.len(), 0, &[type_ids], &children, 0)
    }

    pub(super) fn dense_union(
        &mut self,
        at: u32,
        array: &dyn Array,
        target: &DataType,
        fields: &UnionFields,
    ) -> Result<(), ColumnError> {
        let union = array
            .as_union_opt()
            .ok_or_else(|| mismatch(array, target))?;
        let (children, starts) = covered_children(union);
        let type_ids = self.buffer(union.type_ids().to_byte_slice())?;
        let (offsets, slots) = self.space(array.len(), size_of::<i32>())?;
        let rows = std::iter::zip(union.type_ids(), union.offsets().into_iter().flatten());
        for (slot, (type_id, offset)) in slots.as_chunks_mut().0.iter_mut().zip(rows) {
            let start = starts.get(*type_id as usize).copied().unwrap_or_default();
            *slot = i32::usize_as(offset.as_usize() - start).to_le_bytes();
        }
        let types: Vec<&DataType> = fields.iter().map(|(_, field)| field.data_type()).collect();
        let children = self.child_arrays(children.into_iter().zip(types))?;
        self.array(at, array.len(), 0, &[type_ids, offsets], &children, 0)
    }
}
