//! Values of a column as bytes: what is text or bytes as it is, anything else as the text that SQL shows for it.

use arrow::array::{Array, ArrayRef, AsArray, LargeBinaryArray, LargeBinaryBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::error::{StoreError, shown};

/// The place of a column.
pub(super) fn place(schema: &Schema, name: &str) -> Result<usize, StoreError> {
    let mut places = schema
        .fields()
        .iter()
        .enumerate()
        .filter(|(_, field)| field.name() == name)
        .map(|(place, _)| place);
    match (places.next(), places.next()) {
        (Some(place), None) => Ok(place),
        (Some(_), Some(_)) => Err(column(name, "there is more than one of this name")),
        (None, _) => {
            let names: Vec<String> = schema
                .fields()
                .iter()
                .map(|field| format!("\"{}\"", shown(field.name().as_bytes())))
                .collect();
            let names = names.join(", ");
            Err(column(
                name,
                format!(
                    "there is no such column; names are matched exactly, and there are {names}"
                ),
            ))
        }
    }
}

/// Values that tell things apart: those of a key.
pub(super) fn keys(array: &ArrayRef, name: &str) -> Result<LargeBinaryArray, StoreError> {
    let kind = plain_type(array.data_type());
    if kind.is_nested() || kind.is_null() {
        return Err(column(
            name,
            format!(
                "values of {kind} cannot be keys; take text, bytes, numbers, booleans or times"
            ),
        ));
    }
    values(array, name)
}

/// Values of any kind; those that are NULL stay so.
pub(super) fn values(array: &ArrayRef, name: &str) -> Result<LargeBinaryArray, StoreError> {
    bytes(array).map_err(|error| column(name, error.to_string()))
}

/// What is wrong with a column.
pub(super) fn column(name: &str, reason: impl Into<String>) -> StoreError {
    StoreError::Column {
        column: shown(name.as_bytes()),
        reason: reason.into(),
    }
}

fn bytes(array: &ArrayRef) -> Result<LargeBinaryArray, ArrowError> {
    let kind = plain_type(array.data_type());
    if kind != array.data_type() {
        return bytes(&cast(array, kind)?);
    }
    match kind {
        DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_)
        | DataType::LargeBinary => {
            let array = cast(array, &DataType::LargeBinary)?;
            Ok(array.as_binary::<i64>().clone())
        }
        _ => text(array),
    }
}

fn text(array: &ArrayRef) -> Result<LargeBinaryArray, ArrowError> {
    let options = FormatOptions::new().with_display_error(false);
    let shown = ArrayFormatter::try_new(array, &options)?;
    let nulls = array.logical_nulls();
    let mut values = LargeBinaryBuilder::with_capacity(array.len(), array.len() * 8);
    let mut value = String::new();
    for row in 0..array.len() {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            values.append_null();
            continue;
        }
        value.clear();
        shown.value(row).write(&mut value)?;
        values.append_value(&value);
    }
    Ok(values.finish())
}

/// The type of the values in an array that has each of them once.
fn plain_type(kind: &DataType) -> &DataType {
    match kind {
        DataType::Dictionary(_, values) => plain_type(values),
        DataType::RunEndEncoded(_, values) => plain_type(values.data_type()),
        kind => kind,
    }
}
