//! Observers that misbehave: queries go on as if nobody looked, each event is accounted for, and the failure names the observer.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use tokio::runtime::Runtime;
use wasmfusion::{LocalContext, Registry, RegistryOptions, SessionContextExt};
use wasmfusion_sql_tests::new_session;

/// Queries that are observed.
const QUERIES: u64 = 10;
/// Longest time that all of them may take together.
const QUERIES_MAX: Duration = Duration::from_secs(5);
/// Longest time until an observer has failed.
const FAILED_AFTER: Duration = Duration::from_secs(20);

/// Loads the observer and has it observe some queries.
pub fn hurts_no_query(
    mut options: RegistryOptions,
    runtime: &Runtime,
    file: &Path,
) -> Result<(), Failed> {
    let text = fs::read_to_string(file)?;
    let expected = text
        .lines()
        .find_map(|line| line.strip_prefix(";; expect failed: "))
        .ok_or("it does not say what is expected")?;
    options.context = std::sync::Arc::new(LocalContext::default());
    let registry = Registry::new(options);
    registry.load_file(file)?;
    let ctx = new_session(&registry, std::sync::Arc::default())?;

    let began = Instant::now();
    for number in 0..QUERIES {
        let sql = format!("SELECT {number} AS number");
        let rows: usize = runtime.block_on(async {
            let batches = ctx.wasm_sql(&sql).await?.collect().await?;
            Ok::<_, datafusion::error::DataFusionError>(batches.iter().map(|b| b.num_rows()).sum())
        })?;
        if rows != 1 {
            return Err(format!("{sql}: {rows} rows").into());
        }
    }
    if began.elapsed() > QUERIES_MAX {
        return Err(format!("the queries took {:?}", began.elapsed()).into());
    }

    // Each event is delivered, dropped or lost in a call that has failed: here the last.
    let counts = loop {
        let all = registry.observers();
        let [counts] = all.as_slice() else {
            return Err(format!("one observer, not {}", all.len()).into());
        };
        if counts.delivered + counts.dropped + counts.failed == QUERIES {
            break counts.clone();
        }
        if began.elapsed() > FAILED_AFTER {
            return Err(format!("{counts:?}").into());
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let error = counts.last_error.unwrap_or_default();
    if counts.failed == 0 || !error.contains(expected) || !error.contains("evil (plugin evil)") {
        return Err(format!("failed {}: {error}", counts.failed).into());
    }
    if error.chars().any(|c| c.is_control() && c != '\n') {
        return Err(format!("control characters in {error:?}").into());
    }
    let began = Instant::now();
    registry.unload("evil");
    match began.elapsed() < Duration::from_secs(1) {
        true => Ok(()),
        false => Err(format!("it took {:?} to unload it", began.elapsed()).into()),
    }
}
