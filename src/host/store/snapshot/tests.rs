use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array,
    DictionaryArray, FixedSizeBinaryArray, Float64Array, Int64Array, IntervalDayTimeArray,
    LargeStringArray, ListArray, NullArray, RecordBatch, RecordBatchOptions, StringArray,
    StringViewArray, StructArray, TimestampMicrosecondArray, UInt8Array,
};
use arrow::datatypes::{DataType, Field, Int32Type, IntervalDayTime, Schema};
use proptest::prelude::*;

use super::SnapshotTable;
use crate::host::context::KeyValueTable;
use crate::host::error::Status;
use crate::host::store::StoreError;

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true)))
        .unwrap()
}

fn strings(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// The entries as text.
fn entries(table: &SnapshotTable) -> Vec<(String, String)> {
    let mut entries = Vec::new();
    table
        .scan(b"", None, &mut |key, value| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            entries.push((text(key), text(value)));
            ControlFlow::Continue(())
        })
        .unwrap();
    entries
}

fn table(columns: Vec<(&str, ArrayRef)>) -> Result<SnapshotTable, StoreError> {
    SnapshotTable::from_batches(&[batch(columns)], "k")
}

/// The key that a value becomes.
fn key(array: ArrayRef) -> String {
    let table = table(vec![("k", array)]).unwrap();
    let [(key, value)] = &entries(&table)[..] else {
        unreachable!("not one entry");
    };
    assert_eq!(value, "");
    key.clone()
}

#[test]
fn keys_are_text_as_sql_shows_it() {
    let dictionary: DictionaryArray<Int32Type> = ["a"].into_iter().collect();
    let seconds = TimestampMicrosecondArray::from(vec![1_500_000]);
    let cases: Vec<(ArrayRef, &str)> = vec![
        (strings(&[Some("ü")]), "ü"),
        (Arc::new(LargeStringArray::from(vec!["a"])), "a"),
        (
            Arc::new(StringViewArray::from(vec![
                "a text of more than twelve bytes",
            ])),
            "a text of more than twelve bytes",
        ),
        (Arc::new(BinaryArray::from(vec![&b"a\0b"[..]])), "a\0b"),
        (Arc::new(BinaryViewArray::from(vec![&b"a"[..]])), "a"),
        (
            Arc::new(FixedSizeBinaryArray::try_from_iter([b"ab"].into_iter()).unwrap()),
            "ab",
        ),
        (Arc::new(dictionary), "a"),
        (Arc::new(Int64Array::from(vec![-7])), "-7"),
        (Arc::new(Float64Array::from(vec![1.5])), "1.5"),
        (Arc::new(BooleanArray::from(vec![true])), "true"),
        (Arc::new(Date32Array::from(vec![19_000])), "2022-01-08"),
        (Arc::new(seconds.clone()), "1970-01-01T00:00:01.500"),
        (
            Arc::new(seconds.with_timezone("+02:00")),
            "1970-01-01T02:00:01.500+02:00",
        ),
        (
            Arc::new(
                Decimal128Array::from(vec![12_345])
                    .with_precision_and_scale(10, 2)
                    .unwrap(),
            ),
            "123.45",
        ),
    ];
    for (array, expected) in cases {
        assert_eq!(key(array), expected);
    }
}

#[test]
fn bytes_behind_a_dictionary_stay_bytes() {
    let values: ArrayRef = Arc::new(BinaryArray::from(vec![&b"\xff\0"[..]]));
    let array = DictionaryArray::new(UInt8Array::from(vec![0]), values);
    let table = table(vec![("k", Arc::new(array))]).unwrap();
    assert!(table.get(b"\xff\0").unwrap().is_some());
}

