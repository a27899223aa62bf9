//! Table functions: rows from an iterator. `#[udtf]` makes the calls to this.

use core::iter::Fuse;

use wasmfusion_abi::TableCall as Operation;

use crate::argument::Arguments;
use crate::call::Call;
use crate::columns::{self, Columns};
use crate::error::Error;
use crate::raw::TableCall;
use crate::value::Outcome;

/// Rows that are made in one turn of a loop.
const BLOCK: usize = 16;

/// An iterator as it is kept from call to call: always there, but during a call.
type Scan<I> = Option<Fuse<<I as IntoIterator>::IntoIter>>;

/// How many rows of a table function will be read at most, if that is known: a parameter of this type, at any place, gets
/// it. There is no need to look, since a function is not asked for more rows; but one that prepares them all can stop early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(pub Option<u64>);

/// Carries out one operation: `open` makes the iterator, and `row` a row of one of its items.
///
/// # Errors
///
/// Those of `open` and `row`; an argument that cannot be had as its type; an unknown scan or operation.
///
/// # Safety
///
/// `table` is what `docs/abi.md` says and belongs to the call.
pub unsafe fn run<'a, A, R, I>(
    call: &mut Call<'a>,
    table: &mut TableCall,
    open: impl FnOnce(A, Limit) -> Result<I, Error>,
    row: impl Fn(I::Item) -> Result<R, Error>,
) -> Result<(), Error>
where
    A: Arguments<'a>,
    R: Columns,
    I: IntoIterator<IntoIter: 'static>,
{
    match table.operation {
        Operation::OPEN => {
            let limit = Limit((table.limit != u64::MAX).then_some(table.limit));
            let columns = A::open(call)?;
            // SAFETY: the call has one row, which is that of the constants, and `columns` outlives the values.
            let arguments = unsafe { A::get(A::block(&columns, 0), 0) };
            let scan = open(arguments, limit)?.into_iter().fuse();
            table.state = call.pool().states.insert(Some(scan));
            Ok(())
        }
        Operation::NEXT => {
            let mut held = call.pool().states.lend::<Scan<I>>(table.state)?;
            // In a variable of its own the iterator can be in registers, and not in memory after each row.
            let Some(mut scan) = held.take() else {
                return Err(Error::new("the scan has no rows any more"));
            };
            // SAFETY: by the contract of this function.
            let outcome = unsafe { next(call, table, scan.by_ref().map(row)) };
            *held = Some(scan);
            call.pool().states.restore(table.state, held);
            outcome
        }
        Operation::CLOSE => call.pool().states.remove::<Scan<I>>(table.state),
        _ => Err(Error::new("a table function has no such operation")),
    }
}

/// Writes as many rows as the call has room for, or as there are.
///
/// # Safety
///
/// As [`run`].
#[inline(always)]
unsafe fn next<R: Columns>(
    call: &mut Call<'_>,
    table: &mut TableCall,
    mut items: impl Iterator<Item = Result<R, Error>>,
) -> Result<(), Error> {
    columns::check::<R>(table.result_count)?;
    // SAFETY: just checked.
    let mut builders = unsafe { R::builders(call) };
    let rows = call.rows();
    let mut count = 0;
    'rows: while count < rows {
        // In blocks, as everywhere: the host has each turn of a loop look whether it must stop.
        for _ in 0..BLOCK.min(rows - count) {
            let Some(item) = items.next() else {
                break 'rows;
            };
            // SAFETY: one of the call's rows.
            unsafe { item?.push(&mut builders) };
            count += 1;
        }
    }
    table.result_rows = count as u32;
    // SAFETY: as before.
    unsafe { R::finish(builders, call) }
}

/// What the items of a table function's iterator may be: rows, or `Result`s of rows.
#[diagnostic::on_unimplemented(
    message = "a table function cannot have rows of the type `{Self}`",
    note = "a row is a struct with #[derive(SqlStruct)], a tuple with `columns(\"a\", \"b\")`, or a single value with `column = \"name\"`; or a Result of one of these"
)]
pub trait Item {
    /// The row.
    type Row: Columns;

    /// The row or the error.
    ///
    /// # Errors
    ///
    /// The function's own.
    fn into_row(self) -> Result<Self::Row, Error>;
}

impl<R: Columns> Item for R {
    type Row = R;

    #[inline(always)]
    fn into_row(self) -> Result<R, Error> {
        Ok(self)
    }
}

impl<R: Columns, E: Into<Error>> Item for Result<R, E> {
    type Row = R;

    #[inline(always)]
    fn into_row(self) -> Result<R, Error> {
        self.map_err(Into::into)
    }
}

/// The row of a single value. `#[udtf(column = "…")]` calls it.
///
/// # Errors
///
/// The function's own.
#[inline(always)]
pub fn single<O: Outcome>(item: O) -> Result<(O::Value,), Error> {
    Ok((item.into_row().map_err(Into::into)?,))
}
