//! A call of a function of rows or columns.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use super::arguments::Arguments;
use super::results::Results;
use crate::argument::Argument;
use crate::call;
use crate::error::Error;
use crate::function::{Function, Kind, Udf};
use crate::pool::Pool;
use crate::value::Value;

/// A call in the making. [`call!`](super::call!) begins one.
#[derive(Debug)]
pub struct Call {
    arguments: Arguments,
}

impl Call {
    /// A call of a function, without arguments yet.
    pub fn of<F: Udf>() -> Self {
        const {
            Call {
                arguments: Arguments::new(&F::FUNCTION),
            }
        }
    }

    /// The function that is called.
    pub fn function(&self) -> &'static Function {
        self.arguments.function()
    }

    /// Adds a column with these values.
    ///
    /// # Panics
    ///
    /// If another column has another number of rows, or the function's parameter another type.
    #[must_use]
    pub fn column<T: Value>(mut self, values: impl IntoIterator<Item = T>) -> Self {
        self.arguments.column(values);
        self
    }

    /// Adds a constant.
    ///
    /// # Panics
    ///
    /// If the function's parameter has another type.
    #[must_use]
    pub fn constant<T: Value>(mut self, value: T) -> Self {
        self.arguments.constant(value);
        self
    }

    /// Sets the number of rows, for calls without a column, whose number is otherwise 1.
    #[must_use]
    pub fn rows(mut self, rows: usize) -> Self {
        self.arguments.set_rows(rows);
        self
    }

    /// Runs the function and reads the result.
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

    fn try_run<T: for<'a> Argument<'a>>(self) -> Result<Vec<T>, Error> {
        let function = self.function();
        let Kind::Scalar(kernel) = function.kind else {
            panic!(
                "this is not a function of rows or columns: there are aggregate!, window!, table! and observe!"
            );
        };
        let rows = self.arguments.rows();
        let (bound, returns) = self.arguments.bind()?;
        let expected = <T as Argument<'_>>::TYPE;
        assert!(
            returns.is(&expected),
            "the function returns {}, not {expected}",
            returns.format()
        );
        let mut results = Results::new(&[expected], rows);
        let mut frame = self.arguments.frame(rows, results.as_mut_ptr());
        frame.bound = bound;
        let mut pool = Pool::new();
        // SAFETY: the arguments were built as the host builds them, and everything outlives the call.
        kernel(&mut unsafe { call::Call::new(&raw const frame, &mut pool, function) })?;
        // SAFETY: of this type, as was just checked; the pool is still there.
        unsafe { results.read(0, rows) }
    }
}
