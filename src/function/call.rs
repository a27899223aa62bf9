//! One call: the columns of a batch into a guest, the result out of it.
//!
//! ```text
//! invoke    constants, rows with NULLs that the guest must not see, batches that are too large     ──┐
//! run       lease an instance ─▶ write the arguments ─▶ call ─▶ check and read the result            ◀─┘
//! ```

use std::borrow::Cow;

use datafusion::arrow::array::{Array, ArrayRef, BooleanArray, UInt32Array, new_null_array};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::compute::{CastOptions, FilterBuilder, cast_with_options, concat, take};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::ColumnarValue;
use smallvec::SmallVec;
use wasmfusion_abi::{ArrowArray, CONSTANTS_MAX, CallFrame, status};

use super::{bind, signature};
use crate::columns::{self, Arena, ColumnError, ReadLimits};
use crate::error::{Error, Result};
use crate::instance::{Failure, Instance};
use crate::module::{Nulls, ParamType};
use crate::plugin::FunctionRef;
use crate::scope::with_instance;

/// Alignment of the structs of the interface.
const STRUCT_ALIGN: u32 = 8;
const ARRAY_BYTES: u32 = size_of::<ArrowArray>() as u32;
const FRAME_BYTES: u32 = size_of::<CallFrame>() as u32;
/// Where in a frame the error is.
const ERROR_OFFSET: u32 = std::mem::offset_of!(CallFrame, error) as u32;

/// An argument: a column of as many values as the call has rows, or one value that holds for all rows.
#[derive(Clone)]
struct Argument<'a> {
    array: Cow<'a, ArrayRef>,
    constant: bool,
}

/// The arguments of a call. Functions with more parameters than this pay for an allocation.
type Arguments<'a> = SmallVec<[Argument<'a>; 6]>;

/// Calls a function on a batch.
pub(super) fn invoke(
    function: &FunctionRef,
    args: &[ColumnarValue],
    rows: usize,
    result: &Field,
    volatile: bool,
) -> Result<ColumnarValue> {
    let all_constant = !volatile
        && args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
    if all_constant {
        let column = invoke_columns(function, args, 1, result)?;
        return Ok(ColumnarValue::Scalar(
            ScalarValue::try_from_array(&column, 0).map_err(|e| arrow_failed(function, e))?,
        ));
    }
    Ok(ColumnarValue::Array(invoke_columns(
        function, args, rows, result,
    )?))
}

fn invoke_columns(
    function: &FunctionRef,
    args: &[ColumnarValue],
    rows: usize,
    result: &Field,
) -> Result<ArrayRef> {
    let decl = function.decl();
    let mut arguments = Arguments::with_capacity(args.len());
    let mut skipped: Option<NullBuffer> = None;
    for (place, arg) in args.iter().enumerate() {
        let param = signature::param(decl, place);
        let skips = param.is_none_or(|param| param.nulls == Nulls::Skip);
        let (array, constant) = match arg {
            ColumnarValue::Array(array) => {
                if array.len() != rows {
                    return Err(Error::Usage(format!(
                        "function {}: argument {} has {} rows, the batch has {rows}",
                        function.id(),
                        place + 1,
                        array.len()
                    )));
                }
                if skips && let Some(nulls) = nulls_of(array) {
                    skipped = NullBuffer::union(skipped.as_ref(), Some(&nulls));
                }
                (Cow::Borrowed(array), false)
            }
            ColumnarValue::Scalar(value) => {
                if skips && value.is_null() {
                    return Ok(new_null_array(result.data_type(), rows));
                }
                (
                    Cow::Owned(value.to_array().map_err(|e| arrow_failed(function, e))?),
                    true,
                )
            }
        };
        let array = match param.map(|param| &param.ty) {
            Some(ParamType::Exact(to)) if !signature::same_type(array.data_type(), to) => {
                Cow::Owned(cast(function, place, &array, to)?)
            }
            _ => array,
        };
        // Only so many arguments can be marked as constant.
        let expand = constant && place >= CONSTANTS_MAX;
        let array = if expand {
            Cow::Owned(repeat(function, &array, rows)?)
        } else {
            array
        };
        arguments.push(Argument {
            array,
            constant: constant && !expand,
        });
    }
    match skipped {
        Some(nulls) if nulls.null_count() == rows => Ok(new_null_array(result.data_type(), rows)),
        Some(nulls) if nulls.null_count() > 0 => {
            without_nulls(function, &arguments, &nulls, result)
        }
        _ => run(function, &arguments, rows, result),
    }
}

