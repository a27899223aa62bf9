//! Binding: asks the guest what a function returns for these types and constants, and lets it prepare itself for them.
//!
//! It happens twice: when a query is planned, for the result type, in an instance that is thrown away; and before the first call in
//! each instance, for the handle that the calls carry. The types must then be the same.

use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use wasmfusion_abi::{ArrowArray, ArrowSchema, BindFrame, CONSTANTS_MAX, status};

use super::frame::Ended;
use super::signature;
use crate::columns::{self, Arena, ColumnError, SchemaLimits};
use crate::error::{Error, Result};
use crate::instance::{Bound, Instance};
use crate::module::ParamType;
use crate::plugin::FunctionRef;
use crate::scope::with_instance;

/// Alignment of the structs of the interface.
const STRUCT_ALIGN: u32 = 8;
const ARRAY_BYTES: u32 = size_of::<ArrowArray>() as u32;
const SCHEMA_BYTES: u32 = size_of::<ArrowSchema>() as u32;
const FRAME_BYTES: u32 = size_of::<BindFrame>() as u32;
/// Where in a frame the error is.
const ERROR_OFFSET: u32 = std::mem::offset_of!(BindFrame, error) as u32;

/// The result of a function for arguments of these types, of which some are known already.
pub(super) fn result_type(
    function: &FunctionRef,
    arg_types: &[DataType],
    constants: &[Option<&ScalarValue>],
) -> Result<Field> {
    let mut known = Vec::with_capacity(arg_types.len());
    let mut types = Vec::with_capacity(arg_types.len());
    for (place, found) in arg_types.iter().enumerate() {
        let target = target(function, place, found);
        known.push(match constants.get(place).copied().flatten() {
            Some(value) if place < CONSTANTS_MAX => Some(prepare(function, place, value, target)?),
            _ => None,
        });
        types.push(target.clone());
    }
    with_instance(&function.plugin, |instance| {
        bind(instance, function, &types, &known)
    })
    .map(|(field, _)| field)
    .map_err(|ended| ended.into_error(function))
}

fn prepare(
    function: &FunctionRef,
    place: usize,
    value: &ScalarValue,
    target: &DataType,
) -> Result<ArrayRef> {
    let failed = |e: datafusion::error::DataFusionError| Error::Host {
        what: format!(
            "function {}: constant {} could not be prepared",
            function.id(),
            place + 1
        ),
        reason: e.strip_backtrace(),
    };
    let value = if signature::same_type(&value.data_type(), target) {
        value.clone()
    } else {
        value.cast_to(target).map_err(failed)?
    };
    value.to_array().map_err(failed)
}

fn target<'a>(function: &'a FunctionRef, place: usize, found: &'a DataType) -> &'a DataType {
    match signature::param(function.decl(), place).map(|param| &param.ty) {
        Some(ParamType::Exact(target)) => target,
        _ => found,
    }
}

/// The handle of a function in an instance for these arguments; binds it there if this is the first call with them.
pub(super) fn handle<'a>(
    instance: &mut Instance,
    function: &FunctionRef,
    arguments: impl Iterator<Item = (&'a ArrayRef, bool)> + Clone,
    result: &Field,
) -> Result<u32, Ended> {
    let matches = |bound: &Bound| {
        bound.place == function.place
            && arguments
                .clone()
                .enumerate()
                .eq_by_argument(&bound.types, &bound.constants)
    };
    if let Some(bound) = instance.bound().iter().find(|bound| matches(bound)) {
        return Ok(bound.handle);
    }
    let types: Vec<DataType> = arguments
        .clone()
        .enumerate()
        .map(|(place, (array, _))| target(function, place, array.data_type()).clone())
        .collect();
    let constants: Vec<Option<ArrayRef>> = arguments
        .clone()
        .map(|(array, constant)| constant.then(|| Arc::clone(array)))
        .collect();
    let (field, handle) = bind(instance, function, &types, &constants)?;
    if !signature::same_type(field.data_type(), result.data_type()) {
        return Err(Ended::Told(Error::BadResult {
            function: function.id(),
            reason: Box::new(ColumnError::invalid(
                result.data_type(),
                format!(
                    "wasmfusion_bind promised this type when the query was planned, and {} now",
                    field.data_type()
                ),
            )),
        }));
    }
    let types = arguments
        .map(|(array, _)| array.data_type().clone())
        .collect();
    instance.remember(Bound {
        place: function.place,
        types,
        constants,
        handle,
    });
    Ok(handle)
}

/// Compares a call's arguments with those that a function was bound to.
trait EqByArgument {
    fn eq_by_argument(self, types: &[DataType], constants: &[Option<ArrayRef>]) -> bool;
}

