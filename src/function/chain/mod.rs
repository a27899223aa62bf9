//! Functions of one plugin that are called one after the other, `f(g(x), h(y))`: what the inner ones return stays in the guest.
//!
//! The plan rule makes a [`Chain`] of such calls ([`fuse`]). If every argument is a column of numbers without NULLs, or a constant, the
//! columns are copied in once, the functions called in turn, each on what the one before has left, and the last result is copied
//! out. Where a result has NULLs, or the guest has put it elsewhere, it is copied out and the rest goes on step by step, as
//! it would without a chain. What users see is the same either way.

mod fuse;

use std::any::Any;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use super::fixed::{self, FixedColumns, Program, Ran, Source, Sources, Stopped};
use super::frame::row_count;
use super::{ScalarFunction, SqlFunction};
use crate::instance::LayoutOf;
use crate::plugin::{FunctionRef, Plugin};
use crate::scope::{in_scope, with_instance, with_instance_at_hand, with_limits};

pub(crate) use fuse::fuse;

/// Functions of one plugin, of which later ones take what earlier ones return.
#[derive(Debug)]
pub(crate) struct Chain {
    /// Its number in this process.
    number: u64,
    /// As `f(g(_), _)`.
    name: String,
    signature: Signature,
    inputs: Vec<DataType>,
    steps: Vec<ChainStep>,
}

/// One of the functions.
#[derive(Debug)]
struct ChainStep {
    udf: Arc<ScalarUDF>,
    function: FunctionRef,
    sources: Sources,
    arg_fields: Vec<FieldRef>,
    result: FieldRef,
}

impl Program for Chain {
    #[inline]
    fn layout(&self) -> LayoutOf {
        LayoutOf::Chain(self.number)
    }

    #[inline]
    fn input_type(&self, place: usize) -> Option<&DataType> {
        self.inputs.get(place)
    }

    #[inline]
    fn len(&self) -> usize {
        self.steps.len()
    }

    #[inline]
    fn step(&self, step: usize) -> (&FunctionRef, &Field) {
        let step = &self.steps[step];
        (&step.function, &step.result)
    }

    fn sources(&self, step: usize, _inputs: usize) -> Sources {
        self.steps[step].sources.clone()
    }
}

impl Chain {
    /// The functions that it calls.
    pub(super) fn functions(&self) -> impl Iterator<Item = &SqlFunction> {
        let udfs = self.steps.iter().map(|step| step.udf.as_ref());
        udfs.filter_map(ScalarFunction::of)
    }

    fn plugin(&self) -> &Arc<Plugin> {
        &self.steps[0].function.plugin
    }

    fn result(&self) -> &FieldRef {
        &self.steps[self.steps.len() - 1].result
    }

    /// Calls all functions in the guest, if the inputs are such that they can be.
    fn run(&self, args: &[ColumnarValue], rows: usize) -> Option<Result<Ran>> {
        let is_column = |arg: &ColumnarValue| matches!(arg, ColumnarValue::Array(_));
        if !args.iter().any(is_column) {
            return None;
        }
        let repeated = with_instance_at_hand(self.plugin(), |instance| {
            fixed::repeat(instance, self, args, rows)
        });
        let ran = match repeated {
            Some(ran) => ran,
            None => self.run_anew(args, rows)?,
        };
        Some(ran.map_err(|stopped| stopped.into_error(self).into()))
    }

    fn run_anew(&self, args: &[ColumnarValue], rows: usize) -> Option<Result<Ran, Stopped>> {
        if !in_scope() {
            return None;
        }
        let columns = FixedColumns::of_values(self, args, rows)?;
        let roomy = with_limits(self.plugin(), |limits| limits.memory_bytes_max / 4);
        if columns.measure(self).row_bytes > roomy {
            return None;
        }
        row_count(&self.steps[0].function, rows).ok()?;
        Some(with_instance(self.plugin(), |instance| {
            fixed::run(instance, self, &columns)
        }))
    }

    /// Calls those functions that are left one by one.
    fn go_on(
        &self,
        args: &[ColumnarValue],
        done: Vec<ArrayRef>,
        rows: usize,
        config_options: &Arc<ConfigOptions>,
    ) -> Result<ColumnarValue> {
        let mut results: Vec<_> = done.into_iter().map(ColumnarValue::Array).collect();
        for step in self.steps.iter().skip(results.len()) {
            let argument = |source: &Source| match *source {
                Source::Input(place) => args[place].clone(),
                Source::Step(step) => results[step].clone(),
            };
            results.push(step.udf.invoke_with_args(ScalarFunctionArgs {
                args: step.sources.iter().map(argument).collect(),
                arg_fields: step.arg_fields.clone(),
                number_rows: rows,
                return_field: Arc::clone(&step.result),
                config_options: Arc::clone(config_options),
            })?);
        }
        Ok(results.swap_remove(self.steps.len() - 1))
    }
}

impl ScalarUDFImpl for Chain {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(self.result().data_type().clone())
    }

    fn return_field_from_args(&self, _args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::clone(self.result()))
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let ScalarFunctionArgs {
            args,
            number_rows: rows,
            config_options,
            ..
        } = call;
        let done = match self.run(&args, rows) {
            Some(Ok(Ran::Done(column))) => return Ok(ColumnarValue::Array(column)),
            Some(Ok(Ran::Left(done))) => done,
            Some(Err(error)) => return Err(error),
            None => Vec::new(),
        };
        self.go_on(&args, done, rows, &config_options)
    }
}

impl PartialEq for Chain {
    fn eq(&self, other: &Self) -> bool {
        let Self {
            number: _,
            name: _,
            signature: _,
            inputs,
            steps,
        } = self;
        *inputs == other.inputs && *steps == other.steps
    }
}

impl Eq for Chain {}

impl Hash for Chain {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for step in &self.steps {
            step.udf.hash(state);
            step.sources.hash(state);
        }
    }
}

impl PartialEq for ChainStep {
    fn eq(&self, other: &Self) -> bool {
        self.udf == other.udf && self.sources == other.sources && self.result == other.result
    }
}

/// The functions behind `udf`, if they are ours: one, or those of a chain.
pub(crate) fn called_functions(udf: &ScalarUDF) -> impl Iterator<Item = &SqlFunction> {
    let chain: Option<&Chain> = (udf.inner().as_ref() as &dyn Any).downcast_ref();
    let chained = chain.into_iter().flat_map(Chain::functions);
    ScalarFunction::of(udf).into_iter().chain(chained)
}
