//! Bytes of a fuzzer, or of a generator of random numbers, as choices: a type that may cross, a number of rows.
//!
//! They are taken from the front, so that what a choice costs does not move what comes behind it. When they are used up, every choice is the first.

use std::sync::Arc;

use arrow::datatypes::{
    DataType, Field, FieldRef, Fields, IntervalUnit, TimeUnit, UnionFields, UnionMode,
};

/// Deepest type that is made: a primitive has depth 1.
const DEPTH_MAX: usize = 5;
/// Most children of a struct or a union.
const FIELDS_MAX: usize = 3;
/// Widest fixed-size binary.
const WIDTH_MAX: usize = 20;
/// Widest fixed-size list.
const LIST_WIDTH_MAX: usize = 3;
/// Kinds of types without children, and of those that may have some.
const LEAVES: usize = 32;
const NESTED: usize = 12;

/// Bytes that choices are taken from.
pub struct Input<'a> {
    /// What no choice has taken yet.
    pub bytes: &'a [u8],
}

impl Input<'_> {
    /// A number below `end`, which is not 0. It takes one byte.
    pub fn below(&mut self, end: usize) -> usize {
        match self.bytes.split_first() {
            Some((first, rest)) => {
                self.bytes = rest;
                usize::from(*first) % end
            }
            None => 0,
        }
    }

    /// Any type that may cross.
    pub fn data_type(&mut self) -> DataType {
        self.nested_type(DEPTH_MAX)
    }

    fn nested_type(&mut self, depth_left: usize) -> DataType {
        let kinds = if depth_left > 1 {
            LEAVES + NESTED
        } else {
            LEAVES
        };
        let kind = self.below(kinds);
        if kind < LEAVES {
            return self.leaf_type(kind);
        }
        let inner = depth_left.saturating_sub(1);
        match kind - LEAVES {
            0 => DataType::List(self.field("item", inner)),
            1 => DataType::LargeList(self.field("item", inner)),
            2 => DataType::ListView(self.field("item", inner)),
            3 => DataType::LargeListView(self.field("item", inner)),
            4 => {
                let width = self.below(LIST_WIDTH_MAX + 1) as i32;
                DataType::FixedSizeList(self.field("item", inner), width)
            }
            5 | 6 => {
                let count = self.below(FIELDS_MAX + 1);
                DataType::Struct(self.fields(count, inner).into())
            }
            7 => {
                let kind = self.below(LEAVES);
                let key = match self.leaf_type(kind) {
                    DataType::Null => DataType::Utf8,
                    key => key,
                };
                let value = Field::new("value", self.nested_type(inner), true);
                let entries = Fields::from(vec![Field::new("key", key, false), value]);
                let entries = Field::new("entries", DataType::Struct(entries), false);
                DataType::Map(Arc::new(entries), self.below(2) == 1)
            }
            8 | 9 => {
                let count = 1 + self.below(FIELDS_MAX);
                let first = self.below(100) as i8;
                let ids = (0..count as i8).map(|place| first + 7 * place);
                let fields = UnionFields::try_new(ids, self.fields(count, inner));
                let mode = if kind - LEAVES == 8 {
                    UnionMode::Sparse
                } else {
                    UnionMode::Dense
                };
                DataType::Union(fields.expect("the ids differ"), mode)
            }
            10 => {
                let keys = self.integer_type();
                DataType::Dictionary(Box::new(keys), Box::new(self.nested_type(inner)))
            }
            _ => {
                let ends = [DataType::Int16, DataType::Int32, DataType::Int64];
                let ends = Field::new("run_ends", ends[self.below(3)].clone(), false);
                let values = Field::new("values", self.nested_type(inner), true);
                DataType::RunEndEncoded(Arc::new(ends), Arc::new(values))
            }
        }
    }

    fn leaf_type(&mut self, kind: usize) -> DataType {
        use DataType::*;
        match kind {
            0 => Int64,
            1 => Utf8,
            2 => LargeUtf8,
            3 => Utf8View,
            4 => Binary,
            5 => LargeBinary,
            6 => BinaryView,
            7 => Boolean,
            8 => Null,
            9 => Int8,
            10 => Int16,
            11 => Int32,
            12 => UInt8,
            13 => UInt16,
            14 => UInt32,
            15 => UInt64,
            16 => Float16,
            17 => Float32,
            18 => Float64,
            19 => Date32,
            20 => Date64,
            21 => [Time32(TimeUnit::Second), Time32(TimeUnit::Millisecond)][self.below(2)].clone(),
            22 => {
                [Time64(TimeUnit::Microsecond), Time64(TimeUnit::Nanosecond)][self.below(2)].clone()
            }
            23 => {
                let zones = [None, Some("+02:00"), Some("UTC"), Some("Europe/Berlin")];
                Timestamp(self.unit(), zones[self.below(4)].map(Into::into))
            }
            24 => Duration(self.unit()),
            25 => Interval(IntervalUnit::YearMonth),
            26 => Interval([IntervalUnit::DayTime, IntervalUnit::MonthDayNano][self.below(2)]),
            27 => FixedSizeBinary(self.below(WIDTH_MAX) as i32),
            28 => Decimal32(1 + self.below(9) as u8, self.scale()),
            29 => Decimal64(1 + self.below(18) as u8, self.scale()),
            30 => Decimal128(1 + self.below(38) as u8, self.scale()),
            _ => Decimal256(1 + self.below(76) as u8, self.scale()),
        }
    }

    fn integer_type(&mut self) -> DataType {
        use DataType::*;
        [Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64][self.below(8)].clone()
    }

    fn unit(&mut self) -> TimeUnit {
        [
            TimeUnit::Second,
            TimeUnit::Millisecond,
            TimeUnit::Microsecond,
            TimeUnit::Nanosecond,
        ][self.below(4)]
    }

    fn scale(&mut self) -> i8 {
        self.below(5) as i8 - 3
    }

    fn field(&mut self, name: &str, depth_left: usize) -> FieldRef {
        let nullable = self.below(2) == 0;
        let data_type = self.nested_type(depth_left);
        let nullable = nullable || !may_be_required(&data_type);
        Arc::new(Field::new(name, data_type, nullable))
    }

    fn fields(&mut self, count: usize, depth_left: usize) -> Vec<FieldRef> {
        (0..count)
            .map(|place| self.field(&format!("f{place}"), depth_left))
            .collect()
    }
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
