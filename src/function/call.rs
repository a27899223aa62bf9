//! One call: the columns of a batch into a guest, the result out of it.
//!
//! ```text
//! invoke    the call before once more?  ───────────────────────────────────────────────────────────────────┐ fixed/
//!           no: dictionaries, rows with NULLs that the guest must not see, batches that are too large ──┐  │
//!           lease an instance ─▶ write the arguments ─▶ call ─▶ check and read the result   frame.rs ◀─┘ ◀─┘
//! ```

use std::borrow::Cow;

use datafusion::arrow::array::{Array, ArrayRef, UInt32Array, new_null_array};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::compute::{CastOptions, cast_with_options, take};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::arrow::error::ArrowError;
use datafusion::common::ScalarValue;
use datafusion::config::ConfigOptions;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs};
use smallvec::SmallVec;
use wasmfusion_abi::CONSTANTS_MAX;

use super::dictionary::Distinct;
use super::fixed::{self, FixedColumns, Ran, Single};
use super::frame::{self, Size, bad_argument};
use super::{nulls, parts, signature};
use crate::columns::{self, ColumnError};
use crate::error::{Error, Result};
use crate::module::{Nulls, ParamType};
use crate::plugin::FunctionRef;
use crate::scope::{StreamScope, with_call, with_instance, with_instance_at_hand, with_limits};

/// An argument: a column of as many values as the call has rows, or one value that holds for all rows.
#[derive(Clone)]
pub(super) struct Argument<'a> {
    pub(super) array: Cow<'a, ArrayRef>,
    pub(super) constant: bool,
}

/// The arguments of a call. Functions with more parameters than this pay for an allocation.
pub(super) type Arguments<'a> = SmallVec<[Argument<'a>; 6]>;

/// Calls a function on a batch.
pub(super) fn invoke(
    function: &FunctionRef,
    call: &ScalarFunctionArgs,
    volatile: bool,
) -> Result<ColumnarValue> {
    let ScalarFunctionArgs {
        args,
        number_rows,
        return_field: result,
        config_options,
        ..
    } = call;
    let rows = *number_rows;
    if let Some(column) = repeat(function, args, rows, result) {
        return Ok(ColumnarValue::Array(column?));
    }
    if !volatile && let Some(column) = once_a_value(function, args, rows, result, config_options)? {
        return Ok(ColumnarValue::Array(column));
    }
    let all_constant = !volatile
        && args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
    if all_constant {
        let column = invoke_columns(function, args, 1, result, config_options, volatile)?;
        return Ok(ColumnarValue::Scalar(
            ScalarValue::try_from_array(&column, 0).map_err(|e| arrow_failed(function, e))?,
        ));
    }
    let column = invoke_columns(function, args, rows, result, config_options, volatile)?;
    Ok(ColumnarValue::Array(column))
}

/// Calls a function as it was called before in this thread's scope, if this call is like that one.
#[inline]
fn repeat(
    function: &FunctionRef,
    args: &[ColumnarValue],
    rows: usize,
    result: &Field,
) -> Option<Result<ArrayRef>> {
    // A call with constants alone is made for one row.
    if !args
        .iter()
        .any(|arg| matches!(arg, ColumnarValue::Array(_)))
    {
        return None;
    }
    let program = Single { function, result };
    let ran = with_instance_at_hand(&function.plugin, |instance| {
        fixed::repeat(instance, &program, args, rows)
    })?;
    Some(match ran {
        Ok(ran) => only(function, ran),
        Err(stopped) => Err(stopped.into_error(&program)),
    })
}

/// The result of a program of one step, which has nothing to leave early.
#[inline]
fn only(function: &FunctionRef, ran: Ran) -> Result<ArrayRef> {
    match ran {
        Ran::Done(column) => Ok(column),
        Ran::Left(_) => Err(Error::Host {
            what: format!("function {}", function.id()),
            reason: "its result was not read".to_owned(),
        }),
    }
}

/// Calls a function once for each value of a dictionary, if that is what it is called with.
#[inline]
fn once_a_value(
    function: &FunctionRef,
    args: &[ColumnarValue],
    rows: usize,
    result: &Field,
    config: &ConfigOptions,
) -> Result<Option<ArrayRef>> {
    let has_dictionary = |arg: &ColumnarValue| match arg {
        ColumnarValue::Array(array) => matches!(array.data_type(), DataType::Dictionary(..)),
        ColumnarValue::Scalar(_) => false,
    };
    // `take` cannot make a NULL of every type.
    let returns = result.data_type();
    let can_be_taken = columns::can_be_taken(returns) && !nulls::nulls_are_in_children(returns);
    if !args.iter().any(has_dictionary) || !can_be_taken {
        return Ok(None);
    }
    let failed = |e: ArrowError| arrow_failed(function, e.into());
    let Some(distinct) = Distinct::of(function.decl(), args, rows).map_err(failed)? else {
        return Ok(None);
    };
    let results = invoke_columns(
        function,
        &distinct.args,
        distinct.rows,
        result,
        config,
        false,
    )?;
    distinct.rows_of(&results).map(Some).map_err(failed)
}

