//! SQL types as constants: what a manifest says about a parameter or a result.

use core::fmt;

/// Unit of a time, timestamp or duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Second,
    /// Milliseconds.
    Millisecond,
    /// Microseconds.
    Microsecond,
    /// Nanoseconds.
    Nanosecond,
}

impl Unit {
    /// The unit as a type's name has it.
    pub const fn symbol(self) -> &'static str {
        match self {
            Unit::Second => "s",
            Unit::Millisecond => "ms",
            Unit::Microsecond => "µs",
            Unit::Nanosecond => "ns",
        }
    }
}

/// A field of [`DataType::Struct`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The field's name.
    pub name: &'static str,
    /// The field's type.
    pub data_type: DataType,
}

/// A type that is known when the plugin is compiled. Its [`Display`](fmt::Display) form is what manifests use.
///
/// Elements of lists and fields of structs may be NULL in all of these types, because that is what SQL's own
/// expressions make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DataType {
    /// A truth value.
    Boolean,
    /// 8 bits, signed.
    Int8,
    /// 16 bits, signed.
    Int16,
    /// 32 bits, signed.
    Int32,
    /// 64 bits, signed.
    Int64,
    /// 8 bits.
    UInt8,
    /// 16 bits.
    UInt16,
    /// 32 bits.
    UInt32,
    /// 64 bits.
    UInt64,
    /// A floating-point number of 32 bits.
    Float32,
    /// A floating-point number of 64 bits.
    Float64,
    /// Text.
    Utf8,
    /// Bytes.
    Binary,
    /// Bytes, always so many.
    FixedSizeBinary(i32),
    /// Days since 1970-01-01.
    Date32,
    /// Time of day, 32 bits.
    Time32(Unit),
    /// Time of day, 64 bits.
    Time64(Unit),
    /// Time since 1970-01-01, with or without a time zone.
    Timestamp(Unit, Option<&'static str>),
    /// A length of time.
    Duration(Unit),
    /// Months, days and nanoseconds.
    IntervalMonthDayNano,
    /// Digits in all, and how many of them follow the point.
    Decimal128(u8, i8),
    /// Any number of elements.
    List(&'static DataType),
    /// Named fields.
    Struct(&'static [Field]),
    /// Whatever the function is bound to.
    Any,
}

impl DataType {
    /// The type's name; of types with parameters, what stands before the first.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            DataType::Boolean => "Boolean",
            DataType::Int8 => "Int8",
            DataType::Int16 => "Int16",
            DataType::Int32 => "Int32",
            DataType::Int64 => "Int64",
            DataType::UInt8 => "UInt8",
            DataType::UInt16 => "UInt16",
            DataType::UInt32 => "UInt32",
            DataType::UInt64 => "UInt64",
            DataType::Float32 => "Float32",
            DataType::Float64 => "Float64",
            DataType::Utf8 => "Utf8",
            DataType::Binary => "Binary",
            DataType::FixedSizeBinary(_) => "FixedSizeBinary(",
            DataType::Date32 => "Date32",
            DataType::Time32(_) => "Time32(",
            DataType::Time64(_) => "Time64(",
            DataType::Timestamp(..) => "Timestamp(",
            DataType::Duration(_) => "Duration(",
            DataType::IntervalMonthDayNano => "Interval(MonthDayNano)",
            DataType::Decimal128(..) => "Decimal128(",
            DataType::List(_) => "List(",
            DataType::Struct(_) => "Struct(",
            DataType::Any => "any",
        }
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            DataType::FixedSizeBinary(size) => write!(f, "{size})"),
            DataType::Time32(unit) | DataType::Time64(unit) | DataType::Duration(unit) => {
                write!(f, "{})", unit.symbol())
            }
            DataType::Timestamp(unit, None) => write!(f, "{})", unit.symbol()),
            DataType::Timestamp(unit, Some(zone)) => write!(f, "{}, \"{zone}\")", unit.symbol()),
            DataType::Decimal128(precision, scale) => write!(f, "{precision}, {scale})"),
            DataType::List(element) => write!(f, "{element})"),
            DataType::Struct(fields) => {
                for (place, field) in fields.iter().enumerate() {
                    let comma = if place == 0 { "" } else { ", " };
                    write!(f, "{comma}\"{}\": {}", field.name, field.data_type)?;
                }
                f.write_str(")")
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn is_written_as_the_manifest_wants_it() {
        let fields = const {
            &[
                Field {
                    name: "at",
                    data_type: DataType::Timestamp(Unit::Nanosecond, Some("UTC")),
                },
                Field {
                    name: "parts",
                    data_type: DataType::List(&DataType::Decimal128(10, -2)),
                },
            ]
        };
        assert_eq!(
            DataType::Struct(fields).to_string(),
            r#"Struct("at": Timestamp(ns, "UTC"), "parts": List(Decimal128(10, -2)))"#
        );
        assert_eq!(
            DataType::Duration(Unit::Microsecond).to_string(),
            "Duration(µs)"
        );
    }
}
