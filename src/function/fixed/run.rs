//! Runs calls that were laid out.

use datafusion::arrow::array::ArrayRef;
use datafusion::logical_expr::ColumnarValue;

use super::lay_out::lay_out;
use super::{FixedColumns, Program, scalar};
use crate::columns;
use crate::error::{Error, Result};
use crate::function::frame::{self, Ended, bad_result};
use crate::instance::{Failure, Instance, Layout, Step};
use crate::memory::GuestMemory;

/// What calls in a row have come to.
pub(in crate::function) enum Ran {
    /// The result of the last one.
    Done(ArrayRef),
    /// The results of all steps so far. The last of them is none that can stay in the guest: it has NULLs, or the guest has put it elsewhere.
    Left(Vec<ArrayRef>),
}

/// A call that did not go well ends all.
pub(in crate::function) struct Stopped {
    step: usize,
    ended: Ended,
}

impl Stopped {
    /// The error that the user reads.
    #[cold]
    pub(in crate::function) fn into_error(self, program: &impl Program) -> Error {
        self.ended.into_error(program.step(self.step).0)
    }
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self {
            step: 0,
            ended: failure.into(),
        }
    }
}

/// Makes the calls as they were made before in this instance: on as many rows, each argument a number or a column of numbers without
/// NULLs. `None` if these calls are not like those before, so that they have to be prepared.
#[inline]
pub(in crate::function) fn repeat<P: Program>(
    instance: &mut Instance,
    program: &P,
    args: &[ColumnarValue],
    rows: usize,
) -> Option<Result<Ran, Stopped>> {
    let layout = instance.take_layout(program.layout())?;
    let same = layout.rows as usize == rows && layout.inputs.len() == args.len();
    let ran = if same {
        begin(instance, program, 0);
        let mut memory = instance.memory();
        let written = write_values(&mut memory, program, args, &layout)
            .map(|()| write_headers(&mut memory, program, &layout));
        written.map(|written| run_layout(instance, program, &layout, written))
    } else {
        None
    };
    instance.keep_layout(layout);
    ran
}

/// Makes the calls.
pub(in crate::function) fn run<P: Program>(
    instance: &mut Instance,
    program: &P,
    columns: &FixedColumns<'_>,
) -> Result<Ran, Stopped> {
    begin(instance, program, 0);
    let layout = match prepare(instance, program, columns) {
        Ok(layout) => layout,
        Err(ended) => return Err(stopped(instance, program, 0, columns.rows(), ended)),
    };
    let written = write_headers(&mut instance.memory(), program, &layout);
    let ran = run_layout(instance, program, &layout, written);
    instance.keep_layout(layout);
    ran
}

/// Finds a place for everything, and copies the inputs there.
fn prepare<P: Program>(
    instance: &mut Instance,
    program: &P,
    columns: &FixedColumns<'_>,
) -> Result<Box<Layout>, Ended> {
    let kept = instance.take_layout(program.layout());
    let layout = match kept.filter(|layout| columns.is_laid_out(layout)) {
        Some(layout) => layout,
        None => lay_out(instance, program, columns)?,
    };
    let mut memory = instance.memory();
    for (column, input) in columns.iter().zip(&layout.inputs) {
        let values = column.bytes.as_slice();
        memory
            .slice_mut("argument buffer", input.values.address, values.len(), 1)
            .map_err(|e| bad_result(program.step(0).0, e.into()))?
            .copy_from_slice(values);
    }
    Ok(layout)
}

/// Copies the inputs to where the layout has them, if they all are as it needs them.
#[inline]
fn write_values<P: Program>(
    memory: &mut GuestMemory<'_>,
    program: &P,
    args: &[ColumnarValue],
    layout: &Layout,
) -> Option<()> {
    for (place, (arg, input)) in args.iter().zip(&layout.inputs).enumerate() {
        let target = program.input_type(place)?;
        let mut write = |values: &[u8]| {
            if values.len() != input.values.bytes {
                return None;
            }
            memory
                .slice_mut("argument buffer", input.values.address, values.len(), 1)
                .ok()?
                .copy_from_slice(values);
            Some(())
        };
        match arg {
            ColumnarValue::Array(array) if !input.constant => {
                write(columns::fixed_values(array.as_ref(), target)?)?;
            }
            ColumnarValue::Scalar(value) if input.constant => {
                write(&scalar::bytes(value, target)?)?;
            }
            _ => return None,
        }
    }
    Some(())
}

/// Begins to count a step's call.
#[inline]
fn begin(instance: &mut Instance, program: &impl Program, step: usize) {
    let (function, _) = program.step(step);
    instance.begin(function.plugin.module(), function.place);
}

