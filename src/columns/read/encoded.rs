//! Dictionaries, runs and unions.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayData, ArrayRef, DictionaryArray, PrimitiveArray, UnionArray, downcast_integer,
    downcast_run_end_index, make_array,
};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{
    ArrowDictionaryKeyType, ArrowNativeType, DataType, FieldRef, RunEndIndexType, UnionFields,
};
use wasmfusion_abi::ArrowArray;

use super::{Node, Reader, open};
use crate::columns::ColumnError;

impl Reader<'_, '_> {
    pub(super) fn dictionary(
        &mut self,
        node: &Node<'_>,
        keys: &DataType,
        values: &DataType,
    ) -> Result<ArrayRef, ColumnError> {
        macro_rules! integer {
            ($key:ty) => {
                self.dictionary_of::<$key>(node, keys, values)
            };
        }
        downcast_integer! {
            keys => (integer),
            _ => Err(node.invalid("its keys are not integers"))
        }
    }

    fn dictionary_of<K: ArrowDictionaryKeyType>(
        &mut self,
        node: &Node<'_>,
        keys: &DataType,
        values: &DataType,
    ) -> Result<ArrayRef, ColumnError> {
        let keys = self.numbers::<K>(&Node {
            array: node.array,
            data_type: keys,
            ..*node
        })?;
        let dictionary = node.array.dictionary;
        let array = self
            .memory
            .read::<ArrowArray>("result's dictionary", dictionary)?;
        let count = usize::try_from(array.length).unwrap_or_default();
        let values = self.array(&array, values, 0, count)?;
        let array = DictionaryArray::<K>::try_new(keys, values)
            .map_err(|error| node.invalid(error.to_string()))?;
        Ok(Arc::new(array))
    }

    pub(super) fn runs(
        &mut self,
        node: &Node<'_>,
        ends: &FieldRef,
        values: &FieldRef,
    ) -> Result<ArrayRef, ColumnError> {
        macro_rules! run_ends {
            ($ends:ty) => {
                self.runs_of::<$ends>(node, ends, values)
            };
        }
        downcast_run_end_index! {
            ends.data_type() => (run_ends),
            _ => Err(node.invalid("its run ends are not of a type for that"))
        }
    }

    fn runs_of<R: RunEndIndexType>(
        &mut self,
        node: &Node<'_>,
        ends: &FieldRef,
        values: &FieldRef,
    ) -> Result<ArrayRef, ColumnError> {
        self.charge(node.rows)?;
        let child = self.child(node, 0)?;
        let array = self.memory.read::<ArrowArray>("result's run ends", child)?;
        let count = usize::try_from(array.length).unwrap_or_default();
        let numbers = self.numbers::<R>(&open(&array, ends.data_type(), 0, count)?)?;
        let all = numbers.values();
        let rises = all
            .first()
            .is_some_and(|first| *first > R::Native::default())
            && std::iter::zip(all, all.iter().skip(1)).all(|(one, next)| one < next);
        if !rises || numbers.null_count() > 0 {
            return Err(node.invalid("its run ends do not rise from above 0"));
        }
        // The runs that the rows fall into: the first one that ends behind the first row, to the first that ends behind the last.
        let first = all.partition_point(|end| end.as_usize() <= node.start);
        let last = all.partition_point(|end| end.as_usize() < node.end());
        let Some(covered) = all.get(first..=last) else {
            return Err(node.invalid(format!("its runs end before value {}", node.end())));
        };
        let cut = covered.iter().map(|end| {
            let end = end.as_usize().saturating_sub(node.start);
            R::Native::usize_as(end.min(node.rows))
        });
        let cut = PrimitiveArray::<R>::new(cut.collect::<Vec<_>>().into(), None);
        let child = self.child(node, 1)?;
        let run_values = self.part(child, values.data_type(), first, covered.len())?;
        if !values.is_nullable() && run_values.is_nullable() {
            return Err(node.invalid("its values are null where they may not be"));
        }
        let children = vec![cut.into_data(), run_values.to_data()];
        let data = ArrayData::try_new(
            node.data_type.clone(),
            node.rows,
            None,
            0,
            Vec::new(),
            children,
        )
        .map_err(|error| node.invalid(error.to_string()))?;
        Ok(make_array(data))
    }

    pub(super) fn sparse_union(
        &mut self,
        node: &Node<'_>,
        fields: &UnionFields,
    ) -> Result<ArrayRef, ColumnError> {
        let type_ids = self.values::<i8>(node, 0)?;
        let mut children = Vec::with_capacity(fields.len());
        for (index, (_, field)) in fields.iter().enumerate() {
            let child = self.child(node, index)?;
            // A sparse union's own offset holds for its children too.
            children.push(self.part(child, field.data_type(), node.start, node.rows)?);
        }
        self.union(node, fields, type_ids.into(), None, children)
    }

    pub(super) fn dense_union(
        &mut self,
        node: &Node<'_>,
        fields: &UnionFields,
    ) -> Result<ArrayRef, ColumnError> {
        let type_ids = self.values::<i8>(node, 0)?;
        let mut offsets = self.values::<i32>(node, 1)?;
        let mut children = Vec::with_capacity(fields.len());
        for (index, (type_id, field)) in fields.iter().enumerate() {
            let mine = |pair: &(&i8, &mut i32)| *pair.0 == type_id;
            let rows = || std::iter::zip(&type_ids, &offsets).filter(|(id, _)| **id == type_id);
            let first = rows().map(|(_, offset)| *offset).min().unwrap_or(0);
            let last = rows().map(|(_, offset)| *offset).max().unwrap_or(-1);
            let (Ok(skip), Ok(end)) = (
                usize::try_from(first),
                usize::try_from(last.saturating_add(1)),
            ) else {
                return Err(node.invalid("an offset is negative"));
            };
            for (_, offset) in std::iter::zip(&type_ids, &mut offsets).filter(mine) {
                *offset = offset.saturating_sub(first);
            }
            let child = self.child(node, index)?;
            let rows = end.saturating_sub(skip);
            children.push(self.part(child, field.data_type(), skip, rows)?);
        }
        self.union(
            node,
            fields,
            type_ids.into(),
            Some(offsets.into()),
            children,
        )
    }

    fn union(
        &mut self,
        node: &Node<'_>,
        fields: &UnionFields,
        type_ids: ScalarBuffer<i8>,
        offsets: Option<ScalarBuffer<i32>>,
        children: Vec<ArrayRef>,
    ) -> Result<ArrayRef, ColumnError> {
        for ((type_id, field), child) in fields.iter().zip(&children) {
            if field.is_nullable() {
                continue;
            }
            let Some(nulls) = child.logical_nulls().filter(|nulls| nulls.null_count() > 0) else {
                continue;
            };
            // Only the values that rows refer to count: the others of a sparse union hold anything.
            let is_null = type_ids.iter().enumerate().any(|(row, id)| {
                let place = match &offsets {
                    Some(offsets) => offsets
                        .get(row)
                        .map_or(usize::MAX, |offset| offset.as_usize()),
                    None => row,
                };
                *id == type_id && place < nulls.len() && nulls.is_null(place)
            });
            if is_null {
                let problem = format!("field {:?} is null where it may not be", field.name());
                return Err(node.invalid(problem));
            }
        }
        let array = UnionArray::try_new(fields.clone(), type_ids, offsets, children)
            .map_err(|error| node.invalid(error.to_string()))?;
        Ok(Arc::new(array))
    }
}
