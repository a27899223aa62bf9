//! Aggregate functions, used as the host uses them.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::ptr;

use wasmfusion_abi::AggregateCall as Operation;

use super::arguments::Arguments;
use super::results::Results;
use crate::argument::Argument;
use crate::call;
use crate::data_type::DataType;
use crate::error::Error;
use crate::function::{Function, Kind, Udf};
use crate::pool::Pool;
use crate::raw::{AggregateCall, CallFrame, Slice};
use crate::value::Value;

/// The groups of an aggregate function. [`aggregate!`](super::aggregate!) makes them.
///
/// [`Aggregate::column`], [`Aggregate::constant`], [`Aggregate::groups`] and [`Aggregate::filter`] say what is in a batch of rows;
/// [`Aggregate::update`], [`Aggregate::retract`] or [`Aggregate::convert`] does something with it, after which the next batch begins. What is left
/// at the end is taken in.
///
/// ```
/// use wasmfusion_udf::prelude::*;
/// use wasmfusion_udf::testing::aggregate;
///
/// wasmfusion_udf::plugin! { name: "sums" }
///
/// #[derive(Default, State)]
/// struct Total { sum: i64 }
///
/// #[udaf]
/// impl Total {
///     fn update(&mut self, value: i64) { self.sum += value; }
///     fn merge(&mut self, other: Self) { self.sum += other.sum; }
///     fn evaluate(&self) -> i64 { self.sum }
/// }
///
/// # fn main() {
/// let sums = aggregate!(Total).column([1i64, 2, 4]).groups([0, 1, 0]).evaluate();
/// assert_eq!(sums, Ok(vec![5i64, 2]));
/// # }
/// ```
#[derive(Debug)]
pub struct Aggregate {
    batch: Arguments,
    group_ids: Option<Vec<u32>>,
    filter: Option<Vec<bool>>,
    /// Number of groups so far.
    group_count: usize,
    pool: Pool,
    state: u32,
    live_bytes: u64,
    /// The first error.
    error: Option<Error>,
}

impl Aggregate {
    /// The groups of a function: none yet.
    ///
    /// # Panics
    ///
    /// If it is not an aggregate function.
    pub fn of<F: Udf>() -> Self {
        let function = const { &F::FUNCTION };
        let mut aggregate = Aggregate {
            batch: Arguments::new(function),
            group_ids: None,
            filter: None,
            group_count: 0,
            pool: Pool::new(),
            state: 0,
            live_bytes: 0,
            error: None,
        };
        let created = aggregate.run(Operation::CREATE, &empty_frame(), 0, &[], ptr::null());
        aggregate.error = created.err();
        aggregate
    }

