//! Functions that are measured: one of a plugin, and the same natively, both as DataFusion calls them.

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type, Schema};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::logical_expr::{
    AggregateUDF, ColumnarValue, GroupsAccumulator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    Volatility, create_udf,
};
use datafusion::physical_expr::aggregate::AggregateExprBuilder;
use datafusion::physical_expr::expressions::Column;

/// A function with arguments, ready to be called again and again.
pub struct Subject {
    udf: ScalarUDF,
    args: Vec<ColumnarValue>,
    arg_fields: Vec<FieldRef>,
    rows: usize,
    return_field: FieldRef,
    config_options: Arc<ConfigOptions>,
}

impl Subject {
    /// `udf` on these columns.
    ///
    /// # Panics
    ///
    /// If the function does not take them.
    pub fn new(udf: &ScalarUDF, columns: &[ArrayRef]) -> Self {
        let arg_fields: Vec<FieldRef> = columns
            .iter()
            .map(|column| Arc::new(Field::new("", column.data_type().clone(), true)))
            .collect();
        let scalar_arguments = vec![None; columns.len()];
        let return_field = udf
            .return_field_from_args(ReturnFieldArgs {
                arg_fields: &arg_fields,
                scalar_arguments: &scalar_arguments,
            })
            .expect("the function takes these columns");
        Self {
            udf: udf.clone(),
            args: columns.iter().cloned().map(ColumnarValue::Array).collect(),
            arg_fields,
            rows: columns.first().map_or(1, |column| column.len()),
            return_field,
            config_options: Arc::new(ConfigOptions::default()),
        }
    }

    /// One call, with the arguments made as DataFusion makes them for each batch.
    ///
    /// # Panics
    ///
    /// If the call fails.
    pub fn call(&self) -> ColumnarValue {
        self.try_call().expect("the call succeeds")
    }

    /// So many calls, one after the other.
    ///
    /// # Panics
    ///
    /// If one fails.
    pub fn calls(&self, calls: u32) {
        for _ in 0..calls {
            black_box(self.call());
        }
    }

    /// As [`Self::call`], where it may fail.
    ///
    /// # Errors
    ///
    /// What the function returns.
    pub fn try_call(&self) -> Result<ColumnarValue> {
        let args = ScalarFunctionArgs {
            args: self.args.clone(),
            arg_fields: self.arg_fields.clone(),
            number_rows: self.rows,
            return_field: Arc::clone(&self.return_field),
            config_options: Arc::clone(&self.config_options),
        };
        self.udf.invoke_with_args(args)
    }
}

/// A plugin's function and the native one on the same columns, of which they return the same.
///
/// # Panics
///
/// If they do not.
pub fn both(plugin: &ScalarUDF, native: &ScalarUDF, columns: &[ArrayRef]) -> (Subject, Subject) {
    let (ours, theirs) = (Subject::new(plugin, columns), Subject::new(native, columns));
    let column = |subject: &Subject| subject.call().into_array(subject.rows).expect("a column");
    assert_agree(native.name(), &column(&ours), &column(&theirs), 1e-12);
    (ours, theirs)
}

/// Checks that two columns are equal, floating-point numbers as near as said: sine and arc sine come from different libraries.
///
/// # Panics
///
/// If they are not.
pub fn assert_agree(what: &str, ours: &ArrayRef, theirs: &ArrayRef, tolerance: f64) {
    let floats = |column: &ArrayRef| column.as_primitive_opt::<Float64Type>().cloned();
    let (Some(our_floats), Some(their_floats)) = (floats(ours), floats(theirs)) else {
        assert_eq!(ours, theirs, "{what}: the plugin and native code differ");
        return;
    };
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (row, pair) in our_floats.iter().zip(&their_floats).enumerate() {
        let agree = match pair {
            (Some(ours), Some(theirs)) => {
                (ours - theirs).abs() <= tolerance * theirs.abs().max(1.0)
            }
            (ours, theirs) => ours == theirs,
        };
        assert!(
            agree,
            "{what}, row {row}: the plugin and native code say {pair:?}"
        );
    }
}