/// The NULLs of a column, where there are any.
fn nulls_of(array: &ArrayRef) -> Option<NullBuffer> {
    let nulls = match array.data_type() {
        // Their NULLs are not, or not only, in a validity buffer of their own.
        DataType::Dictionary(..)
        | DataType::RunEndEncoded(..)
        | DataType::Union(..)
        | DataType::Null => array.logical_nulls(),
        _ => array.nulls().cloned(),
    };
    nulls.filter(|nulls| nulls.null_count() > 0)
}

/// Calls the function on the rows without NULL, and puts a NULL where the others were.
#[cold]
fn without_nulls(
    function: &FunctionRef,
    arguments: &[Argument<'_>],
    nulls: &NullBuffer,
    result: &Field,
) -> Result<ArrayRef> {
    let filter = FilterBuilder::new(&BooleanArray::new(nulls.inner().clone(), None))
        .optimize()
        .build();
    let mut dense = Arguments::with_capacity(arguments.len());
    for argument in arguments {
        let array = if argument.constant {
            argument.array.clone()
        } else {
            let filtered = filter.filter(argument.array.as_ref());
            Cow::Owned(filtered.map_err(|e| arrow_failed(function, e.into()))?)
        };
        dense.push(Argument {
            array,
            constant: argument.constant,
        });
    }
    let column = run(function, &dense, nulls.len() - nulls.null_count(), result)?;
    let mut next = 0;
    let places = nulls.iter().map(|valid| {
        // Any place will do for a NULL, but there must be one.
        let place = if valid { next } else { 0 };
        next += u32::from(valid);
        place
    });
    let places = UInt32Array::new(places.collect(), Some(nulls.clone()));
    take(&column, &places, None).map_err(|e| arrow_failed(function, e.into()))
}

/// Calls the function on columns that may cross as they are, in parts if they are too large for the guest's memory.
fn run(
    function: &FunctionRef,
    arguments: &[Argument<'_>],
    rows: usize,
    result: &Field,
) -> Result<ArrayRef> {
    let mut bytes = u64::from(STRUCT_ALIGN + FRAME_BYTES)
        + u64::from(ARRAY_BYTES) * (arguments.len() as u64 + 1);
    for (place, argument) in arguments.iter().enumerate() {
        let target = target(function, place, &argument.array);
        bytes += columns::measure(argument.array.as_ref(), target)
            .map_err(|e| bad_argument(function, place, e))?;
    }
    bytes += columns::measure_result(result.data_type(), rows);

    let roomy = function.plugin.limits().memory_bytes_max / 4;
    if bytes > roomy && rows > 1 {
        return run_halves(function, arguments, rows, result);
    }
    let rows = u32::try_from(rows).map_err(|_| {
        Error::Usage(format!(
            "function {}: a batch has {rows} rows",
            function.id()
        ))
    })?;
    with_instance(&function.plugin, rows as usize, |instance| {
        run_in(instance, function, arguments, rows, bytes, result)
    })
    .map_err(|ended| ended.into_error(function))
}

/// How a call ended, before it is put into words.
pub(super) enum Ended {
    Failed(Failure),
    Told(Error),
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self::Told(error)
    }
}

impl Ended {
    #[cold]
    pub(super) fn into_error(self, function: &FunctionRef) -> Error {
        match self {
            Self::Failed(failure) => failure.into_error(function.id(), function.plugin.limits()),
            Self::Told(error) => error,
        }
    }
}

fn run_in(
    instance: &mut Instance,
    function: &FunctionRef,
    arguments: &[Argument<'_>],
    rows: u32,
    bytes: u64,
    result: &Field,
) -> Result<ArrayRef, Ended> {
    let module = function.plugin.module();
    let bound = if function.decl().bind {
        bind::handle(
            instance,
            function,
            arguments.iter().map(|a| (a.array.as_ref(), a.constant)),
            result,
        )?
    } else {
        0
    };
    let region = instance.region(module, bytes)?;
    let mut arena = Arena::new(region.address, region.size);
    let arg_count = arguments.len() as u32;

    let mut take = |bytes| {
        arena
            .alloc(u64::from(bytes), STRUCT_ALIGN)
            .map_err(|e| bad_result(function, e))
    };
    let frame_at = take(FRAME_BYTES)?;
    let args_at = take(ARRAY_BYTES * arg_count)?;
    let result_at = take(ARRAY_BYTES)?;

    let mut memory = instance.memory();
    let mut constants = 0;
    for (place, argument) in arguments.iter().enumerate() {
        let at = args_at + ARRAY_BYTES * place as u32;
        let target = target(function, place, &argument.array);
        columns::write(&mut memory, &mut arena, at, argument.array.as_ref(), target)
            .map_err(|e| bad_argument(function, place, e))?;
        constants |= u64::from(argument.constant) << (place % CONSTANTS_MAX);
    }
    columns::lay_out_result(
        &mut memory,
        &mut arena,
        result_at,
        result.data_type(),
        rows as usize,
    )
    .map_err(|e| bad_result(function, e))?;
    let frame = CallFrame {
        rows,
        arg_count,
        args: args_at,
        result: result_at,
        constants,
        bound,
        reserved: 0,
        error: Default::default(),
    };
    memory
        .write("frame", frame_at, &frame)
        .map_err(|e| bad_result(function, e.into()))?;

    let status =
        instance.call_function(module, function.place, frame_at, frame_at + ERROR_OFFSET)?;
    if status != status::OK {
        let message = instance.message(module, frame_at + ERROR_OFFSET);
        let message =
            message.unwrap_or_else(|| format!("failed with status {status} and gave no message"));
        return Err(Error::Guest {
            function: function.id(),
            message,
        }
        .into());
    }
    let limits = ReadLimits {
        bytes_max: module.limits().result_bytes_max,
        depth_max: module.limits().type_depth_max,
    };
    let column = columns::read(
        &instance.memory(),
        result_at,
        result.data_type(),
        rows as usize,
        limits,
    )
    .map_err(|e| bad_result(function, e))?;
    let promised = function
        .decl()
        .returns
        .as_ref()
        .is_some_and(|returns| !returns.nullable);
    if (promised || !result.is_nullable()) && column.logical_null_count() > 0 {
        let problem = ColumnError::invalid(
            result.data_type(),
            "it has NULLs, although the manifest says that it never has",
        );
        return Err(bad_result(function, problem).into());
    }
    Ok(column)
}

#[cold]
fn run_halves(
    function: &FunctionRef,
    arguments: &[Argument<'_>],
    rows: usize,
    result: &Field,
) -> Result<ArrayRef> {
    let half = rows / 2;
    let part = |start: usize, length: usize| {
        let arguments: Arguments<'_> = arguments
            .iter()
            .map(|argument| match argument.constant {
                true => argument.clone(),
                false => Argument {
                    array: Cow::Owned(argument.array.slice(start, length)),
                    constant: false,
                },
            })
            .collect();
        run(function, &arguments, length, result)
    };
    let (first, second) = (part(0, half)?, part(half, rows - half)?);
    concat(&[first.as_ref(), second.as_ref()]).map_err(|e| arrow_failed(function, e.into()))
}

/// The type that the argument at `place` crosses as.
fn target<'a>(function: &'a FunctionRef, place: usize, array: &'a ArrayRef) -> &'a DataType {
    match signature::param(function.decl(), place).map(|param| &param.ty) {
        Some(ParamType::Exact(target)) => target,
        _ => array.data_type(),
    }
}

#[cold]
fn cast(function: &FunctionRef, place: usize, array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(array, to, &options)
        .map_err(|e| bad_argument(function, place, ColumnError::from(e)))
}

#[cold]
fn repeat(function: &FunctionRef, value: &ArrayRef, rows: usize) -> Result<ArrayRef> {
    let places = UInt32Array::from(vec![0; rows]);
    take(value, &places, None).map_err(|e| arrow_failed(function, e.into()))
}

#[cold]
fn bad_argument(function: &FunctionRef, place: usize, reason: ColumnError) -> Error {
    Error::BadArgument {
        function: function.id(),
        argument: place + 1,
        reason: Box::new(reason),
    }
}

#[cold]
fn bad_result(function: &FunctionRef, reason: ColumnError) -> Error {
    Error::BadResult {
        function: function.id(),
        reason: Box::new(reason),
    }
}

#[cold]
fn arrow_failed(function: &FunctionRef, error: DataFusionError) -> Error {
    Error::Host {
        what: format!(
            "function {}: its columns could not be prepared",
            function.id()
        ),
        reason: error.strip_backtrace(),
    }
}
