//! What DataFusion sees of a plugin's functions, and the path of a call. Start with [`scalar`].
//!
//! [`scalar`] answers DataFusion's questions, [`signature`] decides which overload fits which arguments, [`bind`] asks the guest where
//! the manifest leaves that to it, [`call`] prepares a batch, and [`frame`] takes it into a guest and back; [`fixed`] does so for numbers,
//! where every nanosecond counts.

mod bind;
mod call;
mod fixed;
mod frame;
mod scalar;
mod signature;

pub use scalar::ScalarFunction;
pub(crate) use scalar::rank;
pub(crate) use signature::same_type;
