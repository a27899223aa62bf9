//! What the tests of the host need: every way to go wrong, and every way to see NULL.

mod aggregates;
mod tables;
mod windows;

use std::cell::Cell;
use std::hint::black_box;

use wasmfusion_udf::prelude::*;

wasmfusion_udf::plugin! {}

thread_local! {
    static CALLS: Cell<i64> = const { Cell::new(0) };
    static EATEN: Cell<Vec<Vec<u8>>> = const { Cell::new(Vec::new()) };
}

/// The argument plus one.
#[udf]
pub fn add_one(value: i64) -> i64 {
    value.wrapping_add(1)
}

/// The sum of two numbers.
#[udf]
pub fn add(left: f64, right: f64) -> f64 {
    left + right
}

/// Panics with the given message.
#[udf(name = "panic")]
pub fn fail_for_good(message: &str) -> i64 {
    panic!("{message}")
}

/// Returns the given message as an error, if there is one; otherwise 0.
#[udf]
pub fn fail(message: Option<&str>) -> Result<i64, String> {
    message.map_or(Ok(0), |message| Err(message.to_owned()))
}

/// Never returns.
#[udf]
pub fn spin() -> i64 {
    let mut turns = 0i64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Counts the rows that this instance has seen, from 1.
#[udf(volatility = "volatile")]
pub fn counter() -> i64 {
    CALLS.set(CALLS.get() + 1);
    CALLS.get()
}

/// Takes so many MiB and keeps them; the number of MiB that the instance has taken.
#[udf(volatility = "volatile")]
pub fn eat(mib: i64) -> i64 {
    let mut eaten = EATEN.take();
    for _ in 0..mib {
        eaten.push(black_box(vec![1; 1 << 20]));
    }
    let total = eaten.len() as i64;
    EATEN.set(eaten);
    total
}

/// Recurses so many times.
#[udf]
pub fn recurse(depth: i64) -> i64 {
    // Nothing that lies in memory, so that the engine's stack is full before the guest's own; and nothing that could become a loop.
    #[inline(never)]
    fn down(depth: i64) -> i64 {
        if depth <= 0 {
            1
        } else {
            down(depth - 1).wrapping_mul(31) ^ depth
        }
    }
    if down(depth) == 0 { -depth } else { depth }
}

/// `'null'` for NULL, otherwise the number.
#[udf]
pub fn describe_null(value: Option<i64>) -> String {
    value.map_or_else(|| "null".to_owned(), |value| value.to_string())
}

/// NULL for odd numbers.
#[udf]
pub fn null_if_odd(value: i64) -> Option<i64> {
    (value % 2 == 0).then_some(value)
}

/// The first argument that is not NULL.
#[udf]
pub fn first_of_two(left: Option<&str>, right: Option<&str>) -> Option<String> {
    left.or(right).map(str::to_owned)
}

/// The first argument that is not NULL, of any number.
#[udf]
pub fn first_of_many(values: Variadic<'_, Option<i64>>) -> Option<i64> {
    values.iter().flatten().next()
}

/// Whether a number is even.
#[udf]
pub fn is_even(value: i64) -> bool {
    value % 2 == 0
}

/// NOT, with SQL's three values.
#[udf]
pub fn not3(value: Option<bool>) -> Option<bool> {
    value.map(|value| !value)
}

/// The text so many times.
#[udf]
pub fn repeat_text(text: &str, times: i64) -> Result<String, &'static str> {
    let times = usize::try_from(times).map_err(|_| "times must not be negative")?;
    if text
        .len()
        .checked_mul(times)
        .is_none_or(|bytes| bytes > 1 << 30)
    {
        return Err("the text would be longer than 1 GiB");
    }
    Ok(text.repeat(times))
}

/// The bytes, backwards.
#[udf]
pub fn reverse_bytes(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().rev().copied().collect()
}

/// The same text, borrowed from the argument.
#[udf]
pub fn same_text(text: &str) -> &str {
    text
}

