//! `-c`, `-f`, pipes, exit codes, options.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::common::{GOOD, Outcome, Place, assert_has};

/// Runs the program with SQL on its stdin.
fn piped(place: &Place, args: &[&str], sql: &str) -> Outcome {
    let mut command = place.command(args);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(sql.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap().into()
}

#[test]
fn a_command() {
    let out = Place::new()
        .run(&[
            "-q",
            "--format",
            "csv",
            "-c",
            "SELECT 1 AS a, NULL AS b; SELECT 2 AS c",
        ])
        .succeeded();
    assert_eq!(out, "a,b\n1,\nc\n2\n");
}

#[test]
fn the_first_failure_ends_commands() {
    let outcome = Place::new().run(&[
        "-q",
        "--format",
        "csv",
        "-c",
        "SELECT 1 AS a",
        "-c",
        "SELECT nope",
        "-c",
        "SELECT 3 AS c",
    ]);
    assert_eq!(outcome.out, "a\n1\n");
    assert_has(&outcome.failed(1), &["Error: ", "nope"]);
}

#[test]
fn a_command_is_parsed_before_it_runs() {
    let outcome = Place::new().run(&["-q", "--format", "csv", "-c", "SELECT 1 AS a; SELEKT 2"]);
    assert_eq!(outcome.out, "");
    outcome.failed(1);
}

#[test]
fn a_file() {
    let place = Place::new();
    place.file("script.sql", "#!/usr/bin/env wasmfusion\n-- it's a comment;\nSELECT 'a;\nb' AS a; -- the first\n\nSELECT\n 2 AS b;SELECT 3 AS c");
    let out = place
        .run(&["-q", "--format", "csv", "-f", "script.sql"])
        .succeeded();
    assert_eq!(out, "a\n\"a;\nb\"\nb\n2\nc\n3\n");
}

#[test]
fn a_file_goes_on_after_failures() {
    let place = Place::new();
    place.file("script.sql", "SELECT nope; SELEKT 1;\nSELECT 2 AS b;\n");
    let outcome = place.run(&["-q", "--format", "csv", "-f", "script.sql"]);
    assert_eq!(outcome.out, "b\n2\n");
    assert_eq!(outcome.failed(1).matches("Error: ").count(), 2);
}

#[test]
fn a_file_with_an_open_quote() {
    let place = Place::new();
    place.file("script.sql", "SELECT 1 AS a;\nSELECT 'open;\n");
    let outcome = place.run(&["-q", "--format", "csv", "-f", "script.sql"]);
    assert_eq!(outcome.out, "a\n1\n");
    assert_has(&outcome.failed(1), &["Unterminated string literal"]);
}

#[test]
fn files_come_before_commands() {
    let place = Place::new();
    place.file("script.sql", "CREATE TABLE t AS SELECT 7 AS seven;");
    let out = place
        .run(&[
            "-q",
            "--format",
            "csv",
            "-f",
            "script.sql",
            "-c",
            "SELECT * FROM t",
        ])
        .succeeded();
    assert_eq!(out, "seven\n7\n");
}

#[test]
fn a_pipe() {
    let place = Place::new();
    let outcome = piped(
        &place,
        &["-q", "--format", "csv"],
        "SELECT 1 AS a;\nSELECT nope;\nSELECT 2 AS b",
    );
    assert_eq!(outcome.out, "a\n1\nb\n2\n");
    assert_has(&outcome.failed(1), &["nope"]);
    assert_eq!(piped(&place, &["-q"], "").succeeded(), "");
}

#[test]
fn backslash_commands_in_a_pipe() {
    let place = Place::new();
    place.file("more.sql", "SELECT 5 AS five;\n");
    let sql = "\\pset format csv\n\\i more.sql\n\\d\n\\?\n\\q\nSELECT nope;\n";
    let out = piped(&place, &["-q"], sql).succeeded();
    assert_has(
        &out,
        &[
            "Output format is Csv.",
            "five\n5\n",
            "information_schema",
            "list tables",
        ],
    );
    assert_has(
        &piped(&place, &["-q"], "\\nothing\n\\i missing.sql\n").failed(1),
        &["\\nothing", "missing.sql"],
    );
}

#[test]
fn a_pipe_answers_at_once() {
    let place = Place::new();
    let mut command = place.command(&["-q", "--format", "csv"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for n in 1..=3 {
        writeln!(stdin, "SELECT {n}\n AS a;").unwrap();
        stdin.flush().unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), "a");
        assert_eq!(lines.next().unwrap().unwrap(), n.to_string());
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn files_are_tables() {
    let place = Place::new();
    place.file("data/people.csv", "name,age\nAda,36\nAlan,41\n");
    place.file("data/people.json", "{\"name\":\"Kurt\"}\n");
    let sql = "SELECT sum(age) AS s FROM 'people.csv'; SELECT name FROM 'people.json'; \
               COPY (SELECT 9 AS n) TO 'n.parquet'; SELECT n FROM 'n.parquet'; SELECT count(*) > 0 AS c FROM parquet_metadata('n.parquet')";
    let out = place
        .run(&["-q", "--format", "csv", "-p", "data", "-c", sql])
        .succeeded();
    assert_eq!(out, "s\n77\nname\nKurt\ncount\n1\nn\n9\nc\ntrue\n");
}

#[test]
fn options_have_an_effect() {
    let place = Place::new();
    let sql = "SHOW datafusion.execution.batch_size";
    assert_has(
        &place.run(&["-q", "-b", "123", "-c", sql]).succeeded(),
        &["123"],
    );

    let rows = "SELECT * FROM generate_series(1, 100) t(x) ORDER BY x DESC";
    assert_has(
        &place.run(&["--maxrows", "3", "-c", rows]).succeeded(),
        &["100 row(s) fetched.", "First 3 displayed"],
    );
    assert_has(
        &place
            .run(&["-q", "--maxrows", "inf", "-c", rows])
            .succeeded(),
        &["| 1 "],
    );

    let big = "SELECT x, count(*) FROM generate_series(1, 2000000) t(x) GROUP BY x ORDER BY x";
    for pool in ["greedy", "fair"] {
        let error = place
            .run(&["-q", "-m", "1k", "--mem-pool-type", pool, "-c", big])
            .failed(1);
        assert_has(&error, &["Resources exhausted"]);
    }
}

#[test]
fn the_rc_file_of_datafusion_cli() {
    let place = Place::new();
    place.file(
        ".datafusionrc",
        "CREATE TABLE rc AS SELECT 'usual' AS which;",
    );
    place.file("other.sql", "CREATE TABLE rc AS SELECT 'other' AS which;");
    assert_has(
        &piped(&place, &["--format", "csv"], "SELECT * FROM rc;").succeeded(),
        &["usual"],
    );
    assert_has(
        &piped(
            &place,
            &["--format", "csv", "-r", "other.sql"],
            "SELECT * FROM rc;",
        )
        .succeeded(),
        &["other"],
    );
    assert_has(&place.run(&["-c", "SELECT * FROM rc"]).failed(1), &["rc"]);
}

#[test]
fn wrong_command_lines() {
    let place = Place::new();
    for args in [
        &["--nothing"][..],
        &["-f", "missing.sql"],
        &["-c", ""],
        &["-p", "missing"],
        &["--plugins", "missing"],
        &["-b", "0"],
        &["-m", "lots"],
        &["--limit", "nothing=1"],
        &["--limit", "call_timeout_ms"],
        &["--format", "nothing"],
        &["inspect"],
        &["new"],
    ] {
        let error = place.run(args).failed(2);
        assert_has(&error, &["error: "]);
    }
}

#[test]
fn help_and_version() {
    let place = Place::new();
    assert_has(
        &place.run(&["--help"]).succeeded(),
        &[
            "--plugins",
            "memory_bytes_max=256m",
            "CREATE FUNCTION",
            "Exit codes",
            "WASMFUSION_LOG",
        ],
    );
    assert_has(
        &place.run(&["--version"]).succeeded(),
        &[env!("CARGO_PKG_VERSION")],
    );
    assert_has(&place.run(&["inspect", "--help"]).succeeded(), &["--json"]);
}

#[test]
fn colour_is_for_terminals() {
    let place = Place::new();
    assert!(
        !place
            .run(&["-c", "SELECT nope"])
            .failed(1)
            .contains('\u{1b}')
    );
    let forced: Outcome = place
        .command(&["-c", "SELECT nope"])
        .env("CLICOLOR_FORCE", "1")
        .output()
        .unwrap()
        .into();
    assert!(forced.failed(1).contains("\u{1b}["));
}

#[test]
fn compiled_plugins_are_kept() {
    let place = Place::with_plugin();
    let kept = || {
        let files = fs::read_dir(place.path().join("kept")).expect("it was made");
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.retain(|file| file.extension().is_some_and(|e| e == "cwasm"));
        files
    };
    let args = [
        "-q",
        "--plugins",
        "plugins",
        "--artifacts",
        "kept",
        "--format",
        "csv",
        "-c",
        "SELECT answer('?')",
    ];
    assert_has(&place.run(&args).succeeded(), &["42"]);
    let [file] = kept().try_into().expect("one plugin");
    let code = fs::read(&file).unwrap();
    // What is kept is used, and stays as it is.
    assert_has(&place.run(&args).succeeded(), &["42"]);
    assert_eq!(fs::read(&file).unwrap(), code);
    // What was changed is not used, and made anew.
    let mut changed = code.clone();
    changed[code.len() / 2] ^= 1;
    fs::write(&file, changed).unwrap();
    let outcome = place.run(&args);
    assert_has(&outcome.err, &["WARN", "its code was damaged"]);
    assert_has(&outcome.out, &["42"]);
    assert_eq!(kept(), std::slice::from_ref(&file));
    assert_has(&place.run(&args).succeeded(), &["42"]);

    let error = place
        .run(&["--artifacts", "plugins/test.wat", "-c", "SELECT 1"])
        .failed(2);
    assert_has(
        &error,
        &["the directory of compiled modules", "it is not a directory"],
    );
}

#[test]
fn plugins_are_reloaded_while_the_shell_runs() {
    let place = Place::with_plugin();
    let mut command = place.command(&["-q", "--plugins", "plugins", "--format", "csv"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut answer = || {
        writeln!(stdin, "SELECT answer('?') AS a;").unwrap();
        stdin.flush().unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), "a");
        lines.next().unwrap().unwrap()
    };
    assert_eq!(answer(), "42");
    place.file(
        "plugins/test.wat",
        &GOOD.replace("(i64.const 42)", "(i64.const 43)"),
    );
    let began = Instant::now();
    while answer() != "43" {
        assert!(began.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}
