//! Columns and constants, as the host lays them out.

use alloc::vec::Vec;
use core::ptr;

use crate::call::Space;
use crate::data_type::DataType;
use crate::dynamic::Type;
use crate::error::Error;
use crate::function::{Function, Kind};
use crate::pool::Pool;
use crate::raw::{ArrowArray, ArrowSchema, BindFrame, CallFrame, Slice};
use crate::value::Value;

/// The arguments of one call of a function.
#[derive(Debug)]
pub(super) struct Arguments {
    function: &'static Function,
    /// The memory of each argument.
    pools: Vec<Pool>,
    args: Vec<ArrowArray>,
    types: Vec<Type>,
    constants: u64,
    rows: Option<usize>,
}

impl Arguments {
    pub(super) const fn new(function: &'static Function) -> Self {
        Arguments {
            function,
            pools: Vec::new(),
            args: Vec::new(),
            types: Vec::new(),
            constants: 0,
            rows: None,
        }
    }

    pub(super) fn function(&self) -> &'static Function {
        self.function
    }

    /// Number of rows, which is 1 without a column.
    pub(super) fn rows(&self) -> usize {
        self.rows.unwrap_or(1)
    }

    pub(super) fn set_rows(&mut self, rows: usize) {
        self.rows = Some(rows);
    }

    /// Whether nothing was added yet.
    pub(super) fn is_empty(&self) -> bool {
        self.args.is_empty() && self.rows.is_none()
    }

    /// Adds a column.
    pub(super) fn column<T: Value>(&mut self, values: impl IntoIterator<Item = T>) {
        let rows = self.argument(values);
        assert_eq!(
            *self.rows.get_or_insert(rows),
            rows,
            "all columns have as many rows"
        );
    }

    /// Adds a constant.
    pub(super) fn constant<T: Value>(&mut self, value: T) {
        self.constants |= 1 << self.args.len();
        self.argument([value]);
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
        let scalar = matches!(self.function.kind, Kind::Scalar(_) | Kind::Observer(_));
        assert!(
            expected.nulls || array.null_count == 0 || !scalar,
            "rows in which the argument {} is NULL do not reach the function",
            expected.name
        );
        self.pools.push(pool);
        self.args.push(array);
        self.types.push(Type::from(T::TYPE));
        rows
    }

    /// Whether a row is one in which an argument is NULL that must not be.
    pub(super) fn is_skipped(&self, row: usize) -> bool {
        let params = self.function.params.iter().zip(&self.args).enumerate();
        params.into_iter().any(|(place, (param, array))| {
            let row = if self.constants >> place & 1 != 0 {
                0
            } else {
                row
            };
            // SAFETY: built by the SDK's builders, which keep the promises of the host; the pool is alive.
            !param.nulls && unsafe { crate::array::Array::new(array) }.is_null(row)
        })
    }

    /// A frame with these arguments, for so many rows of a result.
    pub(super) fn frame(&self, rows: usize, result: *mut ArrowArray) -> CallFrame {
        CallFrame {
            rows: rows as u32,
            arg_count: self.args.len() as u32,
            args: self.args.as_ptr(),
            result,
            constants: self.constants,
            bound: ptr::null_mut(),
            flags: 0,
            error: Slice::EMPTY,
        }
    }

    /// What binding leaves, and the type of the result.
    pub(super) fn bind(&self) -> Result<(*mut (), Type), Error> {
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
