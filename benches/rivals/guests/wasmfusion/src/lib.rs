//! The functions as a plugin of Wasmfusion.

use wasmfusion_udf::prelude::*;

wasmfusion_udf::plugin! {}

/// The argument plus one.
#[udf]
pub fn add_one(value: i64) -> i64 {
    rivals_algorithms::add_one(value)
}

/// Kilometres between two places given in degrees.
#[udf]
pub fn great_circle_km(lat1: f64, lon1: f64, lat2: f64, lon2: f64) -> f64 {
    rivals_algorithms::great_circle_km(lat1, lon1, lat2, lon2)
}

/// The text with its ASCII letters in upper case. Not named `upper`, which DataFusion has already.
#[udf]
pub fn ascii_upper(text: &str, out: &mut TextWriter) {
    // Writing to it cannot fail.
    let _ = rivals_algorithms::upper(text, out);
}
