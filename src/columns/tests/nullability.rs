//! A field that may not be null is not, wherever a row refers to it.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, FixedSizeListArray, Int32Array, ListArray, ListViewArray, StructArray,
    UnionArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, FieldRef, UnionFields, UnionMode};

use super::{memory_with, read_back};

fn field(nullable: bool) -> FieldRef {
    Arc::new(Field::new("item", DataType::Int32, nullable))
}

/// Writes `array`, whose child may be null, and reads it as a type whose child may not.
fn is_read(array: &dyn Array, required: DataType) -> bool {
    let mut bytes = memory_with(array, array.data_type());
    read_back(&mut bytes, &required, array.len()).is_ok()
}

fn values(values: [Option<i32>; 2]) -> ArrayRef {
    Arc::new(Int32Array::from(values.to_vec()))
}

#[test]
fn in_structs_unless_the_struct_is_null() {
    let required = DataType::Struct(vec![field(false)].into());
    let read = |child, validity: Option<[bool; 2]>| {
        let nulls = validity.map(|validity| NullBuffer::from(validity.to_vec()));
        let array = StructArray::new(vec![field(true)].into(), vec![values(child)], nulls);
        is_read(&array, required.clone())
    };
    assert!(read([Some(1), Some(2)], None));
    assert!(!read([Some(1), None], None));
    assert!(read([Some(1), None], Some([true, false])));
    assert!(!read([Some(1), None], Some([false, true])));
}

#[test]
fn in_lists() {
    for (child, expected) in [([Some(1), Some(2)], true), ([None, Some(2)], false)] {
        let offsets = OffsetBuffer::from_lengths([2]);
        let list = ListArray::new(field(true), offsets, values(child), None);
        assert_eq!(is_read(&list, DataType::List(field(false))), expected);
        let (offsets, sizes) = (vec![0].into(), vec![2].into());
        let list = ListViewArray::new(field(true), offsets, sizes, values(child), None);
        assert_eq!(is_read(&list, DataType::ListView(field(false))), expected);
        let list = FixedSizeListArray::new(field(true), 2, values(child), None);
        assert_eq!(
            is_read(&list, DataType::FixedSizeList(field(false), 2)),
            expected
        );
    }
}

#[test]
fn in_unions_where_a_row_is_of_that_field() {
    let fields = |nullable| UnionFields::try_new([3, 5], [field(true), field(nullable)]).unwrap();
    let read = |type_ids: [i8; 2], offsets: Option<[i32; 2]>, child| {
        let mode = match offsets {
            Some(_) => UnionMode::Dense,
            None => UnionMode::Sparse,
        };
        let children = vec![values([None, None]), values(child)];
        let offsets = offsets.map(|offsets| offsets.to_vec().into());
        let type_ids = type_ids.to_vec().into();
        let array = UnionArray::try_new(fields(true), type_ids, offsets, children).unwrap();
        is_read(&array, DataType::Union(fields(false), mode))
    };
    assert!(read([3, 5], None, [None, Some(1)]));
    assert!(!read([5, 3], None, [None, Some(1)]));
    assert!(read([5, 5], Some([1, 1]), [None, Some(1)]));
    assert!(!read([5, 5], Some([1, 0]), [None, Some(1)]));
}
