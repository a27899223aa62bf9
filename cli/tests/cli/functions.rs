//! Functions in WebAssembly: `--plugins`, `CREATE FUNCTION`, limits.

use crate::common::{GOOD, Place, REFUSED, assert_has};

const CSV: [&str; 3] = ["-q", "--format", "csv"];

fn run(place: &Place, more: &[&str]) -> crate::common::Outcome {
    place.run(&[&CSV, more].concat())
}

#[test]
fn plugins_of_a_directory() {
    let place = Place::with_plugin();
    let out = run(
        &place,
        &[
            "--plugins",
            "plugins",
            "-c",
            "SELECT answer('?') AS a, reply('?') AS r",
        ],
    )
    .succeeded();
    assert_eq!(out, "a,r\n42,42\n");
}

#[test]
fn bad_files_do_not_keep_good_ones_out() {
    let place = Place::with_plugin();
    place.file("plugins/a-refused.wat", REFUSED);
    place.file("plugins/empty.wasm", "");
    place.file("plugins/text.wasm", "this is not a module");
    place.file("plugins/notes.txt", "this is not even looked at");
    let outcome = run(
        &place,
        &["--plugins", "plugins", "-c", "SELECT answer('?') AS a"],
    );
    assert_eq!((outcome.code, outcome.out.as_str()), (Some(0), "a\n42\n"));
    assert_has(
        &outcome.err,
        &[
            "a-refused.wat",
            "system",
            "empty.wasm",
            "text.wasm",
            "not a WebAssembly module",
        ],
    );
    assert_eq!(outcome.err.matches("Error: ").count(), 3, "{}", outcome.err);
}

#[test]
fn names_that_are_taken() {
    let place = Place::with_plugin();
    // The same length, so that the manifest's length stays right: another plugin, whose first function clashes with DataFusion's.
    place.file(
        "plugins/z.wat",
        &GOOD
            .replace("test\\\"", "tost\\\"")
            .replace("(export \"answer\")", "(export \"concat\")")
            .replace("answer\\\"", "concat\\\""),
    );
    let outcome = run(
        &place,
        &[
            "--plugins",
            "plugins",
            "-c",
            "SELECT concat('a', 'b') AS c, answer('?') AS a",
        ],
    );
    assert_eq!(
        (outcome.code, outcome.out.as_str()),
        (Some(0), "c,a\nab,42\n"),
        "{}",
        outcome.err
    );
    assert_has(
        &outcome.err,
        &[
            "concat of plugin tost",
            "DataFusion has one",
            "forever of plugin tost",
            "plugin test",
            "CREATE FUNCTION my_concat()",
        ],
    );
}

#[test]
fn an_empty_directory_is_worth_a_word() {
    let place = Place::new();
    std::fs::create_dir(place.path().join("none")).unwrap();
    let outcome = run(&place, &["--plugins", "none", "-c", "SELECT 1 AS a"]);
    assert_has(&outcome.err, &["Warning: ", "no .wasm or .wat file"]);
    assert_eq!(outcome.code, Some(0));
}

#[test]
fn create_and_drop() {
    let place = Place::with_plugin();
    let sql = "CREATE FUNCTION answer(q VARCHAR) RETURNS BIGINT LANGUAGE WASM STRICT AS 'plugins/test.wat'; \
               SELECT answer('?') AS a; \
               CREATE FUNCTION \"Other\"(q VARCHAR) RETURNS BIGINT LANGUAGE WASM AS 'plugins/test.wat', 'answer'; \
               SELECT \"Other\"('?') AS b; \
               DROP FUNCTION \"Other\"; DROP FUNCTION IF EXISTS nothing; DROP FUNCTION answer; \
               CREATE FUNCTION ANSWER() LANGUAGE WASM AS 'plugins/test.wat'; \
               SELECT answer('?') AS c";
    assert_eq!(
        run(&place, &["-c", sql]).succeeded(),
        "a\n42\nb\n42\nc\n42\n"
    );
}

#[test]
fn create_prints_what_other_statements_print() {
    let place = Place::with_plugin();
    let out = place
        .run(&[
            "-c",
            "CREATE FUNCTION answer() LANGUAGE WASM AS 'plugins/test.wat'",
        ])
        .succeeded();
    assert_has(&out, &["0 row(s) fetched.", "Elapsed"]);
}

