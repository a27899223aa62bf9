//! One call: the columns of a batch into a guest, the result out of it.
//!
//! ```text
//! invoke    the call before once more?  ───────────────────────────────────────────────────────────────────┐ fixed.rs
//!           no: constants, rows with NULLs that the guest must not see, batches that are too large   ──┐  │
//!           lease an instance ─▶ write the arguments ─▶ call ─▶ check and read the result   frame.rs ◀─┘ ◀─┘
//! ```

use std::borrow::Cow;

use datafusion::arrow::array::{Array, ArrayRef, BooleanArray, UInt32Array, new_null_array};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::compute::{
    CastOptions, FilterBuilder, cast_with_options, concat, interleave, take,
};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::arrow::error::ArrowError;
use datafusion::common::ScalarValue;
use datafusion::config::ConfigOptions;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs};
use smallvec::SmallVec;
use wasmfusion_abi::CONSTANTS_MAX;

use super::fixed::{self, FixedColumns};
use super::frame::{self, Size, bad_argument};
use super::signature;
use crate::columns::ColumnError;
use crate::error::{Error, Result};
use crate::module::{Nulls, ParamType};
use crate::plugin::FunctionRef;
use crate::scope::{StreamScope, with_call, with_instance_at_hand, with_limits};

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
    let all_constant = !volatile
        && args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
    if all_constant {
        let column = invoke_columns(function, args, 1, result, config_options)?;
        return Ok(ColumnarValue::Scalar(
            ScalarValue::try_from_array(&column, 0).map_err(|e| arrow_failed(function, e))?,
        ));
    }
    let column = invoke_columns(function, args, rows, result, config_options)?;
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
    if args.is_empty() {
        return None;
    }
    let column = with_instance_at_hand(function, rows, |instance| {
        let column = fixed::repeat(instance, function, args, rows, result)?;
        Some(frame::settle(instance, column))
    })?;
    Some(column.map_err(|ended| ended.into_error(function)))
}

#[inline(never)]
fn invoke_columns(
    function: &FunctionRef,
    args: &[ColumnarValue],
    rows: usize,
    result: &Field,
    config: &ConfigOptions,
) -> Result<ArrayRef> {
    match StreamScope::for_call(config) {
        None => invoke_here(function, args, rows, result),
        scope @ Some(_) => {
            StreamScope::enter(&mut { scope }, || invoke_here(function, args, rows, result))
        }
    }
}

fn invoke_here(
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
            without_nulls(function, &arguments, &nulls, result)
        }
        _ => run(function, &arguments, rows, result),
    }
}

/// The NULLs of a column, where there are any.
pub(super) fn nulls_of(array: &ArrayRef) -> Option<NullBuffer> {
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
    scatter(&column, nulls).map_err(|e| arrow_failed(function, e.into()))
}

/// The values of `column` where `nulls` has none, NULL elsewhere. There is at least one value.
fn scatter(column: &ArrayRef, nulls: &NullBuffer) -> Result<ArrayRef, ArrowError> {
    let mut next = 0;
    let places = nulls.iter().map(|valid| {
        // Any place will do for a NULL, but there must be one.
        let place = if valid { next } else { 0 };
        next += usize::from(valid);
        (valid, place)
    });
    if nulls_are_in_children(column.data_type()) {
        let null = new_null_array(column.data_type(), 1);
        let places: Vec<_> = places
            .map(|(valid, place)| if valid { (0, place) } else { (1, 0) })
            .collect();
        return interleave(&[column.as_ref(), null.as_ref()], &places);
    }
    let places = places.map(|(_, place)| place as u32).collect();
    take(column, &UInt32Array::new(places, Some(nulls.clone())), None)
}

/// Whether an array of this type, or a part of it, has no validity buffer of its own, so that `take` cannot make a NULL.
fn nulls_are_in_children(data_type: &DataType) -> bool {
    match data_type {
        DataType::RunEndEncoded(..) | DataType::Union(..) => true,
        DataType::Struct(fields) => fields.iter().any(|f| nulls_are_in_children(f.data_type())),
        _ => false,
    }
}

/// Calls the function on columns that may cross as they are, in parts if they are too large for the guest's memory.
fn run(
    function: &FunctionRef,
    arguments: &[Argument<'_>],
    rows: usize,
    result: &Field,
) -> Result<ArrayRef> {
    let fixed = FixedColumns::of(function, arguments);
    let Size { bytes, row_bytes } = match &fixed {
        Some(columns) => columns.measure(rows, result),
        None => frame::measure(function, arguments, rows, result)?,
    };
    let (roomy, rows_max) = with_limits(&function.plugin, |limits| {
        (limits.memory_bytes_max / 4, limits.call_rows_max as usize)
    });
    if rows > 1 && (row_bytes > roomy || rows > rows_max) {
        return run_halves(function, arguments, rows, result);
    }
    let rows = frame::row_count(function, rows)?;
    with_call(function, rows as usize, |instance| {
        let column = match &fixed {
            Some(columns) => fixed::run_fixed(instance, function, columns, rows, bytes, result),
            None => frame::run_any(instance, function, arguments, rows, bytes, result),
        };
        frame::settle(instance, column)
    })
    .map_err(|ended| ended.into_error(function))
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
fn arrow_failed(function: &FunctionRef, error: DataFusionError) -> Error {
    Error::Host {
        what: format!(
            "function {}: its columns could not be prepared",
            function.id()
        ),
        reason: error.strip_backtrace(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{Array, ArrayRef, Int32Array, Int64Array, RunArray, UnionArray};
    use datafusion::arrow::buffer::NullBuffer;
    use datafusion::arrow::datatypes::{DataType, Field, Int32Type, UnionFields};

    use super::scatter;

    fn nulls_after_scatter(column: ArrayRef) -> Vec<bool> {
        let nulls = NullBuffer::from(vec![false, true, false, true, true]);
        let scattered = scatter(&column, &nulls).expect("it can be scattered");
        assert_eq!(scattered.len(), 5);
        let nulls = scattered.logical_nulls().expect("it has nulls");
        nulls.iter().collect()
    }

    #[test]
    fn rows_that_the_guest_did_not_see_are_null_in_every_type() {
        let expected = [false, true, false, true, true];
        let numbers = Int64Array::from(vec![1, 2, 3]);
        assert_eq!(nulls_after_scatter(Arc::new(numbers.clone())), expected);

        let runs = RunArray::<Int32Type>::try_new(&Int32Array::from(vec![1, 2, 3]), &numbers);
        let runs = Arc::new(runs.expect("three runs"));
        assert_eq!(nulls_after_scatter(runs), expected);

        let fields = UnionFields::try_new([4], [Field::new("a", DataType::Int64, true)]);
        let fields = fields.expect("one field");
        for offsets in [None, Some(vec![0, 1, 2].into())] {
            let children: Vec<ArrayRef> = vec![Arc::new(numbers.clone())];
            let union =
                UnionArray::try_new(fields.clone(), vec![4, 4, 4].into(), offsets, children);
            let union = Arc::new(union.expect("a union"));
            assert_eq!(nulls_after_scatter(union), expected);
        }
    }
}
