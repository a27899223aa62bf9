//! What `#[udf]` knows about a function: the entry that the manifest, the exports and the tests share.

use crate::call::Call;
use crate::data_type::DataType;
use crate::error::Error;
use crate::raw::BindFrame;

/// A Rust function as SQL sees it. `#[udf]` makes a type that implements this.
pub trait Udf {
    /// Everything about the function.
    const FUNCTION: Function;
}

/// Runs a function on one batch.
pub type Kernel = fn(&mut Call<'_>) -> Result<(), Error>;

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
    /// The parameters.
    pub params: &'static [Param],
    /// Whether the last parameter may be repeated.
    pub variadic: bool,
    /// The result's type and whether it may be NULL; nothing if binding decides.
    pub returns: Option<(DataType, bool)>,
    /// Module and line in which the function is written: the manifest keeps the order of the source.
    pub place: (&'static str, u32),
    /// Runs the function.
    pub kernel: Kernel,
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
