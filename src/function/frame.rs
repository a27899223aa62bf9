//! A call in guest memory: the structs of the interface, the columns, and the result.
//!
//! Most calls have columns of fixed width without NULLs, and as many rows as the call before. What such a call writes apart from the
//! values themselves is then the same bytes again, which the instance keeps ([`Layout`]).

use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::datatypes::{DataType, Field};
use smallvec::SmallVec;
use wasmfusion_abi::{ArrowArray, BUFFER_ALIGN, CONSTANTS_MAX, CallFrame, status};

use super::call::Argument;
use super::{bind, signature};
use crate::columns::{self, Arena, ColumnError, ReadLimits};
use crate::error::{Error, Result};
use crate::instance::{Failure, Instance, Layout};
use crate::module::ParamType;
use crate::plugin::FunctionRef;

/// Alignment of the structs of the interface.
const STRUCT_ALIGN: u32 = 8;
const ARRAY_BYTES: u32 = size_of::<ArrowArray>() as u32;
const FRAME_BYTES: u32 = size_of::<CallFrame>() as u32;
/// Bytes of the addresses of validity and values.
const TABLE_BYTES: u32 = 8;
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
    #[cold]
    pub(super) fn into_error(self, function: &FunctionRef) -> Error {
        match self {
            Self::Failed(failure) => failure.into_error(function.id(), function.plugin.limits()),
            Self::Told(error) => error,
        }
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

    finish(instance, function, frame_at, result_at, rows, result)
}

/// Arguments that are numbers without NULLs, as their bytes.
pub(super) struct FixedColumns<'a> {
    values: SmallVec<[&'a [u8]; 6]>,
    constants: u64,
}

impl<'a> FixedColumns<'a> {
    /// The arguments, if they all are such columns of the declared types, and the function is not bound to anything.
    #[inline]
    pub(super) fn of(function: &FunctionRef, arguments: &'a [Argument<'_>]) -> Option<Self> {
        let decl = function.decl();
        if decl.bind {
            return None;
        }
        let mut fixed = Self {
            values: SmallVec::new(),
            constants: 0,
        };
        for (place, argument) in arguments.iter().enumerate() {
            let ParamType::Exact(target) = &signature::param(decl, place)?.ty else {
                return None;
            };
            fixed
                .values
                .push(columns::fixed_values(argument.array.as_ref(), target)?);
            fixed.constants |= u64::from(argument.constant) << (place % CONSTANTS_MAX);
        }
        Some(fixed)
    }

    /// How much a call with them takes.
    #[inline]
    pub(super) fn measure(&self, rows: usize, result: &Field) -> Size {
        let values: u64 = self
            .values
            .iter()
            .map(|values| Arena::cost(values.len() as u64, BUFFER_ALIGN))
            .sum();
        let row_bytes = values + columns::measure_result(result.data_type(), rows);
        Size {
            bytes: Arena::cost(self.header_bytes().into(), STRUCT_ALIGN) + row_bytes,
            row_bytes,
        }
    }

    /// Bytes of the frame, the arguments' structs and tables, and the result's struct.
    #[inline]
    fn header_bytes(&self) -> u32 {
        FRAME_BYTES + ARRAY_BYTES + (ARRAY_BYTES + TABLE_BYTES) * self.values.len() as u32
    }
}

/// Calls the function on columns of fixed width.
#[inline]
pub(super) fn run_fixed(
    instance: &mut Instance,
    function: &FunctionRef,
    columns: &FixedColumns<'_>,
    rows: u32,
    bytes: u64,
    result: &Field,
) -> Result<ArrayRef, Ended> {
    let region = instance.region(function.plugin.module(), bytes)?;
    let known = instance.take_layout().filter(|layout| {
        layout.place == function.place
            && layout.rows == rows
            && layout.constants == columns.constants
            && layout.region == region
            && layout.buffers.len() == columns.values.len()
    });
    let layout = match known {
        Some(layout) => layout,
        None => lay_out(instance, function, columns, rows, bytes, result)?,
    };
    let failed = |e: crate::memory::MemoryError| bad_result(function, e.into());
    let mut memory = instance.memory();
    memory
        .slice_mut("frame", layout.frame, layout.header.len(), 1)
        .map_err(failed)?
        .copy_from_slice(&layout.header);
    for (values, buffer) in columns.values.iter().zip(&layout.buffers) {
        memory
            .slice_mut("argument buffer", *buffer, values.len(), 1)
            .map_err(failed)?
            .copy_from_slice(values);
    }
    let (frame_at, result_at) = (layout.frame, layout.result);
    instance.keep_layout(layout);
    finish(instance, function, frame_at, result_at, rows, result)
}

