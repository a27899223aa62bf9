//! Window functions of all four modes, and such that fail.

use std::hint::black_box;
use std::ops::Range;

use wasmfusion_udf::prelude::*;

/// The value of the row before; with `IGNORE NULLS`, the value before that is not NULL.
#[udwf(example(
    "SELECT my_lag(v) OVER (ORDER BY v) FROM (VALUES (1), (2)) AS t(v) ORDER BY v LIMIT 1",
    "NULL"
))]
pub fn my_lag(
    values: Column<'_, Option<i64>>,
    nulls: NullTreatment,
    out: &mut Output<'_, Option<i64>>,
) {
    let mut before = None;
    out.extend(values.iter().map(|value| {
        let lag = before;
        if value.is_some() || !nulls.ignores() {
            before = value;
        }
        lag
    }));
}

/// The rows of a partition, backwards: of NULLs it knows nothing.
#[udwf]
pub fn backwards(values: Column<'_, i64>) -> Vec<i64> {
    let rows = values.rows();
    (0..rows).map(|row| values.get(rows - 1 - row)).collect()
}

/// The argument itself, of whatever type it is.
#[udwf(bind = prepare_window_same)]
pub fn window_same(_: &(), value: AnyColumn<'_>, out: &mut AnyOutput<'_>) -> Result<(), Error> {
    out.echo(&value)
}

fn prepare_window_same(binding: &Binding<'_>) -> Result<Prepared<()>, &'static str> {
    let returns = binding.types().first().cloned();
    let returns = returns.ok_or("window_same takes one argument")?;
    Ok(Prepared { returns, state: () })
}

/// The number of a row's set of peers, from 1.
#[udwf(ranked)]
pub fn my_dense_rank(peers: Peers<'_>) -> Vec<i64> {
    let ranks = peers.iter().zip(1..);
    ranks
        .flat_map(|(rows, rank)| rows.map(move |_| rank))
        .collect()
}

/// The sum of the frame; NULL if it is empty.
#[udwf(framed)]
pub fn frame_sum(values: Column<'_, Option<i64>>, frame: Range<usize>) -> Option<i64> {
    let some = values.range(frame).flatten();
    some.fold(None, |sum, value| {
        Some(sum.unwrap_or(0i64).wrapping_add(value))
    })
}

/// The texts of the frame, so many times.
#[udwf(framed)]
pub fn frame_join(texts: Column<'_, &str>, times: Column<'_, i64>, frame: Range<usize>) -> String {
    let rows = frame.map(|row| texts.get(row).repeat(times.get(row).clamp(0, 100) as usize));
    rows.collect()
}

/// The sum so far.
#[derive(Default)]
pub struct RunningSum {
    sum: i64,
}

/// The sum so far; NULL where the value is.
#[udwf(example(
    "SELECT running_sum(v) OVER (ORDER BY v) FROM (VALUES (1), (2)) AS t(v) ORDER BY v DESC LIMIT 1",
    "3"
))]
impl RunningSum {
    fn next(&mut self, value: i64) -> i64 {
        self.sum = self.sum.wrapping_add(value);
        self.sum
    }
}

/// The texts so far.
#[derive(Default)]
pub struct RunningText {
    text: String,
}

/// The texts so far, with `-` for NULL, and a separator.
#[udwf]
impl RunningText {
    fn next(&mut self, text: Option<&str>, separator: &str) -> String {
        if !self.text.is_empty() {
            self.text.push_str(separator);
        }
        self.text.push_str(text.unwrap_or("-"));
        self.text.clone()
    }
}

/// Panics at the number 13.
#[derive(Default)]
pub struct WindowPanicAt13;

/// The value; panics at the number 13.
#[udwf(name = "window_panic_at_13")]
impl WindowPanicAt13 {
    fn next(&mut self, value: i64) -> i64 {
        assert!(value != 13, "13 is not welcome");
        value
    }
}

/// Fails if there is a 13 among the values.
#[udwf(name = "window_fail_at_13")]
pub fn window_fail_at_13(values: Column<'_, i64>) -> Result<Vec<i64>, &'static str> {
    let values: Vec<i64> = values.iter().collect();
    if values.contains(&13) {
        return Err("13 is not welcome");
    }
    Ok(values)
}

/// Does not come back.
#[udwf]
pub fn window_spin(values: Column<'_, i64>) -> Vec<i64> {
    let mut turns = values.rows() as i64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}