/// Ends to count it.
#[inline]
fn end(instance: &mut Instance, program: &impl Program, step: usize, rows: u32) {
    let (function, _) = program.step(step);
    instance.end(function.place, rows as usize);
}

/// Ends to count a step that has not gone well, and gives the instance up if the guest broke a promise in it.
#[cold]
fn stopped(
    instance: &mut Instance,
    program: &impl Program,
    step: usize,
    rows: u32,
    ended: Ended,
) -> Stopped {
    end(instance, program, step, rows);
    ended.judge(instance);
    Stopped { step, ended }
}

/// Makes the calls, whose inputs and headers are in their places if they could be `written`, and the first of which has begun to be counted.
#[inline]
fn run_layout<P: Program>(
    instance: &mut Instance,
    program: &P,
    layout: &Layout,
    written: Result<(), Ended>,
) -> Result<Ran, Stopped> {
    let rows = layout.rows;
    instance.count_in(layout.bytes);
    if let Err(ended) = written {
        return Err(stopped(instance, program, 0, rows, ended));
    }
    let last = layout.steps.len() - 1;
    for place in 0..last {
        match inner_step(instance, program, layout, place) {
            Ok(None) => end(instance, program, place, rows),
            Ok(Some(columns)) => {
                end(instance, program, place, rows);
                return Ok(Ran::Left(columns));
            }
            Err(ended) => return Err(stopped(instance, program, place, rows, ended)),
        }
        begin(instance, program, place + 1);
    }
    match last_step(instance, program, layout, last) {
        Ok(column) => {
            end(instance, program, last, rows);
            Ok(Ran::Done(column))
        }
        Err(ended) => Err(stopped(instance, program, last, rows, ended)),
    }
}

/// Makes a call whose result is to stay in the guest. If it cannot, it and those of the steps before.
#[inline]
fn inner_step<P: Program>(
    instance: &mut Instance,
    program: &P,
    layout: &Layout,
    step: usize,
) -> Result<Option<Vec<ArrayRef>>, Ended> {
    call(instance, program, layout, step)?;
    if values(&instance.memory(), &layout.steps[step]).is_some() {
        return Ok(None);
    }
    let results = (0..=step).map(|step| read(instance, program, layout, step));
    results.collect::<Result<_, _>>().map(Some)
}

/// Makes the last call and reads its result.
#[inline]
fn last_step<P: Program>(
    instance: &mut Instance,
    program: &P,
    layout: &Layout,
    last: usize,
) -> Result<ArrayRef, Ended> {
    call(instance, program, layout, last)?;
    let step = &layout.steps[last];
    let (_, result) = program.step(last);
    let column = values(&instance.memory(), step)
        .and_then(|values| columns::fixed_column(values, result.data_type()));
    match column {
        Some(column) => {
            let bytes = step
                .prepared
                .as_ref()
                .map_or(0, |result| result.values.bytes);
            instance.count_out(bytes as u64);
            Ok(column)
        }
        None => read(instance, program, layout, last),
    }
}

/// Writes everything of the calls but the inputs: also what is there from the call before, for the guest may have written over it.
fn write_headers(
    memory: &mut GuestMemory<'_>,
    program: &impl Program,
    layout: &Layout,
) -> Result<(), Ended> {
    for (place, step) in layout.steps.iter().enumerate() {
        memory
            .slice_mut("frame", step.frame, step.header.len(), 1)
            .map_err(|e| bad_result(program.step(place).0, e.into()))?
            .copy_from_slice(&step.header);
    }
    Ok(())
}

#[inline]
fn call(
    instance: &mut Instance,
    program: &impl Program,
    layout: &Layout,
    step: usize,
) -> Result<(), Ended> {
    frame::call(instance, program.step(step).0, layout.steps[step].frame)
}

/// The values of a result, if the guest has left its struct as it was: without NULLs, its values where there was room for them.
#[inline]
fn values<'m>(memory: &'m GuestMemory<'_>, step: &Step) -> Option<&'m [u8]> {
    let prepared = step.prepared.as_ref()?;
    let found = memory.slice("result", step.result, prepared.array.len(), 1);
    let address = memory.address_at("result's buffer addresses", prepared.table, 1);
    let values = prepared.values;
    if found.ok()? != prepared.array || address.ok()? != values.address {
        return None;
    }
    memory
        .slice("result's values", values.address, values.bytes, 1)
        .ok()
}

/// Reads the result of a step, whatever it is.
#[cold]
fn read(
    instance: &mut Instance,
    program: &impl Program,
    layout: &Layout,
    step: usize,
) -> Result<ArrayRef, Ended> {
    let (function, result) = program.step(step);
    let at = layout.steps[step].result;
    frame::read(instance, function, at, layout.rows, result)
}
