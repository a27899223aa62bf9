//! Functions that are measured: one of a plugin, and the same natively, both as DataFusion calls them.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, Volatility, create_udf,
};
use wasmfusion::{Plugin, Registry, ScalarFunction};

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

/// A registry with these of the built example plugins.
///
/// # Panics
///
/// If one of them is not there.
pub fn built_plugins(plugins: &[&str]) -> Registry {
    let registry = Registry::default();
    for plugin in plugins {
        load_built(&registry, plugin);
    }
    registry
}

fn load_built(registry: &Registry, plugin: &str) -> Arc<Plugin> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/plugins/built");
    registry
        .load_file(built.join(format!("{plugin}.wasm")))
        .expect("the plugin loads")
}

/// A function of one of the built example plugins.
///
/// # Panics
///
/// If there is no such plugin or function.
pub fn plugin_function(plugin: &str, function: &str) -> ScalarUDF {
    let plugin = load_built(&Registry::default(), plugin);
    ScalarUDF::from(ScalarFunction::named(&plugin, function).expect("the plugin has the function"))
}

/// The module of a built plugin under another name of the same length, and that name: another module.
///
/// # Panics
///
/// If there is no such plugin.
pub fn renamed(model: &str, number: usize) -> (String, Vec<u8>) {
    let file = format!(
        "{}/../examples/plugins/built/{model}.wasm",
        env!("CARGO_MANIFEST_DIR")
    );
    let mut bytes = fs::read(file).expect("it is built");
    let name = format!("{}{number:02}", &model[..model.len() - 2]);
    let (old, new) = (
        format!("{{\"name\":\"{model}\",\"version\""),
        format!("{{\"name\":\"{name}\",\"version\""),
    );
    let place = bytes
        .windows(old.len())
        .position(|window| window == old.as_bytes());
    let place = place.expect("the manifest is in the module");
    bytes[place..place + old.len()].copy_from_slice(new.as_bytes());
    (name, bytes)
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

/// A column of `rows` numbers from `from` on, `step` apart.
pub fn floats(rows: usize, from: f64, step: f64) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(
        (0..rows).map(|row| from + step * (row % 1000) as f64),
    ))
}
