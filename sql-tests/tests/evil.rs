//! One hostile guest a file in `evil/`: whatever it does, the query ends soon with an error that names it, and the same
//! session answers the next query.
//!
//! The first lines of a file are comments: what the guest does, then one or more of
//!
//! - `;; expect at create: TEXT`: `CREATE FUNCTION` is refused, the message contains TEXT and the file's name;
//! - `;; expect at call: TEXT`: the function is created, every call of it fails, the message contains TEXT and the function's name;
//! - `;; expect value: VALUE`: the guest misbehaves in a way that hurts nobody, and returns VALUE;
//! - `;; expect endless: VALUE`: a query with a limit returns VALUE, one without never ends, and can be stopped.
//!
//! `;; kind: KIND` says what the function is, if it is not a scalar function: it is then called in the shapes of its kind, see
//! `evil/shapes.rs`. `;; reached in: SHAPE, SHAPE` names those in which the calls fail, if they do not fail in all: the others return 5.
//!
//! Guests whose names start with `observer_` observe queries: `;; expect failed: TEXT` says what the last failure is, while queries go on as if
//! nobody looked, see `evil/observers.rs`.
//!
//! Guests whose names start with `host_` ask the host. Each has a registry of its own, which offers what `evil/host.rs` says; the file
//! `NAME.toml` beside it grants what it asks for. What they are told is their value: a status, if it is negative.

#[path = "evil/host.rs"]
mod host;
#[path = "evil/observers.rs"]
mod observers;
#[path = "evil/shapes.rs"]
mod shapes;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;
use wasmfusion::{Interruption, Registry, RegistryOptions, SessionContextExt};
use wasmfusion_sql_tests::{built_plugins, evil_guests, new_session};

use crate::host::OnRecord;
use crate::shapes::{Shape, Shapes};

/// Guests that have to be stopped start so. They are also run under the other way of stopping them.
const RUNNING_ON: [&str; 4] = ["loop", "calls_without_end", "recursion", ASKING_ON];
/// Guests that ask the host start so.
const ASKING: &str = "host_";
/// Those that observe so.
const OBSERVING: &str = "observer_";
/// And those that ask it without end so.
const ASKING_ON: &str = "host_loop";

/// Longest time that a statement may take. A call is stopped after a tenth of a second, and a constant is computed twice: while the
/// query is planned, and when it runs. The rest is for machines that are busy.
const STATEMENT_MAX: Duration = Duration::from_secs(5);
/// How messages name the function of a guest.
const FUNCTION: &str = "function evil (plugin evil)";
/// How long an endless query runs before it is stopped.
const ENDLESS: Duration = Duration::from_millis(300);
/// What well-behaved calls of hostile functions return.
const HONEST: &str = "5";
/// Longest message that a user gets to see, in bytes: the guest's own part is cut at 4 KiB, of which escapes make five times as many.
const MESSAGE_BYTES_MAX: usize = 24 << 10;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = Arguments::from_args();
    let runtime = Arc::new(
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?,
    );
    host::watch_logs()?;
    let registry = registry_of(options_of(Interruption::WatchPage))?;
    let epochs = registry_of(options_of(Interruption::Epoch))?;

    let mut files: Vec<PathBuf> = fs::read_dir(evil_guests())?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_, std::io::Error>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "wat"));
    files.sort();
    let mut trials: Vec<Trial> = Vec::new();
    let mut asking = 0;
    for file in files {
        let name = file
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let asks = name.starts_with(ASKING);
        asking += usize::from(asks);
        if name.starts_with(OBSERVING) {
            for (name, interruption) in [
                (format!("epochs_{name}"), Interruption::Epoch),
                (name, Interruption::WatchPage),
            ] {
                let (runtime, file) = (Arc::clone(&runtime), file.clone());
                trials.push(Trial::test(name, move || {
                    observers::hurts_no_query(options_of(interruption), &runtime, &file)
                }));
            }
            continue;
        }
        let mut add = |name: String, registry: &Registry, interruption| {
            let (registry, runtime, file) = (registry.clone(), Arc::clone(&runtime), file.clone());
            trials.push(Trial::test(name, move || match asks {
                true => asking_guest(interruption, &runtime, &file),
                false => guest(&registry, &runtime, &file),
            }));
        };
        if RUNNING_ON.iter().any(|start| name.starts_with(start)) {
            add(format!("epochs_{name}"), &epochs, Interruption::Epoch);
        }
        add(name, &registry, Interruption::WatchPage);
    }
    let guests = trials.len();
    for (name, bytes, expected) in not_modules() {
        let (registry, runtime) = (registry.clone(), Arc::clone(&runtime));
        trials.push(Trial::test(name, move || {
            not_a_module(&registry, &runtime, name, &bytes, expected)
        }));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !arguments.list {
        println!(
            "{guests} trials of guests, {asking} of which ask the host; {} trials passed",
            conclusion.num_passed
        );
    }
    Ok(conclusion.exit_code())
}

