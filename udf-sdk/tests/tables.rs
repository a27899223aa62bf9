//! Table functions, called as the host would.

use std::iter;

use wasmfusion_udf::prelude::*;
use wasmfusion_udf::testing::table;

wasmfusion_udf::plugin! { name: "tables" }

/// The numbers from `start` to `stop`.
#[udtf(column = "value", aliases("count_up"))]
fn numbers(start: i64, stop: i64) -> impl Iterator<Item = i64> + 'static {
    start..=stop
}

#[derive(SqlStruct)]
struct Word {
    place: i64,
    word: Option<String>,
}

#[udtf]
fn words(text: &str) -> impl Iterator<Item = Word> + 'static {
    let words: Vec<Word> = text
        .split(' ')
        .zip(1..)
        .map(|(word, place)| Word {
            place,
            word: (!word.is_empty()).then(|| word.to_owned()),
        })
        .collect();
    words.into_iter()
}

#[udtf(columns("key", "value"))]
fn pairs(text: Option<String>) -> Result<Vec<(String, i64)>, String> {
    let Some(text) = text else {
        return Ok(Vec::new());
    };
    let pairs = text.split(',').map(|pair| {
        let (key, value) = pair.split_once('=').ok_or("a pair has no `=`")?;
        let value = value.parse().map_err(|_| "a value is no number")?;
        Ok::<_, &str>((key.to_owned(), value))
    });
    pairs.collect::<Result<_, _>>().map_err(str::to_owned)
}

#[udtf(column = "value")]
fn fails_after(rows: i64) -> impl Iterator<Item = Result<Option<i64>, &'static str>> + 'static {
    let values = (0..rows).map(|row| Ok((row % 2 == 0).then_some(row)));
    values.chain(iter::once(Err("no more rows")))
}

#[udtf(column = "limit")]
fn limited(limit: Limit, texts: Variadic<'_, &str>) -> iter::Once<String> {
    let texts: String = texts.iter().collect();
    iter::once(format!("{texts} {:?}", limit.0))
}

#[udtf]
fn unnamed() -> [(bool, f32); 1] {
    [(true, 1.5)]
}

#[test]
fn is_in_the_manifest() {
    for (json, parts) in [
        (
            table!(numbers).function().json,
            &[
                r#""name":"numbers""#,
                r#""kind":"table""#,
                r#""columns":[{"name":"value","type":"Int64","nullable":false}]"#,
                r#""params":[{"name":"start","type":"Int64"},{"name":"stop","type":"Int64"}]"#,
            ][..],
        ),
        (
            table!(words).function().json,
            &[
                r#""columns":[{"name":"place","type":"Int64","nullable":false},{"name":"word","type":"Utf8"}]"#,
            ],
        ),
        (
            table!(pairs).function().json,
            &[r#""nulls":"pass""#, r#"{"name":"key","type":"Utf8""#],
        ),
        (
            table!(limited).function().json,
            &[
                r#""params":[{"name":"texts","type":"Utf8"}]"#,
                r#""variadic":true"#,
            ],
        ),
        (
            table!(unnamed).function().json,
            &[r#"{"name":"column2","type":"Float32","nullable":false}"#],
        ),
    ] {
        assert!(!json.contains("returns"));
        for part in parts {
            assert!(json.contains(part), "{json} has no {part}");
        }
    }
}

#[test]
fn returns_rows_in_batches_of_every_size() {
    for batch_rows in [1, 2, 3, 7, 100, 101, 1000] {
        let rows = table!(numbers)
            .argument(1i64)
            .argument(100i64)
            .batch_rows(batch_rows)
            .run();
        assert_eq!(rows, Ok((1..=100).map(|number: i64| (number,)).collect()));
    }
    let rows = table!(numbers).argument(1i64).argument(i64::MAX).limit(3);
    assert_eq!(rows.batch_rows(2).run(), Ok(vec![(1i64,), (2,), (3,)]));
    let none = table!(numbers)
        .argument(2i64)
        .argument(1i64)
        .run::<(i64,)>();
    assert_eq!(none, Ok(Vec::new()));
}

#[test]
fn returns_texts_and_nulls() {
    let rows = table!(words).argument("a  bc").batch_rows(2).run();
    let expected = vec![
        (1i64, Some("a".to_owned())),
        (2, None),
        (3, Some("bc".to_owned())),
    ];
    assert_eq!(rows, Ok(expected));
    let rows = table!(unnamed).run();
    assert_eq!(rows, Ok(vec![(true, 1.5f32)]));
}

#[test]
fn is_empty_where_an_argument_is_null_unless_that_is_wanted() {
    let rows = table!(words).argument(None::<&str>);
    assert_eq!(rows.run::<(i64, Option<String>)>(), Ok(Vec::new()));
    let rows = table!(pairs).argument(None::<String>);
    assert_eq!(rows.run::<(String, i64)>(), Ok(Vec::new()));
}

#[test]
fn fails_when_opened_and_between_rows() {
    let pairs = |text: &str| table!(pairs).argument(text).run::<(String, i64)>();
    assert_eq!(pairs("a=1,b=2").map(|rows| rows.len()), Ok(2));
    assert_eq!(pairs("a=1,b"), Err("a pair has no `=`".to_owned()));
    let rows = table!(fails_after).argument(5i64);
    assert_eq!(
        rows.batch_rows(3).run::<(Option<i64>,)>(),
        Err("no more rows".to_owned())
    );
    let rows = table!(fails_after).argument(5i64).limit(2);
    assert_eq!(rows.run(), Ok(vec![(Some(0i64),), (None,)]));
}

#[test]
fn knows_the_limit() {
    let limited = || table!(limited).argument("a").argument("b");
    assert_eq!(limited().run(), Ok(vec![("ab None".to_owned(),)]));
    assert_eq!(
        limited().limit(9).run(),
        Ok(vec![("ab Some(9)".to_owned(),)])
    );
}
