//! Table functions that make rows, and window functions over rows in order.

mod rows;
mod smoothing;
mod timeline;

wasmfusion_udf::plugin! {}
