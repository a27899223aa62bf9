//! Batches that are larger than the processor's first cache, in tiles that fit into it.
//!
//! A tile is some hundred rows: they are copied into the guest, computed, and copied out, before the next ones take their place there.
//! So the guest finds its arguments where the processor is fastest, and a batch of a million rows costs as much a row as one of a thousand. For
//! everybody else the tiles are one call: one deadline, one budget of fuel, one that is counted.
//!
//! What tiles win is the way to the second cache, some nanoseconds a row; what they cost is what a guest does once a call. A guest that takes
//! long for a row, for whichever reason, gets its batches whole from then on.

use std::cell::Cell;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::buffer::MutableBuffer;
use datafusion::logical_expr::ColumnarValue;
use smallvec::{SmallVec, smallvec};
use wasmfusion_abi::status;

use super::run::{begin, end, layout_of, stopped, values, write};
use super::{FixedColumns, Program, Stopped};
use crate::columns;
use crate::function::frame::{Ended, error_at, refused};
use crate::instance::{Calling, Instance, Layout};
use crate::observe::clock;

/// How much of the first cache a tile takes: half of it, on most processors. (`cargo bench --bench growth` shows what other sizes cost.)
const TILE_BYTES: usize = 16 << 10;
/// The smallest batch that is worth tiles takes so much.
const BATCH_BYTES_MIN: usize = 3 * TILE_BYTES;
/// And has so many rows.
const BATCH_ROWS_MIN: usize = 512;
/// Fewest rows of a tile; the rows of any tile are a multiple of it.
const ROWS_UNIT: usize = 64;
/// What a guest takes for a row at most, in nanoseconds, so that tiles are worth while.
const ROW_NS_MAX: u64 = 12;
/// How often in a row a guest takes longer, before its batches come whole.
const STRIKES_MAX: u8 = 3;

/// Makes the calls in tiles. `None` if they should be made with the batch as it is: it is small, or has not turned out to win by tiles.
#[inline]
pub(super) fn run_values<P: Program>(
    instance: &mut Instance,
    program: &P,
    args: &[ColumnarValue],
    rows: usize,
) -> Option<Result<ArrayRef, Stopped>> {
    if rows < BATCH_ROWS_MIN {
        return None;
    }
    let columns = FixedColumns::of_values(program, args, rows)?;
    run_columns(instance, program, &columns)
}

/// As [`run_values`], of columns that were prepared.
pub(super) fn run_columns<P: Program>(
    instance: &mut Instance,
    program: &P,
    columns: &FixedColumns<'_>,
) -> Option<Result<ArrayRef, Stopped>> {
    let tile_rows = tile_rows(instance, program, columns)?;
    // The first one last, which is the one that is being counted while they run.
    for step in (0..program.len()).rev() {
        begin(instance, program, step);
    }
    match Tiles::lay_out(instance, program, columns, tile_rows) {
        Ok(tiles) => tiles?.run(instance, program, columns),
        Err(ended) => Some(Err(stopped(instance, program, 0, columns.rows(), ended))),
    }
}

/// How many rows a tile of this batch should have, if tiles are for it.
fn tile_rows<P: Program>(
    instance: &Instance,
    program: &P,
    columns: &FixedColumns<'_>,
) -> Option<usize> {
    let rows = columns.rows() as usize;
    if rows < BATCH_ROWS_MIN || instance.is_observed() {
        return None;
    }
    let mut bytes = columns.bytes();
    for step in 0..program.len() {
        let (function, result) = program.step(step);
        if !function.may_split() {
            return None;
        }
        // The digits of decimals are to be counted.
        let data_type = result.data_type();
        let result_bytes = columns::value_bytes(data_type, rows)?;
        if data_type.is_decimal() || result_bytes > instance.limits().result_bytes_max {
            return None;
        }
        bytes += result_bytes;
    }
    if bytes < BATCH_BYTES_MIN {
        return None;
    }
    let tile_rows = TILE_BYTES / bytes.div_ceil(rows) / ROWS_UNIT * ROWS_UNIT;
    Some(tile_rows.max(ROWS_UNIT)).filter(|tile_rows| *tile_rows < rows)
}

/// The tiles of a batch.
struct Tiles {
    rows: usize,
    /// Of all tiles but the last one, if that has fewer rows.
    full: Box<Layout>,
    /// Of the last one, if it has.
    rest: Option<Box<Layout>>,
}

/// Why the tiles of a batch have ended early.
enum Early {
    /// The guest said that it cannot, with this status.
    Refused(i32),
    /// What was to be copied lies nowhere.
    Lost(Ended),
    /// A result is not such that it can be taken in tiles.
    Elsewhere,
}

/// What the tiles of a batch make.
struct Made {
    /// The values of the result.
    values: MutableBuffer,
    /// How long the guest took for each step, as the clock has it: for all tiles, by that of one.
    guest: SmallVec<[u64; 4]>,
}

/// Where the tiles of a batch are, for the case that they end there.
#[derive(Default)]
struct Position {
    step: Cell<usize>,
    error_address: Cell<Option<u32>>,
}

