//! `wasmfusion compile`: what it makes is what the shell finds.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Stdio;

use crate::common::{GOOD, Outcome, Place, REFUSED, assert_has};

/// The files of a directory of artifacts, with what tells them from others that were put in their place.
fn artifacts(place: &Place) -> BTreeMap<String, u64> {
    let entries = fs::read_dir(place.path().join("kept")).unwrap();
    let files = entries.map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, entry.metadata().unwrap().ino())
    });
    files.filter(|(name, _)| name.ends_with(".cwasm")).collect()
}

fn compile(place: &Place, more: &[&str]) -> Outcome {
    place.run(&[&["compile", "plugins", "--artifacts", "kept"], more].concat())
}

/// Starts the shell with the artifacts, calls the plugin, and says what it logged of them.
fn shell(place: &Place, more: &[&str]) -> String {
    let args = [
        "-q",
        "--format",
        "csv",
        "--plugins",
        "plugins",
        "--artifacts",
        "kept",
        "--log",
        "wasmfusion::artifact=debug",
        "-c",
        "SELECT answer('?') AS a",
    ];
    let outcome = place.run(&[&args, more].concat());
    assert_eq!(
        (outcome.code, outcome.out.as_str()),
        (Some(0), "a\n42\n"),
        "{outcome:?}"
    );
    outcome.err
}

#[test]
fn the_shell_finds_what_was_compiled() {
    let place = Place::with_plugin();
    let out = compile(&place, &[]).succeeded();
    assert_has(
        &out,
        &["plugins/test.wat", "-native", "KiB", " s  compiled\n"],
    );
    let made = artifacts(&place);
    assert_eq!(made.len(), 1);
    let log = shell(&place, &[]);
    assert_has(&log, &["a compiled module is used"]);
    assert!(!log.contains("not used"), "{log}");
    assert_eq!(artifacts(&place), made);
    // A second time there is nothing to do.
    assert_has(&compile(&place, &[]).succeeded(), &[" s  cached\n"]);
    assert_eq!(artifacts(&place), made);
    let listed = place.run(&[
        "-q",
        "--format",
        "csv",
        "--artifacts",
        "kept",
        "--plugins",
        "plugins",
        "-c",
        "SELECT plugin, bytes > 1000 AS b, current, last_used > now() - INTERVAL '1 hour' AS used FROM wasmfusion.artifacts",
    ]);
    assert_eq!(
        listed.succeeded(),
        "plugin,b,current,used\ntest,true,true,true\n"
    );
}

#[test]
fn limits_and_interruption_are_part_of_it() {
    for setting in [
        ["--limit", "memory_bytes_max=32m"],
        ["--interruption", "epoch"],
        ["--limit", "call_fuel_max=1000000"],
    ] {
        let place = Place::with_plugin();
        compile(&place, &setting).succeeded();
        let made = artifacts(&place);
        shell(&place, &setting);
        assert_eq!(artifacts(&place), made, "{setting:?}");
        // Without it, the shell compiles.
        shell(&place, &[]);
        assert_eq!(artifacts(&place).len(), 2, "{setting:?}");
    }
    // And those of the file beside the plugin.
    let place = Place::with_plugin();
    place.file(
        "plugins/test.toml",
        "[limits]\nmemory_bytes_max = 33554432\n",
    );
    compile(&place, &[]).succeeded();
    let made = artifacts(&place);
    shell(&place, &[]);
    assert_eq!(artifacts(&place), made);
}

#[test]
fn a_bad_module_keeps_no_other_out() {
    let place = Place::with_plugin();
    place.file("plugins/a-refused.wat", REFUSED);
    place.file("plugins/z.wasm", "this is not a module");
    let outcome = compile(&place, &["missing.wasm"]);
    assert_eq!(outcome.code, Some(1));
    assert_has(&outcome.out, &["plugins/test.wat"]);
    assert_eq!(outcome.out.lines().count(), 1, "{}", outcome.out);
    assert_has(
        &outcome.err,
        &[
            "a-refused.wat",
            "not a WebAssembly module",
            "missing.wasm: the file does not exist",
        ],
    );
    assert_eq!(outcome.err.matches("Error: ").count(), 3, "{}", outcome.err);
    assert_eq!(artifacts(&place).len(), 1);
    // A plugin need not be granted what it asks for.
    let (module, _) = crate::common::CHATTY;
    place.file("chatty.wat", module);
    place
        .run(&["compile", "chatty.wat", "--artifacts", "kept"])
        .succeeded();
}

