//! What an aggregate function keeps for a group, and how that crosses from one instance to another.

use crate::argument::{Argument, Arguments};
use crate::columns::Columns;
use crate::error::Error;
use crate::value::Value;

/// What an aggregate function keeps for one group of rows.
///
/// A large query keeps groups in several places and puts them together at last, or puts them on disk in between. So a state
/// must become values of SQL, and come back from them. `#[derive(State)]` makes every field of a struct one value; this is for
/// states that are something else, such as maps and sketches.
///
/// ```
/// use std::collections::BTreeSet;
/// use wasmfusion_udf::{Error, State};
///
/// #[derive(Default)]
/// struct Distinct(BTreeSet<String>);
///
/// impl State for Distinct {
///     type Saved = Vec<String>;
///
///     fn save(self) -> Vec<String> {
///         self.0.into_iter().collect()
///     }
///
///     fn load(saved: Vec<String>) -> Result<Self, Error> {
///         Ok(Distinct(saved.into_iter().collect()))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the state of an aggregate function",
    note = "add #[derive(Default, State)] to it, or implement `State`"
)]
pub trait State: Default + 'static {
    /// What it is saved as: a value that can be a parameter as well as a result, or a tuple of such values.
    type Saved: Saved;

    /// Names of the saved values, which the SQL user may see in a plan. Without any, they have numbers.
    const NAMES: &'static [&'static str] = &[];

    /// What the function is for, if its `impl` does not say it: the derive puts the doc comment of the struct here.
    const DESCRIPTION: &'static str = "";

    /// The values of the state.
    fn save(self) -> Self::Saved;

    /// The state of these values.
    ///
    /// # Errors
    ///
    /// If they are not the values of a state.
    fn load(saved: Self::Saved) -> Result<Self, Error>;
}

/// What a [`State`] can be saved as.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not something that a state can be saved as",
    note = "a value that can be a parameter as well as a result can, and a tuple of up to 12 of them"
)]
pub trait Saved: Sized {
    /// The columns of the values.
    type Columns: Columns + for<'a> Arguments<'a>;

    /// A value for each column.
    fn into_columns(self) -> Self::Columns;

    /// What the values of the columns are.
    fn from_columns(columns: Self::Columns) -> Self;
}

impl<T: Value + for<'a> Argument<'a>> Saved for T {
    type Columns = (T,);

    #[inline(always)]
    fn into_columns(self) -> (T,) {
        (self,)
    }

    #[inline(always)]
    fn from_columns(columns: (T,)) -> T {
        columns.0
    }
}

macro_rules! tuples {
    ($($($name:ident)*;)*) => {$(
        impl<$($name: Value + for<'a> Argument<'a>),*> Saved for ($($name,)*) {
            type Columns = Self;

            #[inline(always)]
            fn into_columns(self) -> Self {
                self
            }

            #[inline(always)]
            fn from_columns(columns: Self) -> Self {
                columns
            }
        }
    )*};
}

tuples! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
    A B C D E F G H I;
    A B C D E F G H I J;
    A B C D E F G H I J K;
    A B C D E F G H I J K L;
}
