//! What `#[udf]` and its like know about a function: the entry that the manifest, the exports and the tests share.

use crate::call::Call;
use crate::data_type::DataType;
use crate::error::Error;
use crate::raw::{AggregateCall, BindFrame, TableCall, WindowCall};

/// A Rust function as SQL sees it. `#[udf]` makes a type that implements this; `#[udaf]`, and `#[udwf]` where it stands
/// on an `impl`, implement it for the state's own type.
pub trait Udf {
    /// Everything about the function.
    const FUNCTION: Function;
}

/// Runs a function on one batch.
pub type Kernel = fn(&mut Call<'_>) -> Result<(), Error>;

/// Carries out one operation of a function that has several, which `O` tells.
///
/// # Safety
///
/// `O` is what `docs/abi.md` says and belongs to the call.
pub type Operate<O> = unsafe fn(&mut Call<'_>, &mut O) -> Result<(), Error>;

/// What a function computes, and how it is run.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A value for each row.
    Scalar(Kernel),
    /// A value for each group of rows.
    Aggregate(Operate<AggregateCall>),
    /// A value for each row of a partition.
    Window(Operate<WindowCall>),
    /// Rows.
    Table(Operate<TableCall>),
    /// Nothing: it is told of events.
    Observer(Kernel),
}

/// Binds a function to the types and constants of one place in a query, and leaves what the calls need in the frame.
///
/// # Safety
///
/// The frame is what `docs/abi.md` says.
pub type Bind = unsafe fn(*mut BindFrame) -> Result<(), Error>;

/// Everything about a function.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// Its entry in the manifest.
    pub json: &'static str,
    /// What it is for, where that is not in `json` already.
    pub description: &'static str,
    /// The parameters.
    pub params: &'static [Param],
    /// Whether the last parameter may be repeated.
    pub variadic: bool,
    /// The result's type and whether it may be NULL; nothing if binding decides.
    pub returns: Option<(DataType, bool)>,
    /// Module and line in which the function is written: the manifest keeps the order of the source.
    pub place: (&'static str, u32),
    /// The columns of an aggregate's state, or those that a table function returns.
    pub schema: Schema,
    /// What it computes.
    pub kind: Kind,
    /// Binds the function, if it wants that.
    pub bind: Option<Bind>,
}

/// A parameter.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub data_type: DataType,
    /// Whether rows in which the argument is NULL reach the function.
    pub nulls: bool,
}

/// Columns: their names and types.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// A name for each column, or none at all.
    pub names: &'static [&'static str],
    /// The type of each column, and whether it may be NULL.
    pub types: &'static [(DataType, bool)],
}

impl Schema {
    /// No columns.
    pub const NONE: Schema = Schema {
        names: &[],
        types: &[],
    };

    /// Columns with these names and types.
    ///
    /// # Panics
    ///
    /// At compile time, if there are names, but not one for each column.
    pub const fn new(names: &'static [&'static str], types: &'static [(DataType, bool)]) -> Self {
        assert!(
            names.is_empty() || names.len() == types.len(),
            "there must be a name for each column"
        );
        Schema { names, types }
    }
}

/// Whether the last parameter is variadic.
///
/// # Panics
///
/// At compile time, if another one is.
pub const fn last_only(variadic: &[bool]) -> bool {
    let mut place = 0;
    while place + 1 < variadic.len() {
        assert!(
            !variadic[place],
            "only the last parameter can be `Variadic`"
        );
        place += 1;
    }
    match variadic.last() {
        Some(last) => *last,
        None => false,
    }
}
