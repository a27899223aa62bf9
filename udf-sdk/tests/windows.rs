//! Window functions of every mode, called as the host would.

use std::ops::Range;

use wasmfusion_udf::prelude::*;
use wasmfusion_udf::testing::window;

wasmfusion_udf::plugin! { name: "windows" }

/// The value of the row before.
#[udwf(aliases("before"))]
fn lag_like(
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

#[udwf]
fn shares(values: Column<'_, f64>) -> Result<Vec<f64>, &'static str> {
    let sum: f64 = values.iter().sum();
    if sum == 0.0 {
        return Err("the values add up to nothing");
    }
    Ok(values.iter().map(|value| value / sum).collect())
}

#[udwf]
fn too_few(_values: Column<'_, f64>) -> Vec<f64> {
    vec![1.0]
}

#[udwf(bind = same_type)]
fn same(_: &(), value: AnyColumn<'_>, out: &mut AnyOutput<'_>) -> Result<(), Error> {
    out.echo(&value)
}

fn same_type(binding: &Binding<'_>) -> Result<Prepared<()>, Error> {
    let returns = binding.types()[0].clone();
    Ok(Prepared { returns, state: () })
}

#[udwf(ranked)]
fn peer_count(peers: Peers<'_>) -> Vec<i64> {
    let sets = peers.iter();
    sets.flat_map(|rows| vec![rows.len() as i64; rows.len()])
        .collect()
}

#[udwf(framed)]
fn spread(values: Column<'_, f64>, frame: Range<usize>) -> Option<f64> {
    let least = values.range(frame.clone()).reduce(f64::min)?;
    let greatest = values.range(frame).reduce(f64::max)?;
    Some(greatest - least)
}

/// A moving mean.
#[derive(Default)]
struct Ema {
    mean: Option<f64>,
}

/// The exponential moving average.
#[udwf]
impl Ema {
    fn next(&mut self, value: Option<f64>, alpha: f64) -> Result<Option<f64>, &'static str> {
        if !(0.0..=1.0).contains(&alpha) {
            return Err("alpha is between 0 and 1");
        }
        if let Some(value) = value {
            let mean = self.mean.unwrap_or(value);
            self.mean = Some(mean + alpha * (value - mean));
        }
        Ok(self.mean)
    }
}

#[derive(Default)]
struct Joined(String);

#[udwf(volatility = "stable")]
impl Joined {
    fn next(&mut self, nulls: NullTreatment, text: &str) -> String {
        self.0.push_str(text);
        if nulls.ignores() {
            self.0.push('!');
        }
        self.0.clone()
    }
}

#[derive(Default)]
struct RowNumber(i64);

#[udwf]
impl RowNumber {
    fn next(&mut self) -> i64 {
        self.0 += 1;
        self.0
    }
}

#[test]
fn is_in_the_manifest() {
    for (json, parts) in [
        (
            window!(lag_like).function().json,
            &[
                r#""name":"lag_like""#,
                r#""kind":"window""#,
                r#""ignore_nulls":true"#,
                r#""params":[{"name":"values","type":"Int64","nulls":"pass"}]"#,
                r#""returns":{"type":"Int64"}"#,
            ][..],
        ),
        (
            window!(shares).function().json,
            &[
                r#""params":[{"name":"values","type":"Float64","nulls":"pass"}]"#,
                r#""returns":{"type":"Float64","nullable":false}"#,
            ],
        ),
        (
            window!(same).function().json,
            &[r#""type":"any""#, r#""bind":true"#],
        ),
        (
            window!(peer_count).function().json,
            &[r#""window":"ranked""#, r#""params":[]"#],
        ),
        (window!(spread).function().json, &[r#""window":"framed""#]),
        (
            window!(Ema).function().json,
            &[
                r#""name":"ema""#,
                r#""window":"streaming""#,
                r#""description":"The exponential moving average.""#,
                r#""returns":{"type":"Float64"}"#,
            ],
        ),
        (
            window!(Joined).function().json,
            &[r#""ignore_nulls":true"#, r#""returns":{"type":"Utf8"}"#],
        ),
        (
            window!(RowNumber).function().json,
            &[r#""returns":{"type":"Int64","nullable":false}"#],
        ),
    ] {
        for part in parts {
            assert!(json.contains(part), "{json} has no {part}");
        }
    }
    assert!(!window!(shares).function().json.contains("ignore_nulls"));
}

#[test]
fn sees_whole_partitions() {
    let lag = || window!(lag_like).column([Some(1), None, Some(3), Some(4i64)]);
    assert_eq!(lag().run(), Ok(vec![None, Some(1), None, Some(3i64)]));
    assert_eq!(
        lag().ignore_nulls().run(),
        Ok(vec![None, Some(1), Some(1), Some(3i64)])
    );
    let shares = |values: [f64; 2]| window!(shares).column(values).run::<f64>();
    assert_eq!(shares([1.0, 3.0]), Ok(vec![0.25, 0.75]));
    assert_eq!(
        shares([1.0, -1.0]),
        Err("the values add up to nothing".to_owned())
    );
    let run = window!(shares).constant(2.0).rows(4).run();
    assert_eq!(run, Ok(vec![0.25; 4]));
    let run = window!(same).column([Some("a"), None]).run();
    assert_eq!(run, Ok(vec![Some("a".to_owned()), None]));
}

#[test]
fn refuses_nulls_and_wrong_numbers_of_rows() {
    let run = window!(shares).column([Some(1.0), None]).run::<f64>();
    let error = run.unwrap_err();
    assert!(
        error.starts_with("argument 1 (values): there are NULLs"),
        "{error}"
    );
    assert_eq!(
        window!(too_few).column([1.0, 2.0]).run::<f64>(),
        Err("the function returned 1 values for 2 rows".to_owned())
    );
}

#[test]
fn knows_peers() {
    let run = window!(peer_count).rows(6).peers([0, 2, 3]).run();
    assert_eq!(run, Ok(vec![2i64, 2, 1, 3, 3, 3]));
    let run = window!(peer_count).rows(0).peers([]).run();
    assert_eq!(run, Ok(Vec::<i64>::new()));
    let sets: Vec<_> = Peers::new(&[0, 1], 3).iter().collect();
    assert_eq!(sets, [0..1, 1..3]);
}

#[test]
fn computes_frames() {
    let run = window!(spread)
        .column([1.0, 5.0, 2.0])
        .frames([0..1, 0..2, 1..3, 2..2])
        .run();
    assert_eq!(run, Ok(vec![Some(0.0), Some(4.0), Some(3.0), None]));
    let run = window!(spread).constant(1.0).frames([3..7, 7..7]).run();
    assert_eq!(run, Ok(vec![Some(0.0), None]));
    let run = window!(spread).column([1.0]).frames([0..1, 0..2]);
    let error = run.run::<Option<f64>>();
    assert!(error.is_err_and(|error| error.contains("not within the rows")));
}

#[test]
fn goes_from_row_to_row() {
    let run = window!(Ema)
        .column([None, Some(1.0), Some(3.0)])
        .constant(0.5)
        .then()
        .column([None, Some(2.0)])
        .constant(0.5)
        .run();
    assert_eq!(
        run,
        Ok(vec![None, Some(1.0), Some(2.0), Some(2.0), Some(2.0)])
    );
    let run = window!(Ema).constant(Some(1.0)).constant(2.0);
    assert!(run.run::<Option<f64>>().is_err());
    let run = window!(RowNumber).rows(300).run::<i64>();
    assert_eq!(run, Ok((1..=300).collect()));
}

#[test]
fn does_not_see_null_where_it_takes_a_value() {
    let run = window!(Joined)
        .column([Some("a"), None, Some("b")])
        .ignore_nulls()
        .run();
    assert_eq!(
        run,
        Ok(vec![Some("a!".to_owned()), None, Some("a!b!".to_owned())])
    );
    let rows = |value: Option<f64>| vec![value; 400];
    let run = window!(Ema).column(rows(Some(1.0))).constant(None::<f64>);
    assert_eq!(run.run(), Ok(rows(None)));
}
