//! The SQL shell: DataFusion's own, taken apart and put together again around statements about functions.
//!
//! ```text
//! repl.rs      a terminal: editing, history, \-commands, Ctrl-C
//! script.rs    -f, a pipe, \i: lines
//!   └─▶ statement.rs   text ─▶ statements: those about functions to wasmfusion, all others to datafusion-cli
//!          └─▶ context.rs   the session as datafusion-cli sees it
//! session.rs   the session and its options        plugins.rs   --plugins        metrics.rs   --metrics-addr
//! ```

mod command;
mod context;
mod metrics;
mod plugins;
mod repl;
mod script;
mod session;
mod statement;

use std::fs::File;
use std::io::{BufReader, IsTerminal};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use datafusion::error::{DataFusionError, Result};
use datafusion_cli::print_options::PrintOptions;
use tokio::runtime::Builder;
use wasmfusion::{ObserverLayer, Profiler};

use crate::args::ShellArgs;
use crate::report;
use context::ShellContext;

/// Exit code for a command line that asks for what cannot be.
pub const USAGE: u8 = 2;
/// How long the end waits for observers at most.
const FLUSH_AT_MOST: Duration = Duration::from_secs(2);

/// What a piece of work came to: whether all statements succeeded. Failures were reported already.
type Succeeded = bool;

/// Runs the shell.
pub fn run(args: ShellArgs, observers: &ObserverLayer) -> ExitCode {
    run_with(args, observers, None)
}

/// Runs the shell with a profiler at work.
pub fn run_profiled(args: ShellArgs, observers: &ObserverLayer, profiler: Profiler) -> ExitCode {
    run_with(args, observers, Some(profiler))
}

fn run_with(args: ShellArgs, observers: &ObserverLayer, profiler: Option<Profiler>) -> ExitCode {
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            report::error(format!(
                "the threads for queries could not be started: {error}"
            ));
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(run_in(args, observers, profiler));
    // Does not wait for a statement that was given up at the prompt.
    runtime.shutdown_background();
    code
}

async fn run_in(
    args: ShellArgs,
    observers: &ObserverLayer,
    profiler: Option<Profiler>,
) -> ExitCode {
    if let Some(path) = &args.data_path
        && let Err(error) = std::env::set_current_dir(path)
    {
        report::error(format!("--data-path {}: {error}", path.display()));
        return USAGE.into();
    }
    let (context, options) = match start(&args, observers, profiler).await {
        Ok(started) => started,
        Err(error) => {
            report::failed(&error);
            return USAGE.into();
        }
    };
    let registry = context.registry().clone();
    let succeeded = execute(args, Arc::new(context), options).await;
    // Observers hear of the last statements, too. Nothing else has to be done in the meantime.
    registry.flush_observers(FLUSH_AT_MOST);
    if succeeded {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The session, with the plugins of the command line.
async fn start(
    args: &ShellArgs,
    observers: &ObserverLayer,
    profiler: Option<Profiler>,
) -> Result<(ShellContext, PrintOptions)> {
    let registry = plugins::registry(args, profiler).map_err(DataFusionError::Configuration)?;
    observers.observe(&registry);
    let metrics = metrics::serve(args, &registry).map_err(DataFusionError::Configuration)?;
    let (session, options) = session::new(args).await?;
    let mut context = ShellContext::new(session, &registry, metrics)?;
    for directory in &args.plugins {
        let directory = plugins::open(context.session(), &registry, directory)?;
        context.watch(directory);
    }
    Ok((context, options))
}

async fn execute(
    args: ShellArgs,
    context: Arc<ShellContext>,
    mut options: PrintOptions,
) -> Succeeded {
    if !args.is_interactive() {
        let files = run_files(&context, &args.file, &mut options).await;
        let commands = run_commands(&context, &args.command, &options).await;
        return files && commands;
    }
    run_files(&context, &rc_files(args.rc), &mut options).await;
    if !std::io::stdin().is_terminal() {
        let stdin = BufReader::new(std::io::stdin());
        return script::run(&context, stdin, "stdin", &mut options).await;
    }
    if !options.quiet {
        println!(
            "Wasmfusion {} (DataFusion {})",
            env!("CARGO_PKG_VERSION"),
            datafusion::DATAFUSION_VERSION
        );
    }
    match repl::run(&context, &mut options).await {
        Ok(()) => true,
        Err(error) => {
            report::error(format!("the prompt failed: {error}"));
            false
        }
    }
}

/// Executes the text of each `-c`, up to the first failure.
async fn run_commands(
    context: &ShellContext,
    commands: &[String],
    options: &PrintOptions,
) -> Succeeded {
    for sql in commands {
        if let Err(error) = statement::run(context, sql, options).await {
            report::failed(&error);
            return false;
        }
    }
    true
}

async fn run_files(
    context: &ShellContext,
    files: &[impl AsRef<Path>],
    options: &mut PrintOptions,
) -> Succeeded {
    let mut succeeded = true;
    for file in files {
        succeeded &= run_file(context, file.as_ref(), options).await;
    }
    succeeded
}

/// Executes the statements of a file, past those that fail.
async fn run_file(context: &ShellContext, path: &Path, options: &mut PrintOptions) -> Succeeded {
    let name = path.display().to_string();
    match File::open(path) {
        Ok(file) => script::run(context, BufReader::new(file), &name, options).await,
        Err(error) => {
            report::error(format!("{name}: {error}"));
            false
        }
    }
}

/// The files of `--rc`, else the one of datafusion-cli if it is there.
fn rc_files(given: Option<Vec<std::path::PathBuf>>) -> Vec<std::path::PathBuf> {
    given.unwrap_or_else(|| {
        let usual = std::env::home_dir().map(|home| home.join(".datafusionrc"));
        usual.into_iter().filter(|file| file.is_file()).collect()
    })
}