/// Small limits, so that guests reach them soon.
fn options_of(interruption: Interruption) -> RegistryOptions {
    let mut options = RegistryOptions::default();
    options.interruption = interruption;
    options.module_root = Some(evil_guests());
    // An aggregate fails in each of its groups.
    options.limits.breaker_failures_max = 0;
    options.limits.call_timeout_ms = 100;
    options.limits.describe_timeout_ms = 200;
    options.limits.memory_bytes_max = 16 << 20;
    options.limits.result_bytes_max = 1 << 20;
    options
}

fn registry_of(options: RegistryOptions) -> wasmfusion::Result<Registry> {
    let registry = Registry::new(options);
    registry.load_file(built_plugins().join("hello.wasm"))?;
    Ok(registry)
}

/// What the comments at the top of a file expect.
#[derive(Default)]
struct Expected {
    at_create: Vec<String>,
    at_call: Vec<String>,
    value: Option<String>,
    endless: Option<String>,
    kind: Option<String>,
    /// The shapes in which calls fail; all if there are none.
    reached: Vec<String>,
}

impl Expected {
    fn of(source: &str) -> Result<Self, Failed> {
        let mut expected = Self::default();
        let mut comments = source.lines().map_while(|line| line.strip_prefix(";; "));
        if comments.next().is_none() {
            return Err("the first line must say what the guest does".into());
        }
        for line in comments {
            match line.split_once(": ") {
                Some(("expect at create", text)) => expected.at_create.push(text.to_owned()),
                Some(("expect at call", text)) => expected.at_call.push(text.to_owned()),
                Some(("expect value", text)) => expected.value = Some(text.to_owned()),
                Some(("expect endless", text)) => expected.endless = Some(text.to_owned()),
                Some(("kind", text)) => expected.kind = Some(text.to_owned()),
                Some(("reached in", text)) => {
                    expected.reached = text.split(", ").map(str::to_owned).collect();
                }
                _ => {}
            }
        }
        let kinds = [
            !expected.at_create.is_empty(),
            !expected.at_call.is_empty(),
            expected.value.is_some(),
            expected.endless.is_some(),
        ];
        match kinds.iter().filter(|given| **given).count() {
            1 => Ok(expected),
            found => Err(format!("the comments at the top expect {found} things, not one").into()),
        }
    }

    /// What a shape returns, or `None` if its calls fail.
    fn value_in(&self, shape: &Shape) -> Option<&str> {
        let reached = self.reached.is_empty() || self.reached.iter().any(|name| name == shape.name);
        match &self.value {
            Some(value) => Some(value),
            None if reached => None,
            None => Some(HONEST),
        }
    }
}

