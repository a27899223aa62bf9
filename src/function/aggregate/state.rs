//! The states of groups, in a guest: each operation of the interface once.

use std::borrow::Cow;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::DataType;
use smallvec::SmallVec;
use wasmfusion_abi::AggregateCall;

use super::declaration;
use crate::columns::ColumnError;
use crate::error::{Error, Result};
use crate::function::call::Argument;
use crate::function::frame::{self, Ended, bad_result};
use crate::function::request::{Reply, Request};
use crate::instance::Instance;
use crate::module::ParamType;
use crate::plugin::FunctionRef;
use crate::scope::Lease;

/// Most groups whose results are asked for at once: what they take in guest memory is for them alone.
const EMIT_ROWS_MAX: usize = 256 << 10;

type Arguments<'a> = SmallVec<[Argument<'a>; 6]>;
type Types<'a> = SmallVec<[&'a DataType; 6]>;

/// The states of the groups of one accumulator.
#[derive(Debug)]
pub(super) struct State {
    function: FunctionRef,
    lease: Lease,
    /// What the guest calls it.
    handle: u32,
    live_bytes: usize,
    /// What the instance held before there was a state in it.
    idle_bytes: usize,
}

/// Rows for an operation.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) columns: &'a [ArrayRef],
    /// The group of each row; all belong to group 0 if there are none.
    pub(super) groups: Option<&'a [usize]>,
    /// Which rows count.
    pub(super) filter: Option<&'a BooleanBuffer>,
    /// Number of groups so far.
    pub(super) total: u32,
}

impl State {
    /// A state without groups.
    pub(super) fn create(function: &FunctionRef, lease: Lease) -> Result<Self> {
        let mut state = Self {
            function: function.clone(),
            handle: 0,
            live_bytes: 0,
            idle_bytes: lease.memory_bytes(),
            lease,
        };
        let reply = state.call(&Request::default(), AggregateCall::CREATE, 0, 0)?;
        state.handle = reply.tail.state;
        Ok(state)
    }

