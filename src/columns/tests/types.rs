//! Types: as text, as schemas in guest memory, and schemas that have been tampered with.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use proptest::prelude::*;
use wasmfusion_abi::ArrowSchema;

use super::arbitrary::{self, Random};
use super::{AT, cases};
use crate::columns::{
    Arena, SchemaLimits, check_type, measure_schema, parse_type, read_schema, type_depth,
    write_schema,
};
use crate::memory::GuestMemory;

fn memory_with(field: &Field) -> Vec<u8> {
    let measured = measure_schema(field).unwrap();
    let start = AT + 49;
    let mut bytes = vec![0xa5; start as usize + measured as usize];
    let mut arena = Arena::new(start, measured as u32);
    write_schema(&mut GuestMemory::new(&mut bytes), &mut arena, AT, field).unwrap();
    bytes
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn types_can_be_written_and_parsed(data_type in arbitrary::data_type()) {
        check_type(&data_type, 16).unwrap();
        // arrow's parser does not read everything that arrow prints: a struct without fields, for one.
        let text = data_type.to_string();
        if let Ok(parsed) = parse_type(&text, 16) {
            prop_assert_eq!(parsed, data_type);
        } else {
            prop_assert!(text.contains("Struct()"), "{}", text);
        }
    }

    #[test]
    fn any_text_is_a_type_or_an_error(text in "[A-Za-z0-9(),:\"' +_ßµ-]{0,60}", cut in 0..80_usize, data_type in arbitrary::data_type()) {
        let _ = parse_type(&text, 8);
        // Parts of a type, one behind the other.
        let whole = data_type.to_string();
        let cut = whole.floor_char_boundary(cut.min(whole.len()));
        let _ = parse_type(&whole[..cut], 8);
        let _ = parse_type(&format!("{}{text}{}", &whole[..cut], &whole[cut..]), 8);
    }

    #[test]
    fn schemas_come_back_as_they_went(data_type in arbitrary::data_type(), nullable: bool, with_metadata: bool) {
        let mut field = Field::new("näme", data_type, nullable);
        if with_metadata {
            let pairs = [("ARROW:extension:name", "geo.wkb"), ("", ""), ("k", "värde")];
            field = field.with_metadata(pairs.map(|(k, v)| (k.into(), v.into())).into());
        }
        let mut bytes = memory_with(&field);
        let back = read_schema(&GuestMemory::new(&mut bytes), AT, SchemaLimits::default()).unwrap();
        prop_assert_eq!(&back, &field);
        prop_assert_eq!(back.metadata(), field.metadata());
    }

    #[test]
    fn a_tampered_schema_is_a_type_or_an_error(data_type in arbitrary::data_type(), seed: u64) {
        let random = &mut Random::new(seed);
        let field = Field::new("x", data_type, true).with_metadata([("a".into(), "b".into())].into());
        let clean = memory_with(&field);
        for _ in 0..4 {
            let mut bytes = clean.clone();
            for _ in 0..1 + random.below(3) {
                let place = random.below(bytes.len());
                bytes[place] = [0, 1, 0xff, b'+', b'd', b':', b'-', random.next() as u8][random.below(8)];
            }
            if let Ok(field) = read_schema(&GuestMemory::new(&mut bytes), AT, SchemaLimits::default()) {
                // It can be used: arrays can be made of it, and it can be shown.
                let array = arrow::array::new_empty_array(field.data_type());
                prop_assert_eq!(array.data_type(), field.data_type());
                prop_assert!(!field.to_string().is_empty());
            }
        }
    }
}

#[test]
fn depth_counts_levels() {
    let list = DataType::new_list(DataType::new_list(DataType::Int8, true), true);
    assert_eq!(type_depth(&DataType::Int8), 1);
    assert_eq!(type_depth(&list), 3);
    assert!(check_type(&list, 3).is_ok());
    assert!(check_type(&list, 2).is_err());
    assert!(parse_type("List(List(Int8))", 3).is_ok());
    assert!(parse_type("List(List(Int8))", 2).is_err());
    assert!(check_type(&DataType::Int8, 0).is_err());
}

