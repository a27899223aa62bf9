//! `wasmfusion new`: the crate is whole, builds and tests, and the plugin that comes out of it can be called.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::{Place, assert_has};

#[test]
fn what_is_in_the_crate() {
    let place = Place::new();
    let out = place.run(&["new", "my-plugin"]).succeeded();
    assert_has(
        &out,
        &[
            "Made my-plugin",
            "cargo test",
            "cargo build --release --target wasm32-unknown-unknown",
            "my_plugin_greet",
        ],
    );
    let read =
        |file: &str| fs::read_to_string(place.path().join("my-plugin").join(file)).expect(file);
    assert_has(
        &read("Cargo.toml"),
        &[
            "name = \"my-plugin\"",
            "cdylib",
            "path = \"wasmfusion-udf\"",
            "lto",
            "panic = \"abort\"",
        ],
    );
    assert_has(
        &read("src/lib.rs"),
        &["#[udf", "pub fn my_plugin_greet", "#[test]", "/// Greets"],
    );
    assert_has(
        &read("README.md"),
        &[
            "# my-plugin",
            "cargo test",
            "CREATE FUNCTION my_plugin_greet",
        ],
    );
    assert_has(&read(".cargo/config.toml"), &["+simd128"]);
    assert_has(&read(".gitignore"), &["/target"]);
    for file in [
        "LICENSE",
        "src/lib.rs",
        "abi/src/lib.rs",
        "macros/src/lib.rs",
    ] {
        assert!(
            !read(&format!("wasmfusion-udf/{file}")).is_empty(),
            "{file}"
        );
    }
    for manifest in ["Cargo.toml", "abi/Cargo.toml", "macros/Cargo.toml"] {
        assert!(
            !read(&format!("wasmfusion-udf/{manifest}")).contains("workspace"),
            "{manifest}"
        );
    }
}

#[test]
fn what_is_there_stays() {
    let place = Place::new();
    place.file("here/mine.txt", "mine");
    assert_has(
        &place.run(&["new", "here"]).failed(1),
        &["here exists already"],
    );
    place.file("there", "a file");
    place.run(&["new", "there"]).failed(1);
    assert_eq!(fs::read_dir(place.path().join("here")).unwrap().count(), 1);
}

#[test]
fn elsewhere() {
    let place = Place::new();
    place.run(&["new", "geo", "--path", "a/b"]).succeeded();
    assert!(place.path().join("a/b/geo/src/lib.rs").is_file());
}

#[test]
fn bad_names() {
    let place = Place::new();
    for name in ["", "Geo", "1st", "a b", "../up", "match", "std", "geo.wasm"] {
        assert_has(&place.run(&["new", name]).failed(2), &["cannot be named"]);
    }
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}

fn cargo(folder: &Path, args: &[&str]) -> bool {
    // Without what the cargo that runs this test has set for itself: the new crate is on its own.
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG")
            || name.starts_with("CARGO_BIN")
            || ["CARGO_MANIFEST_DIR", "CARGO_TARGET_DIR", "RUSTFLAGS"].contains(&&*name)
        {
            command.env_remove(&*name);
        }
    }
    command
        .args(args)
        .current_dir(folder)
        .status()
        .unwrap()
        .success()
}

/// Whether this toolchain can compile for WebAssembly.
fn has_target() -> bool {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args([
            "--print",
            "target-libdir",
            "--target",
            "wasm32-unknown-unknown",
        ])
        .output()
        .unwrap();
    Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir()
}

/// Slow: compiles `syn` and friends. Needs crates.io, or an index in Cargo's cache.
#[test]
fn the_crate_builds_tests_and_answers() {
    let place = Place::new();
    place.run(&["new", "my-plugin"]).succeeded();
    let folder = place.path().join("my-plugin");
    assert!(cargo(&folder, &["test", "--quiet"]));
    if !has_target() {
        eprintln!("this toolchain has no target wasm32-unknown-unknown: the plugin is not built");
        return;
    }
    assert!(cargo(
        &folder,
        &[
            "build",
            "--quiet",
            "--release",
            "--target",
            "wasm32-unknown-unknown"
        ]
    ));
    let sql = "CREATE FUNCTION my_plugin_greet(name VARCHAR) RETURNS VARCHAR LANGUAGE WASM \
               AS 'my-plugin/target/wasm32-unknown-unknown/release/my_plugin.wasm'; SELECT my_plugin_greet('you') AS g";
    let out = place.run(&["-q", "--format", "csv", "-c", sql]).succeeded();
    assert_eq!(out, "g\n\"Hello, you!\"\n");
}
