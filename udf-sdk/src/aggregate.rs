//! Aggregate functions: a state for each group of rows. `#[udaf]` makes the calls to this.

mod groups;
mod rows;

use core::mem;

use wasmfusion_abi::AggregateCall as Operation;

use crate::argument::Arguments;
use crate::call::Call;
use crate::columns::{self, Columns};
use crate::error::Error;
use crate::raw::AggregateCall;
use crate::state::{Saved, State};
use crate::value::{Outcome, Value};
use groups::Groups;
use rows::Filter;

/// The columns that a state is saved as.
type SavedColumns<S> = <<S as State>::Saved as Saved>::Columns;

/// An aggregate function's methods, for a state `S` and arguments `A`.
#[derive(Debug)]
pub struct Methods<U, R, M, E, H> {
    /// Takes a row in.
    pub update: U,
    /// Takes a row out again.
    pub retract: R,
    /// Takes another state in.
    pub merge: M,
    /// The result.
    pub evaluate: E,
    /// Bytes that a state holds on the heap.
    pub heap_bytes: H,
}

/// Carries out one operation.
///
/// # Errors
///
/// The first error that a method returns; an argument that cannot be had as its type; an unknown state or operation.
///
/// # Safety
///
/// `aggregate` is what `docs/abi.md` says and belongs to the call.
pub unsafe fn run<'a, S, A, O>(
    call: &mut Call<'a>,
    aggregate: &mut AggregateCall,
    methods: Methods<
        impl Fn(&mut S, A) -> Result<(), Error>,
        impl Fn(&mut S, A) -> Result<(), Error>,
        impl Fn(&mut S, S) -> Result<(), Error>,
        impl Fn(&S) -> O,
        impl Fn(&S) -> usize,
    >,
) -> Result<(), Error>
where
    S: State,
    A: Arguments<'a>,
    O: Outcome,
{
    match aggregate.operation {
        Operation::CREATE => {
            aggregate.state = call.pool().states.insert(Groups::<S>::default());
            return Ok(());
        }
        Operation::DROP => return call.pool().states.remove::<Groups<S>>(aggregate.state),
        // SAFETY: by the contract of this function.
        Operation::CONVERT => unsafe { return convert(call, aggregate, methods.update) },
        _ => {}
    }
    let mut groups = call.pool().states.lend::<Groups<S>>(aggregate.state)?;
    groups.grow(aggregate.groups as usize);
    let heap_bytes = &methods.heap_bytes;
    // SAFETY: by the contract of this function; the arguments of MERGE are the columns that STATE returned.
    let outcome = unsafe {
        match aggregate.operation {
            Operation::UPDATE => {
                rows::take_in(call, aggregate, &mut groups, heap_bytes, methods.update)
            }
            Operation::RETRACT => {
                rows::take_in(call, aggregate, &mut groups, heap_bytes, methods.retract)
            }
            Operation::MERGE => rows::take_in(
                call,
                aggregate,
                &mut groups,
                heap_bytes,
                |state, columns: SavedColumns<S>| {
                    let saved = S::Saved::from_columns(columns);
                    (methods.merge)(state, S::load(saved)?)
                },
            ),
            Operation::EVALUATE => {
                let outcome = evaluate(call, &mut groups, methods.evaluate);
                groups.forget(call.rows(), heap_bytes);
                outcome
            }
            Operation::PEEK => evaluate(call, &mut groups, methods.evaluate),
            Operation::STATE => save(call, aggregate, &mut groups, heap_bytes),
            _ => Err(Error::new("an aggregate function has no such operation")),
        }
    };
    aggregate.live_bytes = groups.bytes();
    call.pool().states.restore(aggregate.state, groups);
    outcome
}

/// Writes the results of as many groups as the call has rows.
#[inline(always)]
fn evaluate<S: State, O: Outcome>(
    call: &mut Call<'_>,
    groups: &mut Groups<S>,
    evaluate: impl Fn(&S) -> O,
) -> Result<(), Error> {
    let rows = call.rows();
    groups.grow(rows);
    let states = &groups.states()[..rows];
    let mut builder = O::Value::builder(&mut call.space());
    O::Value::extend(&mut builder, rows, |row| evaluate(&states[row]).into_row())
        .map_err(Into::into)?;
    let (result, pool) = call.result();
    O::Value::finish(builder, None, result, pool)
}

