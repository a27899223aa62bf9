//! Runs a function natively on whole columns, as the host would: for a plugin's unit tests.
//!
//! [`call!`] is for functions of rows and columns, [`aggregate!`], [`window!`], [`table!`] and [`observe!`] are for the others. [`host()`] is for functions that
//! ask the host.
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

mod aggregate;
mod arguments;
mod call;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod host;
mod observe;
mod results;
mod table;
mod window;

pub use aggregate::Aggregate;
pub use call::Call;
#[cfg(not(target_arch = "wasm32"))]
pub use host::{Host, HttpRequest, LogRecord, host};
pub use observe::Observe;
pub use table::Table;
pub use wasmfusion_udf_macros::{aggregate, call, observe, table, window};
pub use window::Window;
