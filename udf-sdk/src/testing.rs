//! Runs a function natively on whole columns, as the host would: for a plugin's unit tests.
//!
//! ```
//! use wasmfusion_udf::prelude::*;
//! use wasmfusion_udf::testing::call;
//!
//! wasmfusion_udf::plugin! { name: "geo" }
//!
//! #[udf]
//! fn scale(value: f64, factor: f64) -> f64 {
//!     value * factor
//! }
//!
//! # fn main() {
//! let scaled: Vec<f64> = call!(scale).column([1.0, 2.0]).constant(10.0).run().unwrap();
//! assert_eq!(scaled, [10.0, 20.0]);
//! # }
//! ```

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::ptr;

use crate::argument::Argument;
use crate::batch::Column;
use crate::call::{self, Operand, Space};
use crate::data_type::DataType;
use crate::dynamic::Type;
use crate::error::Error;
use crate::function::{Function, Udf};
use crate::pool::Pool;
use crate::raw::{ArrowArray, ArrowSchema, BindFrame, CallFrame, Slice};
use crate::value::Value;

pub use wasmfusion_udf_macros::call;

/// A call in the making. [`call!`] begins one.
#[derive(Debug)]
pub struct Call {
    function: &'static Function,
    /// The memory of each argument.
    pools: Vec<Pool>,
    args: Vec<ArrowArray>,
    types: Vec<Type>,
    constants: u64,
    rows: Option<usize>,
}

impl Call {
    /// A call of a function, without arguments yet.
    pub fn of<F: Udf>() -> Self {
        const {
            Call {
                function: &F::FUNCTION,
                pools: Vec::new(),
                args: Vec::new(),
                types: Vec::new(),
                constants: 0,
                rows: None,
            }
        }
    }

    /// The function that is called.
    pub fn function(&self) -> &'static Function {
        self.function
    }

    /// Adds a column with these values.
    ///
    /// # Panics
    ///
    /// If another column has another number of rows, or the function's parameter another type.
    #[must_use]
    pub fn column<T: Value>(mut self, values: impl IntoIterator<Item = T>) -> Self {
        let rows = self.argument(values);
        assert_eq!(
            *self.rows.get_or_insert(rows),
            rows,
            "all columns have as many rows"
        );
        self
    }

    /// Adds a constant.
    ///
    /// # Panics
    ///
    /// If the function's parameter has another type.
    #[must_use]
    pub fn constant<T: Value>(mut self, value: T) -> Self {
        self.constants |= 1 << self.args.len();
        self.argument([value]);
        self
    }

    /// Sets the number of rows, for calls without a column, whose number is otherwise 1.
    #[must_use]
    pub fn rows(mut self, rows: usize) -> Self {
        self.rows = Some(rows);
        self
    }

    fn argument<T: Value>(&mut self, values: impl IntoIterator<Item = T>) -> usize {
        let params = self.function.params;
        let expected = params
            .get(self.args.len())
            .or(params.last().filter(|_| self.function.variadic));
        let Some(expected) = expected else {
            panic!("the function has {} parameters", params.len());
        };
        assert!(
            expected.data_type == T::TYPE || expected.data_type == DataType::Any,
            "the parameter {} is {}, and the argument {}",
            expected.name,
            expected.data_type,
            T::TYPE
        );
        let mut pool = Pool::new();
        let mut array = ArrowArray::EMPTY;
        let mut builder = T::builder(&mut Space::new(0, &array, &mut pool));
        let mut rows = 0;
        for value in values {
            T::push(&mut builder, value);
            rows += 1;
        }
        if let Err(error) = T::finish(builder, None, &mut array, &mut pool) {
            panic!("{}", error.message());
        }
        assert!(
            expected.nulls || array.null_count == 0,
            "rows in which the argument {} is NULL do not reach the function",
            expected.name
        );
        self.pools.push(pool);
        self.args.push(array);
        self.types.push(Type::from(T::TYPE));
        rows
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
        let rows = self.rows.unwrap_or(1);
        let (bound, returns) = self.bind()?;
        let expected = <T as Argument<'_>>::TYPE;
        assert!(
            returns.is(&expected),
            "the function returns {}, not {expected}",
            returns.format()
        );

        // As the host does it: room for results of fixed width, with what was there before.
        let width = match expected {
            DataType::FixedSizeBinary(size) => size as usize,
            _ => size_of::<u128>(),
        };
        let mut bitmap = vec![u64::MAX; rows.div_ceil(64)];
        let mut values = vec![u128::MAX; (rows * width).div_ceil(size_of::<u128>())];
        let mut table: [*const u8; 2] = [
            bitmap.as_mut_ptr().cast_const().cast(),
            values.as_mut_ptr().cast_const().cast(),
        ];
        let mut result = ArrowArray::EMPTY;
        if is_fixed(&expected) {
            result.length = rows as i64;
            result.n_buffers = 2;
            result.buffers = table.as_mut_ptr();
        }
        let frame = CallFrame {
            rows: rows as u32,
            arg_count: self.args.len() as u32,
            args: self.args.as_ptr(),
            result: &raw mut result,
            constants: self.constants,
            bound,
            flags: 0,
            error: Slice::EMPTY,
        };
        let mut pool = Pool::new();
        // SAFETY: the arguments were built as the host builds them, and everything outlives the call.
        (self.function.kernel)(&mut unsafe { call::Call::new(frame, &mut pool, self.function) })?;

        // SAFETY: the SDK's builders keep the same promises for results; the pool still holds the buffers.
        let array = unsafe { crate::array::Array::new(&raw const result) };
        assert_eq!(array.len(), rows, "the result has another number of rows");
        assert!(
            <T as Argument<'_>>::NULLS || array.null_count() == 0,
            "there are NULLs in the result: read it as `Option`s"
        );
        let operand = Operand {
            array,
            constant: false,
            rows,
        };
        Column::<T>::new(operand).map(|column| column.iter().collect())
    }

    /// What binding leaves, and the type of the result.
    fn bind(&self) -> Result<(*mut (), Type), Error> {
        let Some(bind) = self.function.bind else {
            let returns = self
                .function
                .returns
                .map(|(data_type, _)| Type::from(data_type));
            return returns
                .map(|returns| (ptr::null_mut(), returns))
                .ok_or_else(|| Error::new("the function has neither a result type nor a binding"));
        };
        let types: Vec<ArrowSchema> = self.types.iter().map(Type::export).collect();
        let mut result_type = ArrowSchema::EMPTY;
        let mut frame = BindFrame {
            function: 0,
            arg_count: self.args.len() as u32,
            arg_types: types.as_ptr(),
            args: self.args.as_ptr(),
            constants: self.constants,
            result_type: &raw mut result_type,
            bound: ptr::null_mut(),
            error: Slice::EMPTY,
        };
        // SAFETY: everything that the frame points to is here.
        unsafe { bind(&raw mut frame) }?;
        // SAFETY: binding has filled it.
        Ok((frame.bound, unsafe { Type::read(&result_type) }))
    }
}

/// Whether the host lays out results of this type.
fn is_fixed(data_type: &DataType) -> bool {
    !matches!(
        data_type,
        DataType::Utf8 | DataType::Binary | DataType::List(_) | DataType::Struct(_)
    )
}
