//! Functions that people really write, as they would write them with `wasmfusion-udf` and the crates that they would take.
//!
//! The benchmark `suite` runs each of them twice, from this one source: compiled to wasm and called through the sandbox, and compiled
//! natively and called by a native function of DataFusion. What is measured is the sandbox, so nothing here is written for it.

pub mod codes;
pub mod numbers;
pub mod places;
pub mod text;

wasmfusion_udf::plugin! {}
