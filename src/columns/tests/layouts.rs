//! Strings and binaries cross in the layout that the parameter wants, whatever the query has; anything else that differs is refused.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int32Array, StringArray, StringViewArray, StringViewBuilder,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields};
use proptest::prelude::*;

use super::arbitrary::{self, Random};
use super::{AT, cases, memory_with, promises, read_back};
use crate::columns::{ColumnError, measure};
use crate::memory::GuestMemory;

fn pairs() -> impl Strategy<Value = (DataType, DataType)> {
    let dictionary =
        |keys: DataType, values: DataType| DataType::Dictionary(keys.into(), values.into());
    let keys = arbitrary::key_type;
    prop_oneof![
        (arbitrary::string_type(), arbitrary::string_type()),
        (arbitrary::binary_type(), arbitrary::binary_type()),
        (keys(), arbitrary::string_type(), arbitrary::string_type())
            .prop_map(move |(keys, from, to)| (dictionary(keys, from), to)),
        (keys(), arbitrary::binary_type(), arbitrary::binary_type())
            .prop_map(move |(keys, from, to)| (dictionary(keys, from), to)),
        (keys(), arbitrary::string_type(), arbitrary::string_type()).prop_map(
            move |(keys, from, to)| (dictionary(keys.clone(), from), dictionary(keys, to))
        ),
    ]
}

/// As arrow converts it.
fn oracle(array: &ArrayRef, target: &DataType) -> ArrayRef {
    if array.data_type() == target {
        return array.clone();
    }
    match (array.as_any_dictionary_opt(), target) {
        (Some(dictionary), DataType::Dictionary(_, to)) => {
            dictionary.with_values(cast(dictionary.values(), to).unwrap())
        }
        (Some(dictionary), _) => {
            let values = cast(dictionary.values(), target).unwrap();
            arrow::compute::take(&values, dictionary.keys(), None).unwrap()
        }
        _ => cast(array, target).unwrap(),
    }
}

proptest! {
    #![proptest_config(cases(1_500))]

    #[test]
    fn strings_and_binaries_change_their_layout(
        (from, to) in pairs(),
        rows in 0..60_usize,
        in_a_list: bool,
        seed: u64,
    ) {
        let random = &mut Random::new(seed);
        if in_a_list {
            let nested = |data_type| DataType::new_list(data_type, true);
            let column = arbitrary::array(&nested(from), rows, true, random);
            let target = nested(to.clone());
            let mut bytes = memory_with(&column, &target);
            let back = read_back(&mut bytes, &target, rows).unwrap();
            let (back, column) = (back.as_list::<i32>(), column.as_list::<i32>());
            for row in (0..rows).filter(|row| column.is_valid(*row)) {
                prop_assert_eq!(&back.value(row), &oracle(&column.value(row), &to));
            }
        } else {
            let column = arbitrary::array(&from, rows, true, random);
            let mut bytes = memory_with(&column, &to);
            promises::check(&GuestMemory::new(&mut bytes), AT, Some(&column), &to, rows);
            let back = read_back(&mut bytes, &to, rows).unwrap();
            prop_assert_eq!(&back, &oracle(&column, &to));
        }
    }
}

#[test]
fn views_share_what_they_shared() {
    let mut builder = StringViewBuilder::new().with_deduplicate_strings();
    for _ in 0..8_192 {
        builder.append_value("x".repeat(1_000));
    }
    let array = builder.finish();
    assert!(measure(&array, &DataType::Utf8View).unwrap() < 140_000);
    let mut bytes = memory_with(&array, &DataType::Utf8View);
    let back = read_back(&mut bytes, &DataType::Utf8View, 8_192).unwrap();
    assert_eq!(back.as_string_view(), &array);
}

#[test]
fn views_leave_behind_what_no_row_refers_to() {
    let array = StringViewArray::from_iter_values(
        (0..1_000).map(|i| format!("a rather long text, number {i}")),
    );
    let slice = array.slice(500, 2);
    assert!(measure(&slice, &DataType::Utf8View).unwrap() < 500);
}

#[test]
fn dictionaries_leave_behind_what_no_row_refers_to() {
    let values = StringArray::from_iter_values((0..10_000).map(|i| format!("value {i}")));
    let keys = Int32Array::from(vec![Some(9_999), None, Some(3), Some(9_999)]);
    let array = arrow::array::DictionaryArray::new(keys, Arc::new(values));
    let mut bytes = memory_with(&array, array.data_type());
    assert!(bytes.len() < 1_500);
    let back = read_back(&mut bytes, array.data_type(), 4).unwrap();
    assert_eq!(
        back.as_dictionary::<arrow::datatypes::Int32Type>()
            .values()
            .len(),
        2
    );
    assert_eq!(back.to_data(), array.to_data());
}

#[test]
fn too_many_bytes_for_32_bit_offsets_are_refused() {
    // 4 GiB, by referring to the same MiB over and over.
    let mut builder = StringViewBuilder::new().with_deduplicate_strings();
    for _ in 0..4_096 {
        builder.append_value("x".repeat(1 << 20));
    }
    let array = builder.finish();
    let error = measure(&array, &DataType::Utf8).unwrap_err();
    assert!(matches!(error, ColumnError::OffsetOverflow { length, .. } if length == 1 << 32));
    assert!(measure(&array, &DataType::LargeUtf8).unwrap() > 1 << 32);
}

#[test]
fn other_types_are_refused() {
    use DataType::*;
    let field = |name: &str, data_type| Field::new(name, data_type, true);
    let structure = |fields: Vec<Field>| Struct(Fields::from(fields));
    let list = |data_type, nullable| DataType::new_list(data_type, nullable);
    for (from, to, fits) in [
        (Int32, Int64, false),
        (Int64, Int64, true),
        (Utf8, Binary, false),
        (Binary, Utf8, false),
        (Decimal128(10, 2), Decimal128(10, 3), false),
        (
            Timestamp(arrow::datatypes::TimeUnit::Second, None),
            Timestamp(arrow::datatypes::TimeUnit::Second, Some("UTC".into())),
            false,
        ),
        (Dictionary(Int8.into(), Int64.into()), Int64, false),
        (Dictionary(Int8.into(), Utf8.into()), Binary, false),
        (
            Dictionary(Int8.into(), Utf8.into()),
            Dictionary(Int16.into(), Utf8.into()),
            false,
        ),
        (Utf8, Dictionary(Int8.into(), Utf8.into()), false),
        (list(Int64, false), list(Int64, true), true),
        (list(Int64, true), list(Int64, false), false),
        (
            List(Arc::new(field("item", Int8))),
            List(Arc::new(field("element", Int8))),
            true,
        ),
        (
            structure(vec![field("a", Int8), field("b", Int8)]),
            structure(vec![field("b", Int8), field("a", Int8)]),
            false,
        ),
        (
            structure(vec![field("a", Utf8View)]),
            structure(vec![field("a", Utf8)]),
            true,
        ),
        (structure(vec![field("a", Int8)]), structure(vec![]), false),
        (FixedSizeBinary(3), FixedSizeBinary(4), false),
    ] {
        let array = arrow::array::new_empty_array(&from);
        match measure(&array, &to) {
            Ok(_) => assert!(fits, "{from} as {to}"),
            Err(ColumnError::Mismatch { .. }) => assert!(!fits, "{from} as {to}"),
            Err(error) => panic!("{from} as {to}: {error}"),
        }
    }
}
