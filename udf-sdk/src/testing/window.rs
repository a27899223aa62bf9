//! Window functions, used as the host uses them.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem;
use core::ops::Range;
use core::ptr;

use wasmfusion_abi::{WindowCall as Operation, flag};

use super::aggregate::empty_frame;
use super::arguments::Arguments;
use super::results::Results;
use crate::argument::Argument;
use crate::call;
use crate::error::Error;
use crate::function::{Function, Kind, Udf};
use crate::pool::Pool;
use crate::raw::{CallFrame, WindowCall};
use crate::value::Value;

/// A partition that a window function is called on. [`window!`](super::window!) begins one.
///
/// ```
/// use wasmfusion_udf::prelude::*;
/// use wasmfusion_udf::testing::window;
///
/// wasmfusion_udf::plugin! { name: "sums" }
///
/// #[derive(Default)]
/// struct RunningSum(i64);
///
/// #[udwf]
/// impl RunningSum {
///     fn next(&mut self, value: i64) -> i64 {
///         self.0 += value;
///         self.0
///     }
/// }
///
/// # fn main() {
/// let sums = window!(RunningSum).column([1i64, 2, 4]).run();
/// assert_eq!(sums, Ok(vec![1i64, 3, 7]));
/// # }
/// ```
#[derive(Debug)]
pub struct Window {
    /// The rows before those of `rows`, in parts.
    earlier: Vec<Arguments>,
    rows: Arguments,
    mode: Mode,
    flags: u32,
}

/// What the host would learn from the manifest.
#[derive(Debug)]
enum Mode {
    Rows,
    Ranked(Vec<u32>),
    Framed(Vec<Range<usize>>),
}

impl Window {
    /// A partition for a function, without rows yet.
    pub fn of<F: Udf>() -> Self {
        const {
            Window {
                earlier: Vec::new(),
                rows: Arguments::new(&F::FUNCTION),
                mode: Mode::Rows,
                flags: 0,
            }
        }
    }

    /// The function.
    pub fn function(&self) -> &'static Function {
        self.rows.function()
    }

    /// Adds a column with these values.
    ///
    /// # Panics
    ///
    /// If another column has another number of rows, or the function's parameter another type.
    #[must_use]
    pub fn column<T: Value>(mut self, values: impl IntoIterator<Item = T>) -> Self {
        self.rows.column(values);
        self
    }

    /// Adds a constant.
    ///
    /// # Panics
    ///
    /// If the function's parameter has another type.
    #[must_use]
    pub fn constant<T: Value>(mut self, value: T) -> Self {
        self.rows.constant(value);
        self
    }

    /// Sets the number of rows, for partitions without a column, whose number is otherwise 1.
    #[must_use]
    pub fn rows(mut self, rows: usize) -> Self {
        self.rows.set_rows(rows);
        self
    }

    /// Says that what follows are later rows of the same partition, which a function that goes from row to row gets in another call.
    #[must_use]
    pub fn then(mut self) -> Self {
        let next = Arguments::new(self.function());
        self.earlier.push(mem::replace(&mut self.rows, next));
        self
    }

    /// Says which row is the first of each set of peers, for functions that are `ranked`.
    #[must_use]
    pub fn peers(mut self, starts: impl IntoIterator<Item = u32>) -> Self {
        self.mode = Mode::Ranked(starts.into_iter().collect());
        self
    }

    /// Says for which frames a function that is `framed` is called.
    #[must_use]
    pub fn frames(mut self, frames: impl IntoIterator<Item = Range<usize>>) -> Self {
        self.mode = Mode::Framed(frames.into_iter().collect());
        self
    }

    /// Says that SQL said `IGNORE NULLS`.
    #[must_use]
    pub fn ignore_nulls(mut self) -> Self {
        self.flags |= flag::IGNORE_NULLS;
        self
    }

    /// Runs the function and reads the results, one for each row, or for each frame.
    ///
    /// # Errors
    ///
    /// The message of the function's error.
    ///
    /// # Panics
    ///
    /// If the result is of another type than `T`, or has another number of rows.
    pub fn run<T: for<'a> Argument<'a>>(self) -> Result<Vec<T>, String> {
        self.try_run().map_err(|error| error.message().to_owned())
    }

    fn try_run<T: for<'a> Argument<'a>>(mut self) -> Result<Vec<T>, Error> {
        let mut pool = Pool::new();
        let rows = self.rows.rows();
        let mut window = WindowCall {
            operation: Operation::PARTITION,
            state: 0,
            start: 0,
            end: 0,
            ranks: ptr::null(),
            rank_count: 0,
        };
        match mem::replace(&mut self.mode, Mode::Rows) {
            Mode::Rows if self.is_streaming() => self.stream(&mut pool, &mut window),
            Mode::Rows => self.operate(&self.rows, rows, &mut pool, &mut window),
            Mode::Ranked(ranks) => {
                window.operation = Operation::RANKED;
                window.ranks = ranks.as_ptr();
                window.rank_count = ranks.len() as u32;
                self.operate(&self.rows, rows, &mut pool, &mut window)
            }
            Mode::Framed(frames) => {
                window.operation = Operation::FRAME;
                let mut values = Vec::new();
                for frame in frames {
                    (window.start, window.end) = (frame.start as u32, frame.end as u32);
                    values.extend(self.operate(&self.rows, 1, &mut pool, &mut window)?);
                }
                Ok(values)
            }
        }
    }

    fn is_streaming(&self) -> bool {
        self.function().json.contains("\"window\":\"streaming\"")
    }

    fn stream<T: for<'a> Argument<'a>>(
        &mut self,
        pool: &mut Pool,
        window: &mut WindowCall,
    ) -> Result<Vec<T>, Error> {
        window.operation = Operation::CREATE;
        self.call(&empty_frame(), pool, window)?;
        window.operation = Operation::NEXT;
        let mut values = Vec::new();
        for rows in self.earlier.iter().chain([&self.rows]) {
            values.extend(self.operate(rows, rows.rows(), pool, window)?);
        }
        window.operation = Operation::DROP;
        self.call(&empty_frame(), pool, window)?;
        Ok(values)
    }

    /// Carries out one operation that returns so many rows.
    fn operate<T: for<'a> Argument<'a>>(
        &self,
        arguments: &Arguments,
        rows: usize,
        pool: &mut Pool,
        window: &mut WindowCall,
    ) -> Result<Vec<T>, Error> {
        let (bound, returns) = arguments.bind()?;
        let expected = <T as Argument<'_>>::TYPE;
        assert!(
            returns.is(&expected),
            "the function returns {}, not {expected}",
            returns.format()
        );
        let mut results = Results::new(&[expected], rows);
        let mut frame = arguments.frame(rows, results.as_mut_ptr());
        frame.bound = bound;
        frame.flags = self.flags;
        self.call(&frame, pool, window)?;
        // SAFETY: of this type, as was just checked; the pool has seen no other call since.
        unsafe { results.read(0, rows) }
    }

    fn call(
        &self,
        frame: &CallFrame,
        pool: &mut Pool,
        window: &mut WindowCall,
    ) -> Result<(), Error> {
        let function = self.function();
        let Kind::Window(kernel) = function.kind else {
            panic!("this is not a window function");
        };
        // SAFETY: the arguments were built as the host builds them, and everything outlives the call.
        unsafe { kernel(&mut call::Call::new(frame, pool, function), window) }
    }
}