fn guest(registry: &Registry, runtime: &Runtime, file: &Path) -> Result<(), Failed> {
    let expected = Expected::of(&fs::read_to_string(file)?)?;
    let file = file.file_name().unwrap_or_default().to_string_lossy();
    let ctx = new_session(registry, Arc::default())?;
    let create = format!("CREATE FUNCTION evil() LANGUAGE WASM AS '{file}'");
    if !expected.at_create.is_empty() {
        refused(runtime, &ctx, &create, &file, &expected.at_create)?;
        // Nothing is half created.
        refused(
            runtime,
            &ctx,
            "SELECT evil(1)",
            "evil",
            &["Invalid function".to_owned()],
        )?;
        return still_answers(runtime, &ctx);
    }
    run(runtime, &ctx, &create)?.map_err(|error| format!("{create}: {error}"))?;
    let Shapes {
        setting,
        shapes,
        no_rows,
    } = Shapes::of(expected.kind.as_deref())?;
    for name in &expected.reached {
        if !shapes.iter().any(|shape| shape.name == name) {
            return Err(format!("there is no shape `{name}`").into());
        }
    }
    if let Some(setting) = setting {
        run(runtime, &ctx, setting)?.map_err(|error| format!("{setting}: {error}"))?;
    }
    for shape in *shapes {
        if let Some(value) = &expected.endless {
            match shape.limited {
                true => returns(runtime, &ctx, shape.sql, value)?,
                false => stopped(runtime, &ctx, shape.sql)?,
            }
        } else if let Some(value) = expected.value_in(shape) {
            returns(runtime, &ctx, shape.sql, value)?;
        } else {
            refused(runtime, &ctx, shape.sql, FUNCTION, &expected.at_call)?;
        }
        still_answers(runtime, &ctx)?;
    }
    for sql in *no_rows {
        match run(runtime, &ctx, sql)? {
            Ok(batches) if batches.iter().all(|batch| batch.num_rows() == 0) => {}
            Ok(_) => return Err(format!("{sql}: rows came out of nothing").into()),
            Err(error) => told(sql, &error, FUNCTION, &expected.at_call)?,
        }
    }
    still_answers(runtime, &ctx)
}

/// A guest that asks the host, in a registry of its own: what it leaves there is its own.
fn asking_guest(interruption: Interruption, runtime: &Runtime, file: &Path) -> Result<(), Failed> {
    let mut options = options_of(interruption);
    host::offer(&mut options)?;
    let registry = registry_of(options)?;
    guest(&registry, runtime, file)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let expected = Expected::of(&fs::read_to_string(file)?)?;
    let on_record = if name.starts_with(ASKING_ON) {
        OnRecord::Many
    } else if expected.value.is_some() {
        OnRecord::Something
    } else {
        OnRecord::Nothing
    };
    host::check(&registry, on_record)
}

/// What is no module in text form cannot say in a comment what is expected.
fn not_modules() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let header = *b"\0asm\x01\0\0\0";
    let mut cut = header.to_vec();
    cut.extend([1, 100, 0]);
    let mut locals = header.to_vec();
    locals.extend([
        1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 10, 10, 1, 8, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x7f, 0x0b,
    ]);
    vec![
        ("not_wasm_empty", Vec::new(), "the module is empty"),
        (
            "not_wasm_text",
            b"Dear Sir or Madam".to_vec(),
            "this is not a WebAssembly module",
        ),
        (
            "not_wasm_elf",
            b"\x7fELF\x02\x01\x01\0\0\0\0\0".to_vec(),
            "it starts with the bytes 7f 45 4c 46",
        ),
        (
            "not_wasm_zeros",
            vec![0; 1000],
            "this is not a WebAssembly module",
        ),
        (
            "not_wasm_version",
            b"\0asm\x02\0\0\0".to_vec(),
            "this is not a WebAssembly module",
        ),
        (
            "not_wasm_short",
            b"\0asm".to_vec(),
            "this is not a WebAssembly module",
        ),
        (
            "not_wasm_component",
            b"\0asm\x0d\0\x01\0".to_vec(),
            "this is a component",
        ),
        ("not_wasm_header_only", header.to_vec(), "0 memories"),
        ("not_wasm_cut", cut, "malformed module"),
        ("not_wasm_locals_billions", locals, "malformed module"),
        (
            "not_wasm_large",
            vec![0; (32 << 20) + 1],
            "`module_bytes_max`",
        ),
        (
            "not_wasm_text_not_utf8",
            b"(module \xff)".to_vec(),
            "not UTF-8",
        ),
    ]
}

fn not_a_module(
    registry: &Registry,
    runtime: &Runtime,
    name: &str,
    bytes: &[u8],
    expected: &str,
) -> Result<(), Failed> {
    let began = Instant::now();
    let Err(error) = registry.load_bytes(name, bytes) else {
        return Err("it was taken for a module".into());
    };
    in_time(name, began)?;
    let message = error.to_string();
    if !message.contains(expected) || !message.contains(name) {
        return Err(format!("expected `{expected}` and `{name}` in: {message}").into());
    }
    still_answers(runtime, &new_session(registry, Arc::default())?)
}

