//! Aggregate functions for statistics.

mod frequency;
mod mean;
mod quantile;
mod variance;

pub use mean::GeometricMean;

wasmfusion_udf::plugin! {}
