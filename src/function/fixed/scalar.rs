//! A constant as the bytes that cross.

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use smallvec::SmallVec;

/// The bytes of one number: the widest are 256 bits.
pub(super) type Bytes = SmallVec<[u8; 32]>;

/// The bytes of a constant, if it is a number of exactly this type, and not NULL.
#[inline]
pub(super) fn bytes(value: &ScalarValue, target: &DataType) -> Option<Bytes> {
    macro_rules! bytes {
        ($value:expr) => {
            Bytes::from_slice(&$value.to_le_bytes())
        };
    }
    use DataType as To;
    use ScalarValue as From;
    Some(match (value, target) {
        (From::Int8(Some(value)), To::Int8) => bytes!(value),
        (From::Int16(Some(value)), To::Int16) => bytes!(value),
        (From::Int32(Some(value)), To::Int32) => bytes!(value),
        (From::Int64(Some(value)), To::Int64) => bytes!(value),
        (From::UInt8(Some(value)), To::UInt8) => bytes!(value),
        (From::UInt16(Some(value)), To::UInt16) => bytes!(value),
        (From::UInt32(Some(value)), To::UInt32) => bytes!(value),
        (From::UInt64(Some(value)), To::UInt64) => bytes!(value),
        (From::Float32(Some(value)), To::Float32) => bytes!(value),
        (From::Float64(Some(value)), To::Float64) => bytes!(value),
        (From::Date32(Some(value)), To::Date32) => bytes!(value),
        (From::Date64(Some(value)), To::Date64) => bytes!(value),
        (From::Time32Second(Some(value)), To::Time32(TimeUnit::Second))
        | (From::Time32Millisecond(Some(value)), To::Time32(TimeUnit::Millisecond)) => {
            bytes!(value)
        }
        (From::Time64Microsecond(Some(value)), To::Time64(TimeUnit::Microsecond))
        | (From::Time64Nanosecond(Some(value)), To::Time64(TimeUnit::Nanosecond))
        | (From::DurationSecond(Some(value)), To::Duration(TimeUnit::Second))
        | (From::DurationMillisecond(Some(value)), To::Duration(TimeUnit::Millisecond))
        | (From::DurationMicrosecond(Some(value)), To::Duration(TimeUnit::Microsecond))
        | (From::DurationNanosecond(Some(value)), To::Duration(TimeUnit::Nanosecond)) => {
            bytes!(value)
        }
        (From::TimestampSecond(Some(value), from), To::Timestamp(TimeUnit::Second, to))
        | (
            From::TimestampMillisecond(Some(value), from),
            To::Timestamp(TimeUnit::Millisecond, to),
        )
        | (
            From::TimestampMicrosecond(Some(value), from),
            To::Timestamp(TimeUnit::Microsecond, to),
        )
        | (From::TimestampNanosecond(Some(value), from), To::Timestamp(TimeUnit::Nanosecond, to))
            if from == to =>
        {
            bytes!(value)
        }
        (From::Decimal128(Some(value), precision, scale), To::Decimal128(p, s))
            if (precision, scale) == (p, s) =>
        {
            bytes!(value)
        }
        // What is left is rare as a constant, and crosses as a column of one row.
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::ArrayRef;
    use datafusion::arrow::datatypes::{DataType, TimeUnit};
    use datafusion::common::ScalarValue;

    use super::bytes;
    use crate::columns::fixed_values;

    #[test]
    fn a_constant_has_the_bytes_of_a_column_of_one_row() {
        let zone = Some("Europe/Berlin".into());
        let values = [
            ScalarValue::Int8(Some(-3)),
            ScalarValue::Int16(Some(-300)),
            ScalarValue::Int32(Some(-70_000)),
            ScalarValue::Int64(Some(i64::MIN)),
            ScalarValue::UInt8(Some(200)),
            ScalarValue::UInt16(Some(60_000)),
            ScalarValue::UInt32(Some(4_000_000_000)),
            ScalarValue::UInt64(Some(u64::MAX)),
            ScalarValue::Float32(Some(-0.0)),
            ScalarValue::Float64(Some(f64::NAN)),
            ScalarValue::Date32(Some(-1)),
            ScalarValue::Date64(Some(86_400_000)),
            ScalarValue::Time32Second(Some(1)),
            ScalarValue::Time32Millisecond(Some(2)),
            ScalarValue::Time64Microsecond(Some(3)),
            ScalarValue::Time64Nanosecond(Some(4)),
            ScalarValue::DurationSecond(Some(5)),
            ScalarValue::DurationMillisecond(Some(6)),
            ScalarValue::DurationMicrosecond(Some(7)),
            ScalarValue::DurationNanosecond(Some(8)),
            ScalarValue::TimestampSecond(Some(9), None),
            ScalarValue::TimestampMillisecond(Some(10), zone.clone()),
            ScalarValue::TimestampMicrosecond(Some(11), None),
            ScalarValue::TimestampNanosecond(Some(12), zone),
            ScalarValue::Decimal128(Some(-13), 20, 3),
        ];
        for value in values {
            let column: ArrayRef = value.to_array().expect("a column of one row");
            let data_type = column.data_type();
            let expected = fixed_values(column.as_ref(), data_type).expect("numbers");
            let found = bytes(&value, data_type).expect("a number");
            assert_eq!(&found[..], expected, "{value:?}");
        }
    }

    #[test]
    fn nothing_crosses_as_another_type_or_as_null() {
        let one = ScalarValue::Int64(Some(1));
        assert!(bytes(&one, &DataType::UInt64).is_none());
        assert!(bytes(&ScalarValue::Int64(None), &DataType::Int64).is_none());
        let cents = ScalarValue::Decimal128(Some(1), 20, 2);
        assert!(bytes(&cents, &DataType::Decimal128(20, 3)).is_none());
        let here = ScalarValue::TimestampSecond(Some(1), Some("UTC".into()));
        let there = DataType::Timestamp(TimeUnit::Second, None);
        assert!(bytes(&here, &there).is_none());
    }
}