/// DataFusion's planner drops these clauses.
#[test]
fn no_clause_is_ignored() {
    let place = Place::with_plugin();
    let create = "CREATE FUNCTION answer(q VARCHAR) RETURNS BIGINT";
    for (sql, parts) in [
        (
            format!("{create} LANGUAGE WASM CALLED ON NULL INPUT AS 'plugins/test.wat'"),
            &["CALLED ON NULL INPUT"][..],
        ),
        (
            format!("{create} LANGUAGE WASM PARALLEL SAFE AS 'plugins/test.wat'"),
            &["PARALLEL"],
        ),
        (
            format!("{create} LANGUAGE WASM AS 'plugins/test.wat', 'nothing'"),
            &["nothing", "answer("],
        ),
        (
            "DROP FUNCTION answer".to_owned(),
            &["no function of this name"],
        ),
        (
            "DROP FUNCTION abs".to_owned(),
            &["abs", "not a WebAssembly function"],
        ),
    ] {
        // Alone, among others, from a file.
        assert_has(&run(&place, &["-c", &sql]).failed(1), parts);
        assert_has(
            &run(&place, &["-c", &format!("SELECT 1; {sql}; SELECT 2")]).failed(1),
            parts,
        );
        place.file("script.sql", &sql);
        assert_has(&run(&place, &["-f", "script.sql"]).failed(1), parts);
    }
}

#[test]
fn functions_survive_from_statement_to_statement() {
    let place = Place::with_plugin();
    place.file("script.sql", "CREATE FUNCTION answer()\n  LANGUAGE WASM\n  AS 'plugins/test.wat';\nCREATE VIEW v AS SELECT answer('?') AS a;\n");
    let out = run(
        &place,
        &["-f", "script.sql", "-c", "SELECT a + 1 AS b FROM v"],
    )
    .succeeded();
    assert_eq!(out, "b\n43\n");
}

#[test]
fn limits_have_an_effect() {
    let place = Place::with_plugin();
    for interruption in ["watch-page", "epoch"] {
        let args = [
            "--plugins",
            "plugins",
            "--limit",
            "call_timeout_ms=50",
            "--interruption",
            interruption,
            "-c",
            "SELECT forever(1)",
        ];
        assert_has(
            &run(&place, &args).failed(1),
            &["Error: function forever (plugin test)", "call_timeout_ms"],
        );
    }
    let args = [
        "--plugins",
        "plugins",
        "--limit",
        "memory_bytes_max=64k",
        "-c",
        "SELECT 1 AS a",
    ];
    let outcome = run(&place, &args);
    assert_eq!(outcome.out, "a\n1\n");
    assert_has(&outcome.err, &["memory_bytes_max"]);
}

#[test]
fn the_module_root_holds() {
    let place = Place::with_plugin();
    place.file("outside.wat", GOOD);
    let create = |file: &str| {
        let sql = format!("CREATE FUNCTION answer() LANGUAGE WASM AS '{file}'");
        run(&place, &["--module-root", "plugins", "-c", &sql])
    };
    create("test.wat").succeeded();
    let absolute = place.path().join("outside.wat");
    for outside in ["../outside.wat", absolute.to_str().unwrap()] {
        assert_has(
            &create(outside).failed(1),
            &["below the directory of plugins"],
        );
    }
}

#[test]
fn plugins_are_operated_in_sql() {
    let place = Place::with_plugin();
    let statements = "SELECT wasmfusion_suspend('test', 'to see') AS now;
        SELECT answer('?') AS a;
        SELECT wasmfusion_resume('test') AS now;
        SELECT answer('?') AS a;
        SELECT wasmfusion_reload('test') AS now;
        SELECT event FROM wasmfusion.events WHERE plugin = 'test' ORDER BY time;";
    place.file("all.sql", statements);
    let outcome = run(&place, &["--plugins", "plugins", "-f", "all.sql"]);
    let out = &outcome.out;
    let version = out.lines().nth(1).and_then(|line| line.split(' ').nth(1));
    let version = version.expect("a version").to_owned();
    let expected = format!(
        "now\ntest {version} is suspended\nnow\ntest {version} is ready\na\n42\nnow\ntest {version} is ready\nevent\nloaded\nsuspended\nresumed\n"
    );
    assert_eq!(*out, expected, "{}", outcome.err);
    assert_has(&outcome.err, &["suspended by a SQL statement", "(to see)"]);
}
