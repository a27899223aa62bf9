//! Which types may cross, how deep they nest, and when a column of one type fits a parameter of another.

use std::str::FromStr;

use arrow::datatypes::{
    DECIMAL32_MAX_PRECISION, DECIMAL64_MAX_PRECISION, DECIMAL128_MAX_PRECISION,
    DECIMAL256_MAX_PRECISION, DataType, Field, TimeUnit,
};

use super::ColumnError;

/// How many parentheses the text of a type may have open at once. arrow's parser recurses once for each, so this, unlike
/// the depth of the type, is what keeps it from the end of the stack. A type of depth 16 has no more than 32.
const OPEN_PARENTHESES_MAX: usize = 128;

/// Longest text of a type.
const TYPE_BYTES_MAX: usize = 64 << 10;

/// How deep a type nests: 1 for a primitive, one more than its deepest child for every other.
pub fn type_depth(data_type: &DataType) -> usize {
    children(data_type)
        .map(type_depth)
        .max()
        .unwrap_or_default()
        .saturating_add(1)
}

/// The types directly inside of a type.
fn children(data_type: &DataType) -> Box<dyn Iterator<Item = &DataType> + '_> {
    match data_type {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => Box::new(std::iter::once(field.data_type())),
        DataType::Struct(fields) => Box::new(fields.iter().map(|field| field.data_type())),
        DataType::Union(fields, _) => Box::new(fields.iter().map(|(_, field)| field.data_type())),
        DataType::Dictionary(keys, values) => Box::new([&**keys, &**values].into_iter()),
        DataType::RunEndEncoded(ends, values) => {
            Box::new([ends.data_type(), values.data_type()].into_iter())
        }
        _ => Box::new(std::iter::empty()),
    }
}

/// Whether arrow's `take` can be used on arrays of the type. It loses the length of binaries and lists of the fixed width 0, and
/// panics where they are in a struct.
pub(crate) fn can_be_taken(data_type: &DataType) -> bool {
    let is_empty = matches!(
        data_type,
        DataType::FixedSizeBinary(0) | DataType::FixedSizeList(_, 0)
    );
    !is_empty && children(data_type).all(can_be_taken)
}

/// Reads a type as arrow-rs writes it, and checks it as [`check_type`] does.
///
/// # Errors
///
/// [`ColumnError::Type`].
pub fn parse_type(text: &str, depth_max: usize) -> Result<DataType, ColumnError> {
    if text.len() > TYPE_BYTES_MAX {
        let problem = format!("its text is longer than {TYPE_BYTES_MAX} bytes");
        return Err(ColumnError::of_type("of a manifest", problem));
    }
    let mut open = 0_usize;
    for byte in text.bytes() {
        match byte {
            b'(' => open = open.saturating_add(1),
            b')' => open = open.saturating_sub(1),
            _ => {}
        }
        if open > OPEN_PARENTHESES_MAX {
            return Err(too_deep(text, depth_max));
        }
    }
    let data_type =
        DataType::from_str(text).map_err(|error| ColumnError::of_type(text, error.to_string()))?;
    check_type(&data_type, depth_max)?;
    Ok(data_type)
}

#[cold]
fn too_deep(data_type: impl ToString, depth_max: usize) -> ColumnError {
    let mut text = data_type.to_string();
    if let Some((cut, _)) = text.char_indices().nth(200) {
        text.truncate(cut);
        text.push('…');
    }
    ColumnError::of_type(text, format!("it nests deeper than {depth_max}"))
}

/// Tests that columns of a type can cross: that it is not deeper than `depth_max` and that its parts fit together. arrow takes
/// some of this for granted and panics later where it does not hold (a negative width, a map that is not made of pairs, …).
///
/// # Errors
///
/// [`ColumnError::Type`].
pub fn check_type(data_type: &DataType, depth_max: usize) -> Result<(), ColumnError> {
    let Some(depth_left) = depth_max.checked_sub(1) else {
        return Err(too_deep(data_type, depth_max));
    };
    if let Some(problem) = problem(data_type) {
        return Err(ColumnError::of_type(data_type, problem));
    }
    children(data_type).try_for_each(|child| check_type(child, depth_left))
}