#[test]
fn for_other_machines() {
    let place = Place::with_plugin();
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let other = match std::env::consts::ARCH {
        "x86_64" => "aarch64-unknown-linux-gnu",
        _ => "x86_64-unknown-linux-gnu",
    };
    let targets = ["--target", other, "--target", "riscv64gc-unknown-linux-gnu"];
    let out = compile(&place, &targets).succeeded();
    assert_has(&out, &[other, "riscv64gc-unknown-linux-gnu"]);
    assert_eq!(out.matches("compiled\n").count(), 2, "{out}");
    let made = artifacts(&place);
    assert_eq!(made.len(), 2);
    assert_eq!(
        compile(&place, &targets)
            .succeeded()
            .matches("cached\n")
            .count(),
        2
    );
    // They are not for this host.
    shell(&place, &[]);
    assert_eq!(artifacts(&place).len(), 3);
    // For any processor like this one: another code than for this one, which this one takes.
    if cfg!(target_os = "linux") {
        let out = compile(&place, &["--target", &host]).succeeded();
        assert_has(&out, &[&host, "compiled\n"]);
        let with_baseline = artifacts(&place);
        let log = shell(&place, &[]);
        assert!(!log.contains("not used"), "{log}");
        assert_eq!(artifacts(&place), with_baseline);
        assert_has(
            &compile(&place, &["--target", &host]).succeeded(),
            &["cached\n"],
        );
        assert_has(&compile(&place, &[]).succeeded(), &["cached\n"]);
        assert_eq!(artifacts(&place), with_baseline);
    }
    let error = compile(&place, &["--target", "z80"]).failed(2);
    assert_has(&error, &["aarch64-unknown-linux-gnu", "host"]);
}

#[test]
fn a_key_that_is_carried_along() {
    let place = Place::with_plugin();
    let key = |name: &str, byte: u8| {
        let path = place.file(name, &char::from(byte).to_string().repeat(32));
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    };
    key("one.key", b'1');
    key("two.key", b'2');
    compile(&place, &["--key-file", "one.key"]).succeeded();
    assert!(!place.path().join("kept/key").exists());
    let made = artifacts(&place);
    shell(&place, &["--key-file", "one.key"]);
    assert_eq!(artifacts(&place), made);
    // What was sealed with another key is not run.
    let log = shell(&place, &["--key-file", "two.key"]);
    assert_has(&log, &["made with another key"]);
    assert_ne!(artifacts(&place), made);
    fs::set_permissions(
        place.path().join("two.key"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    let error = compile(&place, &["--key-file", "two.key"]).failed(2);
    assert_has(&error, &["two.key", "chmod"]);
}

#[test]
fn what_was_damaged_is_made_anew() {
    let place = Place::with_plugin();
    compile(&place, &[]).succeeded();
    let (name, _) = artifacts(&place).into_iter().next().unwrap();
    let path = place.path().join("kept").join(name);
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, &bytes).unwrap();
    let outcome = compile(&place, &[]);
    assert_has(&outcome.out, &["compiled\n"]);
    assert_has(&outcome.err, &["its code was damaged"]);
    // The shell finds damage when the function is called, and the query does not.
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert_has(&shell(&place, &[]), &["not what it says", "compiled anew"]);
}

#[test]
fn several_at_once() {
    let place = Place::with_plugin();
    let built = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/plugins/built");
    for model in ["geo", "hello", "money"] {
        let file = format!("{model}.wasm");
        fs::copy(
            format!("{built}/{file}"),
            place.path().join("plugins").join(&file),
        )
        .unwrap();
    }
    let args = ["compile", "plugins", "--artifacts", "kept"];
    let start = || {
        place
            .command(&args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let running: Vec<_> = (0..3).map(|_| start()).collect();
    for process in running {
        let outcome: Outcome = process.wait_with_output().unwrap().into();
        assert_eq!(outcome.succeeded().lines().count(), 4);
    }
    let made = artifacts(&place);
    assert_eq!(made.len(), 4);
    let log = shell(&place, &[]);
    assert_eq!(log.matches("a compiled module is used").count(), 4, "{log}");
    assert_eq!(artifacts(&place), made);
}

#[test]
fn command_lines_that_are_wrong() {
    let place = Place::with_plugin();
    let error = place.run(&["compile", "plugins"]).failed(2);
    assert_has(&error, &["--artifacts"]);
    let error = place.run(&["compile", "--artifacts", "kept"]).failed(2);
    assert_has(&error, &["FILE|DIR"]);
    let error = place
        .run(&["--key-file", "key", "-c", "SELECT 1"])
        .failed(2);
    assert_has(&error, &["--artifacts"]);
    place.file("file", GOOD);
    let error = place
        .run(&["compile", "plugins", "--artifacts", "file"])
        .failed(2);
    assert_has(&error, &["the directory of compiled modules file"]);
}
