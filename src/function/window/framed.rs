//! One value from the rows of a frame.

use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::PartitionEvaluator;
use wasmfusion_abi::WindowCall;

use super::call::WindowFunctionCall;
use crate::error::Error;
use crate::function::frame::{self, ARRAY_BYTES, FRAME_BYTES, TABLE_BYTES};
use crate::function::request::{self, LaidOut, Request};
use crate::instance::Instance;
use crate::memory::MemoryError;

/// Asks for the value of each row, with the range of its frame. The arguments stay in guest memory while they are the same.
#[derive(Debug)]
pub(super) struct Framed {
    call: WindowFunctionCall,
    resident: Option<Resident>,
}

/// Arguments that are in guest memory, and the call that was made with them.
#[derive(Debug)]
struct Resident {
    values: Vec<ArrayRef>,
    /// As [`Instance::writes`] was.
    writes: u64,
    laid_out: LaidOut,
    /// Everything from the frame to the end of the result's struct, as the guest found it.
    header: Vec<u8>,
}

impl Resident {
    fn holds(&self, instance: &Instance, values: &[ArrayRef]) -> bool {
        self.writes == instance.writes()
            && self.values.len() == values.len()
            && std::iter::zip(&self.values, values).all(|(ours, theirs)| Arc::ptr_eq(ours, theirs))
    }
}

impl Framed {
    pub(super) fn new(call: WindowFunctionCall) -> Self {
        Self {
            call,
            resident: None,
        }
    }

    fn value(&mut self, values: &[ArrayRef], range: &Range<usize>) -> Result<ArrayRef, Error> {
        let lease = self.call.lease()?;
        let Self { call, resident } = self;
        let function = &call.function;
        let start = frame::row_count(function, range.start)?;
        // Whatever DataFusion makes of a frame that ends before it starts: it is empty.
        let end = frame::row_count(function, range.end)?.max(start);
        let failed = |e: MemoryError| frame::bad_result(function, e.into());
        let tail = WindowCall {
            operation: WindowCall::FRAME,
            start,
            end,
            ..WindowCall::default()
        };
        request::within(&lease, function, 1, |instance| {
            let there = resident
                .take()
                .filter(|resident| resident.holds(instance, values));
            let there = match there {
                Some(there) => {
                    let mut memory = instance.memory();
                    memory
                        .slice_mut("frame", there.laid_out.frame, there.header.len(), 1)
                        .map_err(failed)?
                        .copy_from_slice(&there.header);
                    memory
                        .write("call", there.laid_out.frame + FRAME_BYTES, &tail)
                        .map_err(failed)?;
                    there
                }
                None => {
                    let arguments = call.arguments(values, None)?;
                    let request = Request {
                        rows: 1,
                        flags: call.flags,
                        arguments: &arguments,
                        targets: &call.targets(&arguments),
                        results: &[call.result.data_type()],
                        result_rows: 1,
                        ..Request::default()
                    };
                    let laid_out = request.lay_out(instance, function, |_| tail)?;
                    // The addresses of a result of fixed width lie directly behind its struct.
                    let end = laid_out.results + ARRAY_BYTES + TABLE_BYTES;
                    let length = (end - laid_out.frame) as usize;
                    let memory = instance.memory();
                    let header = memory.slice("frame", laid_out.frame, length, 1);
                    Resident {
                        values: values.to_vec(),
                        header: header.map_err(failed)?.to_vec(),
                        writes: instance.writes(),
                        laid_out,
                    }
                }
            };
            let reply = there.laid_out.send::<WindowCall>(instance, function)?;
            let data_type = call.result.data_type();
            let column = reply.column(instance, function, 0, data_type, 1)?;
            frame::check_promise(function, &call.result, &column)?;
            *resident = Some(there);
            Ok(column)
        })
    }
}

impl PartitionEvaluator for Framed {
    fn evaluate(&mut self, values: &[ArrayRef], range: &Range<usize>) -> Result<ScalarValue> {
        ScalarValue::try_from_array(&self.value(values, range)?, 0)
    }

    fn uses_window_frame(&self) -> bool {
        true
    }

    fn supports_bounded_execution(&self) -> bool {
        true
    }
}