    /// The function.
    pub fn function(&self) -> &'static Function {
        self.batch.function()
    }

    /// Adds a column to the batch. Rows in which an argument is NULL are left out, unless the parameter is an `Option`.
    ///
    /// # Panics
    ///
    /// If another column has another number of rows, or the function's parameter another type.
    #[must_use]
    pub fn column<T: Value>(mut self, values: impl IntoIterator<Item = T>) -> Self {
        self.batch.column(values);
        self
    }

    /// Adds a constant to the batch.
    ///
    /// # Panics
    ///
    /// If the function's parameter has another type.
    #[must_use]
    pub fn constant<T: Value>(mut self, value: T) -> Self {
        self.batch.constant(value);
        self
    }

    /// Sets the number of rows of a batch without a column, which is otherwise 1.
    #[must_use]
    pub fn rows(mut self, rows: usize) -> Self {
        self.batch.set_rows(rows);
        self
    }

    /// Says which group each row of the batch belongs to. Otherwise it is group 0.
    #[must_use]
    pub fn groups(mut self, groups: impl IntoIterator<Item = u32>) -> Self {
        self.group_ids = Some(groups.into_iter().collect());
        self
    }

    /// Says which rows of the batch count. Otherwise all do.
    #[must_use]
    pub fn filter(mut self, rows: impl IntoIterator<Item = bool>) -> Self {
        self.filter = Some(rows.into_iter().collect());
        self
    }

    /// Takes the batch in.
    #[must_use]
    pub fn update(mut self) -> Self {
        self.take_batch(Operation::UPDATE);
        self
    }

    /// Takes the batch out again.
    #[must_use]
    pub fn retract(mut self) -> Self {
        self.take_batch(Operation::RETRACT);
        self
    }

    /// Makes a state of each row of the batch and takes the states in, which has the same result as taking the rows in.
    #[must_use]
    pub fn convert(mut self) -> Self {
        let rows = self.batch.rows();
        let types = self.state_types();
        let mut states = Results::new(&types, rows);
        let filter = self.bitmap();
        let frame = self.batch.frame(rows, states.as_mut_ptr());
        let ids = self.ids(rows);
        let count = types.len() as u32;
        // The states live in a memory of their own, which the merge must not touch.
        let mut instance = Pool::new();
        let state = core::mem::take(&mut self.state);
        core::mem::swap(&mut self.pool, &mut instance);
        let live_bytes = self.live_bytes;
        let mut outcome = self.run(Operation::CONVERT, &frame, count, &[], filter.as_ptr());
        core::mem::swap(&mut self.pool, &mut instance);
        (self.state, self.live_bytes) = (state, live_bytes);
        if outcome.is_ok() {
            outcome = self.merge_columns(&states, rows, &ids);
        }
        self.fail(outcome);
        self.next_batch();
        self
    }

    /// Takes in what another has taken in, group by group: its states cross as columns.
    #[must_use]
    pub fn merge(mut self, mut other: Aggregate) -> Self {
        self.take_rest();
        other.take_rest();
        let rows = other.group_count;
        let types = other.state_types();
        let mut states = Results::new(&types, rows);
        let frame = CallFrame {
            rows: rows as u32,
            result: states.as_mut_ptr(),
            ..empty_frame()
        };
        let saved = other.run(
            Operation::STATE,
            &frame,
            types.len() as u32,
            &[],
            ptr::null(),
        );
        other.group_count = 0;
        self.fail(saved);
        self.error = self.error.take().or(other.error.take());
        if self.error.is_none() {
            let ids: Vec<u32> = (0..rows as u32).collect();
            let merged = self.merge_columns(&states, rows, &ids);
            self.fail(merged);
        }
        self
    }

    /// The results of all groups, of which there is at least one if none was named.
    ///
    /// # Errors
    ///
    /// The message of the first error.
    ///
    /// # Panics
    ///
    /// If the function returns something else than `T`.
    pub fn evaluate<T: for<'a> Argument<'a>>(mut self) -> Result<Vec<T>, String> {
        self.take_rest();
        let count = self.group_count.max(1);
        self.emit(count)
    }

    /// The results of the first groups, which are forgotten: the others move down.
    ///
    /// # Errors
    ///
    /// As [`Aggregate::evaluate`].
    ///
    /// # Panics
    ///
    /// As [`Aggregate::evaluate`].
    pub fn emit<T: for<'a> Argument<'a>>(&mut self, count: usize) -> Result<Vec<T>, String> {
        self.take_rest();
        let results = self.results(Operation::EVALUATE, count);
        self.group_count = self.group_count.saturating_sub(count);
        results
    }

    /// The results of all groups so far, of which none is forgotten.
    ///
    /// # Errors
    ///
    /// As [`Aggregate::evaluate`].
    ///
    /// # Panics
    ///
    /// As [`Aggregate::evaluate`].
    pub fn peek<T: for<'a> Argument<'a>>(&mut self) -> Result<Vec<T>, String> {
        self.take_rest();
        self.results(Operation::PEEK, self.group_count.max(1))
    }

    /// Bytes that the groups hold, as the host was told last.
    pub fn live_bytes(&self) -> u64 {
        self.live_bytes
    }

    fn results<T: for<'a> Argument<'a>>(
        &mut self,
        operation: u32,
        rows: usize,
    ) -> Result<Vec<T>, String> {
        let text = |error: Error| error.message().to_owned();
        if let Some(error) = self.error.take() {
            return Err(text(error));
        }
        let expected = <T as Argument<'_>>::TYPE;
        let returns = self.function().returns.map(|(data_type, _)| data_type);
        assert_eq!(
            returns,
            Some(expected),
            "the function returns something else"
        );
        let mut results = Results::new(&[expected], rows);
        let frame = CallFrame {
            rows: rows as u32,
            result: results.as_mut_ptr(),
            ..empty_frame()
        };
        self.run(operation, &frame, 1, &[], ptr::null())
            .map_err(text)?;
        // SAFETY: of this type, as was just checked; the pool has seen no other call since.
        unsafe { results.read(0, rows) }.map_err(text)
    }

    fn state_types(&self) -> Vec<DataType> {
        let types = self.function().schema.types.iter();
        types.map(|(data_type, _)| *data_type).collect()
    }

    /// The number of each row's group.
    fn ids(&mut self, rows: usize) -> Vec<u32> {
        let ids = self.group_ids.clone().unwrap_or_else(|| vec![0; rows]);
        assert_eq!(ids.len(), rows, "every row has a group");
        let count = ids.iter().max().map_or(0, |last| *last as usize + 1);
        self.group_count = self.group_count.max(count);
        ids
    }

    /// The rows of the batch that count, as the host has it: without those in which an argument is NULL that must not be.
    fn bitmap(&self) -> Vec<u8> {
        let rows = self.batch.rows();
        let mut bitmap = vec![0u8; rows.div_ceil(8).max(1)];
        for row in 0..rows {
            let wanted = self.filter.as_ref().is_none_or(|filter| filter[row]);
            if wanted && !self.batch.is_skipped(row) {
                bitmap[row / 8] |= 1 << (row % 8);
            }
        }
        bitmap
    }

    fn take_batch(&mut self, operation: u32) {
        let rows = self.batch.rows();
        let ids = self.ids(rows);
        let bitmap = self.bitmap();
        let all = (0..rows).all(|row| bitmap[row / 8] >> (row % 8) & 1 != 0);
        let filter = if all { ptr::null() } else { bitmap.as_ptr() };
        let ids: &[u32] = if self.group_ids.is_some() { &ids } else { &[] };
        let frame = self.batch.frame(rows, ptr::null_mut());
        let outcome = self.run(operation, &frame, 0, ids, filter);
        self.fail(outcome);
        self.next_batch();
    }

    fn take_rest(&mut self) {
        if !self.batch.is_empty() {
            self.take_batch(Operation::UPDATE);
        }
    }

    fn next_batch(&mut self) {
        self.batch = Arguments::new(self.function());
        self.group_ids = None;
        self.filter = None;
    }

    fn merge_columns(&mut self, states: &Results, rows: usize, ids: &[u32]) -> Result<(), Error> {
        self.group_count = self
            .group_count
            .max(ids.iter().max().map_or(0, |last| *last as usize + 1));
        let arrays = states.arrays();
        let frame = CallFrame {
            rows: rows as u32,
            arg_count: arrays.len() as u32,
            args: arrays.as_ptr(),
            ..empty_frame()
        };
        self.run(Operation::MERGE, &frame, 0, ids, ptr::null())
    }

    fn fail(&mut self, outcome: Result<(), Error>) {
        if let (None, Err(error)) = (&self.error, outcome) {
            self.error = Some(error);
        }
    }

    /// Carries out one operation.
    fn run(
        &mut self,
        operation: u32,
        frame: &CallFrame,
        result_count: u32,
        ids: &[u32],
        filter: *const u8,
    ) -> Result<(), Error> {
        let function = self.function();
        let Kind::Aggregate(kernel) = function.kind else {
            panic!("this is not an aggregate function");
        };
        let mut call = AggregateCall {
            operation,
            state: self.state,
            groups: self.group_count as u32,
            group_ids: if ids.is_empty() {
                ptr::null()
            } else {
                ids.as_ptr()
            },
            filter,
            result_count,
            live_bytes: 0,
        };
        // SAFETY: the arguments were built as the host builds them, and everything outlives the call.
        let outcome = unsafe {
            kernel(
                &mut call::Call::new(frame, &mut self.pool, function),
                &mut call,
            )
        };
        self.state = call.state;
        self.live_bytes = call.live_bytes;
        outcome
    }
}

/// A frame without arguments and result.
pub(super) const fn empty_frame() -> CallFrame {
    CallFrame {
        rows: 0,
        arg_count: 0,
        args: ptr::null(),
        result: ptr::null_mut(),
        constants: 0,
        bound: ptr::null_mut(),
        flags: 0,
        error: Slice::EMPTY,
    }
}
