//! The program under test, and files for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A plugin with the functions `answer` (alias `reply`), `forever` and `forever_in_planner`.
pub const GOOD: &str = include_str!("../plugins/test.wat");
/// A plugin with the function `chat`, which logs; and what it must be granted.
pub const CHATTY: (&str, &str) = (
    include_str!("../plugins/chatty.wat"),
    "grants = [\"log\"]\n",
);
/// A module with an import that is not granted.
pub const REFUSED: &str = include_str!("../plugins/refused.wat");

/// A folder of its own to run the program in.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder with the subfolder `plugins` and a good plugin in it.
    pub fn with_plugin() -> Self {
        let place = Self::new();
        place.file("plugins/test.wat", GOOD);
        place
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Puts a file into the folder.
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// The program, to be run in the folder.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wasmfusion"));
        command
            .args(args)
            .current_dir(self.path())
            .env("HOME", self.path())
            .env_remove("RUST_LOG")
            .env_remove("WASMFUSION_LOG")
            .env_remove("WASMFUSION_ARTIFACTS")
            .stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, args: &[&str]) -> Outcome {
        self.command(args).output().unwrap().into()
    }
}

/// How the program ended.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Outcome {
    /// That it ended well, and what it printed.
    #[track_caller]
    pub fn succeeded(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{self:?}");
        self.out
    }

    /// That it ended with this code, and its errors.
    #[track_caller]
    pub fn failed(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        self.err
    }
}

/// That a text has all of these parts.
#[track_caller]
pub fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}
