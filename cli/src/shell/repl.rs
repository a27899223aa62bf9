//! The prompt: datafusion-cli's editing, completion, highlighting and history, and Ctrl-C that stops what is running.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use datafusion_cli::helper::CliHelper;
use datafusion_cli::print_options::PrintOptions;
use rustyline::Editor;
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use tokio::runtime::Handle;
use tokio::signal::ctrl_c;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use wasmfusion::{Cancellation, StreamScope};

use super::command::{self, Next};
use super::context::ShellContext;
use super::{Succeeded, script};
use crate::report;

/// Where datafusion-cli keeps it, too.
const HISTORY: &str = ".history";
/// How long the prompt waits for a statement to end that was told to.
const PATIENCE: Duration = Duration::from_secs(1);

/// Reads and executes statements and commands until the user leaves.
pub async fn run(context: &Arc<ShellContext>, options: &mut PrintOptions) -> rustyline::Result<()> {
    let mut editor = Editor::<CliHelper, DefaultHistory>::new()?;
    editor.set_helper(Some(CliHelper::new(&context.dialect(), options.color)));
    // There is none at the first start.
    let _ = editor.load_history(HISTORY);
    loop {
        match editor.readline("> ") {
            Ok(line) => {
                editor.add_history_entry(line.trim_end())?;
                if line.starts_with('\\') {
                    if let Next::Quit = command::run(context, &line, options).await {
                        break;
                    }
                } else {
                    run_interruptible(context, line, options).await;
                }
                // A statement may have set another dialect.
                if let Some(helper) = editor.helper_mut() {
                    helper.set_dialect(&context.dialect());
                }
            }
            Err(ReadlineError::Interrupted) => {
                println!("^C");
                if let Some(helper) = editor.helper() {
                    helper.reset_hint();
                }
            }
            Err(ReadlineError::Eof) => {
                println!("\\q");
                break;
            }
            Err(error) => return Err(error),
        }
    }
    if let Err(error) = editor.save_history(HISTORY) {
        report::warning(format!(
            "the history could not be kept in {HISTORY}: {error}"
        ));
    }
    Ok(())
}

/// Executes statements until they are done or the user presses Ctrl-C.
///
/// They run on a thread of their own, because a guest that the planner calls holds the thread that it is on.
async fn run_interruptible(
    context: &Arc<ShellContext>,
    sql: String,
    options: &PrintOptions,
) -> Succeeded {
    let (stop, stopped) = oneshot::channel::<()>();
    let cancellation = Cancellation::default();
    let scope = StreamScope::with_cancellation(cancellation.clone());
    let (runtime, context, options) = (Handle::current(), Arc::clone(context), options.clone());
    let mut statements = spawn_blocking(move || {
        runtime.block_on(async {
            tokio::select! {
                succeeded = in_scope(scope, script::run_all(&context, &sql, &options)) => succeeded,
                // Dropping the statement drops its stream, which stops the guests that run for it.
                _ = stopped => false,
            }
        })
    });
    tokio::select! {
        done = &mut statements => return done.unwrap_or_else(panicked),
        _ = ctrl_c() => {}
    }
    println!("^C");
    cancellation.cancel();
    drop(stop);
    if timeout(PATIENCE, &mut statements).await.is_err() {
        report::warning(
            "the statement is in a step that cannot be stopped; it goes on in the background and its result is dropped",
        );
    }
    false
}

/// Polls `future` with `scope` at hand, which is what stops a guest that the planner calls.
async fn in_scope<F: Future>(scope: StreamScope, future: F) -> F::Output {
    let mut scope = Some(Box::new(scope));
    let mut future = pin!(future);
    poll_fn(|context| StreamScope::enter(&mut scope, || future.as_mut().poll(context))).await
}

fn panicked(error: tokio::task::JoinError) -> Succeeded {
    report::error(format!(
        "the statement failed with a bug in this program: {error}"
    ));
    false
}