/// Runs a statement to its end, in time.
fn run(
    runtime: &Runtime,
    ctx: &SessionContext,
    sql: &str,
) -> Result<Result<Vec<RecordBatch>, DataFusionError>, Failed> {
    let began = Instant::now();
    // In a task, so that a statement that never lets go does not keep the test from failing.
    let mut query = runtime.spawn(collect(ctx.clone(), sql.to_owned()));
    let result = runtime
        .block_on(async { tokio::time::timeout(2 * STATEMENT_MAX, &mut query).await })
        .map_err(|_| {
            query.abort();
            format!("{sql}: does not end")
        })??;
    in_time(sql, began)?;
    Ok(result)
}

async fn collect(ctx: SessionContext, sql: String) -> Result<Vec<RecordBatch>, DataFusionError> {
    ctx.wasm_sql(&sql).await?.collect().await
}

/// That a statement without an end ends when nobody waits for it any more.
fn stopped(runtime: &Runtime, ctx: &SessionContext, sql: &str) -> Result<(), Failed> {
    let query = runtime.spawn(collect(ctx.clone(), sql.to_owned()));
    std::thread::sleep(ENDLESS);
    if query.is_finished() {
        return Err(format!("{sql}: ended by itself").into());
    }
    let began = Instant::now();
    query.abort();
    while !query.is_finished() {
        in_time(sql, began)?;
        std::thread::sleep(ENDLESS / 100);
    }
    Ok(())
}

fn in_time(what: &str, began: Instant) -> Result<(), Failed> {
    match began.elapsed() {
        elapsed if elapsed > STATEMENT_MAX => Err(format!("{what}: took {elapsed:?}").into()),
        _ => Ok(()),
    }
}

/// That a statement fails, and that the message contains `name` and `texts`.
fn refused(
    runtime: &Runtime,
    ctx: &SessionContext,
    sql: &str,
    name: &str,
    texts: &[String],
) -> Result<(), Failed> {
    match run(runtime, ctx, sql)? {
        Ok(_) => Err(format!("{sql}: expected an error with `{}`", texts.join("` and `")).into()),
        Err(error) => told(sql, &error, name, texts),
    }
}

fn told(sql: &str, error: &DataFusionError, name: &str, texts: &[String]) -> Result<(), Failed> {
    let message = error.strip_backtrace();
    for text in texts.iter().map(String::as_str).chain([name]) {
        if !message.contains(text) {
            return Err(format!("{sql}: expected `{text}` in: {message}").into());
        }
    }
    if let Some(control) = message.chars().find(|c| c.is_control() && *c != '\n') {
        return Err(
            format!("{sql}: the control character {control:?} came through: {message:?}").into(),
        );
    }
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(format!("{sql}: a message of {} bytes", message.len()).into());
    }
    Ok(())
}

/// That a query returns `value` in every row in which it does not return NULL, and in one at least.
fn returns(runtime: &Runtime, ctx: &SessionContext, sql: &str, value: &str) -> Result<(), Failed> {
    let batches = run(runtime, ctx, sql)?.map_err(|error| format!("{sql}: {error}"))?;
    let mut rows = 0;
    for column in batches.iter().map(|batch| batch.column(0)) {
        for row in (0..column.len()).filter(|row| column.is_valid(*row)) {
            let found = array_value_to_string(column, row)?;
            if found != value {
                return Err(format!("{sql}: expected {value}, found {found}").into());
            }
            rows += 1;
        }
    }
    if rows == 0 {
        Err(format!("{sql}: no rows").into())
    } else {
        Ok(())
    }
}

/// That a well-behaved function gives the right answer in the same session.
fn still_answers(runtime: &Runtime, ctx: &SessionContext) -> Result<(), Failed> {
    returns(
        runtime,
        ctx,
        "SELECT hello('again ' || value) FROM range(42, 43)",
        "Hello, again 42!",
    )
}
