//! What the benchmarks share: figures from criterion's estimates, and functions to call.
//!
//! A benchmark ends by printing its figures, one a line, as `figure NAME VALUE`. All are of one run, so that both sides of a ratio saw the same machine.
//! Calls are measured as [`Pairs`], whose sides take turns; whole queries, starts and what has no other side by criterion.

mod figures;
mod flights;
pub mod guest;
mod native;
mod pairs;
mod plugins;
mod queries;
mod subject;
pub mod suite;
mod threads;

pub use figures::{Figures, Runner, fit, is_test, measurement_time};
pub use flights::register_flights;
pub use native::{native_ema, native_geometric_mean, native_linspace};
pub use pairs::{Pair, Pairs, median};
pub use plugins::{built, built_plugins, function_of, function_with, plugin_function, renamed};
pub use queries::{collect, compare_queries, keyed};
pub use subject::{
    Subject, accumulator, assert_agree, both, floats, native, native_add, native_add_one,
    native_distance, places,
};
pub use threads::{Work, two_over_one};
