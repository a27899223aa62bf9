//! The format strings of the C Data Interface, both ways.
//!
//! arrow has this grammar too, for real C structs: behind a feature, in an implementation that asserts on input which is hostile here (the number of
//! children, zero bytes in a time zone) and that loses the flag of sorted map keys below the top. So this table is ours.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::datatypes::DataType::{self, *};
use arrow::datatypes::{FieldRef, IntervalUnit, TimeUnit, UnionFields, UnionMode};

use crate::columns::ColumnError;

/// The types without parameters.
static PLAIN: [(&str, DataType); 32] = [
    ("n", Null),
    ("b", Boolean),
    ("c", Int8),
    ("C", UInt8),
    ("s", Int16),
    ("S", UInt16),
    ("i", Int32),
    ("I", UInt32),
    ("l", Int64),
    ("L", UInt64),
    ("e", Float16),
    ("f", Float32),
    ("g", Float64),
    ("z", Binary),
    ("Z", LargeBinary),
    ("vz", BinaryView),
    ("u", Utf8),
    ("U", LargeUtf8),
    ("vu", Utf8View),
    ("tdD", Date32),
    ("tdm", Date64),
    ("tts", Time32(TimeUnit::Second)),
    ("ttm", Time32(TimeUnit::Millisecond)),
    ("ttu", Time64(TimeUnit::Microsecond)),
    ("ttn", Time64(TimeUnit::Nanosecond)),
    ("tDs", Duration(TimeUnit::Second)),
    ("tDm", Duration(TimeUnit::Millisecond)),
    ("tDu", Duration(TimeUnit::Microsecond)),
    ("tDn", Duration(TimeUnit::Nanosecond)),
    ("tiM", Interval(IntervalUnit::YearMonth)),
    ("tiD", Interval(IntervalUnit::DayTime)),
    ("tin", Interval(IntervalUnit::MonthDayNano)),
];

/// The format string of a type. That of a dictionary is its keys'.
pub(super) fn of(data_type: &DataType) -> Result<Cow<'static, str>, ColumnError> {
    if let Some((format, _)) = PLAIN.iter().find(|(_, plain)| plain == data_type) {
        return Ok(Cow::Borrowed(format));
    }
    let format = match data_type {
        FixedSizeBinary(width) => format!("w:{width}"),
        Decimal32(precision, scale) => format!("d:{precision},{scale},32"),
        Decimal64(precision, scale) => format!("d:{precision},{scale},64"),
        Decimal128(precision, scale) => format!("d:{precision},{scale}"),
        Decimal256(precision, scale) => format!("d:{precision},{scale},256"),
        Timestamp(unit, zone) => {
            let zone = zone.as_deref().unwrap_or_default();
            if zone.contains('\0') {
                let problem = "its time zone holds a zero byte";
                return Err(ColumnError::of_type(data_type, problem));
            }
            let unit = match unit {
                TimeUnit::Second => 's',
                TimeUnit::Millisecond => 'm',
                TimeUnit::Microsecond => 'u',
                TimeUnit::Nanosecond => 'n',
            };
            format!("ts{unit}:{zone}")
        }
        List(_) => "+l".into(),
        LargeList(_) => "+L".into(),
        ListView(_) => "+vl".into(),
        LargeListView(_) => "+vL".into(),
        FixedSizeList(_, width) => format!("+w:{width}"),
        Struct(_) => "+s".into(),
        Map(_, _) => "+m".into(),
        RunEndEncoded(_, _) => "+r".into(),
        Union(fields, mode) => {
            let ids: Vec<String> = fields.iter().map(|(id, _)| id.to_string()).collect();
            let mode = match mode {
                UnionMode::Sparse => 's',
                UnionMode::Dense => 'd',
            };
            format!("+u{mode}:{}", ids.join(","))
        }
        Dictionary(keys, _) => return of(keys),
        _ => return Err(ColumnError::of_type(data_type, "it has no format string")),
    };
    Ok(Cow::Owned(format))
}

/// The type of a format string with these children, apart from what a dictionary makes of it. Whether its
/// parts fit together is not tested here.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn parse(
    format: &str,
    children: Vec<FieldRef>,
    map_keys_sorted: bool,
) -> Result<DataType, String> {
    let count = children.len();
    let data_type = match <[FieldRef; 1]>::try_from(children) {
        Ok([child]) => with_one_child(format, child, map_keys_sorted),
        Err(children) if count == 0 => {
            without_children(format).or_else(|| with_any(format, children))
        }
        Err(children) => with_any(format, children),
    };
    data_type.ok_or_else(|| {
        // It may be long: it is the guest's.
        let start: String = format.chars().take(40).collect();
        format!("there is no type of the format {start:?} with {count} children")
    })
}

/// A format that starts with `prefix` and has numbers behind it, divided by commas.
fn numbers<T: std::str::FromStr>(format: &str, prefix: &str) -> Option<Vec<T>> {
    let numbers = format.strip_prefix(prefix)?.split(',');
    numbers.map(|number| number.parse().ok()).collect()
}

fn without_children(format: &str) -> Option<DataType> {
    if let Some((_, plain)) = PLAIN.iter().find(|(plain, _)| *plain == format) {
        return Some(plain.clone());
    }
    if let Some([width]) = numbers(format, "w:").as_deref() {
        return Some(FixedSizeBinary(*width));
    }
    if let Some(numbers) = numbers::<i16>(format, "d:") {
        let (precision, scale, bits) = match numbers[..] {
            [precision, scale] => (precision, scale, 128),
            [precision, scale, bits] => (precision, scale, bits),
            _ => return None,
        };
        let (precision, scale) = (precision.try_into().ok()?, scale.try_into().ok()?);
        return match bits {
            32 => Some(Decimal32(precision, scale)),
            64 => Some(Decimal64(precision, scale)),
            128 => Some(Decimal128(precision, scale)),
            256 => Some(Decimal256(precision, scale)),
            _ => None,
        };
    }
    let (unit, zone) = format.strip_prefix("ts")?.split_once(':')?;
    let unit = match unit {
        "s" => TimeUnit::Second,
        "m" => TimeUnit::Millisecond,
        "u" => TimeUnit::Microsecond,
        "n" => TimeUnit::Nanosecond,
        _ => return None,
    };
    Some(Timestamp(unit, (!zone.is_empty()).then(|| Arc::from(zone))))
}

fn with_one_child(format: &str, child: FieldRef, map_keys_sorted: bool) -> Option<DataType> {
    match format {
        "+l" => Some(List(child)),
        "+L" => Some(LargeList(child)),
        "+vl" => Some(ListView(child)),
        "+vL" => Some(LargeListView(child)),
        "+m" => Some(Map(child, map_keys_sorted)),
        _ => match numbers(format, "+w:").as_deref() {
            Some([width]) => Some(FixedSizeList(child, *width)),
            _ => with_any(format, vec![child]),
        },
    }
}

fn with_any(format: &str, children: Vec<FieldRef>) -> Option<DataType> {
    match (format, &children[..]) {
        ("+s", _) => return Some(Struct(children.into())),
        ("+r", [ends, values]) => return Some(RunEndEncoded(ends.clone(), values.clone())),
        _ => {}
    }
    let (mode, ids) = match (numbers(format, "+us:"), numbers(format, "+ud:")) {
        (Some(ids), _) => (UnionMode::Sparse, ids),
        (_, Some(ids)) => (UnionMode::Dense, ids),
        _ => return None,
    };
    // Refuses ids that are negative, not unique, or not as many as the children.
    Some(Union(UnionFields::try_new(ids, children).ok()?, mode))
}
