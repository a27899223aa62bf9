//! The states of groups, in a guest: each operation of the interface once.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::{DataType, Field};
use smallvec::SmallVec;
use wasmfusion_abi::AggregateCall;

use super::declaration;
use super::repeat::Kept;
use crate::columns;
use crate::error::{Error, Result};
use crate::function::call::{Argument, Arguments};
use crate::function::frame::{self, Ended};
use crate::function::request::{self, Extras, Reply, Request, Types};
use crate::instance::Instance;
use crate::module::ParamType;
use crate::plugin::FunctionRef;
use crate::scope::{Lease, with_limits};

/// Most groups whose results are asked for at once: what they take in guest memory is for them alone.
const EMIT_ROWS_MAX: usize = 256 << 10;
/// An instance that begins with more memory than this says so to the query, whatever it needs it for.
const IDLE_BYTES_MAX: usize = 1 << 20;

/// The states of the groups of one accumulator.
#[derive(Debug)]
pub(super) struct State {
    pub(super) function: FunctionRef,
    pub(super) lease: Lease,
    /// What the guest calls it; `None` if nothing is taken in.
    pub(super) handle: Option<u32>,
    /// What the guest said last.
    live_bytes: AtomicUsize,
    /// What the instance held before there was a state in it.
    idle_bytes: usize,
    /// The last update that could come again.
    kept: Option<Kept>,
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
        let mut state = Self::converter(function, lease);
        let create = Request::default();
        let handle = state.run(&create, AggregateCall::CREATE, 0, |reply, _, _| {
            Ok(reply.tail.state)
        })?;
        state.handle = Some(handle);
        Ok(state)
    }

    /// One that can do nothing but [`Self::convert`].
    pub(super) fn converter(function: &FunctionRef, lease: Lease) -> Self {
        Self {
            function: function.clone(),
            handle: None,
            live_bytes: AtomicUsize::new(0),
            idle_bytes: lease.memory_bytes(),
            kept: None,
            lease,
        }
    }

    /// Takes rows of arguments in, or out if the operation is [`AggregateCall::RETRACT`].
    pub(super) fn update(&mut self, operation: u32, rows: Rows<'_>) -> Result<()> {
        if let Some(kept) = &self.kept
            && let Some(outcome) = self.repeat(kept, operation, rows)
        {
            return outcome;
        }
        let targets: Types<'_> = params(&self.function, rows.columns).collect();
        let kept = self.take_in(operation, rows, &targets)?;
        self.kept = kept;
        Ok(())
    }

    /// Takes rows of states in.
    pub(super) fn merge(&mut self, rows: Rows<'_>) -> Result<()> {
        let targets = declaration(&self.function).0.iter();
        let targets: Types<'_> = targets.map(|column| &column.ty).collect();
        self.take_in(AggregateCall::MERGE, rows, &targets)?;
        Ok(())
    }

    /// `Some` if the same call can be made again.
    fn take_in(
        &self,
        operation: u32,
        rows: Rows<'_>,
        targets: &[&DataType],
    ) -> Result<Option<Kept>> {
        // There is a column at least: a function has a parameter, and a state a column.
        let length = rows.columns.first().map_or(0, |column| column.len());
        if length == 0 {
            return Ok(None);
        }
        let arguments = arguments(rows.columns);
        let request = Request {
            rows: frame::row_count(&self.function, length)?,
            arguments: &arguments,
            targets,
            indices: rows.groups,
            bits: rows.filter,
            ..Request::default()
        };
        if self.is_too_large(&request)? {
            in_halves(rows, length, |part, _| {
                self.take_in(operation, part, targets)
            })?;
            return Ok(None);
        }
        let numbers = || {
            std::iter::zip(rows.columns, targets)
                .map(|(column, target)| columns::fixed_values(column.as_ref(), target))
                .collect::<Option<SmallVec<[&[u8]; 6]>>>()
        };
        // What `repeat` can take: no filter. States are merged in batches of all sizes.
        let numbers = match rows.filter {
            None if operation != AggregateCall::MERGE => numbers(),
            _ => None,
        };
        self.within(length, |instance| {
            let mut group_ids = 0;
            let laid_out = request.lay_out(instance, &self.function, |extras| {
                group_ids = extras.indices;
                self.tail(&request, operation, rows.total, &extras)
            })?;
            let kept = numbers.and_then(|numbers| {
                Some(Kept {
                    operation,
                    rows: length,
                    header: laid_out.header(instance)?,
                    columns: laid_out.fixed_columns(instance, &numbers)?,
                    laid_out,
                    group_ids,
                    region: instance.current_region(),
                })
            });
            let reply = laid_out.send(instance, &self.function)?;
            self.note(instance, &reply);
            Ok(kept)
        })
    }

    /// Whether a call would leave the guest too little of its memory, and can be made in parts.
    fn is_too_large(&self, request: &Request<'_>) -> Result<bool> {
        let (roomy, rows_max) = with_limits(&self.function.plugin, |limits| {
            (limits.memory_bytes_max / 4, limits.call_rows_max)
        });
        if request.rows <= 1 || request.rows > rows_max {
            return Ok(request.rows > 1);
        }
        Ok(request.measure::<AggregateCall>(&self.function)? > roomy)
    }

    /// The first `count` of `total` groups as columns of these types, by an operation that forgets them.
    pub(super) fn emit(
        &self,
        operation: u32,
        count: usize,
        total: u32,
        types: &[&DataType],
        promise: Option<&Field>,
    ) -> Result<Vec<ArrayRef>> {
        let mut parts = Vec::new();
        let (mut left, mut total) = (count, total);
        let roomy = with_limits(&self.function.plugin, |limits| limits.memory_bytes_max / 16);
        let rows_max = columns::rows_within(types, roomy, EMIT_ROWS_MAX);
        while parts.is_empty() || left > 0 {
            let rows = left.min(rows_max);
            parts.push(self.results(operation, rows as u32, total, types, promise)?);
            left -= rows;
            total = total.saturating_sub(rows as u32);
        }
        if parts.len() == 1 {
            return Ok(parts.swap_remove(0));
        }
        self.joined(&parts)
    }

    /// Columns that came in parts, as many in each.
    fn joined(&self, parts: &[Vec<ArrayRef>]) -> Result<Vec<ArrayRef>> {
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
        let columns = parts.first().map_or(0, Vec::len);
        (0..columns).map(column).collect()
    }

    fn results(
        &self,
        operation: u32,
        rows: u32,
        total: u32,
        types: &[&DataType],
        promise: Option<&Field>,
    ) -> Result<Vec<ArrayRef>> {
        let request = Request {
            rows,
            results: types,
            result_rows: rows,
            ..Request::default()
        };
        self.run(&request, operation, total, |reply, instance, function| {
            let columns = reply.columns(instance, function, types, rows)?;
            if let (Some(result), Some(column)) = (promise, columns.first()) {
                frame::check_promise(function, result, column)?;
            }
            Ok(columns)
        })
    }

    /// The result of the only group; the state stays.
    pub(super) fn peek(&self, result: &Field) -> Result<ArrayRef> {
        let types = [result.data_type()];
        let mut columns = self.results(AggregateCall::PEEK, 1, 1, &types, Some(result))?;
        Ok(columns.swap_remove(0))
    }

    /// The states of groups of one row each. The state itself stays as it is.
    pub(super) fn convert(
        &self,
        rows: Rows<'_>,
        targets: &[&DataType],
        length: usize,
        types: &[&DataType],
    ) -> Result<Vec<ArrayRef>> {
        let arguments = arguments(rows.columns);
        let count = frame::row_count(&self.function, length)?;
        let request = Request {
            rows: count,
            arguments: &arguments,
            targets,
            bits: rows.filter,
            results: types,
            result_rows: count,
            ..Request::default()
        };
        if self.is_too_large(&request)? {
            let parts = in_halves(rows, length, |part, length| {
                self.convert(part, targets, length, types)
            })?;
            return self.joined(&parts);
        }
        self.run(
            &request,
            AggregateCall::CONVERT,
            0,
            |reply, instance, function| reply.columns(instance, function, types, count),
        )
    }

    /// Bytes that the query should know of: what the guest says, and at least by how much its memory has grown.
    pub(super) fn bytes(&self) -> usize {
        let memory = self.lease.memory_bytes();
        let idle = if self.idle_bytes > IDLE_BYTES_MAX {
            0
        } else {
            self.idle_bytes
        };
        let grown = memory.saturating_sub(idle);
        self.live_bytes.load(Ordering::Relaxed).max(grown)
    }

    /// One call, and what `read` makes of its answer.
    fn run<R>(
        &self,
        request: &Request<'_>,
        operation: u32,
        total: u32,
        read: impl FnOnce(Reply<AggregateCall>, &mut Instance, &FunctionRef) -> Result<R, Ended>,
    ) -> Result<R> {
        self.within(request.rows as usize, |instance| {
            let reply = request.send(instance, &self.function, |extras| {
                self.tail(request, operation, total, &extras)
            })?;
            self.note(instance, &reply);
            read(reply, instance, &self.function)
        })
    }

    fn tail(
        &self,
        request: &Request<'_>,
        operation: u32,
        total: u32,
        extras: &Extras,
    ) -> AggregateCall {
        AggregateCall {
            operation,
            state: self.handle.unwrap_or_default(),
            groups: total,
            group_ids: extras.indices,
            filter: extras.bits,
            result_count: request.results.len() as u32,
            live_bytes: 0,
        }
    }

    /// Keeps what the guest says that it holds, which cannot be more than its memory.
    #[inline]
    pub(super) fn note(&self, instance: &Instance, reply: &Reply<AggregateCall>) {
        let told = usize::try_from(reply.tail.live_bytes).unwrap_or(usize::MAX);
        let bytes = told.min(instance.memory_bytes());
        self.live_bytes.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn within<R>(
        &self,
        rows: usize,
        f: impl FnOnce(&mut Instance) -> Result<R, Ended>,
    ) -> Result<R> {
        request::within(&self.lease, &self.function, rows, f)
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // With an instance for itself, all goes at once.
        let Some(handle) = self.handle.filter(|_| !self.lease.is_only()) else {
            return;
        };
        let tail = AggregateCall {
            operation: AggregateCall::DROP,
            state: handle,
            ..AggregateCall::default()
        };
        request::give_back(&self.lease, &self.function, tail);
    }
}

/// The types that columns of arguments cross as.
pub(super) fn params<'a>(
    function: &'a FunctionRef,
    columns: &'a [ArrayRef],
) -> impl Iterator<Item = &'a DataType> {
    let params = function.decl().params.iter();
    params.zip(columns).map(|(param, column)| match &param.ty {
        ParamType::Exact(target) => target,
        // Refused in a manifest.
        ParamType::Any => column.data_type(),
    })
}

/// Makes a call in two, each with half of the rows.
#[cold]
fn in_halves<R>(
    rows: Rows<'_>,
    length: usize,
    call: impl Fn(Rows<'_>, usize) -> Result<R>,
) -> Result<[R; 2]> {
    let part = |start: usize, length: usize| {
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
        call(part, length)
    };
    let half = length / 2;
    Ok([part(0, half)?, part(half, length - half)?])
}

fn arguments(columns: &[ArrayRef]) -> Arguments<'_> {
    let column = |array| Argument {
        array: Cow::Borrowed(array),
        constant: false,
    };
    columns.iter().map(column).collect()
}
