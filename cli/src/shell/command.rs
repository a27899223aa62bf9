//! The commands that start with a backslash. They are datafusion-cli's; only `\i` is our own, because its file may create functions.

use std::path::Path;

use datafusion_cli::command::{Command, OutputFormat};
use datafusion_cli::print_options::PrintOptions;

use super::context::ShellContext;
use super::{Succeeded, run_file};
use crate::report;

/// What comes after a command.
pub enum Next {
    /// The next line.
    GoOn(Succeeded),
    /// The end.
    Quit,
}

/// Runs a command, given with its backslash.
pub async fn run(context: &ShellContext, line: &str, options: &mut PrintOptions) -> Next {
    let words: Vec<&str> = line.trim_start_matches('\\').split_whitespace().collect();
    let words = words.join(" ");
    let done = match words.parse::<Command>() {
        Ok(Command::Quit) => return Next::Quit,
        Ok(Command::Include(Some(file))) => run_file(context, Path::new(&file), options).await,
        Ok(Command::OutputFormat(None)) => {
            println!("Output format is {:?}.", options.format);
            true
        }
        Ok(Command::OutputFormat(Some(setting))) => match setting.parse::<OutputFormat>() {
            Ok(setting) => told(setting.execute(options)),
            Err(()) => unknown(&words),
        },
        Ok(command) => told(command.execute(context, options).await),
        Err(()) => unknown(&words),
    };
    Next::GoOn(done)
}

fn told(result: datafusion::error::Result<()>) -> Succeeded {
    result.inspect_err(report::failed).is_ok()
}

fn unknown(words: &str) -> Succeeded {
    report::error(format!("there is no command \\{words}; \\? shows all"));
    false
}
