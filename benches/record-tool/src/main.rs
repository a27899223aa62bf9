//! The program `record`: the project's performance record, what is shown of it, and the guard of hot paths.
//!
//! ```text
//! run.rs ──▶ record.rs      benches run, their lines collected: benches/record/record.json
//! render ──▶ record.rs      tables and pictures: README.md, docs/performance.md, docs/performance/
//!        └─▶ figures.rs     what figures mean, and their targets: benches/record/figures.toml
//! guard.rs                  instructions of hot paths against their bounds: benches/record/guard.toml
//! ```

mod figures;
mod guard;
mod record;
mod render;
mod run;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use figures::Figures;

/// What an operation gives, or a sentence that says what went wrong and what to do.
type Result<T> = std::result::Result<T, String>;

/// Makes the performance record of Wasmfusion.
#[derive(Parser)]
#[command(name = "record", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    tool: Tool,
}

/// What is to be done.
#[derive(Subcommand)]
enum Tool {
    /// Runs benches, and writes what they print into the record
    Run {
        /// Only this bench; may be given several times
        #[arg(long = "bench", value_name = "NAME")]
        benches: Vec<String>,
        /// Arguments of the benches, in place of those on record
        #[arg(last = true, value_name = "ARGS")]
        args: Vec<String>,
    },
    /// Writes the saved output of a bench into the record, as of now, this machine and this commit
    Add {
        /// The output
        file: PathBuf,
        /// The bench that printed it
        #[arg(long, value_name = "NAME")]
        bench: String,
        /// The command that ran it
        #[arg(long)]
        command: String,
    },
    /// Writes the tables and pictures
    Render {
        /// Changes nothing, and fails if a file is not what it would be
        #[arg(long)]
        check: bool,
    },
    /// Counts the instructions of hot paths, and fails if there are more than their bounds allow
    Guard {
        /// Writes what is counted as the new bounds
        #[arg(long)]
        update: bool,
        /// Runs this program, in place of building `hot_paths`
        #[arg(long, value_name = "FILE")]
        program: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().tool) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("record: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(tool: Tool) -> Result<()> {
    let root = root()?;
    match tool {
        Tool::Run { benches, args } => run::run(&root, &Figures::load(&root)?, &benches, &args),
        Tool::Add {
            file,
            bench,
            command,
        } => run::add(&root, &Figures::load(&root)?, &file, &bench, command),
        Tool::Render { check } => render::run(&root, check),
        Tool::Guard { update, program } => guard::run(&root, program, update),
    }
}

/// The checkout that the program is called in.
fn root() -> Result<PathBuf> {
    let here = std::env::current_dir().map_err(|error| format!("no current directory: {error}"))?;
    here.ancestors()
        .find(|folder| folder.join(figures::FILE).is_file())
        .map(Path::to_path_buf)
        .ok_or_else(|| format!("neither this directory nor one above it has {}: call it in a checkout of Wasmfusion", figures::FILE))
}

/// The text of a file.
fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path)
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

/// Writes a file, and the folders that it lies in.
fn write(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(path, text))
        .map_err(|error| format!("{} cannot be written: {error}", path.display()))
}
