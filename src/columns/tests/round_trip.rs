//! A column comes back as it went, and while it is there, what was promised about it holds.

use arrow::array::Array;
use arrow::datatypes::DataType;
use proptest::prelude::*;

use super::arbitrary::{self, Random};
use super::{AT, LIMITS, cases, memory_with, promises, read_back};
use crate::columns::{
    Arena, ColumnError, ReadLimits, lay_out_result, measure_result, read, type_depth,
};
use crate::memory::GuestMemory;

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn columns_come_back_as_they_went(column in arbitrary::column()) {
        let data_type = column.data_type();
        let mut bytes = memory_with(&column, data_type);
        promises::check(&GuestMemory::new(&mut bytes), AT, Some(&column), data_type, column.len());
        let back = read_back(&mut bytes, data_type, column.len()).unwrap();
        prop_assert_eq!(back.data_type(), data_type);
        back.to_data().validate_full().unwrap();
        prop_assert_eq!(&back, &column);
    }

    #[test]
    fn a_result_of_fixed_width_is_laid_out(data_type in arbitrary::leaf_type(), rows in 0..70_usize) {
        let measured = measure_result(&data_type, rows);
        let mut bytes = vec![0; AT as usize + 65 + measured as usize];
        let mut arena = Arena::new(AT + 65, measured as u32);
        let mut memory = GuestMemory::new(&mut bytes);
        lay_out_result(&mut memory, &mut arena, AT, &data_type, rows).unwrap();
        let is_fixed = data_type.primitive_width().is_some()
            || matches!(data_type, DataType::Boolean | DataType::FixedSizeBinary(_));
        let array = memory.read::<wasmfusion_abi::ArrowArray>("result", AT).unwrap();
        if is_fixed {
            prop_assert_eq!((array.length, array.n_buffers, array.null_count), (rows as i64, 2, 0));
            prop_assert_eq!(memory.address_at("result", array.buffers, 1).unwrap() % 64, 0);
            let result = read(&memory, AT, &data_type, rows, LIMITS).unwrap();
            prop_assert_eq!((result.len(), result.null_count()), (rows, 0));
        } else {
            prop_assert_eq!(array, Default::default());
        }
    }
}

#[test]
fn every_kind_of_type_is_generated() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut depth = 0;
    let mut text = String::new();
    for _ in 0..1_000 {
        let tree = arbitrary::data_type().new_tree(&mut runner).unwrap();
        depth = depth.max(type_depth(&tree.current()));
        text.push_str(&tree.current().to_string());
    }
    assert!(depth >= 8, "{depth}");
    let words: std::collections::HashSet<&str> =
        text.split(|c: char| !c.is_alphanumeric()).collect();
    let names = "Null Boolean Int8 Int16 Int32 Int64 UInt8 UInt16 UInt32 UInt64 Float16 Float32 Float64 Timestamp Date32 \
        Date64 Time32 Time64 Duration Interval Binary FixedSizeBinary LargeBinary BinaryView Utf8 LargeUtf8 Utf8View List \
        ListView FixedSizeList LargeList LargeListView Struct Union Dictionary Decimal32 Decimal64 Decimal128 Decimal256 Map \
        RunEndEncoded";
    for name in names.split_whitespace() {
        assert!(words.contains(name), "{name}");
    }
}

#[test]
fn limits_have_an_effect() {
    let array = arbitrary::array(&DataType::Int64, 1_000, false, &mut Random::new(1));
    let mut bytes = memory_with(&array, &DataType::Int64);
    let memory = GuestMemory::new(&mut bytes);
    let limits = |bytes_max, depth_max| ReadLimits {
        bytes_max,
        depth_max,
    };
    let read = |limits| read(&memory, AT, &DataType::Int64, 1_000, limits);
    assert!(read(limits(8_000, 1)).is_ok());
    assert!(matches!(
        read(limits(7_999, 1)),
        Err(ColumnError::TooLarge { bytes_max: 7_999 })
    ));

    let nested = DataType::new_list(DataType::new_list(DataType::Int8, true), true);
    let array = arbitrary::array(&nested, 10, false, &mut Random::new(1));
    let mut bytes = memory_with(&array, &nested);
    let memory = GuestMemory::new(&mut bytes);
    assert!(super::read(&memory, AT, &nested, 10, limits(10_000, 3)).is_ok());
    let error = super::read(&memory, AT, &nested, 10, limits(10_000, 2)).unwrap_err();
    assert!(error.to_string().contains("deeper"), "{error}");
}

#[test]
fn slices_cross_without_the_rest() {
    for (data_type, bytes_max) in [
        (DataType::Int64, 1_000),
        (DataType::Utf8, 1_500),
        (DataType::Utf8View, 1_500),
        (DataType::new_list(DataType::Utf8, true), 2_500),
        (
            DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into()),
            2_000,
        ),
        (
            DataType::ListView(std::sync::Arc::new(
                arrow::datatypes::Field::new_list_field(DataType::Int64, true),
            )),
            2_500,
        ),
    ] {
        let column = arbitrary::array(&data_type, 10_000, true, &mut Random::new(3));
        let slice = column.slice(5_001, 7);
        let measured = super::measure(&slice, &data_type).unwrap();
        assert!(measured < bytes_max, "{data_type}: {measured}");
    }
}