/// Writes the states of as many groups as the call has rows, and forgets them.
///
/// # Safety
///
/// As [`run`].
unsafe fn save<S: State>(
    call: &mut Call<'_>,
    aggregate: &AggregateCall,
    groups: &mut Groups<S>,
    heap_bytes: &impl Fn(&S) -> usize,
) -> Result<(), Error> {
    columns::check::<SavedColumns<S>>(aggregate.result_count)?;
    let rows = call.rows();
    groups.grow(rows);
    groups.release(rows, heap_bytes);
    // SAFETY: just checked.
    let mut builders = unsafe { SavedColumns::<S>::builders(call) };
    for state in &mut groups.states()[..rows] {
        let saved = mem::take(state).save();
        // SAFETY: one of the call's rows.
        unsafe { saved.into_columns().push(&mut builders) };
    }
    groups.drop_first(rows);
    // SAFETY: as before.
    unsafe { SavedColumns::<S>::finish(builders, call) }
}

/// Writes, for each row of arguments, the state of a group that has seen this row alone.
///
/// # Safety
///
/// As [`run`].
unsafe fn convert<'a, S: State, A: Arguments<'a>>(
    call: &mut Call<'a>,
    aggregate: &AggregateCall,
    update: impl Fn(&mut S, A) -> Result<(), Error>,
) -> Result<(), Error> {
    columns::check::<SavedColumns<S>>(aggregate.result_count)?;
    let arguments = A::open(call)?;
    // SAFETY: just checked.
    let mut builders = unsafe { SavedColumns::<S>::builders(call) };
    let filter = Filter::new(aggregate.filter);
    let (rows, block_rows) = (call.rows(), call.block_rows());
    let mut start = 0;
    while start < rows {
        let count = block_rows.min(rows - start);
        // SAFETY: `arguments` outlives the block, and `start` is less than the number of rows.
        let cursors = unsafe { A::block(&arguments, start) };
        for row in 0..count {
            let mut state = S::default();
            // SAFETY: the filter has a bit for each row; rows that it leaves out are not looked at.
            if unsafe { filter.counts(start + row) } {
                // SAFETY: `row` is less than `count`, as in `rows::run`.
                update(&mut state, unsafe { A::get(cursors, row) })?;
            }
            // SAFETY: one of the call's rows.
            unsafe { state.save().into_columns().push(&mut builders) };
        }
        start += count;
    }
    // SAFETY: as before.
    unsafe { SavedColumns::<S>::finish(builders, call) }
}

/// What a method that may fail returned: nothing, or a `Result` of nothing. `#[udaf]` calls it.
///
/// # Errors
///
/// The method's own.
#[inline(always)]
pub fn done(outcome: impl Done) -> Result<(), Error> {
    outcome.done()
}

/// What `update`, `merge` and `retract` may return.
#[diagnostic::on_unimplemented(
    message = "this method of an aggregate function cannot return `{Self}`",
    note = "it returns nothing, or `Result<(), E>`"
)]
pub trait Done {
    /// Whether it worked.
    ///
    /// # Errors
    ///
    /// The method's own.
    fn done(self) -> Result<(), Error>;
}

impl Done for () {
    #[inline(always)]
    fn done(self) -> Result<(), Error> {
        Ok(())
    }
}

impl<E: Into<Error>> Done for Result<(), E> {
    #[inline(always)]
    fn done(self) -> Result<(), Error> {
        self.map_err(Into::into)
    }
}

/// The error of a function that cannot take rows out again. The host does not ask for it. `#[udaf]` calls it.
///
/// # Errors
///
/// Always.
#[cold]
pub fn no_retract() -> Result<(), Error> {
    Err(Error::new("the function cannot take rows out again"))
}
