//! Whom instances serve and where they come from: every option of [`PoolOptions`] has a test that fails when it has no effect.

use std::time::{Duration, Instant};

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt as _;
use wasmfusion::{
    Isolation, PluginSettings, PoolOptions, Registry, RegistryOptions, SessionContextExt,
};
use wasmfusion_sql_tests::Guest;

/// Rows of a batch.
const BATCH: i64 = 100;

/// A plugin `ticks` whose function counts in its memory how many rows it has seen.
fn ticks() -> String {
    let body = "(i64.store (i32.const 8) (i64.add (i64.load (i32.const 8)) (i64.const 1))) (i64.load (i32.const 8))";
    Guest::new("ticks", &[], body).text()
}

fn registry(change: impl FnOnce(&mut RegistryOptions)) -> Registry {
    let mut options = RegistryOptions::default();
    change(&mut options);
    let registry = Registry::new(options);
    registry
        .load_bytes("ticks.wat", ticks().as_bytes())
        .expect("a good guest");
    registry
}

fn session(registry: &Registry) -> SessionContext {
    let config = SessionConfig::new()
        .with_target_partitions(1)
        .with_batch_size(BATCH as usize);
    let ctx = SessionContext::new_with_config(config);
    ctx.register_plugins(registry).expect("no name is taken");
    ctx
}

async fn number(ctx: &SessionContext, sql: &str) -> Result<i64, String> {
    let frame = ctx.sql(sql).await.map_err(|error| error.to_string())?;
    let batches = frame.collect().await.map_err(|error| error.to_string())?;
    Ok(batches[0].column(0).as_primitive::<Int64Type>().value(0))
}

/// The highest count in a stream of three batches.
const THREE: &str = "SELECT max(ticks(value)) FROM range(0, 300)";

