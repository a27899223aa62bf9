//! A whole partition in one call.

use std::ops::Range;

use datafusion::arrow::array::{ArrayRef, new_empty_array};
use datafusion::common::Result;
use datafusion::logical_expr::PartitionEvaluator;
use wasmfusion_abi::WindowCall;

use super::call::WindowFunctionCall;
use crate::function::frame;
use crate::function::request::{self, Request};

/// Asks for all rows of a partition at once.
#[derive(Debug)]
pub(super) struct Whole {
    call: WindowFunctionCall,
    /// Whether the function wants to know the peers of each row.
    ranked: bool,
}

impl Whole {
    pub(super) fn new(call: WindowFunctionCall, ranked: bool) -> Self {
        Self { call, ranked }
    }

    fn column(
        &self,
        values: &[ArrayRef],
        rows: usize,
        ranks: Option<&[usize]>,
    ) -> Result<ArrayRef> {
        let call = &self.call;
        let data_type = call.result.data_type();
        if rows == 0 {
            return Ok(new_empty_array(data_type));
        }
        let arguments = call.arguments(values, None)?;
        let count = frame::row_count(&call.function, rows)?;
        let lease = request::shared_lease(&call.function)?;
        let column = request::within(&lease, &call.function, rows, |instance| {
            let request = Request {
                rows: count,
                flags: call.flags,
                bound: call.bind(instance, &arguments)?,
                arguments: &arguments,
                targets: &call.targets(&arguments),
                indices: ranks,
                results: &[data_type],
                result_rows: count,
                ..Request::default()
            };
            let reply = request.send(instance, &call.function, |extras| WindowCall {
                operation: match ranks {
                    Some(_) => WindowCall::RANKED,
                    None => WindowCall::PARTITION,
                },
                ranks: extras.indices,
                rank_count: ranks.map_or(0, |ranks| ranks.len() as u32),
                ..WindowCall::default()
            })?;
            let column = reply.column(instance, &call.function, 0, data_type, count)?;
            frame::check_promise(&call.function, &call.result, &column)?;
            Ok(column)
        })?;
        Ok(column)
    }
}

impl PartitionEvaluator for Whole {
    fn evaluate_all(&mut self, values: &[ArrayRef], num_rows: usize) -> Result<ArrayRef> {
        self.column(values, num_rows, None)
    }

    fn evaluate_all_with_rank(
        &self,
        num_rows: usize,
        ranks_in_partition: &[Range<usize>],
    ) -> Result<ArrayRef> {
        let first: Vec<usize> = ranks_in_partition.iter().map(|peers| peers.start).collect();
        self.column(&[], num_rows, Some(&first))
    }

    fn include_rank(&self) -> bool {
        self.ranked
    }
}