/// An accumulator of an aggregate function that takes a column of floating-point numbers.
///
/// # Panics
///
/// If it takes something else.
pub fn accumulator(function: AggregateUDF) -> Box<dyn GroupsAccumulator> {
    let schema = Schema::new(vec![Field::new("v", DataType::Float64, true)]);
    AggregateExprBuilder::new(Arc::new(function), vec![Arc::new(Column::new("v", 0))])
        .schema(Arc::new(schema))
        .alias("mean")
        .build()
        .and_then(|expression| expression.create_groups_accumulator())
        .expect("the function takes the column")
}

/// A native function of the same shape: `compute` gets the argument columns.
pub fn native(
    name: &str,
    params: Vec<DataType>,
    returns: DataType,
    compute: impl Fn(&[ArrayRef]) -> ArrayRef + Send + Sync + 'static,
) -> ScalarUDF {
    let implementation = move |args: &[ColumnarValue]| -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(args)?;
        Ok(ColumnarValue::Array(compute(&columns)))
    };
    create_udf(
        name,
        params,
        returns,
        Volatility::Immutable,
        Arc::new(implementation),
    )
}

/// The great-circle distance of the plugin `geo`, compiled natively from the same source.
pub fn native_distance() -> ScalarUDF {
    native(
        "native_distance",
        vec![DataType::Float64; 4],
        DataType::Float64,
        |columns| {
            let column = |place: usize| columns[place].as_primitive::<Float64Type>().values();
            let (lat1, lon1, lat2, lon2) = (column(0), column(1), column(2), column(3));
            let distances: Vec<f64> = (0..lat1.len())
                .map(|row| geo::great_circle_km(lat1[row], lon1[row], lat2[row], lon2[row]))
                .collect();
            Arc::new(Float64Array::new(distances.into(), None))
        },
    )
}

/// The sum of two numbers, as of the plugin `testing`.
pub fn native_add() -> ScalarUDF {
    native(
        "native_add",
        vec![DataType::Float64; 2],
        DataType::Float64,
        |columns| {
            let (left, right) = (
                columns[0].as_primitive::<Float64Type>(),
                columns[1].as_primitive::<Float64Type>(),
            );
            let sums: Vec<f64> = left
                .values()
                .iter()
                .zip(right.values())
                .map(|(left, right)| left + right)
                .collect();
            Arc::new(Float64Array::new(sums.into(), None))
        },
    )
}

/// One added to a number, as of the plugin `testing`.
pub fn native_add_one() -> ScalarUDF {
    native(
        "native_add_one",
        vec![DataType::Int64],
        DataType::Int64,
        |columns| {
            let values = columns[0].as_primitive::<Int64Type>().values();
            let sums: Vec<i64> = values.iter().map(|value| value.wrapping_add(1)).collect();
            Arc::new(Int64Array::new(sums.into(), None))
        },
    )
}

/// Places all over the globe: columns of latitudes and longitudes, two of each.
pub fn places(rows: usize) -> [ArrayRef; 4] {
    [
        floats(rows, -60.0, 0.12),
        floats(rows, -179.0, 0.35),
        floats(rows, 60.0, -0.12),
        floats(rows, 179.0, -0.35),
    ]
}

/// A column of `rows` numbers from `from` on, `step` apart.
pub fn floats(rows: usize, from: f64, step: f64) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(
        (0..rows).map(|row| from + step * (row % 1000) as f64),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_agree_that_have_the_same_length_nulls_and_nearly_the_same_numbers() {
        let column = |values: &[Option<f64>]| -> ArrayRef {
            Arc::new(Float64Array::from_iter(values.iter().copied()))
        };
        let agree = |ours: &[Option<f64>], theirs: &[Option<f64>]| {
            let (ours, theirs) = (column(ours), column(theirs));
            let check = || assert_agree("it", &ours, &theirs, 1e-12);
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).is_ok()
        };
        assert!(agree(&[Some(1.0), None], &[Some(1.0 + 1e-13), None]));
        assert!(!agree(&[Some(1.0)], &[Some(1.0 + 1e-11)]));
        assert!(!agree(&[Some(1.0), Some(2.0)], &[Some(1.0)]));
        assert!(!agree(&[Some(0.0)], &[None]));
    }
}
