//! The examples of the README: they compile, they work, and the README has them as they are here, or in `readme_host.rs`.

use std::collections::HashSet;
use std::ops::Range;

use wasmfusion_udf::prelude::*;
use wasmfusion_udf::testing::{aggregate, call, table, window};

wasmfusion_udf::plugin! {}

/// Degrees Celsius in degrees Fahrenheit.
#[udf(example("SELECT fahrenheit(100)", "212"))]
pub fn fahrenheit(celsius: f64) -> f64 {
    celsius * 1.8 + 32.0
}

#[udf]
fn shout(text: &str, out: &mut TextWriter) {
    text.chars()
        .flat_map(char::to_uppercase)
        .for_each(|letter| out.push(letter));
}

struct Words(Vec<String>);

/// Whether the text is one of the words, which stand in a constant with `|` between them.
#[udf(bind = prepare)]
fn one_of(prepared: &Words, text: &str, _words: &str) -> bool {
    prepared.0.iter().any(|word| word == text)
}

fn prepare(binding: &Binding<'_>) -> Result<Words, Error> {
    let words = binding.constant::<&str>(1)?;
    let words = words.ok_or_else(|| Error::new("the words must be a constant"))?;
    Ok(Words(words.split('|').map(str::to_owned).collect()))
}

#[udf(batch)]
fn running_sum(values: Column<'_, f64>, out: &mut Output<'_, f64>) {
    let mut sum = 0.0;
    out.extend(values.iter().map(|value| {
        sum += value;
        sum
    }));
}

#[udf(batch, bind = same_type)]
fn identity(_: &(), value: AnyColumn<'_>, out: &mut AnyOutput<'_>) -> Result<(), Error> {
    out.echo(&value)
}

fn same_type(binding: &Binding<'_>) -> Result<Prepared<()>, Error> {
    let returns = binding.types().first().cloned();
    let returns = returns.ok_or_else(|| Error::new("identity takes one argument"))?;
    Ok(Prepared { returns, state: () })
}

/// The geometric mean of positive numbers.
#[derive(Default, State)]
pub struct GeometricMean {
    logs: f64,
    count: i64,
}

#[udaf(example("SELECT geometric_mean(v) FROM (VALUES (1.0), (4.0)) AS t(v)", "2.0"))]
impl GeometricMean {
    fn update(&mut self, value: f64) {
        self.logs += value.ln();
        self.count += 1;
    }

    fn merge(&mut self, other: Self) {
        self.logs += other.logs;
        self.count += other.count;
    }

    fn evaluate(&self) -> Option<f64> {
        (self.count > 0).then(|| (self.logs / self.count as f64).exp())
    }

    fn retract(&mut self, value: f64) {
        self.logs -= value.ln();
        self.count -= 1;
    }
}

#[derive(Default)]
struct Distinct(HashSet<String>);

impl State for Distinct {
    type Saved = Vec<String>;

    fn save(self) -> Vec<String> {
        self.0.into_iter().collect()
    }

    fn load(saved: Vec<String>) -> Result<Self, Error> {
        Ok(Distinct(saved.into_iter().collect()))
    }
}

#[derive(Default)]
struct RunningMax(Option<f64>);

/// The greatest value so far.
#[udwf]
impl RunningMax {
    fn next(&mut self, value: f64) -> f64 {
        let max = self.0.map_or(value, |max| max.max(value));
        self.0 = Some(max);
        max
    }
}

/// What each value is of the sum of all.
#[udwf]
fn share(values: Column<'_, f64>) -> Vec<f64> {
    let sum: f64 = values.iter().sum();
    values.iter().map(|value| value / sum).collect()
}

/// The number of a row's set of peers.
#[udwf(ranked)]
fn peer_set(peers: Peers<'_>, out: &mut Output<'_, i64>) {
    for (number, rows) in (1..).zip(peers.iter()) {
        out.extend(rows.map(|_| number));
    }
}

/// The distance between the least and the greatest value of the frame.
#[udwf(framed)]
fn spread(values: Column<'_, f64>, frame: Range<usize>) -> Option<f64> {
    let least = values.range(frame.clone()).reduce(f64::min)?;
    let greatest = values.range(frame).reduce(f64::max)?;
    Some(greatest - least)
}

#[derive(SqlStruct)]
struct Square {
    number: i64,
    square: i64,
}