#[test]
fn one_other_column_is_the_value() {
    let table = table(vec![
        (
            "v",
            Arc::new(Int64Array::from(vec![Some(1), None, Some(3), Some(4)])),
        ),
        ("k", strings(&[Some("b"), Some("c"), None, Some("a")])),
    ])
    .unwrap();
    assert_eq!(table.len(), 2);
    assert_eq!(
        entries(&table),
        [("a", "4"), ("b", "1")].map(|(k, v)| (k.into(), v.into()))
    );
    assert_eq!(table.get(b"a").unwrap().unwrap(), &b"4"[..]);
    assert_eq!(table.get(b"aa").unwrap(), None);
    assert_eq!(table.get(b"z").unwrap(), None);

    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1), None])]);
    let lists = SnapshotTable::from_batches(
        &[batch(vec![
            ("k", strings(&[Some("a")])),
            ("v", Arc::new(list)),
        ])],
        "k",
    );
    assert_eq!(entries(&lists.unwrap()), [("a".into(), "[1, ]".into())]);
}

#[test]
fn several_columns_are_an_object() {
    let inner: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let field = Arc::new(Field::new("x", DataType::Int64, true));
    let table = table(vec![
        ("k", strings(&[Some("b"), Some("a")])),
        ("te\"xt", strings(&[Some("line\nbreak \"ü\""), None])),
        ("f", Arc::new(Float64Array::from(vec![f64::NAN, 0.5]))),
        ("b", Arc::new(BinaryArray::from(vec![&b"\xff"[..], b""]))),
        (
            "d",
            Arc::new(
                Decimal128Array::from(vec![125, -1])
                    .with_precision_and_scale(5, 2)
                    .unwrap(),
            ),
        ),
        ("t", Arc::new(TimestampMicrosecondArray::from(vec![0, 1]))),
        ("s", Arc::new(StructArray::from(vec![(field, inner)]))),
    ])
    .unwrap();
    let objects = [
        (
            "a",
            r#"{"te\"xt":null,"f":0.5,"b":"","d":-0.01,"t":"1970-01-01T00:00:00.000001","s":{"x":2}}"#,
        ),
        (
            "b",
            r#"{"te\"xt":"line\nbreak \"ü\"","f":null,"b":"ff","d":1.25,"t":"1970-01-01T00:00:00","s":{"x":1}}"#,
        ),
    ];
    assert_eq!(entries(&table), objects.map(|(k, v)| (k.into(), v.into())));
}

#[test]
fn objects_go_with_their_rows_across_batches() {
    let batches: Vec<RecordBatch> = [0i64, 5_000]
        .map(|from| {
            let numbers = (from..from + 5_000).rev().map(Some);
            let keys: Vec<Option<i64>> = numbers.map(|n| n.filter(|n| n % 7 != 0)).collect();
            let doubled = Int64Array::from_iter_values((from..from + 5_000).rev().map(|n| n * 2));
            batch(vec![
                ("k", Arc::new(Int64Array::from(keys))),
                ("double", Arc::new(doubled)),
                ("none", Arc::new(NullArray::new(5_000))),
            ])
        })
        .into();
    let table = SnapshotTable::from_batches(&batches, "k").unwrap();
    assert_eq!(table.len(), (0..10_000).filter(|n| n % 7 != 0).count());
    for n in (0..10_000).filter(|n| n % 7 != 0) {
        let value = table.get(n.to_string().as_bytes()).unwrap().unwrap();
        assert_eq!(
            value,
            format!("{{\"double\":{},\"none\":null}}", n * 2).as_bytes()
        );
    }
}

#[test]
fn a_key_is_there_once() {
    let error = table(vec![(
        "k",
        strings(&[Some("a\nb"), Some("c"), Some("a\nb")]),
    )])
    .unwrap_err();
    assert!(
        matches!(&error, StoreError::DuplicateKey { key } if key == "a\\nb"),
        "{error}"
    );
    let long = "x".repeat(1_000);
    let error = table(vec![("k", strings(&[Some(&long), Some(&long)]))]).unwrap_err();
    assert!(error.to_string().len() < 250);
}

