//! Any type and any array of it: nested, sliced at odd places, with nulls that hide values, with gaps and overlaps.
//!
//! proptest chooses and shrinks types, lengths and a seed; what is in an array follows from the seed.

mod arrays;

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::*;
use proptest::prelude::*;

pub(crate) use arrays::{Random, array};

/// A column of some type.
pub(crate) fn column() -> impl Strategy<Value = ArrayRef> {
    (data_type(), 0..40_usize, any::<u64>())
        .prop_map(|(data_type, rows, seed)| array(&data_type, rows, true, &mut Random::new(seed)))
}

/// Types without children.
pub(crate) fn leaf_type() -> impl Strategy<Value = DataType> {
    use DataType::*;
    let unit = prop::sample::select(vec![
        TimeUnit::Second,
        TimeUnit::Millisecond,
        TimeUnit::Microsecond,
        TimeUnit::Nanosecond,
    ]);
    let zone = prop::option::of(prop::sample::select(vec!["+02:00", "UTC", "Europe/Berlin"]));
    prop_oneof![
        4 => string_type(),
        2 => binary_type(),
        8 => prop::sample::select(vec![
            Null, Boolean, Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64, Float16, Float32, Float64,
            Date32, Date64, Time32(TimeUnit::Second), Time32(TimeUnit::Millisecond), Time64(TimeUnit::Microsecond),
            Time64(TimeUnit::Nanosecond), Interval(IntervalUnit::YearMonth), Interval(IntervalUnit::DayTime),
            Interval(IntervalUnit::MonthDayNano),
        ]),
        1 => (0..20).prop_map(FixedSizeBinary),
        1 => unit.clone().prop_map(Duration),
        1 => (unit, zone).prop_map(|(unit, zone)| Timestamp(unit, zone.map(Into::into))),
        1 => (1..=9_u8, -3..=1_i8).prop_map(|(precision, scale)| Decimal32(precision, scale)),
        1 => (1..=18_u8, -3..=1_i8).prop_map(|(precision, scale)| Decimal64(precision, scale)),
        1 => (1..=38_u8, -3..=1_i8).prop_map(|(precision, scale)| Decimal128(precision, scale)),
        1 => (1..=76_u8, -3..=1_i8).prop_map(|(precision, scale)| Decimal256(precision, scale)),
    ]
}

pub(crate) fn string_type() -> impl Strategy<Value = DataType> {
    prop::sample::select(vec![
        DataType::Utf8,
        DataType::LargeUtf8,
        DataType::Utf8View,
    ])
}

pub(crate) fn binary_type() -> impl Strategy<Value = DataType> {
    prop::sample::select(vec![
        DataType::Binary,
        DataType::LargeBinary,
        DataType::BinaryView,
    ])
}

pub(crate) fn key_type() -> impl Strategy<Value = DataType> {
    use DataType::*;
    prop::sample::select(vec![
        Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64,
    ])
}

/// Any type, nested up to eight deep.
pub(crate) fn data_type() -> impl Strategy<Value = DataType> {
    leaf_type().prop_recursive(7, 96, 2, |inner| {
        let field = (inner.clone(), any::<bool>());
        let field = field.prop_map(|(data_type, nullable)| {
            let nullable = nullable || !may_be_required(&data_type);
            Arc::new(Field::new("item", data_type, nullable))
        });
        let fields = prop::collection::vec(field.clone(), 0..4).prop_map(|fields| {
            let named = fields.into_iter().enumerate();
            named
                .map(|(index, field)| field.as_ref().clone().with_name(format!("f{index}")))
                .collect::<Vec<_>>()
        });
        let modes = prop::sample::select(vec![UnionMode::Sparse, UnionMode::Dense]);
        let ends = prop::sample::select(vec![DataType::Int16, DataType::Int32, DataType::Int64]);
        prop_oneof![
            field.clone().prop_map(DataType::List),
            field.clone().prop_map(DataType::LargeList),
            field.clone().prop_map(DataType::ListView),
            field.clone().prop_map(DataType::LargeListView),
            (field.clone(), 0..4).prop_map(|(field, width)| DataType::FixedSizeList(field, width)),
            fields
                .clone()
                .prop_map(|fields| DataType::Struct(fields.into())),
            (leaf_type(), inner.clone(), any::<bool>())
                .prop_map(|(key, value, sorted)| map_of(key, value, sorted)),
            (fields, modes, 0..100_i8).prop_map(|(mut fields, mode, first)| {
                if fields.is_empty() {
                    fields.push(Field::new("only", DataType::Utf8, true));
                }
                let ids = (0..fields.len()).map(|id| first + id as i8 * 7);
                DataType::Union(UnionFields::try_new(ids, fields).unwrap(), mode)
            }),
            (key_type(), inner.clone())
                .prop_map(|(keys, values)| DataType::Dictionary(keys.into(), values.into())),
            (ends, inner).prop_map(|(ends, values)| DataType::RunEndEncoded(
                Arc::new(Field::new("run_ends", ends, false)),
                Arc::new(Field::new("values", values, true)),
            )),
        ]
    })
}

fn map_of(key: DataType, value: DataType, sorted: bool) -> DataType {
    let key = if may_be_required(&key) {
        key
    } else {
        DataType::Int32
    };
    let entries = DataType::Struct(Fields::from(vec![
        Field::new("key", key, false),
        Field::new("value", value, true),
    ]));
    DataType::Map(Arc::new(Field::new("entries", entries, false)), sorted)
}

/// Whether there are arrays of the type without nulls.
fn may_be_required(data_type: &DataType) -> bool {
    match data_type {
        DataType::Null => false,
        DataType::Dictionary(_, values) => may_be_required(values),
        DataType::RunEndEncoded(_, values) => may_be_required(values.data_type()),
        DataType::Union(fields, _) => fields
            .iter()
            .all(|(_, field)| may_be_required(field.data_type())),
        _ => true,
    }
}
