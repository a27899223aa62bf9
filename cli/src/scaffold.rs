//! `wasmfusion new`: a crate for a new plugin, with the SDK in it, since that is on no registry.

mod name;

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::args::NewArgs;
use crate::report;
use name::PluginName;

/// Where in the new crate the SDK goes.
const SDK: &str = "wasmfusion-udf";

/// What is the author's own: place in the new crate, and text with `{{…}}` to fill in.
const TEMPLATE: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("../template/Cargo.toml.in")),
    (
        ".cargo/config.toml",
        include_str!("../template/cargo-config.toml"),
    ),
    (".gitignore", include_str!("../template/gitignore")),
    ("README.md", include_str!("../template/README.md")),
    ("src/lib.rs", include_str!("../template/lib.rs.in")),
];

/// The files of the SDK's crates: place below [`SDK`], and content. `build.rs` collects them.
const SDK_FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sdk_files.rs"));

/// Makes the crate and says what to do next.
pub fn run(args: &NewArgs) -> ExitCode {
    let name = match args.name.parse::<PluginName>() {
        Ok(name) => name,
        Err(problem) => {
            report::error(problem);
            return ExitCode::from(2);
        }
    };
    let path = match args.path.as_os_str() {
        here if here == "." => PathBuf::from(name.as_str()),
        _ => args.path.join(name.as_str()),
    };
    match make(&name, &path) {
        Ok(()) => {
            println!("{}", next_steps(&name, &path));
            ExitCode::SUCCESS
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            report::error(format!(
                "{} exists already; choose another name or another --path",
                path.display()
            ));
            ExitCode::FAILURE
        }
        Err(error) => {
            report::error(format!("{} could not be made: {error}", path.display()));
            ExitCode::FAILURE
        }
    }
}

fn make(name: &PluginName, path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    // Fails if there is anything of this name, a dangling link included.
    fs::create_dir(path)?;
    for (place, text) in TEMPLATE {
        write(&path.join(place), &fill_in(text, name))?;
    }
    for (place, content) in SDK_FILES {
        write(&path.join(SDK).join(place), content)?;
    }
    Ok(())
}

fn fill_in(text: &str, name: &PluginName) -> String {
    text.replace("{{name}}", name.as_str())
        .replace("{{ident}}", &name.ident())
        .replace("{{rust}}", env!("CARGO_PKG_RUST_VERSION"))
        .replace("{{version}}", env!("CARGO_PKG_VERSION"))
}

fn write(path: &Path, content: &str) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)?
        .write_all(content.as_bytes())
}

fn next_steps(name: &PluginName, path: &Path) -> String {
    let ident = name.ident();
    format!(
        "Made {path}. Next:\n\n  \
         cd {path}\n  \
         cargo test\n  \
         cargo build --release --target wasm32-unknown-unknown\n  \
         wasmfusion --plugins target/wasm32-unknown-unknown/release -c \"SELECT {ident}_greet('world')\"",
        path = path.display(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_to_fill_in() {
        let name = "my-plugin".parse().unwrap();
        for (place, text) in TEMPLATE {
            let text = fill_in(text, &name);
            assert!(
                !text.contains("{{") && !text.contains("}}"),
                "{place}: {text}"
            );
        }
    }

    #[test]
    fn the_sdk_stands_alone() {
        for manifest in ["Cargo.toml", "abi/Cargo.toml", "macros/Cargo.toml"] {
            let (_, text) = SDK_FILES
                .iter()
                .find(|(place, _)| *place == manifest)
                .expect(manifest);
            assert!(!text.contains("workspace"), "{text}");
        }
        for source in ["src/lib.rs", "abi/src/lib.rs", "macros/src/lib.rs"] {
            assert!(
                SDK_FILES.iter().any(|(place, _)| *place == source),
                "{source}"
            );
        }
    }
}
