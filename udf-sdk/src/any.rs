//! Arguments and results whose type is known only when the function is bound.

use alloc::format;
use core::fmt;

use crate::argument::Argument;
use crate::batch::{BatchArgument, BatchOutput, Column};
use crate::bind::{Bound, Prepared};
use crate::call::{Call, Operand, Space};
use crate::data_type::DataType;
use crate::dynamic::Type;
use crate::error::Error;
use crate::pool::Pool;
use crate::raw::ArrowArray;
use crate::tile;
use crate::value::Value;

/// An argument of any type: a column, or a constant that holds for every row. It may have NULLs.
#[derive(Clone, Copy)]
pub struct AnyColumn<'a> {
    operand: Operand<'a>,
    data_type: &'a Type,
}

impl<'a> AnyColumn<'a> {
    /// The type.
    pub fn data_type(&self) -> &'a Type {
        self.data_type
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.operand.rows
    }

    /// Whether every row has the same value, and the column just one.
    pub fn is_constant(&self) -> bool {
        self.operand.constant
    }

    /// The column as values of type `T`, if that is what they are.
    ///
    /// # Errors
    ///
    /// If there are NULLs and `T` is not an `Option`, or as [`Argument::open`].
    pub fn typed<T: Argument<'a>>(&self) -> Result<Option<Column<'a, T>>, Error> {
        if !self.data_type.is(&T::TYPE) {
            return Ok(None);
        }
        if !T::NULLS && self.operand.array.null_count() > 0 {
            return Err(Error::new(
                "an argument is NULL, which the function does not expect",
            ));
        }
        Column::new(self.operand).map(Some)
    }
}

impl fmt::Debug for AnyColumn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyColumn")
            .field("type", self.data_type)
            .field("rows", &self.rows())
            .field("constant", &self.is_constant())
            .finish()
    }
}

impl<'a> BatchArgument<'a> for AnyColumn<'a> {
    const TYPE: DataType = DataType::Any;
    const NULLS: bool = true;

    fn open_from(call: &mut Call<'a>, index: usize) -> Result<Self, Error> {
        let operand = call.operand(index);
        let bound: &'a Bound = call.bound()?;
        let data_type = bound
            .types
            .get(index)
            .ok_or_else(|| Error::new("the function was bound to fewer arguments"))?;
        Ok(AnyColumn { operand, data_type })
    }
}

/// The result of a function that was bound to its type.
pub struct AnyOutput<'p> {
    rows: usize,
    data_type: &'p Type,
    result: &'p mut ArrowArray,
    pool: &'p mut Pool,
    written: Option<usize>,
}

impl AnyOutput<'_> {
    /// Number of rows of the result.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The type that the function was bound to.
    pub fn data_type(&self) -> &Type {
        self.data_type
    }

    /// Makes the result of these values.
    ///
    /// # Errors
    ///
    /// If the function was bound to another type, or the column is too large for it.
    pub fn write<T: Value>(&mut self, values: impl IntoIterator<Item = T>) -> Result<(), Error> {
        if !self.data_type.is(&T::TYPE) {
            return Err(Error::new(format!(
                "the function was bound to the type {}, and its values are {}",
                self.data_type.format(),
                T::TYPE
            )));
        }
        let mut builder = T::builder(&mut Space::new(self.rows, self.result, self.pool));
        let mut written = 0;
        for value in values {
            T::push(&mut builder, value);
            written += 1;
        }
        self.written = Some(written);
        T::finish(builder, None, self.result, self.pool)
    }

    /// Makes an argument the result, of whatever type it is, without a copy. The value of a constant is repeated.
    ///
    /// # Errors
    ///
    /// If the function was bound to another type, or there are too many values for it.
    pub fn echo(&mut self, column: &AnyColumn<'_>) -> Result<(), Error> {
        if !column.data_type.same(self.data_type) {
            return Err(Error::new(format!(
                "the function was bound to the type {}, and the argument is {}",
                self.data_type.format(),
                column.data_type.format()
            )));
        }
        let array = column.operand.array;
        *self.result = *array.raw();
        if column.is_constant() && self.rows != array.len() {
            *self.result = ArrowArray::EMPTY;
            tile::tile(array, column.data_type, self.rows, self.result, self.pool)?;
        }
        self.written = Some(self.rows);
        Ok(())
    }
}

impl fmt::Debug for AnyOutput<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyOutput")
            .field("type", &self.data_type)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

impl<'p> BatchOutput<'p> for AnyOutput<'p> {
    const RETURNS: Option<(DataType, bool)> = None;
    type Prepared<S> = Prepared<S>;

    fn prepared<S>(prepared: Prepared<S>) -> (Type, S) {
        (prepared.returns, prepared.state)
    }

    fn open(call: &'p mut Call<'_>) -> Result<Self, Error> {
        let bound = call.bound()?;
        let rows = call.rows();
        let (result, pool) = call.result();
        Ok(AnyOutput {
            rows,
            data_type: &bound.result,
            result,
            pool,
            written: None,
        })
    }

    fn finish(self) -> Result<(), Error> {
        match self.written {
            Some(written) if written == self.rows => Ok(()),
            Some(written) => Err(Error::new(format!(
                "the function wrote {written} values for {} rows",
                self.rows
            ))),
            None => Err(Error::new("the function wrote no result")),
        }
    }
}
