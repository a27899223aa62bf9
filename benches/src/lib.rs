//! What the benchmarks share: figures from criterion's estimates, and functions to call.
//!
//! A benchmark measures with criterion and ends by printing its figures, one a line, as `figure NAME VALUE`. A figure is made of
//! estimates of one run, so that both sides of a ratio saw the same machine; ratios with a target are of [`Pairs`], whose sides are measured in turns.

mod figures;
mod flights;
pub mod guest;
mod native;
mod pairs;
mod subject;
pub mod suite;

pub use figures::{Figures, Runner, is_test};
pub use flights::register_flights;
pub use native::{native_ema, native_geometric_mean, native_linspace};
pub use pairs::{Pair, Pairs};
pub use subject::{
    Subject, built_plugins, floats, native, native_add, native_distance, plugin_function, renamed,
};
