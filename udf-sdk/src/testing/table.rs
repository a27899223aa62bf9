//! Table functions, used as the host uses them.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::ptr;

use wasmfusion_abi::TableCall as Operation;

use super::aggregate::empty_frame;
use super::arguments::Arguments;
use super::results::Results;
use crate::argument;
use crate::call;
use crate::columns::Columns;
use crate::data_type::DataType;
use crate::error::Error;
use crate::function::{Function, Kind, Udf};
use crate::pool::Pool;
use crate::raw::{CallFrame, TableCall};
use crate::value::Value;

/// A scan of a table function. [`table!`](super::table!) begins one.
///
/// ```
/// use wasmfusion_udf::prelude::*;
/// use wasmfusion_udf::testing::table;
///
/// wasmfusion_udf::plugin! { name: "numbers" }
///
/// #[udtf(columns("number", "text"))]
/// fn numbers(count: i64) -> impl Iterator<Item = (i64, String)> + 'static {
///     (0..count).map(|number| (number, number.to_string()))
/// }
///
/// # fn main() {
/// let rows = table!(numbers).argument(2i64).run::<(i64, String)>();
/// assert_eq!(rows, Ok(vec![(0, "0".to_owned()), (1, "1".to_owned())]));
/// # }
/// ```
#[derive(Debug)]
pub struct Table {
    arguments: Arguments,
    limit: u64,
    batch_rows: usize,
}

impl Table {
    /// A scan of a function, without arguments yet.
    pub fn of<F: Udf>() -> Self {
        const {
            Table {
                arguments: Arguments::new(&F::FUNCTION),
                limit: u64::MAX,
                batch_rows: 1024,
            }
        }
    }

    /// The function.
    pub fn function(&self) -> &'static Function {
        self.arguments.function()
    }

    /// Adds an argument.
    ///
    /// # Panics
    ///
    /// If the function's parameter has another type.
    #[must_use]
    pub fn argument<T: Value>(mut self, value: T) -> Self {
        self.arguments.constant(value);
        self
    }

    /// Sets the number of rows that are read at most. Otherwise all are.
    #[must_use]
    pub fn limit(mut self, rows: u64) -> Self {
        self.limit = rows;
        self
    }

    /// Sets the number of rows that are asked for at once.
    #[must_use]
    pub fn batch_rows(mut self, rows: usize) -> Self {
        self.batch_rows = rows.max(1);
        self
    }

    /// Runs the function and reads its rows as tuples.
    ///
    /// # Errors
    ///
    /// The message of the function's error.
    ///
    /// # Panics
    ///
    /// If there are other columns, or NULLs where the tuple has no `Option`.
    pub fn run<R>(self) -> Result<Vec<R>, String>
    where
        R: for<'a> argument::Arguments<'a> + Columns,
    {
        self.try_run().map_err(|error| error.message().to_owned())
    }

    fn try_run<R>(self) -> Result<Vec<R>, Error>
    where
        R: for<'a> argument::Arguments<'a> + Columns,
    {
        let types: Vec<DataType> = self
            .function()
            .schema
            .types
            .iter()
            .map(|one| one.0)
            .collect();
        let wanted: Vec<DataType> = R::TYPES.iter().map(|one| one.0).collect();
        assert_eq!(types, wanted, "the table has other columns");
        let mut rows = Vec::new();
        if self.arguments.is_skipped(0) {
            return Ok(rows);
        }
        let mut pool = Pool::new();
        let mut table = TableCall {
            operation: Operation::OPEN,
            state: 0,
            limit: self.limit,
            result_rows: 0,
            result_count: 0,
        };
        let frame = self.arguments.frame(1, ptr::null_mut());
        self.call(&frame, &mut pool, &mut table)?;
        table.operation = Operation::NEXT;
        table.result_count = types.len() as u32;
        while (rows.len() as u64) < self.limit {
            let left = self.limit - rows.len() as u64;
            let batch_rows = left.min(self.batch_rows as u64) as usize;
            let mut results = Results::new(&types, batch_rows);
            let frame = CallFrame {
                rows: batch_rows as u32,
                result: results.as_mut_ptr(),
                ..empty_frame()
            };
            table.result_rows = 0;
            self.call(&frame, &mut pool, &mut table)?;
            let count = table.result_rows as usize;
            if count == 0 {
                break;
            }
            assert!(count <= batch_rows, "more rows than there was room for");
            self.read(&results, count, &mut rows)?;
        }
        table.operation = Operation::CLOSE;
        self.call(&empty_frame(), &mut pool, &mut table)?;
        Ok(rows)
    }

    /// Reads so many rows.
    fn read<R>(&self, results: &Results, count: usize, rows: &mut Vec<R>) -> Result<(), Error>
    where
        R: for<'a> argument::Arguments<'a> + Columns,
    {
        let arrays = results.arrays();
        for (array, (_, nullable)) in arrays.iter().zip(R::TYPES) {
            assert_eq!(array.length, count as i64, "a column has other rows");
            assert!(
                *nullable || array.null_count == 0,
                "there are NULLs in a column: read it as `Option`s"
            );
        }
        let frame = CallFrame {
            rows: count as u32,
            arg_count: arrays.len() as u32,
            args: arrays.as_ptr(),
            ..empty_frame()
        };
        let mut pool = Pool::new();
        // SAFETY: what the SDK's builders wrote keeps the promises for arguments, and the types are those that `R` reads.
        unsafe {
            let mut call = call::Call::new(&raw const frame, &mut pool, self.function());
            let columns = R::open(&mut call)?;
            let cursors = R::block(&columns, 0);
            rows.extend((0..count).map(|row| R::get(cursors, row)));
        }
        Ok(())
    }

    fn call(&self, frame: &CallFrame, pool: &mut Pool, table: &mut TableCall) -> Result<(), Error> {
        let function = self.function();
        let Kind::Table(kernel) = function.kind else {
            panic!("this is not a table function");
        };
        // SAFETY: the arguments were built as the host builds them, and everything outlives the call.
        unsafe { kernel(&mut call::Call::new(frame, pool, function), table) }
    }
}
