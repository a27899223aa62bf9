//! The functions as a guest of arrow-udf, in the forms that its documentation recommends for speed: plain values for numbers, a writer for text.

use std::fmt::Write;

use arrow_udf::function;

#[function("add_one(int64) -> int64")]
fn add_one(value: i64) -> i64 {
    rivals_algorithms::add_one(value)
}

#[function("great_circle_km(float64, float64, float64, float64) -> float64")]
fn great_circle_km(lat1: f64, lon1: f64, lat2: f64, lon2: f64) -> f64 {
    rivals_algorithms::great_circle_km(lat1, lon1, lat2, lon2)
}

#[function("ascii_upper(string) -> string")]
fn ascii_upper(text: &str, writer: &mut impl Write) {
    // Writing to it cannot fail.
    let _ = rivals_algorithms::upper(text, writer);
}
