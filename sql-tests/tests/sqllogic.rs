//! Every `.slt` file below `cases/` is a test, in a session of its own.
//!
//! `WASMFUSION_SLT_COMPLETE=1 cargo test --test sqllogic` writes what came out into the files, for a person to read before it is committed.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion_sqllogictest::{df_value_validator, read_dir_recursive, value_normalizer};
use libtest_mimic::{Arguments, Failed, Trial};
use sqllogictest::{Runner, strict_column_validator};
use wasmfusion_sql_tests::{Engine, cases, session_with_data};

/// Fewer statements than this mean that files were lost, not that they got better.
const RECORDS_MIN: usize = 300;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = Arguments::from_args();
    let complete = std::env::var_os("WASMFUSION_SLT_COMPLETE").is_some();
    let records = Arc::new(AtomicUsize::new(0));

    let mut files = read_dir_recursive(cases())?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "slt"));
    files.sort();
    let trials: Vec<Trial> = files
        .into_iter()
        .map(|file| trial(file, complete, Arc::clone(&records)))
        .collect();

    let everything = arguments.filter.is_none()
        && arguments.skip.is_empty()
        && !arguments.list
        && !arguments.ignored;
    let conclusion = libtest_mimic::run(&arguments, trials);
    let records = records.load(Ordering::Relaxed);
    if !arguments.list {
        println!("{records} records run");
    }
    if everything && records < RECORDS_MIN {
        eprintln!("expected at least {RECORDS_MIN} records");
        return Ok(ExitCode::FAILURE);
    }
    Ok(conclusion.exit_code())
}

fn trial(file: PathBuf, complete: bool, records: Arc<AtomicUsize>) -> Trial {
    let name = file
        .strip_prefix(cases())
        .unwrap_or(&file)
        .with_extension("")
        .display()
        .to_string();
    Trial::test(name, move || {
        // More than one thread, as in production: guests are then stopped when a query is dropped.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        runtime.block_on(run(&file, complete, records))
    })
}

async fn run(file: &Path, complete: bool, records: Arc<AtomicUsize>) -> Result<(), Failed> {
    let mut runner = Runner::new(|| {
        let records = Arc::clone(&records);
        async move { Ok(Engine::new(session_with_data().await?, records)) }
    });
    runner.with_column_validator(strict_column_validator);
    runner.with_normalizer(value_normalizer);
    runner.with_validator(df_value_validator);
    let outcome = match complete {
        true => runner
            .update_test_file(
                file,
                " ",
                df_value_validator,
                value_normalizer,
                strict_column_validator,
            )
            .await
            .map_err(|error| Failed::from(error.to_string())),
        false => runner
            .run_file_async(file)
            .await
            .map_err(|error| Failed::from(error.display(false).to_string())),
    };
    runner.shutdown_async().await;
    outcome
}
