//! The program that runs the rivals of the other workspace.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// The program, which is built when it is first asked for, in the profile that this one has, and in a folder of its own in the same target folder:
/// the one of the profile may be locked by the cargo that has started this program.
///
/// # Panics
///
/// If it cannot be built.
pub fn program() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(build);
    &PROGRAM
}

fn build() -> PathBuf {
    let (profile, name) = if cfg!(debug_assertions) {
        ("dev", "debug")
    } else {
        ("release", "release")
    };
    // A benchmark is in `TARGET/PROFILE/deps`.
    let own = env::current_exe().expect("this program has a place");
    let folder = own.ancestors().nth(2).expect("it is in the target folder");
    let target = folder.with_file_name("rivals-peers");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        // Extism's wasmtime asks for Rust 1.96, a version more than this project does.
        .args(["build", "--locked", "--ignore-rust-version"])
        .args(["--profile", profile, "--target-dir"])
        .arg(&target)
        .arg("--manifest-path")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/peers/Cargo.toml"))
        .status()
        .expect("cargo starts");
    assert!(
        status.success(),
        "the rivals of the other workspace cannot be built"
    );
    target
        .join(name)
        .join(format!("rivals-peers{}", env::consts::EXE_SUFFIX))
}
