//! The examples of the README: they compile, they work, and the README has them as they are here.

use wasmfusion_udf::prelude::*;
use wasmfusion_udf::testing::call;

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

#[test]
fn is_what_the_readme_says() {
    let lines = |text: &str| -> Vec<String> {
        let lines = text.lines().map(|line| line.trim().to_owned());
        lines
            .filter(|line| !line.is_empty() && !line.starts_with("use "))
            .collect()
    };
    let here = lines(include_str!("readme.rs"));
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
    assert!(count >= 5);
}