    /// Takes rows of arguments in, or out if the operation is [`AggregateCall::RETRACT`].
    pub(super) fn update(&mut self, operation: u32, rows: Rows<'_>) -> Result<()> {
        let function = self.function.clone();
        let params = function.decl().params.iter();
        let targets = params.zip(rows.columns).map(|(param, column)| {
            match &param.ty {
                ParamType::Exact(target) => target,
                // Refused in a manifest.
                ParamType::Any => column.data_type(),
            }
        });
        self.take_in(operation, rows, &targets.collect::<Types<'_>>())
    }

    /// Takes rows of states in.
    pub(super) fn merge(&mut self, rows: Rows<'_>) -> Result<()> {
        let function = self.function.clone();
        let targets = declaration(&function).0.iter().map(|column| &column.ty);
        self.take_in(AggregateCall::MERGE, rows, &targets.collect::<Types<'_>>())
    }

    fn take_in(&mut self, operation: u32, rows: Rows<'_>, targets: &[&DataType]) -> Result<()> {
        // There is a column at least: a function has a parameter, and a state a column.
        let length = rows.columns.first().map_or(0, |column| column.len());
        if length == 0 {
            return Ok(());
        }
        let arguments = columns(rows.columns);
        let request = Request {
            rows: u32::try_from(length).map_err(|_| self.too_many(length))?,
            arguments: &arguments,
            targets,
            indices: rows.groups,
            bits: rows.filter,
            ..Request::default()
        };
        let roomy = self.function.plugin.limits().memory_bytes_max / 4;
        if length > 1 && request.measure::<AggregateCall>(&self.function)? > roomy {
            return self.take_in_halves(operation, rows, targets, length);
        }
        self.call(&request, operation, rows.total, length)?;
        Ok(())
    }

    #[cold]
    fn take_in_halves(
        &mut self,
        operation: u32,
        rows: Rows<'_>,
        targets: &[&DataType],
        length: usize,
    ) -> Result<()> {
        let half = length / 2;
        for (start, length) in [(0, half), (half, length - half)] {
            let columns: Vec<ArrayRef> = rows
                .columns
                .iter()
                .map(|column| column.slice(start, length))
                .collect();
            let filter = rows.filter.map(|filter| filter.slice(start, length));
            let part = Rows {
                columns: &columns,
                groups: rows.groups.map(|groups| &groups[start..start + length]),
                filter: filter.as_ref(),
                total: rows.total,
            };
            self.take_in(operation, part, targets)?;
        }
        Ok(())
    }

    /// The first `count` of `total` groups as columns of these types, by an operation that forgets them.
    pub(super) fn emit(
        &mut self,
        operation: u32,
        count: usize,
        total: u32,
        types: &[&DataType],
    ) -> Result<Vec<ArrayRef>> {
        let mut parts = Vec::new();
        let (mut left, mut total) = (count, total);
        while parts.is_empty() || left > 0 {
            let rows = left.min(EMIT_ROWS_MAX);
            parts.push(self.results(operation, rows as u32, total, types)?);
            left -= rows;
            total = total.saturating_sub(rows as u32);
        }
        if parts.len() == 1 {
            return Ok(parts.swap_remove(0));
        }
        let column = |place: usize| {
            let parts: Vec<_> = parts.iter().map(|part| part[place].as_ref()).collect();
            concat(&parts).map_err(|error| Error::Host {
                what: format!(
                    "function {}: its results could not be put together",
                    self.function.id()
                ),
                reason: error.to_string(),
            })
        };
        (0..types.len()).map(column).collect()
    }

    fn results(
        &mut self,
        operation: u32,
        rows: u32,
        total: u32,
        types: &[&DataType],
    ) -> Result<Vec<ArrayRef>> {
        let request = Request {
            rows,
            results: types,
            result_rows: rows,
            ..Request::default()
        };
        self.run(
            &request,
            operation,
            total,
            rows as usize,
            |reply, instance, function| reply.columns(instance, function, types, rows),
        )
    }

    /// The result of the only group; the state stays.
    pub(super) fn peek(&mut self, result: &DataType) -> Result<ArrayRef> {
        let mut columns = self.results(AggregateCall::PEEK, 1, 1, &[result])?;
        Ok(columns.swap_remove(0))
    }

    /// The states of groups of one row each. The state itself stays as it is.
    pub(super) fn convert(
        &mut self,
        rows: Rows<'_>,
        targets: &[&DataType],
        length: usize,
        types: &[&DataType],
    ) -> Result<Vec<ArrayRef>> {
        let arguments = columns(rows.columns);
        let count = u32::try_from(length).map_err(|_| self.too_many(length))?;
        let request = Request {
            rows: count,
            arguments: &arguments,
            targets,
            bits: rows.filter,
            results: types,
            result_rows: count,
            ..Request::default()
        };
        self.run(
            &request,
            AggregateCall::CONVERT,
            0,
            length,
            |reply, instance, function| reply.columns(instance, function, types, count),
        )
    }

    /// Bytes that the query should know of: what the guest says, and at least by how much its memory has grown.
    pub(super) fn bytes(&self) -> usize {
        let grown = self.lease.memory_bytes().saturating_sub(self.idle_bytes);
        self.live_bytes.max(grown)
    }

    fn call(
        &mut self,
        request: &Request<'_>,
        operation: u32,
        total: u32,
        rows: usize,
    ) -> Result<Reply<AggregateCall>> {
        self.run(request, operation, total, rows, |reply, _, _| Ok(reply))
    }

    /// One call, and what `read` makes of its answer.
    #[inline]
    fn run<R>(
        &mut self,
        request: &Request<'_>,
        operation: u32,
        total: u32,
        rows: usize,
        read: impl FnOnce(Reply<AggregateCall>, &mut Instance, &FunctionRef) -> Result<R, Ended>,
    ) -> Result<R> {
        let Self {
            function,
            lease,
            handle,
            live_bytes,
            ..
        } = self;
        lease
            .with(rows, |instance| {
                if instance.is_spent() {
                    return Err(Ended::Told(gone(function)));
                }
                let outcome = request
                    .send(instance, function, |extras| AggregateCall {
                        operation,
                        state: *handle,
                        groups: total,
                        group_ids: extras.indices,
                        filter: extras.bits,
                        result_count: request.results.len() as u32,
                        live_bytes: 0,
                    })
                    .and_then(|reply| {
                        // It cannot hold more than its memory.
                        let told = usize::try_from(reply.tail.live_bytes).unwrap_or(usize::MAX);
                        *live_bytes = told.min(instance.memory_bytes());
                        read(reply, instance, function)
                    });
                frame::settle(instance, outcome)
            })
            .map_err(|ended| ended.into_error(function))
    }

    #[cold]
    fn too_many(&self, rows: usize) -> Error {
        let problem = format!("{rows} rows are more than an array may have");
        bad_result(
            &self.function,
            ColumnError::invalid(&DataType::Null, problem),
        )
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let Self {
            function,
            lease,
            handle,
            ..
        } = self;
        // Others may live in the instance. What it says is of no interest any more.
        lease.with(0, |instance| {
            if instance.is_spent() {
                return;
            }
            let dropped = Request::default().send(instance, function, |_| AggregateCall {
                operation: AggregateCall::DROP,
                state: *handle,
                ..AggregateCall::default()
            });
            if dropped.is_err() {
                instance.give_up();
            }
        });
    }
}

/// What a caller is told who goes on after a failure.
#[cold]
fn gone(function: &FunctionRef) -> Error {
    Error::Usage(format!(
        "function {}: a call in its instance failed before, and its states are gone with it; run the query again",
        function.id()
    ))
}

fn columns(columns: &[ArrayRef]) -> Arguments<'_> {
    let column = |array| Argument {
        array: Cow::Borrowed(array),
        constant: false,
    };
    columns.iter().map(column).collect()
}
