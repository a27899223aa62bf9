//! SQL from lines: a file, or a pipe whose other end may be waiting for the answer to each statement.

use std::io::BufRead;

use datafusion_cli::print_options::PrintOptions;

use super::command::{self, Next};
use super::context::ShellContext;
use super::{Succeeded, statement};
use crate::report;

/// Executes statements as soon as they are complete, and goes on after those that fail. `name` is where the lines come from.
pub async fn run(
    context: &ShellContext,
    lines: impl BufRead,
    name: &str,
    options: &mut PrintOptions,
) -> Succeeded {
    let mut succeeded = true;
    let mut pending = String::new();
    for line in lines.lines() {
        let line = match line {
            Ok(line) => line,
            Err(error) => {
                report::error(format!("{name}: {error}"));
                return false;
            }
        };
        if pending.trim().is_empty() {
            if line.starts_with("#!") {
                continue;
            }
            if line.starts_with('\\') {
                match Box::pin(command::run(context, &line, options)).await {
                    Next::Quit => return succeeded,
                    Next::GoOn(done) => succeeded &= done,
                }
                continue;
            }
        }
        pending.push_str(&line);
        pending.push('\n');
        // Only a line with a semicolon can end a statement, also if a comment follows it.
        if line.contains(';') && statement::is_complete(&pending, context.dialect()) {
            succeeded &= run_all(context, &pending, options).await;
            pending.clear();
        }
    }
    succeeded & run_all(context, &pending, options).await
}

/// Executes all statements of a text, past those that fail.
pub async fn run_all(context: &ShellContext, sql: &str, options: &PrintOptions) -> Succeeded {
    let statements = match statement::split(sql, context.dialect()) {
        Ok(statements) => statements,
        // Not to be split, as when a quote is open at the end: the parser says it best.
        Err(_) => vec![sql],
    };
    let mut succeeded = true;
    for sql in statements {
        if let Err(error) = statement::run(context, sql, options).await {
            report::failed(&error);
            succeeded = false;
        }
    }
    succeeded
}