impl<'a, I: Iterator<Item = (usize, (&'a ArrayRef, bool))>> EqByArgument for I {
    fn eq_by_argument(self, types: &[DataType], constants: &[Option<ArrayRef>]) -> bool {
        let mut count = 0;
        for (place, (array, constant)) in self {
            count += 1;
            let same_type = types.get(place) == Some(array.data_type());
            let same_value = match constants.get(place) {
                Some(Some(bound)) => constant && bound.as_ref() == array.as_ref(),
                Some(None) => !constant,
                None => false,
            };
            if !same_type || !same_value {
                return false;
            }
        }
        count == types.len()
    }
}

/// Calls `wasmfusion_bind`: the result's type and whether it may be NULL, and the handle.
fn bind(
    instance: &mut Instance,
    function: &FunctionRef,
    types: &[DataType],
    constants: &[Option<ArrayRef>],
) -> Result<(Field, u32), Ended> {
    let module = function.plugin.module();
    let argument_failed = |place: usize| {
        move |reason: ColumnError| Error::BadArgument {
            function: function.id(),
            argument: place + 1,
            reason: Box::new(reason),
        }
    };
    let failed = |reason: ColumnError| Error::BadResult {
        function: function.id(),
        reason: Box::new(reason),
    };

    let fields: Vec<Field> = types
        .iter()
        .map(|data_type| Field::new("", data_type.clone(), true))
        .collect();
    let arg_count = types.len() as u32;
    let mut bytes = u64::from(FRAME_BYTES + STRUCT_ALIGN)
        + u64::from(ARRAY_BYTES + SCHEMA_BYTES) * (u64::from(arg_count) + 1);
    for (place, field) in fields.iter().enumerate() {
        let depth_max = module.limits().type_depth_max;
        if columns::type_depth(field.data_type()) > depth_max {
            let problem = format!(
                "it nests deeper than the limit of {depth_max}; raise `type_depth_max` if it needs more"
            );
            let reason = ColumnError::of_type(field.data_type(), problem);
            return Err(argument_failed(place)(reason).into());
        }
        bytes += columns::measure_schema(field).map_err(argument_failed(place))?;
        if let Some(Some(constant)) = constants.get(place) {
            bytes +=
                columns::measure(constant, field.data_type()).map_err(argument_failed(place))?;
        }
    }

    let region = instance.region(module, bytes)?;
    let mut arena = Arena::new(region.address, region.size);
    let mut take = |bytes| arena.alloc(u64::from(bytes), STRUCT_ALIGN).map_err(failed);
    let frame_at = take(FRAME_BYTES)?;
    let types_at = take(SCHEMA_BYTES * arg_count)?;
    let args_at = take(ARRAY_BYTES * arg_count)?;
    let result_at = take(SCHEMA_BYTES)?;

    let mut memory = instance.memory();
    let mut known = 0;
    for (place, field) in fields.iter().enumerate() {
        let schema_at = types_at + SCHEMA_BYTES * place as u32;
        let array_at = args_at + ARRAY_BYTES * place as u32;
        columns::write_schema(&mut memory, &mut arena, schema_at, field)
            .map_err(argument_failed(place))?;
        match constants.get(place) {
            Some(Some(constant)) => {
                columns::write(
                    &mut memory,
                    &mut arena,
                    array_at,
                    constant,
                    field.data_type(),
                )
                .map_err(argument_failed(place))?;
                known |= 1 << (place % CONSTANTS_MAX);
            }
            _ => memory
                .write("argument", array_at, &ArrowArray::default())
                .map_err(|e| failed(e.into()))?,
        }
    }
    memory
        .write("result type", result_at, &ArrowSchema::default())
        .map_err(|e| failed(e.into()))?;
    let frame = BindFrame {
        function: function.place as u32,
        arg_count,
        arg_types: types_at,
        args: args_at,
        constants: known,
        result_type: result_at,
        bound: 0,
        error: Default::default(),
    };
    memory
        .write("frame", frame_at, &frame)
        .map_err(|e| failed(e.into()))?;

    let status = instance.call_bind(module, frame_at, frame_at + ERROR_OFFSET)?;
    if status != status::OK {
        let message = instance.message(module, frame_at + ERROR_OFFSET);
        let message = message
            .unwrap_or_else(|| format!("could not be bound, with status {status} and no message"));
        return Err(Error::Guest {
            function: function.id(),
            message,
        }
        .into());
    }
    let memory = instance.memory();
    let frame: BindFrame = memory
        .read("frame", frame_at)
        .map_err(|e| failed(e.into()))?;
    let limits = SchemaLimits {
        depth_max: module.limits().type_depth_max,
        ..SchemaLimits::default()
    };
    let field = columns::read_schema(&memory, result_at, limits).map_err(failed)?;
    Ok((field, frame.bound))
}
