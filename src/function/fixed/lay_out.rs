//! Decides where everything of the calls goes, and writes all of it but the inputs.

use datafusion::arrow::datatypes::Field;
use smallvec::SmallVec;
use wasmfusion_abi::{ArrowArray, BUFFER_ALIGN, CallFrame};

use super::inputs::{column_room, header_bytes};
use super::program::Sources;
use super::{FixedColumns, Program, Source};
use crate::columns::{self, Arena, ColumnError};
use crate::error::Result;
use crate::function::frame::{
    ARRAY_BYTES, Ended, FRAME_BYTES, STRUCT_ALIGN, TABLE_BYTES, bad_result,
};
use crate::instance::{Input, Instance, Layout, Prepared, Step, Values};
use crate::memory::GuestMemory;

/// The layout of a program with these inputs.
#[cold]
pub(super) fn lay_out(
    instance: &mut Instance,
    program: &impl Program,
    columns: &FixedColumns<'_>,
) -> Result<Box<Layout>, Ended> {
    let (function, _) = program.step(0);
    let rows = columns.rows();
    let bytes = columns.measure(program).bytes;
    let region = instance.region(function.plugin.module(), bytes)?;
    let result_bytes_max = instance.limits().result_bytes_max;
    let mut memory = instance.memory();
    let mut place = Place {
        memory: &mut memory,
        arena: Arena::new(region.address, region.size),
        rows,
        result_bytes_max,
        inputs: SmallVec::new(),
        steps: SmallVec::new(),
    };
    place
        .program(program, columns)
        .map_err(|e| bad_result(function, e))?;
    let Place { inputs, steps, .. } = place;
    Ok(Box::new(Layout {
        of: program.layout(),
        rows,
        bytes: inputs.iter().map(|input| input.values.bytes as u64).sum(),
        inputs,
        steps,
    }))
}

/// A layout that is being made.
struct Place<'m, 'g> {
    memory: &'m mut GuestMemory<'g>,
    arena: Arena,
    rows: u32,
    result_bytes_max: usize,
    inputs: SmallVec<[Input; 6]>,
    steps: SmallVec<[Step; 1]>,
}

impl Place<'_, '_> {
    fn program(
        &mut self,
        program: &impl Program,
        columns: &FixedColumns<'_>,
    ) -> Result<(), ColumnError> {
        for column in columns.iter() {
            let bytes = column.bytes.as_slice().len();
            let address = self.arena.alloc(column_room(bytes), BUFFER_ALIGN)?;
            self.inputs.push(Input {
                values: Values { address, bytes },
                constant: column.constant,
            });
        }
        for step in 0..program.len() {
            let sources = program.sources(step, columns.len());
            let (_, result) = program.step(step);
            self.step(&sources, result)?;
        }
        Ok(())
    }

    fn step(&mut self, sources: &Sources, result: &Field) -> Result<(), ColumnError> {
        let arg_count = sources.len() as u32;
        let header_bytes = header_bytes(sources.len());
        let frame_at = self.arena.alloc(header_bytes.into(), STRUCT_ALIGN)?;
        let args_at = frame_at + FRAME_BYTES;
        let result_at = args_at + ARRAY_BYTES * arg_count;
        let tables_at = result_at + ARRAY_BYTES;
        // The table of the result's buffers, if it has one, is the first thing behind the header.
        let (data_type, rows) = (result.data_type(), self.rows as usize);
        columns::lay_out_result(self.memory, &mut self.arena, result_at, data_type, rows)?;
        let has_table = columns::measure_result(data_type, rows) > 0;
        let header_bytes = header_bytes + if has_table { TABLE_BYTES } else { 0 };

        let mut constants = 0;
        for (place, source) in sources.iter().enumerate() {
            let (values, constant) = self.source(*source)?;
            let at = args_at + ARRAY_BYTES * place as u32;
            let table_at = tables_at + TABLE_BYTES * place as u32;
            let array = ArrowArray {
                length: if constant { 1 } else { self.rows.into() },
                n_buffers: 2,
                buffers: table_at,
                ..ArrowArray::default()
            };
            self.memory.write("argument", at, &array)?;
            let table =
                self.memory
                    .slice_mut("argument addresses", table_at, TABLE_BYTES as usize, 1)?;
            let (validity, address) = table.split_at_mut(4);
            validity.fill(0);
            address.copy_from_slice(&values.address.to_le_bytes());
            constants |= u64::from(constant) << (place % u64::BITS as usize);
        }
        let frame = CallFrame {
            rows: self.rows,
            arg_count,
            args: args_at,
            result: result_at,
            constants,
            ..CallFrame::default()
        };
        self.memory.write("frame", frame_at, &frame)?;
        let prepared = self.prepared(result, result_at)?;
        let header = self
            .memory
            .slice("frame", frame_at, header_bytes as usize, 1)?;
        self.steps.push(Step {
            frame: frame_at,
            header: header.into(),
            result: result_at,
            prepared,
        });
        Ok(())
    }

    /// Where an argument is, and whether it is one value for all rows.
    fn source(&self, source: Source) -> Result<(Values, bool), ColumnError> {
        let found = match source {
            Source::Input(place) => self.inputs.get(place).map(|i| (i.values, i.constant)),
            Source::Step(step) => {
                let step = self.steps.get(step).and_then(|step| step.prepared.as_ref());
                step.map(|prepared| (prepared.values, false))
            }
        };
        found.ok_or_else(|| ColumnError::of_type("of an argument", "it is laid out nowhere"))
    }

    fn prepared(&self, result: &Field, at: u32) -> Result<Option<Prepared>, ColumnError> {
        let array: ArrowArray = self.memory.read("result", at)?;
        let bytes = columns::value_bytes(result.data_type(), self.rows as usize);
        let Some(bytes) = bytes.filter(|bytes| *bytes <= self.result_bytes_max) else {
            return Ok(None);
        };
        let address = self
            .memory
            .address_at("result's buffer addresses", array.buffers, 1)?;
        let raw = self.memory.slice("result", at, ARRAY_BYTES as usize, 1)?;
        Ok(raw.try_into().ok().map(|raw| Prepared {
            array: raw,
            table: array.buffers,
            values: Values { address, bytes },
        }))
    }
}