impl Tiles {
    /// `None` if tiles have not paid in this instance.
    fn lay_out<P: Program>(
        instance: &mut Instance,
        program: &P,
        columns: &FixedColumns<'_>,
        tile_rows: usize,
    ) -> Result<Option<Self>, Ended> {
        let rows = columns.rows() as usize;
        let first = columns.part(0, tile_rows);
        let full = layout_of(instance, program, program.layout().tile(), &first)?;
        if full.strikes >= STRIKES_MAX {
            instance.keep_layout(full);
            return Ok(None);
        }
        let rest_rows = rows % tile_rows;
        let rest = match rest_rows {
            0 => None,
            // The region has room for more already, so that the other layout stays what it is.
            _ => {
                let last = columns.part(rows - rest_rows, rest_rows);
                Some(layout_of(instance, program, program.layout(), &last)?)
            }
        };
        Ok(Some(Self { rows, full, rest }))
    }

    /// `None` if the batch has to be computed as it is after all.
    fn run<P: Program>(
        mut self,
        instance: &mut Instance,
        program: &P,
        columns: &FixedColumns<'_>,
    ) -> Option<Result<ArrayRef, Stopped>> {
        let (function, result) = program.step(program.len() - 1);
        let data_type = result.data_type();
        let bytes_out = columns::value_bytes(data_type, self.rows)?;
        let mut made = Made {
            values: MutableBuffer::with_capacity(bytes_out),
            guest: smallvec![0; program.len()],
        };
        let position = Position::default();
        let started = clock().raw();
        let outcome = instance.run_calls(
            function.plugin.module(),
            || position.error_address.get(),
            |calling| self.run_all(calling, program, columns, &position, &mut made),
        );
        instance.count_in(columns.bytes() as u64);
        let step = position.step.get();
        let (function, _) = program.step(step);
        let ended = match outcome {
            Ok(Ok(())) => {
                self.judge(&made.guest);
                instance.count_out(bytes_out as u64);
                count(instance, program, started, &made.guest, self.rows as u32);
                self.keep(instance);
                return columns::fixed_column_of(made.values.into(), data_type).map(Ok);
            }
            Ok(Err(Early::Elsewhere)) => {
                self.full.strikes = STRIKES_MAX;
                self.keep(instance);
                return None;
            }
            Ok(Err(Early::Refused(status))) => {
                let at = position.error_address.get().unwrap_or_default();
                refused(instance, function, at, status).into()
            }
            Ok(Err(Early::Lost(ended))) => ended,
            Err(failure) => failure.into(),
        };
        Some(Err(stopped(
            instance,
            program,
            step,
            self.rows as u32,
            ended,
        )))
    }

    /// One tile after the other.
    fn run_all<P: Program>(
        &self,
        calling: &mut Calling<'_>,
        program: &P,
        columns: &FixedColumns<'_>,
        position: &Position,
        made: &mut Made,
    ) -> wasmtime::Result<Result<(), Early>> {
        let tile_rows = self.full.rows as usize;
        // The second tile, which finds everything warm.
        let timed = tile_rows;
        for start in (0..self.rows).step_by(tile_rows) {
            let rows = tile_rows.min(self.rows - start);
            let layout = match &self.rest {
                Some(rest) if rows < tile_rows => rest,
                _ => &self.full,
            };
            let part = columns.part(start, rows);
            if let Err(ended) = write(&mut calling.memory(), program, &part, layout) {
                return Ok(Err(Early::Lost(ended)));
            }
            for (place, step) in layout.steps.iter().enumerate() {
                let (function, _) = program.step(place);
                position.step.set(place);
                position.error_address.set(Some(error_at(step.frame)));
                let status = match start == timed {
                    false => calling.call(function.place, step.frame)?,
                    true => {
                        let before = clock().raw();
                        let status = calling.call(function.place, step.frame)?;
                        let took = clock().raw().saturating_sub(before);
                        made.guest[place] = took * self.rows as u64 / rows as u64;
                        status
                    }
                };
                if status != status::OK {
                    return Ok(Err(Early::Refused(status)));
                }
                let memory = calling.memory();
                match values(&memory, step) {
                    None => return Ok(Err(Early::Elsewhere)),
                    Some(values) if place + 1 == layout.steps.len() => {
                        made.values.extend_from_slice(values);
                    }
                    // The next step reads them where they are.
                    Some(_) => {}
                }
            }
        }
        Ok(Ok(()))
    }

    /// Remembers whether the guest was quick enough for tiles.
    fn judge(&mut self, guest: &[u64]) {
        let guest_ns = clock().delta_as_nanos(0, guest.iter().sum());
        let slow = guest_ns > ROW_NS_MAX * (self.rows * guest.len()) as u64;
        self.full.strikes = if slow { self.full.strikes + 1 } else { 0 };
    }

    fn keep(self, instance: &mut Instance) {
        instance.keep_layout(self.full);
        if let Some(rest) = self.rest {
            instance.keep_layout(rest);
        }
    }
}

/// Counts calls that went well. What was not the guest's time was that of copies.
fn count<P: Program>(instance: &mut Instance, program: &P, started: u64, guest: &[u64], rows: u32) {
    let all = clock().raw().saturating_sub(started);
    let mut copied = all.saturating_sub(guest.iter().sum());
    for (step, guest) in guest.iter().enumerate() {
        if step > 0 {
            begin(instance, program, step);
        }
        instance.count_time(copied, *guest);
        end(instance, program, step, rows);
        copied = 0;
    }
}
