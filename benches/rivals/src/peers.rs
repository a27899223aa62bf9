//! The program that runs the rivals of the other workspace.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// The program, which is built when it is first asked for, in the profile and the target folder that this one is in.
///
/// # Panics
///
/// If it cannot be built.
pub fn program() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(build);
    &PROGRAM
}

fn build() -> PathBuf {
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    // A benchmark is in `TARGET/PROFILE/deps`.
    let own = env::current_exe().expect("this program has a place");
    let folder = own.ancestors().nth(2).expect("it is in the target folder");
    let target = folder.parent().expect("it is in the target folder");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--locked", "--profile", profile, "--target-dir"])
        .arg(target)
        .arg("--manifest-path")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/peers/Cargo.toml"))
        .status()
        .expect("cargo starts");
    assert!(status.success(), "the rivals of the other workspace cannot be built");
    folder.join(format!("rivals-peers{}", env::consts::EXE_SUFFIX))
}
