//! Native Rust: the functions as a DataFusion user writes them without any sandbox.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::builder::StringBuilder;
use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::logical_expr::ScalarUDF;
use rivals_algorithms::{add_one, great_circle_km, upper};
use rivals_worker::{Case, Data, Function, Output, Rival, time};
use wasmfusion_benches::{Subject, native};

/// Functions that are compiled in.
pub struct Native;

impl Rival for Native {
    fn module() -> Vec<u8> {
        Vec::new()
    }

    fn load(_module: &[u8], cache: Option<&Path>) -> Self {
        assert!(cache.is_none(), "there is nothing to keep");
        Self
    }

    fn case<'a>(&'a self, data: &'a Data) -> Box<dyn Case + 'a> {
        Box::new(Call(Subject::new(
            &function(data.function()),
            &arrays(data),
        )))
    }
}

struct Call(Subject);

impl Case for Call {
    fn run(&mut self, calls: u64) -> Duration {
        time(calls, || drop(black_box(self.0.call())))
    }

    fn output(&mut self) -> Output {
        output(&self.0)
    }
}

fn function(function: Function) -> ScalarUDF {
    match function {
        Function::AddOne => native(
            "native_add_one",
            vec![DataType::Int64],
            DataType::Int64,
            |columns| {
                let values = columns[0].as_primitive::<Int64Type>().values();
                let sums: Vec<i64> = values.iter().map(|value| add_one(*value)).collect();
                Arc::new(Int64Array::new(sums.into(), None))
            },
        ),
        Function::GreatCircleKm => native(
            "native_great_circle_km",
            vec![DataType::Float64; 4],
            DataType::Float64,
            |columns| {
                let column = |place: usize| columns[place].as_primitive::<Float64Type>().values();
                let (lat1, lon1, lat2, lon2) = (column(0), column(1), column(2), column(3));
                let distances: Vec<f64> = (0..lat1.len())
                    .map(|row| great_circle_km(lat1[row], lon1[row], lat2[row], lon2[row]))
                    .collect();
                Arc::new(Float64Array::new(distances.into(), None))
            },
        ),
        Function::Upper => native(
            "native_upper",
            vec![DataType::Utf8],
            DataType::Utf8,
            |columns| {
                let texts = columns[0].as_string::<i32>();
                let mut out = StringBuilder::with_capacity(texts.len(), texts.values().len());
                for text in texts.iter().flatten() {
                    upper(text, &mut out).expect("the builder takes all");
                    out.append_value("");
                }
                Arc::new(out.finish())
            },
        ),
    }
}

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

/// What a call answers.
pub fn output(subject: &Subject) -> Output {
    let column = subject.call().into_array(1).expect("a column");
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
