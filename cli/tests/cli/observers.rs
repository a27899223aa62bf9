//! Observers in the shell: they are told the text of each statement, of those before the end as well.

use std::fs;

use crate::common::{Place, assert_has};

const SETTINGS: &str = "preset = \"observability\"\ngrants = [\"observe:query\", \"config\"]\n\n[config]\nthreshold_ms = 0\n";

#[test]
fn statements_are_told_as_they_were_written() {
    let place = Place::new();
    place.file("plugins/slow_queries.toml", SETTINGS);
    let built = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/plugins/built/slow_queries.wasm"
    );
    fs::copy(built, place.path().join("plugins/slow_queries.wasm")).unwrap();
    let outcome = place.run(&[
        "-q",
        "--plugins",
        "plugins",
        "-c",
        "SELECT 1 AS a; SELECT  2 AS b",
        "-c",
        "SELECT 3 AS c -- the last",
    ]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_has(
        &outcome.err,
        &[
            "rows=1 sql=SELECT 1 AS a error=none",
            "rows=1 sql=SELECT  2 AS b error=none",
            "rows=1 sql=SELECT 3 AS c -- the last error=none",
        ],
    );
    assert_eq!(outcome.err.matches("slow query").count(), 3, "{outcome:?}");
}
