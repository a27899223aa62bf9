//! Table functions: with an end and without, and such that fail.

use std::hint::black_box;
use std::iter;

use wasmfusion_udf::prelude::*;

/// The numbers from 0 on, so many.
#[udtf(column = "value", example("SELECT sum(value) FROM my_range(4)", "6"))]
pub fn my_range(count: i64) -> impl Iterator<Item = i64> + 'static {
    0..count
}

/// A number with its square, as a row.
#[derive(SqlStruct)]
pub struct Square {
    /// The number.
    number: i64,
    /// Its square.
    square: f64,
}

/// The numbers from 0 on with their squares, so many.
#[udtf(example("SELECT sum(square) FROM my_squares(4)", "14.0"))]
pub fn my_squares(count: i64) -> impl Iterator<Item = Square> + 'static {
    (0..count).map(|number| Square {
        number,
        square: (number as f64) * (number as f64),
    })
}

/// The numbers from 0 on, without an end.
#[udtf(column = "value", example("SELECT value FROM endless() LIMIT 1", "0"))]
pub fn endless() -> impl Iterator<Item = i64> + 'static {
    0..
}

/// The numbers from 0 on; fails after so many.
#[udtf(column = "value")]
pub fn fails_after(rows: i64) -> impl Iterator<Item = Result<i64, &'static str>> + 'static {
    (0..rows).map(Ok).chain(iter::once(Err("no more rows")))
}

/// The numbers from 0 on; panics after so many.
#[udtf(column = "value")]
pub fn panics_after(rows: i64) -> impl Iterator<Item = i64> + 'static {
    (0..).inspect(move |row| assert!(*row < rows, "no more rows"))
}

/// Does not come back after so many rows.
#[udtf(column = "value")]
pub fn spins_after(rows: i64) -> impl Iterator<Item = i64> + 'static {
    (0..).inspect(move |row| {
        let mut turns = 0i64;
        while black_box(*row) >= rows {
            turns = black_box(turns.wrapping_add(1));
        }
    })
}

/// Fails before there is an iterator, with the given message.
#[udtf(column = "value")]
pub fn fails_to_open(message: &str) -> Result<iter::Empty<i64>, String> {
    Err(message.to_owned())
}

/// The words of a text with their lengths and first letters, and NULL for those that are `-`.
#[udtf(columns("word", "length", "first"))]
pub fn my_words(
    text: &str,
) -> impl Iterator<Item = (Option<String>, Option<i64>, Option<String>)> + 'static {
    let words = text.split_whitespace().map(str::to_owned);
    words
        .collect::<Vec<_>>()
        .into_iter()
        .map(|word| match word.as_str() {
            "-" => (None, None, None),
            _ => {
                let first = word.chars().next().map(String::from);
                let length = word.chars().count() as i64;
                (Some(word), Some(length), first)
            }
        })
}

/// Rows of many types.
#[udtf(columns("flag", "day", "amount", "list", "point"))]
pub fn my_types(
    count: i64,
) -> impl Iterator<Item = (bool, Date, Decimal<10, 2>, Vec<i64>, Option<super::Point>)> + 'static {
    (0..count).map(|number| {
        let point = super::Point {
            x: number as f64,
            y: -1.0,
        };
        (
            number % 2 == 0,
            Date::from_days(number as i32),
            Decimal::new(i128::from(number)).unwrap_or_default(),
            (0..number % 4).collect(),
            (number % 3 != 0).then_some(point),
        )
    })
}

/// The limit that the scan was opened with, if there was one.
#[udtf(column = "value")]
pub fn my_limit(limit: Limit) -> iter::Once<Option<i64>> {
    iter::once(limit.0.map(|rows| rows as i64))
}
