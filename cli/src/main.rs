//! The program `wasmfusion`: DataFusion's SQL shell with WebAssembly functions, and the tool for plugins.
//!
//! ```text
//! args.rs ──▶ shell.rs      a session, its plugins, SQL from -c, -f, a pipe or a terminal
//!        ├──▶ inspect.rs    what is in a module
//!        ├──▶ scaffold.rs   a new plugin crate
//!        ├──▶ compile.rs    plugins compiled ahead
//!        └──▶ profile.rs    SQL, and where its functions spend their time
//! logs.rs                   what is logged, on stderr
//! ```
//!
//! Exit codes: 0 if all went well, 1 if a statement failed or a module is refused, 2 if the command line is wrong.

mod args;
mod compile;
mod inspect;
mod limits;
mod logs;
mod pool;
mod profile;
mod report;
mod sandbox;
mod scaffold;
mod shell;
mod size;

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;

use args::{Cli, Tool};

/// The allocator that DataFusion's own shell uses.
#[global_allocator]
static GLOBAL: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let Cli { tool, shell } = Cli::parse();
    let observers = logs::start(match &tool {
        Some(Tool::Profile(args)) => &args.shell.log,
        _ => &shell.log,
    });
    match tool {
        Some(Tool::Inspect(args)) => inspect::run(&args),
        Some(Tool::New(args)) => scaffold::run(&args),
        Some(Tool::Compile(args)) => compile::run(&args),
        Some(Tool::Profile(args)) => profile::run(*args, &observers),
        None => shell::run(shell, &observers),
    }
}
