//! A function, called as DataFusion calls it.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl};
use wasmfusion::ScalarFunction;

/// Calls a function on one number, outside of a query.
///
/// # Errors
///
/// What the function says.
pub fn call(function: &ScalarFunction, x: i64) -> Result<i64> {
    let column: ArrayRef = Arc::new(Int64Array::from(vec![x]));
    let field = Arc::new(Field::new("x", DataType::Int64, true));
    let args = ScalarFunctionArgs {
        args: vec![ColumnarValue::Array(column)],
        arg_fields: vec![Arc::clone(&field)],
        number_rows: 1,
        return_field: field,
        config_options: Arc::new(ConfigOptions::default()),
    };
    let column = function.invoke_with_args(args)?.into_array(1)?;
    Ok(column.as_primitive::<Int64Type>().value(0))
}
