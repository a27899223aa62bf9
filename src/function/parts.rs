//! Batches that go in parts: those that are too large for the guest's memory, and those of texts, lists and the like that are too large for the
//! processor's second cache, in which the guest should find its arguments. (Numbers go whole as long as there is room for them: to join the parts of a
//! result would cost more than the cache saves.)

use std::borrow::Cow;

use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::Field;

use super::call::{self, Argument, Arguments};
use super::frame::{self, Ended};
use crate::error::Result;
use crate::instance::Instance;
use crate::plugin::FunctionRef;

/// Columns of fewer bytes go whole: they, and their copies in the guest, have room in the second cache of most processors.
const WHOLE_BYTES_MAX: u64 = 1 << 20;
/// What a part takes of the second cache, in bytes: a quarter of it, on most processors.
const PART_BYTES: u64 = 256 << 10;

/// The arguments in some of the rows.
fn slice<'a>(arguments: &[Argument<'a>], start: usize, rows: usize) -> Arguments<'a> {
    let slice = |argument: &Argument<'a>| match argument.constant {
        true => argument.clone(),
        false => Argument {
            array: Cow::Owned(argument.array.slice(start, rows)),
            constant: false,
        },
    };
    arguments.iter().map(slice).collect()
}

fn join(function: &FunctionRef, parts: &[ArrayRef]) -> Result<ArrayRef> {
    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
    concat(&parts).map_err(|e| call::arrow_failed(function, e.into()))
}

/// Calls the function on one half of the rows and then on the other, each of which may go in halves again.
#[cold]
pub(super) fn run_halves(
    function: &FunctionRef,
    arguments: &[Argument<'_>],
    rows: usize,
    result: &Field,
) -> Result<ArrayRef> {
    let half = rows / 2;
    let part = |start: usize, rows: usize| {
        call::run(function, &slice(arguments, start, rows), rows, result)
    };
    let parts = [part(0, half)?, part(half, rows - half)?];
    join(function, &parts)
}

/// How many rows at a time the guest should get of a batch whose columns take `row_bytes`; `None` if it should get them all.
pub(super) fn part_rows(
    instance: &Instance,
    function: &FunctionRef,
    rows: u32,
    row_bytes: u64,
) -> Option<u32> {
    if row_bytes <= WHOLE_BYTES_MAX || !function.may_split() {
        return None;
    }
    // Each part is a call for who watches, and for the limits.
    if instance.is_observed() || instance.limits().call_fuel_max.is_some() {
        return None;
    }
    let parts = u32::try_from(row_bytes.div_ceil(PART_BYTES)).ok()?;
    Some(rows.div_ceil(parts)).filter(|part| *part < rows)
}

/// Calls the function on so many rows after the other, as one call that is counted.
pub(super) fn run(
    instance: &mut Instance,
    function: &FunctionRef,
    arguments: &[Argument<'_>],
    rows: u32,
    part_rows: u32,
    result: &Field,
) -> Result<ArrayRef, Ended> {
    let part = |instance: &mut Instance, start: u32| {
        let rows = part_rows.min(rows - start);
        let arguments = slice(arguments, start as usize, rows as usize);
        let size = frame::measure(function, &arguments, rows as usize, result)?;
        frame::run_any(instance, function, &arguments, rows, size.bytes, result)
    };
    let starts = (0..rows).step_by(part_rows as usize);
    instance.begin_parts();
    let parts = starts
        .map(|start| part(instance, start))
        .collect::<Result<Vec<ArrayRef>, Ended>>();
    instance.end_parts();
    Ok(join(function, &parts?)?)
}
