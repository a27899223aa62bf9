//! Queries that nobody waits for any more, and queries that have no memory: their guests are stopped, and nothing else is.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use tokio::runtime::Runtime;
use wasmfusion::{Registry, RegistryOptions, SessionContextExt};
use wasmfusion_sql_tests::{built_plugins, new_session};

/// Longest time from the drop of a query to the end of its guests.
const STOPPED_WITHIN: Duration = Duration::from_millis(100);
/// A machine that does something else for a moment is no fault of ours. A guest that cannot be stopped is so each time.
const ATTEMPTS: usize = 3;
/// Time in which a guest has surely started.
const STARTED_AFTER: Duration = Duration::from_millis(300);
/// A deadline that no test waits for.
const FAR_AWAY_MS: u64 = 60_000;
/// A guest for each of the four partitions, all of which run for ever.
const SPIN: &str = "SELECT spin() FROM range(0, 100000)";

/// One registry for all tests, so that the plugin is compiled once.
static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let mut options = RegistryOptions::default();
    options.module_root = Some(built_plugins());
    options.limits.call_timeout_ms = FAR_AWAY_MS;
    Registry::new(options)
});

/// More threads than guests that run for ever, so that something is left to drop their query.
fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(6)
        .enable_all()
        .build()
        .unwrap()
}

async fn session(runtime: Arc<RuntimeEnv>) -> Result<SessionContext> {
    let ctx = new_session(&REGISTRY, runtime)?;
    // Volatile, so that the planner does not call it.
    ctx.wasm_sql("CREATE FUNCTION spin() RETURNS BIGINT LANGUAGE WASM VOLATILE AS 'testing.wasm'")
        .await?;
    ctx.wasm_sql("CREATE FUNCTION add_one() LANGUAGE WASM AS 'testing.wasm'")
        .await?;
    ctx.wasm_sql("CREATE FUNCTION eat() LANGUAGE WASM AS 'testing.wasm'")
        .await?;
    Ok(ctx)
}

/// The number that a query returns.
async fn number(ctx: &SessionContext, sql: &str) -> Result<i64> {
    let batches = ctx.wasm_sql(sql).await?.collect().await?;
    Ok(batches[0].column(0).as_primitive::<Int64Type>().value(0))
}

/// That the guests of a query are gone soon after it: ending a runtime waits for what its threads run.
fn assert_stopped(attempt: impl Fn() -> Runtime) {
    let mut taken = Duration::ZERO;
    for _ in 0..ATTEMPTS {
        let runtime = attempt();
        let began = Instant::now();
        drop(runtime);
        taken = began.elapsed();
        // No machine is that busy, so another attempt would only take as long again.
        if taken < STOPPED_WITHIN || taken > STOPPED_WITHIN * 20 {
            break;
        }
    }
    assert!(taken < STOPPED_WITHIN, "stopped after {taken:?}");
}

#[test]
fn a_stream_that_is_dropped_stops_its_guests() {
    assert_stopped(|| {
        let runtime = runtime();
        runtime.block_on(async {
            let ctx = session(Arc::default()).await.unwrap();
            let stream = ctx
                .wasm_sql(SPIN)
                .await
                .unwrap()
                .execute_stream()
                .await
                .unwrap();
            tokio::time::sleep(STARTED_AFTER).await;
            drop(stream);
        });
        runtime
    });
}

#[test]
fn streams_of_all_partitions_that_are_dropped_stop_their_guests() {
    assert_stopped(|| {
        let runtime = runtime();
        runtime.block_on(async {
            let ctx = session(Arc::default()).await.unwrap();
            let streams = ctx
                .wasm_sql(SPIN)
                .await
                .unwrap()
                .execute_stream_partitioned()
                .await
                .unwrap();
            assert!(streams.len() > 1);
            tokio::time::sleep(STARTED_AFTER).await;
            drop(streams);
        });
        runtime
    });
}

/// Functions of every other kind, which run for ever.
const SPIN_OTHERWISE: [&str; 6] = [
    "SELECT spin_forever(value) FROM range(0, 100000)",
    "SELECT value % 10, spin_forever(value) FROM range(0, 100000) GROUP BY value % 10",
    "SELECT spin_forever(value) OVER (ORDER BY value ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM range(0, 100000)",
    "SELECT window_spin(value) OVER (ORDER BY value) FROM range(0, 100000)",
    "SELECT * FROM spins_after(10)",
    "SELECT count(*) FROM endless()",
];

