//! Whole queries: the plugin's function and DataFusion's own in one query must say the same, however the query is run.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::datasource::MemTable;
use datafusion::error::Result;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use wasmfusion::{Registry, SessionContextExt};

/// A query, and columns of it that must be equal.
const QUERIES: [&str; 8] = [
    "SELECT my_sum(v), sum(v), my_count(v), count(*), my_min(v), min(v) FROM t",
    "SELECT k, my_sum(v), sum(v), my_count(v), count(*), my_min(v), min(v) FROM t GROUP BY k",
    "SELECT k, my_sum(v) FILTER (WHERE v > 3), sum(v) FILTER (WHERE v > 3), my_count(v) FILTER (WHERE s = 'b'), count(*) FILTER (WHERE s = 'b') FROM t GROUP BY k",
    "SELECT k, my_sum(DISTINCT v), sum(DISTINCT v), my_sum(v), sum(v) FROM t GROUP BY k",
    "SELECT s, my_max(s), max(s), my_list(s ORDER BY s, v), string_agg(s, ',' ORDER BY s, v) FROM t GROUP BY s",
    "SELECT k, my_list(s ORDER BY v DESC, s), string_agg(s, ',' ORDER BY v DESC, s) FROM t GROUP BY k",
    "SELECT k, s, my_sum(v), sum(v) FROM t GROUP BY ROLLUP (k, s)",
    "SELECT my_sum(v) OVER w, sum(v) OVER w, my_count(v) OVER w, count(*) OVER w FROM t WINDOW w AS (PARTITION BY k ORDER BY v, s ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING)",
];

type Row = (Option<i64>, Option<i64>, String);

/// How a query is run.
#[derive(Clone, Debug)]
struct Way {
    partitions: usize,
    batch_rows: usize,
    /// Rows of a batch of the table.
    table_batch_rows: usize,
    skip_partial: bool,
}

fn way() -> impl Strategy<Value = Way> {
    (1_usize..4, 1_usize..20, 1_usize..30, any::<bool>()).prop_map(
        |(partitions, batch_rows, table_batch_rows, skip_partial)| Way {
            partitions,
            batch_rows,
            table_batch_rows,
            skip_partial,
        },
    )
}

fn table(rows: &[Row], way: &Way) -> MemTable {
    let schema = Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, true),
        Field::new("v", DataType::Int64, true),
        Field::new("s", DataType::Utf8, true),
    ]));
    let mut partitions = vec![Vec::new(); way.partitions];
    for (place, rows) in rows.chunks(way.table_batch_rows).enumerate() {
        let k: Int64Array = rows.iter().map(|row| row.0).collect();
        let v: Int64Array = rows.iter().map(|row| row.1).collect();
        let s: StringArray = rows.iter().map(|row| Some(row.2.as_str())).collect();
        let columns: Vec<ArrayRef> = vec![Arc::new(k), Arc::new(v), Arc::new(s)];
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
        partitions[place % way.partitions].push(batch);
    }
    MemTable::try_new(schema, partitions).unwrap()
}

fn session(way: &Way, runtime: Arc<RuntimeEnv>) -> SessionContext {
    let mut config = SessionConfig::new()
        .with_target_partitions(way.partitions)
        .with_batch_size(way.batch_rows);
    if way.skip_partial {
        let execution = &mut config.options_mut().execution;
        execution.skip_partial_aggregation_probe_rows_threshold = 0;
        execution.skip_partial_aggregation_probe_ratio_threshold = 0.0;
    }
    let ctx = SessionContext::new_with_config_rt(config, runtime);
    ctx.register_plugins(&Registry::default()).unwrap();
    ctx.register_plugin(&super::TESTING).unwrap();
    ctx
}

/// What a query returned, and a sum over the metrics of its plan.
async fn run(
    ctx: &SessionContext,
    sql: &str,
    metric: fn(&MetricsSet) -> usize,
) -> Result<(Vec<RecordBatch>, usize)> {
    let plan = ctx.sql(sql).await?.create_physical_plan().await?;
    let batches = collect(Arc::clone(&plan), ctx.task_ctx()).await?;
    Ok((batches, total(plan.as_ref(), metric)))
}