/// The numbers from 1 on with their squares, so many.
#[udtf]
fn squares(count: i64) -> impl Iterator<Item = Square> + 'static {
    (1..=count).map(|number| Square {
        number,
        square: number * number,
    })
}

/// The letters of a text.
#[udtf(column = "letter")]
fn letters(text: &str) -> impl Iterator<Item = String> + 'static {
    let letters: Vec<String> = text.chars().map(String::from).collect();
    letters.into_iter()
}

#[udaf]
impl Distinct {
    fn update(&mut self, value: String) {
        self.0.insert(value);
    }

    fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    fn evaluate(&self) -> i64 {
        self.0.len() as i64
    }
}

#[test]
fn computes() {
    let run = call!(fahrenheit).column([0.0, 100.0]).run();
    assert_eq!(run, Ok(vec![32.0, 212.0]));
}

#[test]
fn writes_and_binds() {
    let run = call!(shout).column(["straße"]).run();
    assert_eq!(run, Ok(vec!["STRASSE".to_owned()]));
    let run = call!(one_of).column(["a", "b"]).constant("a|c").run();
    assert_eq!(run, Ok(vec![true, false]));
    let run = call!(running_sum).column([1.0, 2.0, 3.0]).run();
    assert_eq!(run, Ok(vec![1.0, 3.0, 6.0]));
    let run = call!(identity).column([Some(1i32), None]).run();
    assert_eq!(run, Ok(vec![Some(1i32), None]));
}

fn rounded(means: Vec<Option<f64>>) -> Vec<Option<f64>> {
    let round = |mean: f64| (mean * 1e9).round() / 1e9;
    means.into_iter().map(|mean| mean.map(round)).collect()
}

#[test]
#[rustfmt::skip]
fn tests_the_other_kinds() {
    let east = aggregate!(GeometricMean).column([1.0, 4.0, 5.0]).groups([0, 0, 1]);
    let west = aggregate!(GeometricMean).column([5.0]).groups([1]);
    let means = east.merge(west).evaluate();
    assert_eq!(means.map(rounded), Ok(vec![Some(2.0), Some(5.0)]));

    let max = window!(RunningMax).column([Some(2.0), None, Some(1.0)]).run();
    assert_eq!(max, Ok(vec![Some(2.0), None, Some(2.0)]));

    let rows = table!(squares).argument(2i64).run();
    assert_eq!(rows, Ok(vec![(1i64, 1i64), (2, 4)]));
}

#[test]
fn aggregates_windows_and_tables() {
    let slid = aggregate!(GeometricMean)
        .column([3.0, 7.0])
        .update()
        .column([7.0])
        .retract();
    assert_eq!(slid.evaluate().map(rounded), Ok(vec![Some(3.0)]));
    let distinct = aggregate!(Distinct).column(["a", "b", "a"]).convert();
    assert_eq!(distinct.evaluate(), Ok(vec![2i64]));

    let run = window!(share).column([1.0, 3.0]).run();
    assert_eq!(run, Ok(vec![0.25, 0.75]));
    let run = window!(peer_set).rows(3).peers([0, 2]).run();
    assert_eq!(run, Ok(vec![1i64, 1, 2]));
    let run = window!(spread)
        .column([1.0, 5.0])
        .frames([0..2, 1..1])
        .run();
    assert_eq!(run, Ok(vec![Some(4.0), None]));

    let rows = table!(letters).argument("ab").run();
    assert_eq!(rows, Ok(vec![("a".to_owned(),), ("b".to_owned(),)]));
}

#[test]
fn is_what_the_readme_says() {
    let lines = |text: &str| -> Vec<String> {
        let lines = text.lines().map(|line| line.trim().to_owned());
        lines
            .filter(|line| !line.is_empty() && !line.starts_with("use "))
            .collect()
    };
    let here = lines(concat!(
        include_str!("readme.rs"),
        include_str!("readme_host.rs")
    ));
    let blocks = include_str!("../README.md")
        .split("```rust,ignore\n")
        .skip(1);
    let mut count = 0;
    for block in blocks.filter_map(|rest| rest.split("```").next()) {
        let block = lines(block);
        let found = here.windows(block.len()).any(|window| window == block);
        assert!(
            found,
            "the README has an example that is not here: {block:#?}"
        );
        count += 1;
    }
    assert!(count >= 12);
}
