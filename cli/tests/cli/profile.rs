//! `wasmfusion profile`: where functions spend their time, as a table, a flame graph and a profile for Firefox.

use std::fs;

use crate::common::{Place, assert_has};

/// Some hundred milliseconds of a function that counts.
const SPIN: &str = "SELECT spin(200000000) AS n";

fn place() -> Place {
    let place = Place::new();
    place.file("plugins/spin.wat", include_str!("../plugins/spin.wat"));
    place
}

#[test]
fn a_query_is_profiled() {
    let place = place();
    let script = place.file("query.sql", &format!("{SPIN};\n"));
    let out = place
        .run(&[
            "profile",
            "--plugins",
            "plugins",
            "--flame-graph",
            "out.svg",
            "--firefox",
            "out.json",
            "--interval-us",
            "500",
            script.to_str().unwrap(),
        ])
        .succeeded();
    assert_has(
        &out,
        &[
            "| 200000000 |",
            "wrote out.svg",
            "wrote out.json",
            "ms in WebAssembly functions",
            "| count ",
            "| spin::spin (entry) ",
        ],
    );
    let svg = fs::read_to_string(place.path().join("out.svg")).unwrap();
    assert_has(&svg, &["<svg", "<title>count (", "<title>spin::spin ("]);
    let json = fs::read(place.path().join("out.json")).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let text = json.to_string();
    assert_has(&text, &["\"count\"", "\"spin::spin\"", "\"SQL function\""]);
    let samples = json["threads"].as_array().unwrap().iter();
    let samples = samples.filter_map(|thread| thread["samples"]["length"].as_u64());
    assert!(samples.sum::<u64>() > 20, "{text}");
}

#[test]
fn quiet_is_the_table_alone() {
    let out = place()
        .run(&[
            "profile",
            "-q",
            "--plugins",
            "plugins",
            "--format",
            "csv",
            "--top",
            "1",
            "-c",
            SPIN,
        ])
        .succeeded();
    assert!(out.starts_with("n\n200000000\n"), "{out}");
    assert_has(&out, &["| count ", "more functions"]);
    assert!(!out.contains("spin::spin"), "{out}");
}

#[test]
fn failures() {
    let place = place();
    let err = place.run(&["profile", "--plugins", "plugins"]).failed(2);
    assert_has(&err, &["there is no SQL to run"]);
    let err = place
        .run(&["profile", "--interval-us", "1", "-c", "SELECT 1"])
        .failed(2);
    assert_has(&err, &["100..=1000000"]);
    // Nothing to draw, and nowhere to draw it.
    for file in ["out.svg", "nowhere/out.svg"] {
        let err = place
            .run(&["profile", "-c", "SELECT 1", "--flame-graph", file])
            .failed(1);
        assert_has(&err, &[file, "could not be written"]);
    }
    // A query that fails has a profile all the same.
    let outcome = place.run(&[
        "profile",
        "--plugins",
        "plugins",
        "-c",
        "SELECT spin(1) / 0",
    ]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert_has(&outcome.out, &["ms in WebAssembly functions"]);
}

/// The map is where perf looks for it, and names functions of plugins, also of those that were compiled before.
#[test]
#[cfg(target_os = "linux")]
fn perf_maps() {
    let place = place();
    let run = |args: &[&str]| {
        let plugins = ["-q", "--plugins", "plugins", "--artifacts", "kept"];
        let child = place
            .command(&[&plugins, args].concat())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let map = format!("/tmp/perf-{}.map", child.id());
        assert!(child.wait_with_output().unwrap().status.success());
        let text = fs::read_to_string(&map);
        // The process is over: nobody else writes there.
        let _ = fs::remove_file(&map);
        text
    };
    for _ in 0..2 {
        let text = run(&["--perf-map", "-c", "SELECT spin(1)"]).unwrap();
        let named = |name: &str| text.lines().any(|line| line.ends_with(&format!(" {name}")));
        assert!(named("count") && named("spin_rows"), "{text}");
    }
    assert!(run(&["-c", "SELECT spin(1)"]).is_err());
}
