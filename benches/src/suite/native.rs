//! The loops of native functions, as one writes them with arrow-rs: buffers of the right size, no test for NULL where there is none.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, FixedSizeBinaryArray, ListArray,
    ListBuilder, PrimitiveArray, StringArray, StringBuilder,
};
use arrow::buffer::{BooleanBuffer, MutableBuffer, NullBuffer};

/// The rows in which an argument is NULL.
pub fn nulls(columns: &[ArrayRef]) -> Option<NullBuffer> {
    let nulls = columns.iter().filter_map(|column| column.nulls());
    nulls
        .cloned()
        .reduce(|left, right| NullBuffer::union(Some(&left), Some(&right)).unwrap_or(left))
        .filter(|nulls| nulls.null_count() > 0)
}

/// A column of text.
pub fn text(column: &ArrayRef) -> &StringArray {
    column.as_string()
}

/// A number for each row without NULL. Where there is a NULL, `compute` is not called.
#[inline(always)]
pub fn numbers<T: ArrowPrimitiveType>(
    rows: usize,
    nulls: Option<NullBuffer>,
    compute: impl Fn(usize) -> T::Native,
) -> ArrayRef {
    let values: Vec<T::Native> = match &nulls {
        None => (0..rows).map(compute).collect(),
        Some(nulls) => {
            let mut values = vec![T::Native::default(); rows];
            for row in nulls.valid_indices() {
                values[row] = compute(row);
            }
            values
        }
    };
    Arc::new(PrimitiveArray::<T>::new(values.into(), nulls))
}

/// A truth value for each row without NULL.
#[inline(always)]
pub fn truths(rows: usize, nulls: Option<NullBuffer>, compute: impl Fn(usize) -> bool) -> ArrayRef {
    let values = match &nulls {
        None => BooleanBuffer::collect_bool(rows, compute),
        Some(nulls) => BooleanBuffer::collect_bool(rows, |row| nulls.is_valid(row) && compute(row)),
    };
    Arc::new(BooleanArray::new(values, nulls))
}

/// A text for each row without NULL, some `bytes` each.
#[inline(always)]
pub fn texts<S: AsRef<str>>(
    rows: usize,
    nulls: Option<NullBuffer>,
    bytes: usize,
    compute: impl Fn(usize) -> Option<S>,
) -> ArrayRef {
    written(rows, nulls, bytes, |row, builder| {
        builder.append_option(compute(row));
    })
}

/// As [`texts`], where `write` appends the row's value or NULL.
#[inline(always)]
pub fn written(
    rows: usize,
    nulls: Option<NullBuffer>,
    bytes: usize,
    write: impl Fn(usize, &mut StringBuilder),
) -> ArrayRef {
    let mut builder = StringBuilder::with_capacity(rows, rows * bytes);
    match nulls {
        None => (0..rows).for_each(|row| write(row, &mut builder)),
        Some(nulls) => (0..rows).for_each(|row| match nulls.is_valid(row) {
            true => write(row, &mut builder),
            false => builder.append_null(),
        }),
    }
    Arc::new(builder.finish())
}

/// A list of texts for each row without NULL, some `bytes` of text each.
#[inline(always)]
pub fn lists<'a, I: Iterator<Item = &'a str>>(
    rows: usize,
    nulls: Option<NullBuffer>,
    bytes: usize,
    compute: impl Fn(usize) -> I,
) -> ListArray {
    let elements = StringBuilder::with_capacity(4 * rows, rows * bytes);
    let mut builder = ListBuilder::with_capacity(elements, rows);
    for row in 0..rows {
        let valid = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        if valid {
            compute(row).for_each(|element| builder.values().append_value(element));
        }
        builder.append(valid);
    }
    builder.finish()
}

/// `N` bytes for each row without NULL, or NULL.
#[inline(always)]
pub fn fixed_bytes<const N: usize>(
    rows: usize,
    nulls: Option<NullBuffer>,
    compute: impl Fn(usize) -> Option<[u8; N]>,
) -> ArrayRef {
    let mut values = MutableBuffer::with_capacity(rows * N);
    let valid = BooleanBuffer::collect_bool(rows, |row| {
        let valid = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        let value = if valid { compute(row) } else { None };
        values.extend_from_slice(&value.unwrap_or([0; N]));
        value.is_some()
    });
    let nulls = Some(NullBuffer::new(valid)).filter(|nulls| nulls.null_count() > 0);
    Arc::new(FixedSizeBinaryArray::new(N as i32, values.into(), nulls))
}
