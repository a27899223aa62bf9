//! All groups of a partition: `GROUP BY`.

use std::fmt;

use datafusion::arrow::array::{ArrayRef, BooleanArray, new_empty_array};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use parking_lot::Mutex;
use wasmfusion_abi::AggregateCall;

use super::declaration;
use super::rows::Input;
use super::state::{Rows, State};
use crate::error::Error;
use crate::function::request;
use crate::plugin::FunctionRef;

/// The groups of one aggregate in one partition. Their state has an instance of its own, from the first row until everything was emitted:
/// then all of its memory is given back.
pub(super) struct Groups {
    input: Input,
    result: FieldRef,
    state: Option<State>,
    /// For `convert_to_state`, which has a shared reference. Nobody waits for the lock. It takes nothing in, and lives where the stream's small
    /// states do: DataFusion does not ask for its size.
    converter: Mutex<Option<State>>,
    /// How many groups there are.
    total: u32,
}

impl Groups {
    pub(super) fn new(input: Input, result: &FieldRef) -> Self {
        Self {
            input,
            result: FieldRef::clone(result),
            state: None,
            converter: Mutex::new(None),
            total: 0,
        }
    }

    /// Grows to this number of groups.
    fn reach(&mut self, total: usize) -> Result<u32> {
        let total = u32::try_from(total).map_err(|_| {
            Error::Usage(format!(
                "function {}: {total} groups are more than it can number; group by fewer",
                self.input.function.id()
            ))
        })?;
        self.total = self.total.max(total);
        Ok(self.total)
    }

    fn emit(
        &mut self,
        to: EmitTo,
        operation: u32,
        types: &[&DataType],
        promise: Option<&Field>,
    ) -> Result<Vec<ArrayRef>> {
        let count = match to {
            EmitTo::All => self.total as usize,
            EmitTo::First(count) => count.min(self.total as usize),
        };
        if count == 0 {
            return Ok(types.iter().map(|ty| new_empty_array(ty)).collect());
        }
        let slot = &mut self.state;
        let state = present(slot, &self.input.function)?;
        let columns = state.emit(operation, count, self.total, types, promise)?;
        self.total -= count as u32;
        if self.total == 0 {
            *slot = None;
        }
        Ok(columns)
    }
}

/// The state, made if it is not there. It is large, and stays where it is.
#[inline]
fn present<'a>(
    slot: &'a mut Option<State>,
    function: &FunctionRef,
) -> Result<&'a mut State, Error> {
    match slot {
        Some(state) => Ok(state),
        None => {
            let lease = request::own_lease(function)?;
            Ok(slot.insert(State::create(function, lease)?))
        }
    }
}

impl GroupsAccumulator for Groups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        let total = self.reach(total_num_groups)?;
        let prepared = self.input.prepare(values, opt_filter)?;
        let slot = &mut self.state;
        let state = present(slot, &self.input.function)?;
        let rows = Rows {
            columns: &prepared.columns,
            groups: Some(group_indices),
            filter: prepared.filter.as_ref(),
            total,
        };
        Ok(state.update(AggregateCall::UPDATE, rows)?)
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        let total = self.reach(total_num_groups)?;
        let slot = &mut self.state;
        let state = present(slot, &self.input.function)?;
        let rows = Rows {
            columns: values,
            groups: Some(group_indices),
            filter: None,
            total,
        };
        Ok(state.merge(rows)?)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let result = FieldRef::clone(&self.result);
        let types = [result.data_type()];
        let mut columns = self.emit(emit_to, AggregateCall::EVALUATE, &types, Some(&result))?;
        Ok(columns.swap_remove(0))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let function = self.input.function.clone();
        let types: Vec<&DataType> = declaration(&function).0.iter().map(|c| &c.ty).collect();
        self.emit(emit_to, AggregateCall::STATE, &types, None)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let function = &self.input.function;
        let types: Vec<&DataType> = declaration(function).0.iter().map(|c| &c.ty).collect();
        let length = values.first().map_or(0, |column| column.len());
        if length == 0 {
            return Ok(types.iter().map(|ty| new_empty_array(ty)).collect());
        }
        let prepared = self.input.prepare(values, opt_filter)?;
        let mut slot = self.converter.lock();
        let converter = match slot.as_ref() {
            Some(converter) => converter,
            None => {
                let lease = request::shared_lease(function)?;
                slot.insert(State::converter(function, lease))
            }
        };
        let rows = Rows {
            columns: &prepared.columns,
            groups: None,
            filter: prepared.filter.as_ref(),
            total: 0,
        };
        Ok(converter.convert(rows, &self.input.targets(), length, &types)?)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.state.as_ref().map_or(0, State::bytes)
    }
}

impl fmt::Debug for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Groups")
            .field("function", &self.input.function.id())
            .field("groups", &self.total)
            .finish_non_exhaustive()
    }
}
