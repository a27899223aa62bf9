//! Functions of every shape, called on columns as the host would.

use std::fmt::Write;

use wasmfusion_udf::prelude::*;
use wasmfusion_udf::testing::call;
use wasmfusion_udf::{Argument, Value};

wasmfusion_udf::plugin! { name: "calls" }

/// Adds.
#[udf(aliases("plus"))]
fn add(left: f64, right: f64) -> f64 {
    left + right
}

#[udf]
fn less(left: i64, right: i64) -> bool {
    left < right
}

#[udf]
fn or_zero(value: Option<i32>) -> i32 {
    value.unwrap_or(0)
}

#[udf]
fn half(value: i64) -> Option<i64> {
    (value % 2 == 0).then_some(value / 2)
}

#[udf]
fn not(value: Option<bool>) -> Option<bool> {
    value.map(|value| !value)
}

#[udf]
fn parse(text: &str) -> Result<i64, std::num::ParseIntError> {
    text.parse()
}

#[udf]
fn maybe_parse(text: Option<&str>) -> Result<Option<i64>, std::num::ParseIntError> {
    text.map(str::parse).transpose()
}

#[udf]
fn first<'a>(text: &'a str, separator: &str) -> &'a str {
    text.split(separator).next().unwrap_or(text)
}

#[udf]
fn join(separator: &str, parts: Variadic<'_, Option<&str>>) -> String {
    parts.iter().flatten().collect::<Vec<_>>().join(separator)
}

#[udf]
fn split(text: &str) -> Vec<Option<String>> {
    text.split(' ')
        .map(|word| (word != "-").then(|| word.to_owned()))
        .collect()
}

#[udf]
fn dot(left: &[f64], right: List<'_, f64>) -> f64 {
    left.iter()
        .zip(right)
        .map(|(left, right)| left * right)
        .sum()
}

#[udf]
fn flatten(lists: List<'_, List<'_, Option<i64>>>) -> Vec<Option<i64>> {
    lists.iter().flat_map(|list| list.iter()).collect()
}

#[udf]
fn double_all(values: Vec<i16>) -> Option<Vec<i16>> {
    (!values.is_empty()).then(|| values.iter().map(|value| value * 2).collect())
}

#[udf]
fn digest(bytes: &[u8]) -> [u8; 20] {
    let mut digest = [0; 20];
    for (place, byte) in bytes.iter().enumerate() {
        digest[place % 20] ^= byte;
    }
    digest
}

#[udf]
fn hex(bytes: &[u8], out: &mut TextWriter) -> Result<Option<()>, std::fmt::Error> {
    for byte in bytes {
        write!(out, "{byte:02x}")?;
    }
    Ok((bytes != b"none").then_some(()))
}

#[udf]
fn count_to(end: i64, out: &mut ListWriter<i64>) {
    out.extend(0..end);
}

#[derive(Clone, Debug, PartialEq, SqlStruct)]
struct Place {
    name: String,
    lat: f64,
    lon: Option<f64>,
}

#[derive(Debug, PartialEq, SqlStruct)]
struct OwnedName {
    name: String,
}

#[derive(SqlStruct)]
struct Named<'a> {
    name: &'a str,
}

#[udf]
fn place(name: &str, lat: f64, lon: Option<f64>) -> Option<Place> {
    let name = name.to_owned();
    (lat < 90.0).then_some(Place { name, lat, lon })
}

#[udf]
fn name_of(place: Option<Place>) -> Option<String> {
    place.map(|place| place.name)
}

