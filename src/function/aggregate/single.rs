//! One group: no `GROUP BY`, or a frame of a window.

use std::fmt;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Accumulator;
use wasmfusion_abi::AggregateCall;

use super::declaration;
use super::rows::Input;
use super::state::{Rows, State};
use crate::error::Error;
use crate::function::request;

/// One group as an accumulator. Its state lives in the instance that the stream's small states share: a window may have
/// one for each partition at a time.
pub(super) struct Single {
    input: Input,
    result: FieldRef,
    /// Made with the first row: DataFusion makes accumulators for planning, too.
    state: Option<State>,
}

impl Single {
    pub(super) fn new(input: Input, result: &FieldRef) -> Self {
        Self {
            input,
            result: FieldRef::clone(result),
            state: None,
        }
    }

    /// Number of the function's parameters.
    pub(super) fn parameters(&self) -> usize {
        self.input.function.decl().params.len()
    }

    /// Forgets everything.
    pub(super) fn reset(&mut self) {
        self.state = None;
    }

    fn present(&mut self) -> Result<&mut State, Error> {
        let function = &self.input.function;
        match &mut self.state {
            Some(state) => Ok(state),
            slot => {
                let lease = request::shared_lease(function)?;
                Ok(slot.insert(State::create(function, lease)?))
            }
        }
    }

    fn take_in(&mut self, operation: u32, values: &[ArrayRef]) -> Result<()> {
        let prepared = self.input.prepare(values, None)?;
        let rows = Rows {
            columns: &prepared.columns,
            groups: None,
            filter: prepared.filter.as_ref(),
            total: 1,
        };
        Ok(self.present()?.update(operation, rows)?)
    }
}

impl Accumulator for Single {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.take_in(AggregateCall::UPDATE, values)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.take_in(AggregateCall::RETRACT, values)
    }

    fn supports_retract_batch(&self) -> bool {
        declaration(&self.input.function).1
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let rows = Rows {
            columns: states,
            groups: None,
            filter: None,
            total: 1,
        };
        Ok(self.present()?.merge(rows)?)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let result = FieldRef::clone(&self.result);
        // A window evaluates again and again.
        let column = self.present()?.peek(&result)?;
        ScalarValue::try_from_array(&column, 0)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let function = self.input.function.clone();
        let types: Vec<&DataType> = declaration(&function).0.iter().map(|c| &c.ty).collect();
        let columns = self
            .present()?
            .emit(AggregateCall::STATE, 1, 1, &types, None)?;
        columns
            .iter()
            .map(|column| ScalarValue::try_from_array(column, 0))
            .collect()
    }

    fn size(&self) -> usize {
        // What the guest holds is charged where its instance grows.
        size_of::<Self>()
    }
}

impl fmt::Debug for Single {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Single")
            .field("function", &self.input.function.id())
            .finish_non_exhaustive()
    }
}