#[test]
fn aggregates_windows_and_tables_stop_with_their_query() {
    for sql in SPIN_OTHERWISE {
        assert_stopped(|| {
            let runtime = runtime();
            runtime.block_on(async {
                let ctx = session(Arc::default()).await.unwrap();
                for function in ["spin_forever", "window_spin", "spins_after", "endless"] {
                    let create =
                        format!("CREATE FUNCTION {function}() LANGUAGE WASM AS 'testing.wasm'");
                    ctx.wasm_sql(&create).await.unwrap();
                }
                let query = ctx.wasm_sql(sql).await.unwrap();
                let stream = query.execute_stream().await.unwrap();
                tokio::time::sleep(STARTED_AFTER).await;
                drop(stream);
            });
            runtime
        });
    }
}

#[test]
fn a_task_that_is_aborted_stops_its_guests() {
    assert_stopped(|| {
        let runtime = runtime();
        runtime.block_on(async {
            let ctx = session(Arc::default()).await.unwrap();
            let task = tokio::spawn(async move { ctx.wasm_sql(SPIN).await?.collect().await });
            tokio::time::sleep(STARTED_AFTER).await;
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
        });
        runtime
    });
}

#[test]
fn a_timeout_around_a_query_stops_its_guests() {
    assert_stopped(|| {
        let runtime = runtime();
        runtime.block_on(async {
            let ctx = session(Arc::default()).await.unwrap();
            let query = ctx.wasm_sql(SPIN).await.unwrap();
            let began = Instant::now();
            tokio::time::timeout(STARTED_AFTER, query.collect())
                .await
                .expect_err("it never ends");
            assert!(
                began.elapsed() < Duration::from_secs(5),
                "{:?}",
                began.elapsed()
            );
            // The session and the plugin are as before.
            assert_eq!(
                number(&ctx, "SELECT add_one(value) FROM range(1, 2)")
                    .await
                    .unwrap(),
                2
            );
        });
        runtime
    });
}

/// That the guests of a query which never returns a row are stopped when nobody waits any more.
fn assert_operator_stops(sql: &str) {
    assert_stopped(|| {
        let runtime = runtime();
        runtime.block_on(async {
            let ctx = session(Arc::default()).await.unwrap();
            let stream = ctx
                .wasm_sql(sql)
                .await
                .unwrap()
                .execute_stream()
                .await
                .unwrap();
            let ended = tokio::time::timeout(STARTED_AFTER, stream.collect::<Vec<_>>()).await;
            assert!(ended.is_err(), "{sql}: {ended:?}");
        });
        runtime
    });
}

#[test]
fn guests_in_a_filter_are_stopped() {
    assert_operator_stops("SELECT value FROM range(0, 100000) WHERE spin() > value");
}

#[test]
fn guests_in_an_aggregate_are_stopped() {
    assert_operator_stops("SELECT sum(spin()) FROM range(0, 100000)");
}

#[test]
fn guests_in_a_key_are_stopped() {
    assert_operator_stops(
        "SELECT spin() + value AS key, count(*) FROM range(0, 100000) GROUP BY key",
    );
}

#[test]
fn guests_in_a_sort_are_stopped() {
    assert_operator_stops("SELECT value FROM range(0, 100) ORDER BY spin() + value");
}

#[test]
fn guests_in_a_join_are_stopped() {
    assert_operator_stops(
        "SELECT a.value FROM range(0, 10) a JOIN range(0, 10) b ON a.value + spin() = b.value",
    );
}

#[test]
fn guests_in_a_window_are_stopped() {
    assert_operator_stops(
        "SELECT row_number() OVER (PARTITION BY spin() + value) FROM range(0, 10)",
    );
}

