//! The work as Arrow arrays.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, StringArray};
use arrow_schema::DataType;
use rivals_worker::{Data, Output};

/// The columns of arguments.
pub fn arrays(data: &Data) -> Vec<ArrayRef> {
    match data {
        Data::Ints(column) => vec![Arc::new(Int64Array::from(column.clone()))],
        Data::Places(columns) => columns
            .iter()
            .map(|column| Arc::new(Float64Array::from(column.clone())) as ArrayRef)
            .collect(),
        Data::Texts(column) => vec![Arc::new(StringArray::from(column.clone()))],
    }
}

/// A column of results.
pub fn output(column: &ArrayRef) -> Output {
    match column.data_type() {
        DataType::Int64 => Output::Ints(column.as_primitive::<Int64Type>().values().to_vec()),
        DataType::Float64 => Output::Floats(column.as_primitive::<Float64Type>().values().to_vec()),
        _ => Output::Texts(
            column
                .as_string::<i32>()
                .iter()
                .flatten()
                .map(str::to_owned)
                .collect(),
        ),
    }
}
