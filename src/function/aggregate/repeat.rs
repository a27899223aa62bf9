//! Updates that are like the one before: as many rows, numbers without NULLs. Most are, and need not be laid out again.

use wasmfusion_abi::AggregateCall;

use super::state::{Rows, State, params};
use crate::columns;
use crate::error::Result;
use crate::function::frame::FRAME_BYTES;
use crate::function::request::{self, FixedColumn, FixedColumns, LaidOut};
use crate::instance::Region;

/// Where everything of an update lies: the next one of as many rows is the same but for the values.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) operation: u32,
    pub(super) rows: usize,
    pub(super) laid_out: LaidOut,
    /// Everything from the frame to the last argument's struct. Others write there in the meantime, as the region belongs to all.
    pub(super) header: Box<[u8]>,
    pub(super) columns: FixedColumns,
    /// Address of the groups' numbers; 0 if there are none.
    pub(super) group_ids: u32,
    pub(super) region: Region,
}

impl State {
    /// Makes the same call as before with other values, if the rows are as many and their columns are numbers without NULLs.
    #[inline]
    pub(super) fn repeat(&self, kept: &Kept, operation: u32, rows: Rows<'_>) -> Option<Result<()>> {
        let count = kept.rows;
        let same = kept.operation == operation
            && rows.filter.is_none()
            && rows.groups.is_some() == (kept.group_ids != 0)
            && rows.columns.len() == kept.columns.len()
            && rows.columns.iter().all(|column| column.len() == count);
        if !same || self.lease.failure().is_some() {
            return None;
        }
        let repeated = self
            .lease
            .try_with_call(&self.function, count, |instance| {
                if !instance.has_region(kept.region) {
                    return None;
                }
                let mut memory = instance.memory();
                let targets = params(&self.function, rows.columns);
                for ((column, place), target) in rows.columns.iter().zip(&kept.columns).zip(targets)
                {
                    let values = columns::fixed_values(column.as_ref(), target)?;
                    place.write(&mut memory, values)?;
                }
                if let Some(groups) = rows.groups {
                    let ids =
                        memory.slice_mut("groups", kept.group_ids, groups.len(), size_of::<u32>());
                    columns::copy_indices(groups, ids.ok()?);
                }
                let tail = AggregateCall {
                    operation,
                    state: self.handle.unwrap_or_default(),
                    groups: rows.total,
                    group_ids: kept.group_ids,
                    ..AggregateCall::default()
                };
                let frame_at = kept.laid_out.frame;
                memory
                    .slice_mut("frame", frame_at, kept.header.len(), 1)
                    .ok()?
                    .copy_from_slice(&kept.header);
                memory.write("call", frame_at + FRAME_BYTES, &tail).ok()?;
                let ids = rows.groups.map_or(0, |groups| size_of_val(groups) / 2);
                let values: usize = kept.columns.iter().map(FixedColumn::bytes).sum();
                instance.count_in((values + ids) as u64);
                Some(kept.laid_out.send(instance, &self.function).map(|reply| {
                    self.note(instance, &reply);
                }))
            })?;
        Some(repeated.map_err(|ended| request::ended(&self.lease, &self.function, ended)))
    }
}
