//! Observers, called as the host would, and what the manifest says of them.

use std::cell::RefCell;

use wasmfusion_udf::Udf;
use wasmfusion_udf::prelude::*;
use wasmfusion_udf::testing::observe;

wasmfusion_udf::plugin! { name: "observers", capabilities: ["observe:query", "observe:metric"] }

std::thread_local! {
    static SEEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn seen() -> Vec<String> {
    SEEN.take()
}

/// Remembers what it is told.
#[observer(event = "query_end")]
fn remember(time: TimestampUtc<Nanos>, sql: Option<&str>, rows: i64) {
    let text = format!("{} {} {rows}", time.count(), sql.unwrap_or("-"));
    SEEN.with_borrow_mut(|seen| seen.push(text));
}

#[observer(event = "metric", name = "watched", description = "Sums.")]
fn fails_at_three(value: f64) -> Result<(), String> {
    if value == 3.0 {
        return Err(format!("{value} is too much"));
    }
    SEEN.with_borrow_mut(|seen| seen.push(value.to_string()));
    Ok(())
}

#[test]
fn it_is_called_once_for_each_event() {
    let run = observe!(remember)
        .column([1i64, 2].map(TimestampUtc::<Nanos>::new))
        .column([Some("SELECT 1"), None])
        .column([3i64, 4])
        .run();
    assert_eq!(run, Ok(()));
    assert_eq!(seen(), ["1 SELECT 1 3", "2 - 4"]);
}

#[test]
fn the_first_error_ends_the_call() {
    let run = observe!(fails_at_three).column([1.0, 3.0, 2.0]).run();
    assert_eq!(run, Err("3 is too much".to_owned()));
    assert_eq!(seen(), ["1"]);
}

#[test]
#[should_panic(expected = "do not reach the function")]
fn what_is_no_option_is_never_null() {
    let _ = observe!(fails_at_three).column([Some(1.0), None]).run();
}

#[test]
fn the_manifest_says_what_it_observes() {
    let json = <__wasmfusion_udf_remember as Udf>::FUNCTION.json;
    for expected in [
        r#""name":"remember""#,
        r#""description":"Remembers what it is told.""#,
        r#""kind":"observer""#,
        r#""event":"query_end""#,
        r#"{"name":"time","type":"Timestamp(ns, \"UTC\")"}"#,
        r#"{"name":"sql","type":"Utf8","nulls":"pass"}"#,
        r#"{"name":"rows","type":"Int64"}"#,
    ] {
        assert!(json.contains(expected), "{json}: expected {expected}");
    }
    assert!(!json.contains("returns"), "{json}");
    let watched = <__wasmfusion_udf_fails_at_three as Udf>::FUNCTION.json;
    assert!(watched.contains(r#""name":"watched""#), "{watched}");
    assert!(watched.contains(r#""description":"Sums.""#), "{watched}");
}