#[test]
fn a_query_that_is_cancelled_leaves_others_alone() {
    runtime().block_on(async {
        let (one, other) = (
            session(Arc::default()).await.unwrap(),
            session(Arc::default()).await.unwrap(),
        );
        let spinning = one
            .wasm_sql(SPIN)
            .await
            .unwrap()
            .execute_stream()
            .await
            .unwrap();
        let counting = tokio::spawn(async move {
            let mut sums = Vec::new();
            for _ in 0..5 {
                sums.push(
                    number(&other, "SELECT sum(add_one(value)) FROM range(0, 200000)").await?,
                );
            }
            Ok::<_, DataFusionError>(sums)
        });
        tokio::time::sleep(STARTED_AFTER).await;
        drop(spinning);
        assert_eq!(counting.await.unwrap().unwrap(), vec![20_000_100_000; 5]);
        // The session whose query was cancelled answers too.
        assert_eq!(
            number(&one, "SELECT sum(add_one(value)) FROM range(0, 10)")
                .await
                .unwrap(),
            55
        );
    });
}

#[test]
fn a_limit_ends_the_query_early() {
    runtime().block_on(async {
        let ctx = session(Arc::default()).await.unwrap();
        let query = ctx
            .wasm_sql("SELECT add_one(value) FROM range(0, 1000000000000) LIMIT 10")
            .await
            .unwrap();
        let batches = tokio::time::timeout(Duration::from_secs(20), query.collect())
            .await
            .expect("it ends early")
            .unwrap();
        assert_eq!(
            batches.iter().map(|batch| batch.num_rows()).sum::<usize>(),
            10
        );
    });
}

#[test]
fn a_query_can_be_executed_again_after_it_was_dropped() {
    runtime().block_on(async {
        let ctx = session(Arc::default()).await.unwrap();
        let query = ctx
            .wasm_sql("SELECT add_one(value) FROM range(0, 1000000000)")
            .await
            .unwrap();
        for _ in 0..2 {
            let mut stream = query.clone().execute_stream().await.unwrap();
            let batch = stream.next().await.unwrap().unwrap();
            assert!(batch.num_rows() > 0);
        }
    });
}

#[test]
fn the_memory_of_guests_is_the_querys() {
    let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(40 << 20));
    let environment = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::clone(&pool))
        .build_arc()
        .unwrap();
    runtime().block_on(async {
        let ctx = session(environment).await.unwrap();
        assert_eq!(
            number(&ctx, "SELECT eat(10) FROM range(0, 1)")
                .await
                .unwrap(),
            10
        );
        assert_eq!(
            pool.reserved(),
            0,
            "a query that is over gives its memory back"
        );

        let error = number(&ctx, "SELECT eat(value) FROM range(60, 61)")
            .await
            .unwrap_err()
            .strip_backtrace();
        assert!(
            error.contains("function eat (plugin testing) wanted"),
            "{error}"
        );
        assert!(
            error.contains("which the query's memory pool refused"),
            "{error}"
        );
        assert!(error.contains("wasmfusion plugin testing"), "{error}");
        assert_eq!(
            pool.reserved(),
            0,
            "a query that failed gives its memory back"
        );

        assert_eq!(
            number(&ctx, "SELECT eat(10) FROM range(0, 1)")
                .await
                .unwrap(),
            10
        );
    });
}

#[test]
fn a_pool_without_room_for_an_instance_says_so() {
    let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(100 << 10));
    let environment = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::clone(&pool))
        .build_arc()
        .unwrap();
    runtime().block_on(async {
        let ctx = session(environment).await.unwrap();
        let error = number(&ctx, "SELECT add_one(value) FROM range(0, 1)")
            .await
            .unwrap_err()
            .strip_backtrace();
        assert!(
            error.contains("function add_one (plugin testing) wanted"),
            "{error}"
        );
        assert_eq!(pool.reserved(), 0);
        assert_eq!(
            number(&ctx, "SELECT abs(value) FROM range(7, 8)")
                .await
                .unwrap(),
            7
        );
    });
}

#[test]
fn the_memory_of_a_running_guest_is_reserved() {
    let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(1 << 30));
    let environment = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::clone(&pool))
        .build_arc()
        .unwrap();
    let runtime = runtime();
    runtime.block_on(async {
        let ctx = session(environment).await.unwrap();
        let stream = ctx
            .wasm_sql("SELECT eat(8) + spin() FROM range(0, 1)")
            .await
            .unwrap()
            .execute_stream()
            .await
            .unwrap();
        tokio::time::sleep(STARTED_AFTER).await;
        assert!(pool.reserved() >= 8 << 20, "{} bytes", pool.reserved());
        drop(stream);
    });
    drop(runtime);
    assert_eq!(
        pool.reserved(),
        0,
        "a query that was cancelled gives its memory back"
    );
}
