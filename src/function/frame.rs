//! A call in guest memory: the structs of the interface, the columns of any types, and the result.

use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::datatypes::{DataType, Field};
use wasmfusion_abi::{ArrowArray, CONSTANTS_MAX, CallFrame, status};

use super::call::Argument;
use super::{bind, signature};
use crate::columns::{self, Arena, ColumnError, ReadLimits};
use crate::error::{Error, Result};
use crate::instance::{Failure, Instance};
use crate::module::ParamType;
use crate::plugin::FunctionRef;
use crate::scope::{current_query, with_limits};

/// Alignment of the structs of the interface.
pub(super) const STRUCT_ALIGN: u32 = 8;
pub(super) const ARRAY_BYTES: u32 = size_of::<ArrowArray>() as u32;
pub(super) const FRAME_BYTES: u32 = size_of::<CallFrame>() as u32;
/// Bytes of the addresses of validity and values.
pub(super) const TABLE_BYTES: u32 = 8;
/// Where in a frame the error is.
const ERROR_OFFSET: u32 = std::mem::offset_of!(CallFrame, error) as u32;

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
    /// Gives the instance up if the guest broke a promise in it.
    pub(super) fn judge(&self, instance: &mut Instance) {
        if let Self::Told(Error::BadResult { .. }) = self {
            instance.give_up();
        }
    }

    /// The error that the user reads. It is counted.
    #[cold]
    pub(super) fn into_error(self, function: &FunctionRef) -> Error {
        let error = match self {
            Self::Failed(failure) => failure.into_error(function.id()),
            Self::Told(error) => error,
        };
        let module = function.plugin.module();
        if let Some(counters) = module.function_counters(function.place) {
            counters.failed(&error);
        }
        function.plugin.observers().call_failed(
            current_query(),
            || function.id(),
            || error.to_string(),
        );
        error
    }
}

/// A guest that broke a promise is not called again.
#[inline]
pub(super) fn settle<T>(instance: &mut Instance, outcome: Result<T, Ended>) -> Result<T, Ended> {
    if let Err(ended) = &outcome {
        ended.judge(instance);
    }
    outcome
}

/// A number of rows as the interface has it.
pub(super) fn row_count(function: &FunctionRef, rows: usize) -> Result<u32, Error> {
    let max = with_limits(&function.plugin, |limits| limits.call_rows_max);
    match u32::try_from(rows) {
        Ok(rows) if rows <= max => Ok(rows),
        _ => Err(Error::Limit {
            function: function.id(),
            what: format!("was to be called with {rows} rows at once, the limit is {max}"),
            setting: "call_rows_max",
        }),
    }
}

/// How many bytes of the region a call takes, at most.
pub(super) struct Size {
    /// All of it.
    pub(super) bytes: u64,
    /// What a call with fewer rows takes less of: columns, not constants.
    pub(super) row_bytes: u64,
}

/// How much a call takes whose columns are of any types.
pub(super) fn measure(
    function: &FunctionRef,
    arguments: &[Argument<'_>],
    rows: usize,
    result: &Field,
) -> Result<Size> {
    let mut row_bytes = columns::measure_result(result.data_type(), rows);
    let mut bytes = u64::from(STRUCT_ALIGN + FRAME_BYTES)
        + u64::from(ARRAY_BYTES) * (arguments.len() as u64 + 1)
        + row_bytes;
    for (place, argument) in arguments.iter().enumerate() {
        let target = target(function, place, &argument.array);
        let column = columns::measure(argument.array.as_ref(), target)
            .map_err(|e| bad_argument(function, place, e))?;
        bytes += column;
        row_bytes += if argument.constant { 0 } else { column };
    }
    Ok(Size { bytes, row_bytes })
}

/// Calls the function on columns of any types.
pub(super) fn run_any(
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
    let before = arena.used();
    for (place, argument) in arguments.iter().enumerate() {
        let at = args_at + ARRAY_BYTES * place as u32;
        let target = target(function, place, &argument.array);
        columns::write(&mut memory, &mut arena, at, argument.array.as_ref(), target)
            .map_err(|e| bad_argument(function, place, e))?;
        constants |= u64::from(argument.constant) << (place % CONSTANTS_MAX);
    }
    let written = arena.used() - before;
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
        flags: 0,
        error: Default::default(),
    };
    memory
        .write("frame", frame_at, &frame)
        .map_err(|e| bad_result(function, e.into()))?;
    instance.count_in(written);

    finish(instance, function, frame_at, result_at, rows, result)
}