/// Decides where everything of such a call goes, and writes all of it but the values.
#[cold]
fn lay_out(
    instance: &mut Instance,
    function: &FunctionRef,
    columns: &FixedColumns<'_>,
    rows: u32,
    bytes: u64,
    result: &Field,
) -> Result<Box<Layout>, Ended> {
    let failed = |e: ColumnError| bad_result(function, e);
    let region = instance.region(function.plugin.module(), bytes)?;
    let mut arena = Arena::new(region.address, region.size);
    let arg_count = columns.values.len() as u32;
    let header_bytes = columns.header_bytes();
    let frame_at = arena
        .alloc(header_bytes.into(), STRUCT_ALIGN)
        .map_err(failed)?;
    let args_at = frame_at + FRAME_BYTES;
    let result_at = args_at + ARRAY_BYTES * arg_count;
    let tables_at = result_at + ARRAY_BYTES;

    let mut memory = instance.memory();
    // The table of the result's buffers, if it has one, is the first thing behind the header.
    let data_type = result.data_type();
    columns::lay_out_result(&mut memory, &mut arena, result_at, data_type, rows as usize)
        .map_err(failed)?;
    let has_table = columns::measure_result(data_type, rows as usize) > 0;
    let header_bytes = header_bytes + if has_table { TABLE_BYTES } else { 0 };

    let mut buffers = SmallVec::new();
    for (place, values) in columns.values.iter().enumerate() {
        let buffer = arena
            .alloc(values.len() as u64, BUFFER_ALIGN)
            .map_err(failed)?;
        let table_at = tables_at + TABLE_BYTES * place as u32;
        // An argument behind those that can be marked is always a column.
        let constant = place < CONSTANTS_MAX && columns.constants >> place & 1 == 1;
        let array = ArrowArray {
            length: if constant { 1 } else { rows.into() },
            n_buffers: 2,
            buffers: table_at,
            ..ArrowArray::default()
        };
        let at = args_at + ARRAY_BYTES * place as u32;
        memory
            .write("argument", at, &array)
            .map_err(|e| failed(e.into()))?;
        let table = memory.slice_mut("argument addresses", table_at, TABLE_BYTES as usize, 1);
        let (validity, values) = table.map_err(|e| failed(e.into()))?.split_at_mut(4);
        validity.fill(0);
        values.copy_from_slice(&buffer.to_le_bytes());
        buffers.push(buffer);
    }
    let frame = CallFrame {
        rows,
        arg_count,
        args: args_at,
        result: result_at,
        constants: columns.constants,
        ..CallFrame::default()
    };
    memory
        .write("frame", frame_at, &frame)
        .map_err(|e| failed(e.into()))?;
    let header = memory.slice("frame", frame_at, header_bytes as usize, 1);
    Ok(Box::new(Layout {
        place: function.place,
        rows,
        constants: columns.constants,
        region,
        frame: frame_at,
        result: result_at,
        header: header.map_err(|e| failed(e.into()))?.into(),
        buffers,
    }))
}

/// Calls the export, and reads what it leaves.
#[inline]
fn finish(
    instance: &mut Instance,
    function: &FunctionRef,
    frame_at: u32,
    result_at: u32,
    rows: u32,
    result: &Field,
) -> Result<ArrayRef, Ended> {
    let module = function.plugin.module();
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

/// The type that the argument at `place` crosses as.
fn target<'a>(function: &'a FunctionRef, place: usize, array: &'a ArrayRef) -> &'a DataType {
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