/// What is wrong with a type by itself, apart from its children.
fn problem(data_type: &DataType) -> Option<&'static str> {
    let decimal = |precision: u8, scale: i8, precision_max: u8| {
        if precision == 0 || precision > precision_max {
            Some("its precision is out of range")
        } else if i16::from(scale).abs() > i16::from(precision_max) || scale > precision as i8 {
            Some("its scale is out of range")
        } else {
            None
        }
    };
    match data_type {
        DataType::Decimal32(precision, scale) => {
            decimal(*precision, *scale, DECIMAL32_MAX_PRECISION)
        }
        DataType::Decimal64(precision, scale) => {
            decimal(*precision, *scale, DECIMAL64_MAX_PRECISION)
        }
        DataType::Decimal128(precision, scale) => {
            decimal(*precision, *scale, DECIMAL128_MAX_PRECISION)
        }
        DataType::Decimal256(precision, scale) => {
            decimal(*precision, *scale, DECIMAL256_MAX_PRECISION)
        }
        DataType::Time32(TimeUnit::Microsecond | TimeUnit::Nanosecond)
        | DataType::Time64(TimeUnit::Second | TimeUnit::Millisecond) => Some("it has no such unit"),
        DataType::FixedSizeBinary(width) | DataType::FixedSizeList(_, width) if *width < 0 => {
            Some("its width is negative")
        }
        DataType::Dictionary(keys, _) if !keys.is_dictionary_key_type() => {
            Some("dictionary keys must be integers")
        }
        DataType::RunEndEncoded(ends, _)
            if ends.is_nullable() || !ends.data_type().is_run_ends_type() =>
        {
            Some("run ends must be Int16, Int32 or Int64 and not null")
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => match &fields[..] {
                [key, _] if !entries.is_nullable() && !key.is_nullable() => None,
                [_, _] => Some("neither the entries of a map nor their keys may be null"),
                _ => Some("the entries of a map must be pairs"),
            },
            _ => Some("the entries of a map must be a struct"),
        },
        DataType::Union(fields, _) if fields.is_empty() => Some("a union needs a field"),
        _ => None,
    }
}

/// Whether columns of type `source` can be written as `target`; see [`measure`](super::measure).
pub(crate) fn fits(source: &DataType, target: &DataType) -> bool {
    use DataType::*;
    let fits_field = |source: &Field, target: &Field| {
        (target.is_nullable() || !source.is_nullable())
            && fits(source.data_type(), target.data_type())
    };
    match (source, target) {
        (Dictionary(from, source), Dictionary(to, target)) => from == to && fits(source, target),
        (
            Dictionary(_, source),
            Utf8 | LargeUtf8 | Utf8View | Binary | LargeBinary | BinaryView,
        ) => fits(source, target),
        (Utf8 | LargeUtf8 | Utf8View, Utf8 | LargeUtf8 | Utf8View)
        | (Binary | LargeBinary | BinaryView, Binary | LargeBinary | BinaryView) => true,
        (List(source), List(target))
        | (LargeList(source), LargeList(target))
        | (ListView(source), ListView(target))
        | (LargeListView(source), LargeListView(target)) => fits_field(source, target),
        (FixedSizeList(source, from), FixedSizeList(target, to)) => {
            from == to && fits_field(source, target)
        }
        (Map(source, from), Map(target, to)) if *from || !*to => {
            match (source.data_type(), target.data_type()) {
                (Struct(source), Struct(target)) => {
                    source.len() == target.len()
                        && source.iter().zip(target).all(|(s, t)| fits_field(s, t))
                }
                _ => false,
            }
        }
        (Struct(source), Struct(target)) => {
            source.len() == target.len()
                && source
                    .iter()
                    .zip(target)
                    .all(|(s, t)| s.name() == t.name() && fits_field(s, t))
        }
        (Union(source, from), Union(target, to)) => {
            from == to
                && source.len() == target.len()
                && source
                    .iter()
                    .zip(target.iter())
                    .all(|((i, s), (j, t))| i == j && s.name() == t.name() && fits_field(s, t))
        }
        (RunEndEncoded(from, source), RunEndEncoded(to, target)) => {
            from.data_type() == to.data_type() && fits_field(source, target)
        }
        _ => source == target,
    }
}
