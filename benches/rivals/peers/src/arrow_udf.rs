//! arrow-udf: a `RecordBatch` goes in as an Arrow IPC file and comes out as one.
//!
//! The batch is made before anything is measured, and its column is not taken out of the result: a database has to do both for each call.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use arrow_udf_runtime::wasm::{FunctionHandle, Runtime};
use rivals_worker::{Case, Data, Function, Output, Rival, module, time};

use crate::columns::{arrays, output};

/// A runtime with its default configuration: no limit of memory. Its engine is wasmtime's default one; neither can be interrupted, and there is nothing
/// to choose.
pub struct ArrowUdf(Runtime);

impl Rival for ArrowUdf {
    fn module() -> Vec<u8> {
        module("arrow_udf")
    }

    fn load(module: &[u8], cache: Option<&Path>) -> Self {
        assert!(cache.is_none(), "arrow-udf keeps no compiled modules");
        Self(Runtime::new(module).expect("it loads"))
    }

    fn case<'a>(&'a self, data: &'a Data) -> Box<dyn Case + 'a> {
        let (params, returns) = match data.function() {
            Function::AddOne => (vec![DataType::Int64], DataType::Int64),
            Function::GreatCircleKm => (vec![DataType::Float64; 4], DataType::Float64),
            Function::Upper => (vec![DataType::Utf8], DataType::Utf8),
        };
        let function = self
            .0
            .find_function(data.function().export(), params, returns)
            .expect("it has the function");
        Box::new(Call {
            runtime: &self.0,
            function,
            batch: batch(data),
        })
    }
}

struct Call<'a> {
    runtime: &'a Runtime,
    function: FunctionHandle,
    batch: RecordBatch,
}

impl Call<'_> {
    fn call(&self) -> RecordBatch {
        self.runtime
            .call(&self.function, &self.batch)
            .expect("the call succeeds")
    }
}

impl Case for Call<'_> {
    fn run(&mut self, calls: u64) -> Duration {
        time(calls, || drop(black_box(self.call())))
    }

    fn output(&mut self) -> Output {
        output(self.call().column(0))
    }
}

fn batch(data: &Data) -> RecordBatch {
    let columns = arrays(data);
    let fields: Vec<Field> = columns
        .iter()
        .enumerate()
        .map(|(place, column)| Field::new(format!("c{place}"), column.data_type().clone(), true))
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("columns of one length")
}