fn total(plan: &dyn ExecutionPlan, metric: fn(&MetricsSet) -> usize) -> usize {
    let own = plan.metrics().map_or(0, |metrics| metric(&metrics));
    let below = plan
        .children()
        .into_iter()
        .map(|child| total(child.as_ref(), metric));
    own + below.sum::<usize>()
}

fn calls(metrics: &MetricsSet) -> usize {
    let calls = metrics.sum_by_name("wasm_calls");
    calls.map_or(0, |calls| calls.as_usize())
}

fn spills(metrics: &MetricsSet) -> usize {
    metrics.spill_count().unwrap_or_default()
}

/// That pairs of columns are equal: each second one is DataFusion's own, behind the keys.
fn assert_agree(sql: &str, batches: &[RecordBatch]) {
    for batch in batches {
        let schema = batch.schema();
        let ours: Vec<usize> = (0..batch.num_columns())
            .filter(|place| schema.field(*place).name().starts_with("my_"))
            .collect();
        assert!(!ours.is_empty());
        for place in ours {
            let (ours, theirs) = (batch.column(place), batch.column(place + 1));
            let theirs = cast(theirs, ours.data_type()).unwrap();
            assert!(
                ours.as_ref() == theirs.as_ref(),
                "{sql}\n{}",
                pretty_format_batches(batches).unwrap()
            );
        }
    }
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let key = option::weighted(0.9, 0_i64..12);
    let value = option::weighted(0.8, -20_i64..20);
    vec((key, value, "[abc]{0,2}"), 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn plugins_agree_with_datafusion(rows in rows(), way in way()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        runtime.block_on(async {
            let ctx = session(&way, Arc::default());
            ctx.register_table("t", Arc::new(table(&rows, &way))).unwrap();
            for sql in QUERIES {
                let (batches, calls) = run(&ctx, sql, calls).await.unwrap();
                assert_agree(sql, &batches);
                let returned: usize = batches.iter().map(RecordBatch::num_rows).sum();
                assert!(calls > 0 || returned == 0, "the guest ran: {sql}");
            }
        });
    }
}

/// Less than 200,000 groups take in two operators.
const POOL_BYTES: usize = 4 << 20;

/// With so little memory, a query over 200,000 groups must write to disk what it cannot hold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_that_do_not_fit_are_spilled() {
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(POOL_BYTES)))
        .with_disk_manager_builder(
            DiskManagerBuilder::default().with_mode(DiskManagerMode::OsTmpDirectory),
        )
        .build_arc()
        .unwrap();
    let way = Way {
        partitions: 2,
        batch_rows: 4_096,
        table_batch_rows: 8_192,
        skip_partial: false,
    };
    let ctx = session(&way, runtime);
    let sql = "SELECT value % 200000 AS k, my_sum(value), sum(value), my_count(value), count(*) FROM range(0, 1000000) GROUP BY value % 200000";
    let (batches, spills) = run(&ctx, sql, spills).await.unwrap();
    assert_agree(sql, &batches);
    let groups: usize = batches.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(groups, 200_000);
    assert!(spills > 0, "nothing was spilled");
}

/// Rows that are kept for `DISTINCT` are charged once, not once for each group that has a part of their batch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn distinct_rows_of_many_groups_need_little_memory() {
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(256 << 20)))
        .build_arc()
        .unwrap();
    let way = Way {
        partitions: 2,
        batch_rows: 8_192,
        table_batch_rows: 8_192,
        skip_partial: false,
    };
    let ctx = session(&way, runtime);
    let sql = "SELECT value % 1000 AS k, my_sum(DISTINCT value % 7000), sum(DISTINCT value % 7000), my_list(CAST(value % 3 AS VARCHAR) ORDER BY value), \
               string_agg(CAST(value % 3 AS VARCHAR), ',' ORDER BY value) FROM range(0, 50000) GROUP BY value % 1000";
    let (batches, spills) = run(&ctx, sql, spills).await.unwrap();
    assert_agree(sql, &batches);
    assert_eq!(spills, 0);
}
