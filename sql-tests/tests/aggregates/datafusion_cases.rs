//! DataFusion's own tests of partial aggregation that is skipped, with aggregates of a plugin under the names of those that are built in.
//!
//! The statements are read from the crate that brings them; its data is not in it, so both sides run on data of ours, and what
//! DataFusion's own functions say is what is expected.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};
use sqllogictest::Record;
use wasmfusion::{Registry, SessionContextExt};

use super::aggregate;

/// Of DataFusion, and of the plugin.
const REPLACED: [(&str, &str); 3] = [("sum", "my_sum"), ("avg", "my_avg"), ("min", "my_min")];

/// Where the crate's `aggregate_skip_partial.slt` is.
fn case() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let manifest = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .find(|package| package["name"] == "datafusion-sqllogictest")
        .and_then(|package| package["manifest_path"].as_str())
        .unwrap();
    PathBuf::from(manifest).with_file_name("test_files/aggregate_skip_partial.slt")
}

/// The statements that set a session up, and the queries. What defines the tables comes from here.
fn statements() -> Vec<(bool, String)> {
    sqllogictest::parse_file::<datafusion_sqllogictest::DFColumnType>(case())
        .unwrap()
        .into_iter()
        .filter_map(|record| match record {
            Record::Statement { sql, .. } => Some((false, sql)),
            Record::Query { sql, .. } => Some((true, sql)),
            _ => None,
        })
        .filter(|(_, sql)| !sql.contains("EXTERNAL TABLE") && !sql.starts_with("DROP TABLE"))
        .collect()
}

/// A table like the one of DataFusion's tests.
const TABLE: &str = "CREATE TABLE aggregate_test_100 AS SELECT
    chr(97 + value % 5) AS c1, CAST(value % 5 + 1 AS TINYINT) AS c2, CAST(value * 37 % 251 - 125 AS SMALLINT) AS c3,
    CAST(CASE WHEN value % 7 > 0 THEN value * 911 % 30000 END AS SMALLINT) AS c4, CAST(value * 7919 % 100003 - 50000 AS INT) AS c5,
    value * 104729 AS c6, CAST(value % 256 AS SMALLINT) AS c7, CAST(value * 31 AS INT) AS c8, CAST(value * 65537 AS INT UNSIGNED) AS c9,
    CAST(value * 99991 AS BIGINT UNSIGNED) AS c10, CAST(value / 128.0 AS FLOAT) AS c11, CAST(value / 64.0 AS DOUBLE) AS c12,
    repeat('x', CAST(value % 9 AS INT)) AS c13
    FROM range(0, 100)";

async fn session() -> SessionContext {
    let config = SessionConfig::new().with_target_partitions(4);
    let ctx = SessionContext::new_with_config(config);
    ctx.register_plugins(&Registry::default()).unwrap();
    ctx.sql(TABLE).await.unwrap().collect().await.unwrap();
    ctx
}

/// What a statement returns, and how often guests were called for it. The error if it fails.
async fn run(ctx: &SessionContext, sql: &str) -> Result<(String, usize), String> {
    let failed = |error: datafusion::error::DataFusionError| error.strip_backtrace();
    let plan = ctx.sql(sql).await.map_err(failed)?;
    let plan = plan.create_physical_plan().await.map_err(failed)?;
    let batches = collect(Arc::clone(&plan), ctx.task_ctx()).await;
    let shown = pretty_format_batches(&batches.map_err(failed)?).unwrap();
    // Sorted, since many of the queries leave the order open; without what says which types there are.
    let mut lines: Vec<String> = shown
        .to_string()
        .lines()
        .skip(3)
        .filter(|line| line.starts_with('|'))
        .map(plain)
        .collect();
    lines.sort();
    Ok((lines.join("\n"), calls(plan.as_ref())))
}

/// A row without the spaces that align it, and numbers to ten digits, whatever their type: the order of a sum is not promised.
fn plain(line: &str) -> String {
    let cells = line
        .split('|')
        .map(|cell| match cell.trim().parse::<f64>() {
            Ok(number) => format!("{number:.9e}"),
            Err(_) => cell.trim().to_owned(),
        });
    cells.collect::<Vec<_>>().join("|")
}

fn calls(plan: &dyn ExecutionPlan) -> usize {
    let own = plan.metrics().and_then(|m| m.sum_by_name("wasm_calls"));
    let below = plan
        .children()
        .into_iter()
        .map(|child| calls(child.as_ref()));
    own.map_or(0, |value| value.as_usize()) + below.sum::<usize>()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plugins_pass_for_built_in_functions() {
    let (theirs, ours) = (session().await, session().await);
    for (name, plugin_name) in REPLACED {
        ours.deregister_udaf(name);
        ours.register_udaf(aggregate(plugin_name, name));
    }
    let (mut compared, mut guest_calls) = (0, 0);
    for (is_query, sql) in statements() {
        let (expected, found) = (run(&theirs, &sql).await, run(&ours, &sql).await);
        // What the plugin has no overload for (the smallest text, …) is not compared.
        let is_ours = REPLACED
            .iter()
            .any(|(name, _)| sql.to_ascii_lowercase().contains(&format!("{name}(")));
        match (expected, found) {
            (Ok((expected, _)), Ok((found, calls))) => {
                // Sums of fractions depend on an order that nobody promises.
                if is_query && is_ours {
                    assert_eq!(expected, found, "{sql}");
                    assert!(calls > 0, "the guest ran: {sql}");
                    (compared, guest_calls) = (compared + 1, guest_calls + calls);
                }
            }
            (Err(_), Err(_)) => {}
            (Ok(_), Err(error)) => assert!(error.contains("was called with"), "{sql}: {error}"),
            (Err(error), Ok(_)) => panic!("DataFusion's own fails: {sql}: {error}"),
        }
    }
    println!("{compared} queries, {guest_calls} calls");
    assert!(compared >= 8, "only {compared} queries were compared");
}
