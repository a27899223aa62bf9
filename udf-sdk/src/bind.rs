//! Binding: what a function does once for its place in a query, before it sees rows.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::any::Any;
use core::fmt;
use core::marker::PhantomData;

use crate::argument::Argument;
use crate::array::Array;
use crate::batch::Column;
use crate::call::{Call, Operand};
use crate::data_type::DataType;
use crate::dynamic::Type;
use crate::error::Error;
use crate::raw::BindFrame;

/// What is known about a function's arguments before it sees rows: their types, and the values of constants.
#[derive(Debug)]
pub struct Binding<'a> {
    frame: BindFrame,
    types: Vec<Type>,
    lifetime: PhantomData<&'a BindFrame>,
}

impl<'a> Binding<'a> {
    /// A binding with this frame.
    ///
    /// # Safety
    ///
    /// What the frame points to keeps what `docs/abi.md` promises for `'a`.
    pub(crate) unsafe fn new(frame: BindFrame) -> Self {
        let count = frame.arg_count as usize;
        // SAFETY: `arg_types` has `arg_count` schemas.
        let types = (0..count).map(|place| unsafe { Type::read(&*frame.arg_types.add(place)) });
        Binding {
            frame,
            types: types.collect(),
            lifetime: PhantomData,
        }
    }

    /// The types of the arguments.
    pub fn types(&self) -> &[Type] {
        &self.types
    }

    /// Whether argument `index`, counted from 0, is known to be constant.
    pub fn is_constant(&self, index: usize) -> bool {
        index < self.types.len().min(64) && self.frame.constants >> index & 1 != 0
    }

    /// The value of argument `index`, counted from 0, if it is a constant of type `T`.
    ///
    /// A constant NULL is `Some(None)` for a `T` that is an `Option`, and otherwise nothing.
    ///
    /// # Errors
    ///
    /// As [`Argument::open`].
    pub fn constant<T: Argument<'a>>(&self, index: usize) -> Result<Option<T>, Error> {
        if !self.is_constant(index) || !self.types[index].is(&T::TYPE) {
            return Ok(None);
        }
        // SAFETY: `args` has `arg_count` arrays; those of constants hold a value.
        let array = unsafe { Array::new(self.frame.args.add(index)) };
        if array.is_empty() || (!T::NULLS && array.is_null(0)) {
            return Ok(None);
        }
        let operand = Operand {
            array,
            constant: true,
            rows: 1,
        };
        Column::<T>::new(operand).map(|column| Some(column.get(0)))
    }

    /// Leaves state and result type for the calls that follow. `#[udf]` calls it.
    pub fn leave<S: 'static>(self, returns: Type, state: S) -> *mut () {
        // SAFETY: the host points `result_type` to room for a schema, which nobody else looks at now.
        unsafe { *self.frame.result_type = returns.export() };
        // An instance lives as long as a stream of one query, in which a function is bound once for each place.
        Box::into_raw(Box::new(Bound {
            types: self.types,
            result: returns,
            state: Box::new(state),
        }))
        .cast()
    }
}

/// Runs what `#[udf]` made of a binding function. Functions come by here, and not through code that every plugin has,
/// so that a plugin in which nothing is bound has no code for it.
///
/// # Errors
///
/// The binding function's own.
///
/// # Safety
///
/// `frame` is what `docs/abi.md` says.
pub unsafe fn run(
    frame: *mut BindFrame,
    bind: impl FnOnce(Binding<'_>) -> Result<*mut (), Error>,
) -> Result<(), Error> {
    // SAFETY: by the contract of this function.
    let bound = bind(unsafe { Binding::new(*frame) })?;
    // SAFETY: as before; the binding is over.
    unsafe { (*frame).bound = bound };
    Ok(())
}

/// What a binding function returned. `#[udf]` calls it.
///
/// # Errors
///
/// The binding function's own.
pub fn outcome<T, E: Into<Error>>(outcome: Result<T, E>) -> Result<T, Error> {
    outcome.map_err(Into::into)
}

/// The result's type, which is known, and the state. `#[udf]` calls it.
pub fn prepared<S>(returns: Option<(DataType, bool)>, state: S) -> (Type, S) {
    let (data_type, nullable) = returns.unwrap_or((DataType::Any, true));
    (Type::from(data_type).nullable(nullable), state)
}

/// What binding left.
pub struct Bound {
    pub(crate) types: Vec<Type>,
    pub(crate) result: Type,
    state: Box<dyn Any>,
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound")
            .field("types", &self.types)
            .field("result", &self.result)
            .finish_non_exhaustive()
    }
}

impl<'a> Call<'a> {
    /// The state that the function's binding made.
    ///
    /// # Errors
    ///
    /// If the function was not bound.
    pub fn state<S: 'static>(&self) -> Result<&'a S, Error> {
        let state = self.bound()?.state.downcast_ref();
        state.ok_or_else(|| Error::new("the function was bound to a state of another type"))
    }
}

/// What the binding function of a function with an [`AnyOutput`](crate::any::AnyOutput) returns.
#[derive(Clone, Debug)]
pub struct Prepared<S> {
    /// The type of the result.
    pub returns: Type,
    /// What the function gets as its first argument.
    pub state: S,
}
