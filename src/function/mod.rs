//! What DataFusion sees of a plugin's functions, and the path of a call. Start with [`scalar`].
//!
//! [`sql_function`] holds what functions of all kinds have in common; [`scalar`], [`aggregate`], [`window`] and [`table`] answer
//! DataFusion's questions for their kind. [`signature`] decides which overload fits which arguments, [`bind`] asks the guest where the manifest leaves that to it.
//! [`call`] prepares a batch for a scalar function ([`dictionary`]: once for each value; [`nulls`]: not for rows with NULL; [`parts`]: not all at once), and [`frame`] takes it into a guest and
//! back; [`fixed`] does so for numbers, where every nanosecond counts, also for several functions in a [`chain`]. [`request`] does it for the other kinds, whose calls say what to do. [`observer`] is for events, which come without DataFusion.

mod aggregate;
mod bind;
mod call;
mod chain;
mod dictionary;
mod fixed;
mod frame;
mod nulls;
mod observer;
mod parts;
mod request;
mod scalar;
mod signature;
mod sql_function;
mod table;
mod window;

pub use aggregate::AggregateFunction;
pub(crate) use chain::{called_functions, fuse};
pub(crate) use observer::observe;
pub use scalar::ScalarFunction;
pub(crate) use signature::same_type;
pub use sql_function::SqlFunction;
pub(crate) use sql_function::rank;
pub(crate) use table::TableExec;
pub use table::TableFunction;
pub use window::WindowFunction;