#[test]
fn columns_are_checked() {
    let wrong = |columns: Vec<(&str, ArrayRef)>, words: &str| {
        let error = table(columns).unwrap_err();
        assert!(matches!(error, StoreError::Column { .. }));
        assert!(error.to_string().contains(words), "{error}");
    };
    wrong(
        vec![("K", strings(&[])), ("o\n", strings(&[]))],
        "there are \"K\", \"o\\n\"",
    );
    wrong(
        vec![("k", strings(&[])), ("k", strings(&[]))],
        "more than one of this name",
    );
    wrong(
        vec![
            ("k", strings(&[])),
            ("v", strings(&[])),
            ("v", strings(&[])),
        ],
        "more than one",
    );
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1)])]);
    wrong(vec![("k", Arc::new(list))], "cannot be keys");
    wrong(vec![("k", Arc::new(NullArray::new(1)))], "cannot be keys");

    let a = batch(vec![("k", strings(&[Some("a")]))]);
    let b = batch(vec![("k", Arc::new(Int64Array::from(vec![1])))]);
    assert!(SnapshotTable::from_batches(&[a, b], "k").is_err());
    assert!(SnapshotTable::from_batches(&[], "k").unwrap().is_empty());
}

#[test]
fn values_that_have_no_json_are_an_error() {
    let interval = IntervalDayTimeArray::from(vec![IntervalDayTime::new(1, 2)]);
    let columns = vec![
        ("k", strings(&[Some("a")])),
        ("i", Arc::new(interval) as ArrayRef),
        ("n", strings(&[None])),
    ];
    match table(columns) {
        Ok(table) => assert!(entries(&table)[0].1.starts_with("{\"i\":\"")),
        Err(error) => assert!(matches!(error, StoreError::Column { .. })),
    }
}

#[test]
fn a_bound_is_kept() {
    let rows = batch(vec![(
        "k",
        Arc::new(Int64Array::from_iter_values(0..10_000)),
    )]);
    let error =
        SnapshotTable::from_batches_within(std::slice::from_ref(&rows), "k", 50_000).unwrap_err();
    assert!(
        matches!(error, StoreError::Limit(figure) if figure.is < 90_000),
        "{error}"
    );
    assert!(error.to_string().contains("`bytes_max`"));
    SnapshotTable::from_batches_within(&[rows], "k", 400_000).unwrap();
}

#[test]
fn batches_without_columns_are_refused() {
    let options = RecordBatchOptions::new().with_row_count(Some(3));
    let rows = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options);
    assert!(SnapshotTable::from_batches(&[rows.unwrap()], "k").is_err());
}

#[test]
fn it_can_only_be_read() {
    let table = table(vec![("k", strings(&[Some("a")]))]).unwrap();
    assert_eq!(
        table.put(b"a", b"").unwrap_err().status(),
        Status::Unavailable
    );
    assert_eq!(
        table.delete(b"a").unwrap_err().status(),
        Status::Unavailable
    );
}

proptest! {
    /// It shows what a map of the same rows does.
    #[test]
    fn it_is_a_map(
        rows in prop::collection::btree_map("[ab]{0,4}", "[a-z]{0,3}", 0..30),
        start in "[ab]{0,3}",
        end in prop::option::of("[ab]{0,3}"),
    ) {
        let keys = StringArray::from_iter_values(rows.keys().rev());
        let values = StringArray::from_iter_values(rows.values().rev());
        let table = table(vec![("v", Arc::new(values)), ("k", Arc::new(keys))]).unwrap();
        let mut seen = Vec::new();
        table.scan(start.as_bytes(), end.as_deref().map(str::as_bytes), &mut |key, value| {
            seen.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        }).unwrap();
        let expected: Vec<_> = rows.iter()
            .filter(|(key, _)| **key >= start && end.as_ref().is_none_or(|end| *key < end))
            .map(|(key, value)| (key.clone().into_bytes(), value.clone().into_bytes()))
            .collect();
        prop_assert_eq!(seen, expected);
        prop_assert_eq!(
            table.get(start.as_bytes()).unwrap().map(|value| value.to_vec()),
            rows.get(&start).map(|value| value.clone().into_bytes())
        );
    }
}