#[test]
fn text_that_nests_without_end_is_refused() {
    for text in [
        "List(",
        "Struct(\"a\": ",
        "Dictionary(Int8, ",
        "FixedSizeList(1, ",
    ] {
        let error = parse_type(&text.repeat(5_000), 16).unwrap_err();
        assert!(error.to_string().len() < 1_000, "{error}");
    }
    assert!(parse_type(&"x".repeat(1 << 20), 16).is_err());
}

#[test]
fn types_whose_parts_do_not_fit_are_refused() {
    use DataType::*;
    let field = |data_type, nullable| Arc::new(Field::new("f", data_type, nullable));
    let pair = |nullable| {
        Struct(Fields::from(vec![
            Field::new("key", Utf8, nullable),
            Field::new("value", Utf8, true),
        ]))
    };
    for data_type in [
        Decimal128(0, 0),
        Decimal128(39, 0),
        Decimal32(10, 0),
        Decimal64(5, 6),
        Decimal256(76, -128),
        Time32(TimeUnit::Nanosecond),
        Time64(TimeUnit::Second),
        FixedSizeBinary(-1),
        FixedSizeList(field(Int8, true), -1),
        Dictionary(Utf8.into(), Utf8.into()),
        RunEndEncoded(field(Int32, true), field(Utf8, true)),
        RunEndEncoded(field(UInt32, false), field(Utf8, true)),
        Map(field(pair(true), false), false),
        Map(field(pair(false), true), false),
        Map(field(Utf8, false), false),
    ] {
        assert!(check_type(&data_type, 8).is_err(), "{data_type}");
        assert!(check_type(&List(field(data_type, true)), 8).is_err());
    }
}

#[test]
fn what_ends_with_a_zero_byte_may_not_hold_one() {
    assert!(measure_schema(&Field::new("a\0b", DataType::Int8, true)).is_err());
    let zoned = DataType::Timestamp(TimeUnit::Second, Some("U\0TC".into()));
    assert!(measure_schema(&Field::new("a", zoned, true)).is_err());
}

/// A struct that is its own child, and one that has the next one as a child twice, and so on.
#[test]
fn schemas_that_unfold_without_end_are_refused() {
    let mut bytes = vec![0; 4_096];
    bytes[2_048..2_050].copy_from_slice(b"+s");
    let mut memory = GuestMemory::new(&mut bytes);
    let schema = |children| ArrowSchema {
        format: 2_048,
        n_children: 2,
        children,
        ..ArrowSchema::default()
    };
    for level in 0..30 {
        let table = 2_100 + 8 * level;
        memory
            .write("schema", AT + 48 * level, &schema(table))
            .unwrap();
        let next = (AT + 48 * (level + 1)).to_le_bytes();
        let slots = memory.slice_mut("table", table, 8, 1).unwrap();
        slots.copy_from_slice([next, next].as_flattened());
    }
    let leaf = ArrowSchema {
        n_children: 0,
        ..schema(0)
    };
    memory.write("leaf", AT + 48 * 30, &leaf).unwrap();
    let limits = |depth_max, nodes_max| SchemaLimits {
        depth_max,
        nodes_max,
        ..SchemaLimits::default()
    };
    for limits in [limits(16, 4_096), limits(64, 4_096), limits(16, usize::MAX)] {
        let error = read_schema(&memory, AT, limits).unwrap_err();
        assert!(error.to_string().contains("limit"), "{error}");
    }
    // Itself.
    let slots = memory.slice_mut("table", 2_100, 8, 1).unwrap();
    slots.copy_from_slice([AT.to_le_bytes(), AT.to_le_bytes()].as_flattened());
    assert!(read_schema(&memory, AT, SchemaLimits::default()).is_err());
}