#[udf]
fn rename(named: Named<'_>) -> Vec<Named<'_>> {
    vec![Named { name: named.name }, named]
}

#[udf(batch)]
fn subtract(left: Column<'_, i64>, right: Column<'_, i64>, out: &mut Output<'_, i64>) {
    let differences = out.values_mut().iter_mut();
    for (difference, (left, right)) in differences.zip(left.iter().zip(right.iter())) {
        *difference = left - right;
    }
}

#[udf(batch)]
fn fill_down(values: Column<'_, Option<i64>>, out: &mut Output<'_, Option<i64>>) {
    let mut last = None;
    out.extend(values.iter().map(|value| {
        last = value.or(last);
        last
    }));
}

#[udf(batch)]
fn too_few(_values: Column<'_, i64>, out: &mut Output<'_, &'static str>) {
    out.push("one");
}

struct Words(Vec<String>);

#[udf(bind = compile)]
fn matches(words: &Words, text: &str, _pattern: &str) -> bool {
    words.0.iter().any(|word| word == text)
}

fn compile(binding: &Binding<'_>) -> Result<Words, &'static str> {
    let pattern = binding.constant::<&str>(1).ok().flatten();
    let words = pattern.ok_or("the pattern must be constant")?.split('|');
    Ok(Words(words.map(str::to_owned).collect()))
}

#[udf(batch, bind = same_type)]
fn identity(_: &(), value: AnyColumn<'_>, out: &mut AnyOutput<'_>) -> Result<(), Error> {
    out.echo(&value)
}

fn same_type(binding: &Binding<'_>) -> Result<Prepared<()>, Error> {
    Ok(Prepared {
        returns: binding.types()[0].clone(),
        state: (),
    })
}

#[udf(batch, bind = text_or_number)]
fn describe(_: &(), values: Vec<AnyColumn<'_>>, out: &mut AnyOutput<'_>) -> Result<(), Error> {
    let mut described = vec![String::new(); out.rows()];
    for value in &values {
        if let Some(numbers) = value.typed::<Option<i64>>()? {
            for (text, number) in described.iter_mut().zip(numbers.iter()) {
                write!(text, "{number:?};")?;
            }
        } else if let Some(texts) = value.typed::<&str>()? {
            for (text, other) in described.iter_mut().zip(texts.iter()) {
                write!(text, "{other};")?;
            }
        }
    }
    out.write(described)
}

fn text_or_number(_: &Binding<'_>) -> Result<Prepared<()>, Error> {
    Ok(Prepared {
        returns: DataType::Utf8.into(),
        state: (),
    })
}

#[test]
fn runs_numbers_of_every_length_and_with_every_constant() {
    for rows in [0, 1, 2, 63, 64, 65, 255, 256, 257, 1000] {
        let left: Vec<f64> = (0..rows).map(f64::from).collect();
        let twice: Vec<f64> = left.iter().map(|value| value * 2.0).collect();
        let plus_one: Vec<f64> = left.iter().map(|value| value + 1.0).collect();
        let (column, rows) = (|| left.iter().copied(), rows as usize);
        assert_eq!(
            call!(add).column(column()).column(column()).run(),
            Ok(twice)
        );
        assert_eq!(
            call!(add).column(column()).constant(1.0).run(),
            Ok(plus_one.clone())
        );
        assert_eq!(
            call!(add).constant(1.0).column(column()).run(),
            Ok(plus_one)
        );
        assert_eq!(
            call!(add).constant(1.0).constant(2.0).rows(rows).run(),
            Ok(vec![3.0; rows])
        );

        let numbers: Vec<i64> = (0..rows as i64).map(|row| row * 7 % 11).collect();
        let expected: Vec<bool> = numbers.iter().map(|number| *number < 5).collect();
        let run = call!(less)
            .column(numbers.iter().copied())
            .constant(5i64)
            .run();
        assert_eq!(run, Ok(expected.clone()));
        let inverse: Vec<_> = expected.iter().map(|value| value.then_some(true)).collect();
        let run = call!(not).column(inverse.clone()).run::<Option<bool>>();
        assert_eq!(
            run,
            Ok(inverse
                .iter()
                .map(|value| value.map(|value| !value))
                .collect())
        );
        let halves: Vec<_> = numbers.iter().map(|number| half(*number)).collect();
        assert_eq!(call!(half).column(numbers).run(), Ok(halves));
    }
}

#[test]
fn sees_and_makes_nulls() {
    let column = [Some(1), None, Some(3)];
    assert_eq!(call!(or_zero).column(column).run(), Ok(vec![1, 0, 3]));
    assert_eq!(
        call!(or_zero).constant(None::<i32>).rows(2).run(),
        Ok(vec![0, 0])
    );
    let texts = [Some("1"), None];
    assert_eq!(
        call!(maybe_parse).column(texts).run(),
        Ok(vec![Some(1i64), None])
    );
}

#[test]
fn ends_with_the_first_error() {
    assert_eq!(call!(parse).column(["12", "-3"]).run(), Ok(vec![12i64, -3]));
    let error = call!(parse).column(["12", "x", ""]).run::<i64>();
    assert_eq!(error, Err("invalid digit found in string".to_owned()));
}

#[test]
fn borrows_and_makes_text() {
    let run = call!(first)
        .column(["a,b", "", "é"])
        .constant(",")
        .run::<String>();
    assert_eq!(run, Ok(vec!["a".to_owned(), String::new(), "é".to_owned()]));
    let run = call!(join)
        .constant("-")
        .column([Some("a"), None])
        .column(["b", "c"])
        .run::<String>();
    assert_eq!(run, Ok(vec!["a-b".to_owned(), "c".to_owned()]));
    let bytes: [&[u8]; 3] = [b"\x01\xff", b"none", b""];
    let run = call!(hex).column(bytes).run::<Option<String>>();
    assert_eq!(
        run,
        Ok(vec![Some("01ff".to_owned()), None, Some(String::new())])
    );
    let run = call!(digest).column([&b"ab"[..], b""]).run::<[u8; 20]>();
    assert_eq!(
        run.map(|digests| digests[0][..3].to_vec()),
        Ok(b"ab\0".to_vec())
    );
}

#[test]
fn reads_and_makes_lists() {
    let lists = [vec![1.0, 2.0], vec![], vec![3.0]];
    let run = call!(dot).column(lists.clone()).column(lists.clone()).run();
    assert_eq!(run, Ok(vec![5.0, 0.0, 9.0]));
    let run = call!(dot).column(lists).constant(vec![10.0, 1.0]).run();
    assert_eq!(run, Ok(vec![12.0, 0.0, 30.0]));
    let run = call!(split)
        .column(["a - b", "-"])
        .run::<Vec<Option<String>>>();
    assert_eq!(
        run,
        Ok(vec![
            vec![Some("a".to_owned()), None, Some("b".to_owned())],
            vec![None]
        ])
    );
    let nested = [
        vec![vec![Some(1i64), None], vec![]],
        vec![],
        vec![vec![Some(2)]],
    ];
    let run = call!(flatten).column(nested).run();
    assert_eq!(run, Ok(vec![vec![Some(1i64), None], vec![], vec![Some(2)]]));
    let run = call!(double_all).column([vec![1i16, 2], vec![]]).run();
    assert_eq!(run, Ok(vec![Some(vec![2i16, 4]), None]));
    let run = call!(count_to).column([2i64, 0, 3]).run();
    assert_eq!(run, Ok(vec![vec![0i64, 1], vec![], vec![0, 1, 2]]));
}

#[test]
fn reads_and_makes_structs() {
    let run = call!(place)
        .column(["a", "b", "c"])
        .column([1.0, 91.0, 2.0])
        .column([None, None, Some(3.0)])
        .run::<Option<Place>>();
    let made = |name: &str, lat, lon| {
        Some(Place {
            name: name.to_owned(),
            lat,
            lon,
        })
    };
    let expected = vec![made("a", 1.0, None), None, made("c", 2.0, Some(3.0))];
    assert_eq!(run, Ok(expected.clone()));
    let names = call!(name_of).column(expected).run::<Option<String>>();
    assert_eq!(
        names,
        Ok(vec![Some("a".to_owned()), None, Some("c".to_owned())])
    );
    let run = call!(rename)
        .column([Named { name: "x" }])
        .run::<Vec<OwnedName>>();
    let expected = || OwnedName {
        name: "x".to_owned(),
    };
    assert_eq!(run, Ok(vec![vec![expected(), expected()]]));
}

#[test]
fn takes_whole_columns() {
    let run = call!(subtract).column([5i64, 6]).constant(1i64).run();
    assert_eq!(run, Ok(vec![4i64, 5]));
    let run = call!(fill_down).column([None, Some(1i64), None]).run();
    assert_eq!(run, Ok(vec![None, Some(1i64), Some(1)]));
    let error = call!(too_few).column([1i64, 2]).run::<String>();
    assert_eq!(
        error,
        Err("the function wrote 1 values for 2 rows".to_owned())
    );
}

#[test]
fn binds() {
    let run = call!(matches).column(["a", "b", "c"]).constant("a|c").run();
    assert_eq!(run, Ok(vec![true, false, true]));
    let error = call!(matches).column(["a"]).column(["a"]).run::<bool>();
    assert_eq!(error, Err("the pattern must be constant".to_owned()));
    let run = call!(describe)
        .column([Some(1i64), None])
        .constant("x")
        .run::<String>();
    assert_eq!(run, Ok(vec!["Some(1);x;".to_owned(), "None;x;".to_owned()]));
}

#[test]
fn echoes_every_type() {
    fn echo<T>(values: Vec<T>)
    where
        T: Clone + std::fmt::Debug + PartialEq + Value + for<'a> Argument<'a>,
    {
        let run = call!(identity).column(values.clone()).run::<T>();
        assert_eq!(run, Ok(values.clone()));
        for rows in [0, 1, 2, 9, 70] {
            for value in &values {
                let run = call!(identity)
                    .constant(value.clone())
                    .rows(rows)
                    .run::<T>();
                assert_eq!(run, Ok(vec![value.clone(); rows]));
            }
        }
    }
    echo(vec![1i64, -2]);
    echo(vec![Some(true), None, Some(false)]);
    echo(vec![Some("é".to_owned()), None, Some(String::new())]);
    echo(vec![Some(vec![Some(1i32), None]), None, Some(vec![])]);
    echo(vec![vec![vec!["a".to_owned()], vec![]], vec![]]);
    echo(vec![
        Some(Place {
            name: "x".to_owned(),
            lat: 1.0,
            lon: None,
        }),
        None,
    ]);
    echo(vec![Decimal::<10, 2>::new(7)]);
    echo(vec![[1u8; 20], [2; 20]]);
    echo(vec![Interval {
        months: 1,
        days: 2,
        nanos: 3,
    }]);
}

#[test]
fn describes_itself() {
    assert_eq!(
        call!(add).function().json,
        concat!(
            r#"{"aliases":["plus"],"description":"Adds.","export":"udf_add","name":"add","#,
            r#""params":[{"name":"left","type":"Float64"},{"name":"right","type":"Float64"}],"#,
            r#""returns":{"type":"Float64","nullable":false}}"#
        )
    );
    let returns =
        r#""returns":{"type":"Struct(\"name\": Utf8, \"lat\": Float64, \"lon\": Float64)"}"#;
    assert!(call!(place).function().json.contains(returns));
    let params = r#"{"name":"parts","type":"Utf8","nulls":"pass"}],"variadic":true"#;
    assert!(call!(join).function().json.contains(params));
    let params = r#""params":[{"name":"value","type":"any","nulls":"pass"}],"bind":true}"#;
    assert!(call!(identity).function().json.contains(params));
}
