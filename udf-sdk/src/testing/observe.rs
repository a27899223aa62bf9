//! A call of an observer.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::ptr;

use super::arguments::Arguments;
use crate::call;
use crate::error::Error;
use crate::function::{Function, Kind, Udf};
use crate::pool::Pool;
use crate::value::Value;

/// Events for an observer. [`observe!`](super::observe!) begins them.
///
/// ```
/// use std::cell::Cell;
/// use wasmfusion_udf::prelude::*;
/// use wasmfusion_udf::testing::observe;
///
/// wasmfusion_udf::plugin! { name: "seen", capabilities: ["observe:query"] }
///
/// std::thread_local! {
///     static ROWS: Cell<i64> = const { Cell::new(0) };
/// }
///
/// #[observer(event = "query_end")]
/// fn count_rows(rows: i64) {
///     ROWS.set(ROWS.get() + rows);
/// }
///
/// # fn main() {
/// assert_eq!(observe!(count_rows).column([2i64, 3]).run(), Ok(()));
/// assert_eq!(ROWS.get(), 5);
/// # }
/// ```
#[derive(Debug)]
pub struct Observe {
    arguments: Arguments,
}

impl Observe {
    /// A call of an observer, without columns yet.
    pub fn of<F: Udf>() -> Self {
        const {
            Observe {
                arguments: Arguments::new(&F::FUNCTION),
            }
        }
    }

    /// The observer.
    pub fn function(&self) -> &'static Function {
        self.arguments.function()
    }

    /// Adds the next column of the events: a value for each of them.
    ///
    /// # Panics
    ///
    /// If another column has another number of events, or the function's parameter another type.
    #[must_use]
    pub fn column<T: Value>(mut self, values: impl IntoIterator<Item = T>) -> Self {
        self.arguments.column(values);
        self
    }

    /// Tells the observer of the events.
    ///
    /// # Errors
    ///
    /// The message of the function's first error.
    ///
    /// # Panics
    ///
    /// If there are fewer columns than parameters, or the function is no observer.
    pub fn run(self) -> Result<(), String> {
        self.try_run().map_err(|error| error.message().to_owned())
    }

    fn try_run(self) -> Result<(), Error> {
        let function = self.function();
        let Kind::Observer(kernel) = function.kind else {
            panic!("this is not an observer");
        };
        let frame = self.arguments.frame(self.arguments.rows(), ptr::null_mut());
        let mut pool = Pool::new();
        // SAFETY: the arguments were built as the host builds them, and everything outlives the call.
        kernel(&mut unsafe { call::Call::new(&raw const frame, &mut pool, function) })
    }
}