#[inline(never)]
fn invoke_columns(
    function: &FunctionRef,
    args: &[ColumnarValue],
    rows: usize,
    result: &Field,
    config: &ConfigOptions,
    volatile: bool,
) -> Result<ArrayRef> {
    let invoke = || invoke_here(function, args, rows, result, volatile);
    match StreamScope::for_call(config) {
        None => invoke(),
        scope @ Some(_) => StreamScope::enter(&mut { scope }, invoke),
    }
}

fn invoke_here(
    function: &FunctionRef,
    args: &[ColumnarValue],
    rows: usize,
    result: &Field,
    volatile: bool,
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
                if skips && let Some(nulls) = nulls::nulls_of(array) {
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
            Cow::Owned(expanded(function, &array, rows)?)
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
            with_nulls(function, &arguments, &nulls, result, volatile)
        }
        _ => run(function, &arguments, rows, result),
    }
}

/// Calls the function for the rows without NULL.
#[cold]
fn with_nulls(
    function: &FunctionRef,
    arguments: &[Argument<'_>],
    nulls: &NullBuffer,
    result: &Field,
    volatile: bool,
) -> Result<ArrayRef> {
    let failed = |e: ArrowError| arrow_failed(function, e.into());
    // What a function does apart from returning something should be done once a row.
    let may_repeat = !volatile
        && function.plugin.module().host().is_none()
        && nulls::has_validity(result.data_type());
    let filled = may_repeat
        .then(|| nulls::filled(arguments, nulls))
        .flatten();
    if let Some(filled) = filled {
        let column = run(function, &filled, nulls.len(), result)?;
        return nulls::masked(&column, nulls).map_err(failed);
    }
    let dense = nulls::without(arguments, nulls).map_err(failed)?;
    let column = run(function, &dense, nulls.len() - nulls.null_count(), result)?;
    nulls::scatter(&column, nulls).map_err(failed)
}

/// Calls the function on columns that may cross as they are, in parts if they are too large for the guest's memory.
pub(super) fn run(
    function: &FunctionRef,
    arguments: &[Argument<'_>],
    rows: usize,
    result: &Field,
) -> Result<ArrayRef> {
    let program = Single { function, result };
    let fixed = match function.decl().bind {
        true => None,
        false => {
            let arguments = arguments
                .iter()
                .map(|a| (a.array.as_ref().as_ref(), a.constant));
            FixedColumns::of_columns(&program, arguments, rows)
        }
    };
    let Size { bytes, row_bytes } = match &fixed {
        Some(columns) => columns.measure(&program),
        None => frame::measure(function, arguments, rows, result)?,
    };
    let (roomy, rows_max) = with_limits(&function.plugin, |limits| {
        (limits.memory_bytes_max / 4, limits.call_rows_max as usize)
    });
    if rows > 1 && (row_bytes > roomy || rows > rows_max) {
        return parts::run_halves(function, arguments, rows, result);
    }
    let rows = frame::row_count(function, rows)?;
    let Some(columns) = fixed else {
        return with_call(function, rows as usize, |instance| {
            let column = match parts::part_rows(instance, function, rows, row_bytes) {
                None => frame::run_any(instance, function, arguments, rows, bytes, result),
                Some(part) => parts::run(instance, function, arguments, rows, part, result),
            };
            frame::settle(instance, column)
        })
        .map_err(|ended| ended.into_error(function));
    };
    let ran = with_instance(&function.plugin, |instance| {
        let ran = fixed::run(instance, &program, &columns);
        instance.after_call(function.plugin.module());
        ran
    });
    match ran {
        Ok(ran) => only(function, ran),
        Err(stopped) => Err(stopped.into_error(&program)),
    }
}

#[cold]
pub(super) fn cast(
    function: &FunctionRef,
    place: usize,
    array: &ArrayRef,
    to: &DataType,
) -> Result<ArrayRef> {
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(array, to, &options)
        .map_err(|e| bad_argument(function, place, ColumnError::from(e)))
}

#[cold]
fn expanded(function: &FunctionRef, value: &ArrayRef, rows: usize) -> Result<ArrayRef> {
    let places = UInt32Array::from(vec![0; rows]);
    take(value, &places, None).map_err(|e| arrow_failed(function, e.into()))
}

#[cold]
pub(super) fn arrow_failed(function: &FunctionRef, error: DataFusionError) -> Error {
    Error::Host {
        what: format!(
            "function {}: its columns could not be prepared",
            function.id()
        ),
        reason: error.strip_backtrace(),
    }
}
