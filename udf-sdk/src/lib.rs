#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;
// Native tests have it, whatever the plugin has.
#[cfg(any(feature = "std", all(feature = "testing", not(target_arch = "wasm32"))))]
extern crate std;

// The derive's output names this crate by its public name, in here as well.
extern crate self as wasmfusion_udf;

pub mod aggregate;
pub mod any;
pub mod argument;
pub mod array;
pub mod batch;
pub mod bind;
#[cfg(any(test, all(target_arch = "wasm32", feature = "allocator")))]
mod bins;
mod bits;
mod buffer;
pub mod call;
pub mod columns;
pub mod data_type;
pub mod dynamic;
mod error;
pub mod function;
pub mod host;
pub mod manifest;
pub mod observer;
mod pool;
pub mod raw;
pub mod rows;
pub mod state;
mod states;
pub mod table;
mod tile;
pub mod types;
pub mod value;
pub mod window;

#[cfg(target_arch = "wasm32")]
pub mod guest;
#[cfg(target_arch = "wasm32")]
pub mod panic;

#[cfg(feature = "testing")]
pub mod testing;

pub use argument::{Argument, List, Variadic};
pub use error::Error;
pub use function::{Function, Udf};
pub use pool::Pool;
pub use state::State;
pub use value::Value;
pub use wasmfusion_udf_macros::{SqlStruct, State, observer, plugin, udaf, udf, udtf, udwf};

/// What a plugin needs.
pub mod prelude {
    pub use crate::any::{AnyColumn, AnyOutput};
    pub use crate::argument::{List, Variadic};
    pub use crate::batch::{Column, Output};
    pub use crate::bind::{Binding, Prepared};
    pub use crate::data_type::DataType;
    pub use crate::dynamic::Type;
    pub use crate::error::Error;
    pub use crate::state::State;
    pub use crate::table::Limit;
    pub use crate::types::*;
    pub use crate::value::{BytesWriter, ListWriter, TextWriter};
    pub use crate::window::{NullTreatment, Peers};
    pub use wasmfusion_udf_macros::{SqlStruct, State, observer, udaf, udf, udtf, udwf};
}