fn isolated(isolation: Isolation) -> Registry {
    registry(|options| options.pool.isolation = isolation)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn isolation_says_what_a_guest_can_keep() {
    // For a stream: three batches in one instance, none of the query before.
    let ctx = session(&isolated(Isolation::Stream));
    assert_eq!(number(&ctx, THREE).await, Ok(3 * BATCH));
    assert_eq!(number(&ctx, THREE).await, Ok(3 * BATCH));
    // For a call: each batch in an instance of its own.
    let ctx = session(&isolated(Isolation::Call));
    assert_eq!(number(&ctx, THREE).await, Ok(BATCH));
    assert_eq!(number(&ctx, THREE).await, Ok(BATCH));
    // Shared: the next query goes on, also from another session.
    let registry = isolated(Isolation::Shared);
    let ctx = session(&registry);
    assert_eq!(number(&ctx, THREE).await, Ok(3 * BATCH));
    assert_eq!(number(&ctx, THREE).await, Ok(6 * BATCH));
    assert_eq!(number(&session(&registry), THREE).await, Ok(9 * BATCH));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_plugin_may_be_isolated_otherwise() {
    let registry = Registry::default();
    let settings = PluginSettings::parse("[pool]\nisolation = \"call\"").expect("good settings");
    registry
        .load_bytes_with("ticks.wat", ticks().as_bytes(), &settings)
        .expect("a good guest");
    assert_eq!(number(&session(&registry), THREE).await, Ok(BATCH));
}

#[test]
fn what_is_no_option_is_refused() {
    for (text, expected) in [
        ("[pool]\nisolation = \"none\"", "isolation"),
        ("[pool]\nwarm = 3", "warm"),
        ("[pool]\nwait_ms = -1", "wait_ms"),
    ] {
        let error = PluginSettings::parse(text).expect_err(text).to_string();
        assert!(
            error.contains("pool") && error.contains(expected),
            "{error}"
        );
    }
    let mut options = PoolOptions::default();
    options.set("isolation", "shared").expect("it is one");
    options.set("warm", 3).expect_err("it is none");
}

/// An instance that failed is not used again, and one of a session with lower limits serves nobody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_shared_is_well() {
    let mut options = RegistryOptions::default();
    options.pool.isolation = Isolation::Shared;
    let registry = Registry::new(options);
    // Counts, and traps at 250.
    let body = "(i64.store (i32.const 8) (i64.add (i64.load (i32.const 8)) (i64.const 1)))
        (if (i64.eq (i64.load (i32.const 8)) (i64.const 250)) (then (unreachable)))
        (i64.load (i32.const 8))";
    registry
        .load_bytes(
            "ticks.wat",
            Guest::new("ticks", &[], body).text().as_bytes(),
        )
        .expect("a good guest");
    let ctx = session(&registry);
    let two = "SELECT max(ticks(value)) FROM range(0, 200)";
    assert_eq!(number(&ctx, two).await, Ok(200));
    number(&ctx, two).await.expect_err("it traps");
    assert_eq!(number(&ctx, two).await, Ok(200));

    let lower = session(&registry);
    lower
        .sql("SET wasmfusion.call_timeout_ms = 1000")
        .await
        .expect("lower");
    assert_eq!(
        number(&lower, "SELECT max(ticks(value)) FROM range(0, 10)").await,
        Ok(10)
    );
    assert_eq!(
        number(&ctx, "SELECT max(ticks(value)) FROM range(0, 10)").await,
        Ok(210)
    );
}

/// A column of the table `pools`.
async fn pool(ctx: &SessionContext, column: &str) -> i64 {
    let sql = format!("SELECT CAST({column} AS BIGINT) FROM wasmfusion.pools");
    number(ctx, &sql).await.expect("there is one plugin")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_are_made_ahead() {
    let ctx = session(&registry(|options| options.pool.warm_instances = 3));
    assert_eq!(pool(&ctx, "idle").await, 0);
    assert_eq!(number(&ctx, THREE).await, Ok(3 * BATCH));
    let began = Instant::now();
    while pool(&ctx, "idle").await < 3 {
        assert!(began.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let before = (pool(&ctx, "hits").await, pool(&ctx, "misses").await);
    // Nobody has used it.
    assert_eq!(number(&ctx, THREE).await, Ok(3 * BATCH));
    let after = (pool(&ctx, "hits").await, pool(&ctx, "misses").await);
    assert_eq!((after.0 - before.0, after.1 - before.1), (1, 0));

    // Without, each stream makes its own.
    let ctx = session(&registry(|_| {}));
    number(&ctx, THREE).await.expect("it works");
    number(&ctx, THREE).await.expect("it works");
    assert_eq!(pool(&ctx, "hits").await, 0);
    assert_eq!(pool(&ctx, "misses").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_waits_for_an_instance() {
    let outcome = async |wait_ms: u64| {
        let registry = registry(|options| {
            options.pool.wait_ms = wait_ms;
            options.limits.plugin_instances_max = 1;
        });
        let ctx = session(&registry);
        let frame = ctx.sql("SELECT ticks(value) FROM range(0, 1000000)").await;
        let plan = frame.expect("planned").create_physical_plan().await;
        let mut holds = execute_stream(plan.expect("planned"), ctx.task_ctx()).expect("begun");
        holds.next().await.expect("a batch").expect("a good one");
        let other = ctx.clone();
        let waiting = tokio::spawn(async move { number(&other, THREE).await });
        tokio::time::sleep(Duration::from_millis(200)).await;
        drop(holds);
        let outcome = waiting.await.expect("no panic");
        (outcome, pool(&ctx, "waits").await)
    };
    assert_eq!(outcome(10_000).await, (Ok(3 * BATCH), 1));
    let (outcome, waits) = outcome(0).await;
    let message = outcome.expect_err("there is no room");
    assert!(message.contains("plugin_instances_max"), "{message}");
    assert_eq!(waits, 0);
}

/// Page faults of this process so far.
#[cfg(target_os = "linux")]
fn page_faults() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("it can be read");
    let fields = stat.rsplit_once(')').expect("as documented").1;
    let faults = fields.split_whitespace().nth(7).expect("as documented");
    faults.parse().expect("a number")
}

/// What starting a hundred instances costs, of two plugins in turn.
#[cfg(target_os = "linux")]
fn faults_with(change: impl FnOnce(&mut PoolOptions)) -> u64 {
    let registry = registry(|options| {
        options.limits.instances_max = 10;
        change(&mut options.pool);
    });
    let other = Guest::new("other", &[], "(local.get $x)").text();
    registry
        .load_bytes("other.wat", other.as_bytes())
        .expect("a good guest");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let ctx = session(&registry);
    let queries = |count: usize| {
        for _ in 0..count {
            let answer = runtime.block_on(number(&ctx, THREE));
            assert_eq!(answer, Ok(3 * BATCH));
            let other = "SELECT max(other(value)) FROM range(0, 300)";
            let answer = runtime.block_on(number(&ctx, other));
            assert_eq!(answer, Ok(3 * BATCH - 1));
        }
    };
    queries(10);
    let before = page_faults();
    queries(50);
    page_faults() - before
}

#[cfg(target_os = "linux")]
#[test]
fn memory_that_stays_is_not_faulted_in() {
    let (none, some) = (
        faults_with(|pool| pool.resident_bytes = 0),
        faults_with(|pool| pool.resident_bytes = 1 << 20),
    );
    assert!(none > some + 100, "{none} and {some}");
}

#[cfg(target_os = "linux")]
#[test]
fn slots_that_stay_mapped_are_not_faulted_in() {
    let (none, some) = (
        faults_with(|pool| pool.warm_slots = 0),
        faults_with(|pool| pool.warm_slots = 10),
    );
    assert!(none > some + 100, "{none} and {some}");
}
