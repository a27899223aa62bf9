//! Calls whose columns are all numbers without NULLs, of as many rows as the call before: most of them.
//!
//! What such a call writes apart from the values themselves is the same bytes again, which the instance keeps ([`Layout`]). So
//! [`repeat`] is the shortest way from DataFusion's arguments to the guest and back; [`run_fixed`] lays out what it repeats.

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::Field;
use datafusion::logical_expr::ColumnarValue;
use smallvec::SmallVec;
use wasmfusion_abi::{ArrowArray, BUFFER_ALIGN, CONSTANTS_MAX, CallFrame};

use super::call::Argument;
use super::frame::{
    self, ARRAY_BYTES, Ended, FRAME_BYTES, STRUCT_ALIGN, Size, TABLE_BYTES, bad_result,
};
use super::signature;
use crate::columns::{self, Arena, ColumnError};
use crate::error::Result;
use crate::instance::{Instance, Layout, Values};
use crate::memory::GuestMemory;
use crate::module::ParamType;
use crate::plugin::FunctionRef;

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

/// Calls the function as it was called before in this instance: on as many rows, each argument a column of numbers without NULLs.
/// `None` if this call is not like the one before, so that it has to be prepared.
#[inline]
pub(super) fn repeat(
    instance: &mut Instance,
    function: &FunctionRef,
    args: &[ColumnarValue],
    rows: usize,
    result: &Field,
) -> Option<Result<ArrayRef, Ended>> {
    let layout = instance.take_layout()?;
    let same = layout.place == function.place
        && layout.rows as usize == rows
        && layout.constants == 0
        && layout.arguments.len() == args.len();
    let column = if same && write_columns(instance, function, args, &layout).is_some() {
        Some(run_layout(instance, function, &layout, result))
    } else {
        None
    };
    instance.keep_layout(layout);
    column
}

/// Copies the columns to where the layout has them, if they all are as it needs them.
#[inline]
fn write_columns(
    instance: &mut Instance,
    function: &FunctionRef,
    args: &[ColumnarValue],
    layout: &Layout,
) -> Option<()> {
    let decl = function.decl();
    let mut memory = instance.memory();
    for (place, (arg, buffer)) in args.iter().zip(&layout.arguments).enumerate() {
        let ColumnarValue::Array(array) = arg else {
            return None;
        };
        let ParamType::Exact(target) = &signature::param(decl, place)?.ty else {
            return None;
        };
        let values = columns::fixed_values(array.as_ref(), target)?;
        if values.len() != buffer.bytes {
            return None;
        }
        memory
            .slice_mut("argument buffer", buffer.address, buffer.bytes, 1)
            .ok()?
            .copy_from_slice(values);
    }
    Some(())
}

/// Calls the function on columns of fixed width.
pub(super) fn run_fixed(
    instance: &mut Instance,
    function: &FunctionRef,
    columns: &FixedColumns<'_>,
    rows: u32,
    bytes: u64,
    result: &Field,
) -> Result<ArrayRef, Ended> {
    let known = instance.take_layout().filter(|layout| {
        layout.place == function.place
            && layout.rows == rows
            && layout.constants == columns.constants
            && layout.arguments.len() == columns.values.len()
    });
    let layout = match known {
        Some(layout) => layout,
        None => lay_out(instance, function, columns, rows, bytes, result)?,
    };
    let mut memory = instance.memory();
    for (values, buffer) in columns.values.iter().zip(&layout.arguments) {
        memory
            .slice_mut("argument buffer", buffer.address, values.len(), 1)
            .map_err(|e| bad_result(function, e.into()))?
            .copy_from_slice(values);
    }
    let column = run_layout(instance, function, &layout, result);
    instance.keep_layout(layout);
    column
}

/// Calls the function, whose arguments' values are in their places, and reads the result.
#[inline]
fn run_layout(
    instance: &mut Instance,
    function: &FunctionRef,
    layout: &Layout,
    result: &Field,
) -> Result<ArrayRef, Ended> {
    let mut memory = instance.memory();
    memory
        .slice_mut("frame", layout.frame, layout.header.len(), 1)
        .map_err(|e| bad_result(function, e.into()))?
        .copy_from_slice(&layout.header);
    instance.count_in(layout.bytes);
    frame::call(instance, function, layout.frame)?;
    match read_prepared(&instance.memory(), layout, result) {
        Some(column) => {
            let values = layout.prepared.as_ref();
            instance.count_out(values.map_or(0, |(_, values)| values.bytes as u64));
            Ok(column)
        }
        None => frame::read(instance, function, layout.result, layout.rows, result),
    }
}

/// Reads the result, if the guest left its struct as it was: without NULLs, its values where there was room for them.
#[inline]
fn read_prepared(memory: &GuestMemory<'_>, layout: &Layout, result: &Field) -> Option<ArrayRef> {
    let (prepared, values) = layout.prepared.as_ref()?;
    let found: ArrowArray = memory.read("result", layout.result).ok()?;
    if found != *prepared || buffer_address(memory, &found)? != values.address {
        return None;
    }
    let bytes = memory.slice("result's values", values.address, values.bytes, 1);
    columns::fixed_column(bytes.ok()?, result.data_type())
}

/// The address of an array's values.
#[inline]
fn buffer_address(memory: &GuestMemory<'_>, array: &ArrowArray) -> Option<u32> {
    memory
        .address_at("result's buffer addresses", array.buffers, 1)
        .ok()
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
    let result_bytes_max = instance.limits().result_bytes_max;
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

    let mut arguments = SmallVec::new();
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
        let (validity, address) = table.map_err(|e| failed(e.into()))?.split_at_mut(4);
        validity.fill(0);
        address.copy_from_slice(&buffer.to_le_bytes());
        arguments.push(Values {
            address: buffer,
            bytes: values.len(),
        });
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
    let prepared = if has_table {
        let array: ArrowArray = memory
            .read("result", result_at)
            .map_err(|e| failed(e.into()))?;
        let bytes = columns::value_bytes(data_type, rows as usize);
        buffer_address(&memory, &array)
            .zip(bytes)
            .filter(|(_, bytes)| *bytes <= result_bytes_max)
            .map(|(address, bytes)| (array, Values { address, bytes }))
    } else {
        None
    };
    let header = memory.slice("frame", frame_at, header_bytes as usize, 1);
    Ok(Box::new(Layout {
        place: function.place,
        rows,
        constants: columns.constants,
        frame: frame_at,
        header: header.map_err(|e| failed(e.into()))?.into(),
        bytes: columns
            .values
            .iter()
            .map(|values| values.len() as u64)
            .sum(),
        arguments,
        result: result_at,
        prepared,
    }))
}
