//! Row after row, with a state in the guest.

use std::ops::Range;

use datafusion::arrow::array::{Array, ArrayRef, new_empty_array};
use datafusion::arrow::compute::concat;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::PartitionEvaluator;
use wasmfusion_abi::WindowCall;

use super::call::WindowFunctionCall;
use crate::error::Error;
use crate::function::frame;
use crate::function::request::{self, Request};
use crate::scope::Lease;

/// Most rows of a partition that the guest gets at once.
const ROWS_MAX: usize = 64 << 10;

/// Asks for the rows of a partition as they come. DataFusion wants them one by one; the guest computes all that are there.
#[derive(Debug)]
pub(super) struct Streaming {
    call: WindowFunctionCall,
    /// The state, once there was a row.
    state: Option<State>,
    /// Values that DataFusion has not asked for yet.
    ahead: Option<(ArrayRef, usize)>,
}

/// A state in a guest.
#[derive(Debug)]
struct State {
    lease: Lease,
    handle: u32,
}

impl Streaming {
    pub(super) fn new(call: WindowFunctionCall) -> Self {
        Self {
            call,
            state: None,
            ahead: None,
        }
    }

    fn start(&mut self) -> Result<(), Error> {
        if self.state.is_none() {
            let lease = self.call.lease()?;
            let handle = request::within(&lease, &self.call.function, 0, |instance| {
                let create = |_| WindowCall {
                    operation: WindowCall::CREATE,
                    ..WindowCall::default()
                };
                let reply = Request::default().send(instance, &self.call.function, create)?;
                Ok(reply.tail.state)
            })?;
            self.state = Some(State { lease, handle });
        }
        Ok(())
    }

    /// The values of some rows, which are the next ones.
    fn next(&mut self, values: &[ArrayRef], rows: Range<usize>) -> Result<ArrayRef, Error> {
        self.start()?;
        let Self { call, state, .. } = self;
        let Some(state) = state else {
            return Ok(new_empty_array(call.result.data_type()));
        };
        let arguments = call.arguments(values, Some(&rows))?;
        let count = frame::row_count(&call.function, rows.len())?;
        request::within(&state.lease, &call.function, rows.len(), |instance| {
            let request = Request {
                rows: count,
                flags: call.flags,
                arguments: &arguments,
                targets: &call.targets(&arguments),
                results: &[call.result.data_type()],
                result_rows: count,
                ..Request::default()
            };
            let reply = request.send(instance, &call.function, |_| WindowCall {
                operation: WindowCall::NEXT,
                state: state.handle,
                ..WindowCall::default()
            })?;
            let data_type = call.result.data_type();
            let column = reply.column(instance, &call.function, 0, data_type, count)?;
            frame::check_promise(&call.function, &call.result, &column)?;
            Ok(column)
        })
    }

    fn finish(&mut self) {
        self.ahead = None;
        let Some(State { lease, handle }) = self.state.take() else {
            return;
        };
        let tail = WindowCall {
            operation: WindowCall::DROP,
            state: handle,
            ..WindowCall::default()
        };
        request::give_back(&lease, &self.call.function, tail);
    }
}

impl PartitionEvaluator for Streaming {
    fn evaluate_all(&mut self, values: &[ArrayRef], num_rows: usize) -> Result<ArrayRef> {
        self.finish();
        if num_rows == 0 {
            return Ok(new_empty_array(self.call.result.data_type()));
        }
        let mut parts = Vec::with_capacity(num_rows.div_ceil(ROWS_MAX));
        for start in (0..num_rows).step_by(ROWS_MAX) {
            let end = num_rows.min(start + ROWS_MAX);
            parts.push(self.next(values, start..end)?);
        }
        self.finish();
        let parts: Vec<&dyn Array> = parts.iter().map(|part| part.as_ref()).collect();
        Ok(concat(&parts)?)
    }

    fn evaluate(&mut self, values: &[ArrayRef], range: &Range<usize>) -> Result<ScalarValue> {
        let (column, place) = match self.ahead.take() {
            Some((column, place)) if place < column.len() => (column, place),
            _ => {
                // All rows that are there: they come in this order, and none of them changes any more.
                let there = values.first().map_or(range.end, |column| column.len());
                let end = there.min(range.start.saturating_add(ROWS_MAX));
                (self.next(values, range.start..end.max(range.end))?, 0)
            }
        };
        let value = ScalarValue::try_from_array(&column, place)?;
        self.ahead = Some((column, place + 1));
        Ok(value)
    }

    fn supports_bounded_execution(&self) -> bool {
        true
    }

    fn is_causal(&self) -> bool {
        true
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.finish();
    }
}
