//! `wasmfusion inspect`.

use serde_json::Value;

use crate::common::{Place, REFUSED, assert_has};

#[test]
fn a_plugin() {
    let place = Place::with_plugin();
    let out = place.run(&["inspect", "plugins/test.wat"]).succeeded();
    assert_has(
        &out,
        &[
            "plugin",
            "test 1.2.3",
            "For the tests of the shell.",
            "accepted",
            "digest",
            "answer(question Utf8) -> Int64",
            "also reply",
            "SELECT answer('?') → 42",
            "volatile",
            "wasmfusion_describe",
            "func (i32) -> i32",
            "128.0 KiB",
            "capabilities",
        ],
    );
}

#[test]
fn a_plugin_as_json() {
    let place = Place::with_plugin();
    let json: Value = serde_json::from_str(
        &place
            .run(&["inspect", "--json", "plugins/test.wat"])
            .succeeded(),
    )
    .unwrap();
    assert_eq!(json["file"], "plugins/test.wat");
    assert_eq!(
        (&json["accepted"], &json["refused"]),
        (&Value::Bool(true), &Value::Null)
    );
    assert_eq!(json["manifest"]["functions"][0]["name"], "answer");
    assert_eq!(json["memories"][0]["initial_bytes"], 131_072);
    assert_eq!(json["digest"].as_str().unwrap().len(), 64);
    assert!(
        json["exports"]
            .as_array()
            .unwrap()
            .iter()
            .any(|export| export["name"] == "forever")
    );
}

#[test]
fn a_module_that_is_refused() {
    let place = Place::new();
    place.file("refused.wat", REFUSED);
    let outcome = place.run(&["inspect", "refused.wat"]);
    assert_has(
        &outcome.out,
        &["REFUSED", "env", "system", "func (i32) -> i32", "Imports"],
    );
    assert_has(
        &outcome.failed(1),
        &["Error: refused.wat is refused", "system"],
    );

    let outcome = place.run(&["inspect", "refused.wat", "--json"]);
    let json: Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!(json["accepted"], false);
    assert_eq!(json["imports"][0]["name"], "system");
    assert_has(json["refused"].as_str().unwrap(), &["system"]);
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(1), ""));
}

#[test]
fn proposals_that_are_off() {
    let place = Place::new();
    place.file("tail.wat", "(module (func $f (return_call $f)))");
    let outcome = place.run(&["inspect", "tail.wat"]);
    assert_has(&outcome.out, &["tail-call (NOT ALLOWED)"]);
    outcome.failed(1);
}

#[test]
fn limits_count() {
    let place = Place::with_plugin();
    let outcome = place.run(&[
        "inspect",
        "plugins/test.wat",
        "--limit",
        "module_bytes_max=100",
    ]);
    assert_has(&outcome.out, &["REFUSED", "forever"]);
    assert_has(&outcome.failed(1), &["module_bytes_max"]);
}

#[test]
fn no_module_at_all() {
    let place = Place::new();
    place.file("notes.txt", "notes");
    for (file, part) in [
        ("notes.txt", "not a WebAssembly module"),
        ("missing.wasm", "does not exist"),
        (".", "directory"),
    ] {
        let outcome = place.run(&["inspect", file]);
        assert_eq!(outcome.out, "");
        assert_has(&outcome.failed(1), &[part]);
        let json: Value =
            serde_json::from_str(&place.run(&["inspect", "--json", file]).out).unwrap();
        assert_has(json["refused"].as_str().unwrap(), &[part]);
    }
}