/// The numbers from 0 on, so many.
#[udf]
pub fn series(count: i64) -> Vec<i64> {
    (0..count).collect()
}

/// The sum of a list, whose NULLs count nothing.
#[udf]
pub fn sum_of_list(list: List<'_, Option<i64>>) -> i64 {
    list.iter().flatten().fold(0, i64::wrapping_add)
}

/// The words of a text.
#[udf]
pub fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// The argument itself, of whatever type it is.
#[udf(batch, bind = prepare_identity)]
pub fn identity(_: &(), value: AnyColumn<'_>, out: &mut AnyOutput<'_>) -> Result<(), Error> {
    out.echo(&value)
}

fn prepare_identity(binding: &Binding<'_>) -> Result<Prepared<()>, &'static str> {
    let returns = binding
        .types()
        .first()
        .cloned()
        .ok_or("identity takes one argument")?;
    Ok(Prepared { returns, state: () })
}

/// The type of the argument, as the Arrow C Data Interface writes it.
#[udf(batch, bind = prepare_format)]
pub fn format_of(format: &Text, _value: AnyColumn<'_>, out: &mut Output<'_, String>) {
    out.extend((0..out.rows()).map(|_| format.0.clone()));
}

/// A text that binding made.
pub struct Text(String);

fn prepare_format(binding: &Binding<'_>) -> Result<Text, &'static str> {
    let first = binding
        .types()
        .first()
        .ok_or("format_of takes one argument")?;
    Ok(Text(first.format().to_owned()))
}

/// Whether the text begins with the prefix, which must be a constant.
#[udf(bind = prepare_prefix)]
pub fn has_prefix(prepared: &Text, text: &str, _prefix: &str) -> bool {
    text.starts_with(&prepared.0)
}

fn prepare_prefix(binding: &Binding<'_>) -> Result<Text, Error> {
    let prefix = binding.constant::<String>(1)?;
    prefix
        .map(Text)
        .ok_or_else(|| Error::new("the prefix must be a constant text"))
}

/// The sum of two columns, a whole batch at once.
#[udf(batch)]
pub fn add_batch(left: Column<'_, i64>, right: Column<'_, i64>, out: &mut Output<'_, i64>) {
    let sums = out.values_mut().iter_mut();
    for (sum, (left, right)) in sums.zip(left.iter().zip(right.iter())) {
        *sum = left.wrapping_add(right);
    }
}

/// A point of the plane.
#[derive(SqlStruct)]
pub struct Point {
    x: f64,
    y: f64,
}

/// A point of the plane.
#[udf]
pub fn point(x: f64, y: f64) -> Point {
    Point { x, y }
}

/// A point's distance from the origin.
#[udf]
pub fn norm(point: Point) -> f64 {
    point.x.hypot(point.y)
}

/// The points of a path from 0 to the given one, in steps of 1 in x.
#[udf]
pub fn path(to: Option<Point>) -> Option<Vec<Point>> {
    let to = to?;
    let steps = to.x.clamp(0.0, 1000.0) as i64;
    let at = |step: i64| Point {
        x: step as f64,
        y: to.y * step as f64 / steps.max(1) as f64,
    };
    Some((0..=steps).map(at).collect())
}

/// The text in upper case, written in place; NULL if it is empty.
#[udf]
pub fn shout(text: &str, out: &mut TextWriter) -> Option<()> {
    for character in text.chars() {
        out.push(character.to_ascii_uppercase());
    }
    (!text.is_empty()).then_some(())
}

/// The day after.
#[udf]
pub fn next_day(day: Date) -> Date {
    Date::from_days(day.days().saturating_add(1))
}

/// Twice the amount.
#[udf]
pub fn twice(amount: Decimal<18, 2>) -> Result<Decimal<18, 2>, &'static str> {
    Decimal::new(amount.unscaled() * 2).ok_or("the amount has more than 18 digits")
}

/// A moment later by so many microseconds.
#[udf]
pub fn later(moment: Timestamp, by: Duration) -> Timestamp {
    Timestamp::new(moment.count().wrapping_add(by.count()))
}