/// Calls the export, and reads what it leaves.
#[inline]
pub(super) fn finish(
    instance: &mut Instance,
    function: &FunctionRef,
    frame_at: u32,
    result_at: u32,
    rows: u32,
    result: &Field,
) -> Result<ArrayRef, Ended> {
    call(instance, function, frame_at)?;
    read(instance, function, result_at, rows, result)
}

/// Calls the export. What the guest says when it fails is the error.
#[inline]
pub(super) fn call(
    instance: &mut Instance,
    function: &FunctionRef,
    frame_at: u32,
) -> Result<(), Ended> {
    let module = function.plugin.module();
    let error_at = frame_at + ERROR_OFFSET;
    match instance.call_function(module, function.place, frame_at, error_at)? {
        status::OK => Ok(()),
        status => Err(refused(instance, function, error_at, status).into()),
    }
}

#[cold]
fn refused(instance: &mut Instance, function: &FunctionRef, error_at: u32, status: i32) -> Error {
    let message = instance.message(function.plugin.module(), error_at);
    Error::Guest {
        function: function.id(),
        message: message
            .unwrap_or_else(|| format!("failed with status {status} and gave no message")),
    }
}

/// Reads what the guest left.
pub(super) fn read(
    instance: &mut Instance,
    function: &FunctionRef,
    result_at: u32,
    rows: u32,
    result: &Field,
) -> Result<ArrayRef, Ended> {
    let column = read_column(instance, function, result_at, rows, result.data_type())?;
    check_promise(function, result, &column)?;
    Ok(column)
}

/// That a column has no NULLs if it was promised that it never has.
pub(super) fn check_promise(
    function: &FunctionRef,
    result: &Field,
    column: &ArrayRef,
) -> Result<(), Error> {
    let promised = function
        .decl()
        .returns
        .as_ref()
        .is_some_and(|returns| !returns.nullable);
    if (promised || !result.is_nullable()) && column.logical_null_count() > 0 {
        let problem = "it has NULLs, although the manifest says that it never has";
        let problem = ColumnError::invalid(result.data_type(), problem);
        return Err(bad_result(function, problem));
    }
    Ok(())
}

/// Reads a column of `rows` values.
pub(super) fn read_column(
    instance: &mut Instance,
    function: &FunctionRef,
    at: u32,
    rows: u32,
    data_type: &DataType,
) -> Result<ArrayRef, Ended> {
    let limits = instance.limits();
    let limits = ReadLimits {
        bytes_max: limits.result_bytes_max,
        depth_max: limits.type_depth_max,
    };
    let column = columns::read(&instance.memory(), at, data_type, rows as usize, limits)
        .map_err(|e| bad_result(function, e))?;
    instance.count_out(column.get_buffer_memory_size() as u64);
    Ok(column)
}

/// The type that the argument at `place` crosses as.
pub(super) fn target<'a>(
    function: &'a FunctionRef,
    place: usize,
    array: &'a ArrayRef,
) -> &'a DataType {
    match signature::param(function.decl(), place).map(|param| &param.ty) {
        Some(ParamType::Exact(target)) => target,
        _ => array.data_type(),
    }
}

#[cold]
pub(super) fn bad_argument(function: &FunctionRef, place: usize, reason: ColumnError) -> Error {
    Error::BadArgument {
        function: function.id(),
        argument: place + 1,
        reason: Box::new(reason),
    }
}

#[cold]
pub(super) fn bad_result(function: &FunctionRef, reason: ColumnError) -> Error {
    Error::BadResult {
        function: function.id(),
        reason: Box::new(reason),
    }
}
