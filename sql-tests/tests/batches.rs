//! Batches of any length, also those that go through a guest in parts: what comes out, and what is counted, is as if each had gone whole.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{
    ArrayRef, AsArray, Date32Array, Float64Array, Int64Array, ListArray, RecordBatch, StringArray,
};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{Date32Type, Float64Type, Int64Type};
use datafusion::datasource::MemTable;
use datafusion::error::{DataFusionError, Result};
use datafusion::prelude::{SessionConfig, SessionContext};
use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use tokio::runtime::Runtime;
use wasmfusion::{Registry, RegistryOptions, SessionContextExt};
use wasmfusion_sql_tests::built_plugins;

/// Most rows of a batch.
const ROWS_MAX: usize = 20_000;
/// Rows of a batch where any will do.
const BATCH: usize = 4_096;

/// Loaded once for all cases.
static TESTING: LazyLock<Registry> = LazyLock::new(|| {
    let registry = Registry::default();
    registry
        .load_file(built_plugins().join("testing.wasm"))
        .expect("it is built");
    registry
});

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

/// A session with one table, `t`, whose batches are what the operators get.
fn session(registry: &Registry, batches: Vec<RecordBatch>) -> SessionContext {
    let config = SessionConfig::new()
        .with_target_partitions(1)
        .with_batch_size(2 * ROWS_MAX);
    let ctx = SessionContext::new_with_config(config);
    ctx.register_plugins(registry)
        .expect("the functions are new");
    let table = MemTable::try_new(batches[0].schema(), vec![batches]).expect("a table");
    ctx.register_table("t", Arc::new(table))
        .expect("the name is free");
    ctx
}

fn answer(ctx: &SessionContext, sql: &str) -> Result<RecordBatch> {
    RUNTIME.block_on(async {
        let query = ctx.sql(sql).await?;
        let schema = Arc::clone(query.schema().inner());
        let batches = query.collect().await?;
        concat_batches(&schema, &batches).map_err(DataFusionError::from)
    })
}

/// Batches of one column, `x`, of numbers that rise from 0 on.
fn rising(rows: &[usize]) -> Vec<RecordBatch> {
    let mut next = 0;
    let batch = |rows: &usize| {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(next..next + *rows as i64));
        next += *rows as i64;
        RecordBatch::try_from_iter([("x", column)]).expect("a batch")
    };
    rows.iter().map(batch).collect()
}

#[test]
fn a_batch_is_counted_as_one_call() {
    let registry = Registry::default();
    registry
        .load_file(built_plugins().join("testing.wasm"))
        .expect("it is built");
    let ctx = session(&registry, rising(&[BATCH, 1_000]));
    answer(&ctx, "SELECT add_one(x) FROM t").expect("it adds");
    let usage = registry.usage();
    let usage = usage
        .iter()
        .find(|usage| &*usage.function == "add_one")
        .expect("it was called");
    let rows = BATCH as u64 + 1_000;
    assert_eq!((usage.counts.calls, usage.counts.rows), (2, rows));
    assert_eq!(
        (usage.counts.bytes_in, usage.counts.bytes_out),
        (8 * rows, 8 * rows)
    );
    assert!(usage.counts.guest_ns > 0 && usage.counts.copy_ns > 0);
}

#[test]
fn long_texts_and_lists_in_parts_are_the_same_rows_and_one_call() {
    let registry = Registry::default();
    registry
        .load_file(built_plugins().join("testing.wasm"))
        .expect("it is built");
    let text = |row: usize| "grün ".repeat(row % 97);
    let rows = || 0..9_001_usize;
    let texts: StringArray = rows()
        .map(|row| (row % 11 > 0).then(|| text(row)))
        .collect();
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(
        rows().map(|row| Some((0..row as i64 % 41).map(Some))),
    );
    let columns: [(&str, ArrayRef, bool); 2] = [
        ("t", Arc::new(texts.clone()), true),
        ("l", Arc::new(lists), true),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns).expect("a batch");
    let ctx = session(&registry, vec![batch.slice(1, 9_000)]);
    let ours = answer(
        &ctx,
        "SELECT same_text(t) same, repeat_text(t, 2) twice, sum_of_list(l) sum FROM t",
    )
    .expect("it has an answer");
    let texts = texts.slice(1, 9_000);
    assert_eq!(ours["same"].as_string::<i32>(), &texts);
    let twice: StringArray = texts.iter().map(|t| Some(t?.repeat(2))).collect();
    assert_eq!(ours["twice"].as_string::<i32>(), &twice);
    let sums: Int64Array = rows()
        .skip(1)
        .map(|row| Some((0..row as i64 % 41).sum()))
        .collect();
    assert_eq!(ours["sum"].as_primitive::<Int64Type>(), &sums);
    for usage in registry.usage() {
        if ["same_text", "repeat_text", "sum_of_list"].contains(&&*usage.function) {
            assert_eq!(usage.counts.calls, 1, "{}", usage.function);
        }
    }
}

#[test]
fn a_batch_in_parts_has_the_time_of_one_call() {
    let mut options = RegistryOptions::default();
    options.limits.call_timeout_ms = 400;
    let registry = Registry::new(options);
    registry
        .load_file(built_plugins().join("text.wasm"))
        .expect("it is built");
    // A part of some dozen rows is done in a fraction of the time; the batch takes seconds.
    let long = |letter: &str| -> ArrayRef {
        let text = format!("é{}", letter.repeat(4_000));
        Arc::new(StringArray::from_iter_values(std::iter::repeat_n(
            text, 3_000,
        )))
    };
    let batch = RecordBatch::try_from_iter([("a", long("a")), ("b", long("b"))]).expect("a batch");
    let ctx = session(&registry, vec![batch.slice(0, 10)]);
    answer(&ctx, "SELECT edit_distance(a, b) FROM t").expect("a few rows are in time");
    let ctx = session(&registry, vec![batch]);
    let error = answer(&ctx, "SELECT edit_distance(a, b) FROM t").expect_err("it takes too long");
    assert!(error.to_string().contains("call_timeout_ms"), "{error}");
}

/// A batch: the columns `i` (BIGINT), `x`, `y` (DOUBLE) and `d` (DATE), and how much of the front is cut off.
#[derive(Clone, Debug)]
struct Batch {
    rows: usize,
    skip: usize,
    seed: i64,
    /// One row of so many is NULL in `i`; none, if it is 0.
    null_every: usize,
}

impl Batch {
    fn arrow(&self) -> RecordBatch {
        let values = || (0..self.rows as i64).map(|row| (row * 7 + self.seed) % 100_003);
        let is_null = |row: usize| self.null_every > 0 && row.is_multiple_of(self.null_every);
        let ints = values()
            .enumerate()
            .map(|(row, i)| (!is_null(row)).then_some(i));
        let columns: [(&str, ArrayRef); 4] = [
            ("i", Arc::new(ints.collect::<Int64Array>())),
            (
                "x",
                Arc::new(
                    values()
                        .map(|v| Some(v as f64 / 8.0))
                        .collect::<Float64Array>(),
                ),
            ),
            (
                "y",
                Arc::new(
                    values()
                        .map(|v| Some(v as f64 * 3.0))
                        .collect::<Float64Array>(),
                ),
            ),
            (
                "d",
                Arc::new(values().map(|v| Some(v as i32)).collect::<Date32Array>()),
            ),
        ];
        let nullable = columns.map(|(name, column)| (name, column, true));
        let batch = RecordBatch::try_from_iter_with_nullable(nullable).expect("a batch");
        batch.slice(self.skip, self.rows - self.skip)
    }
}

fn batches() -> impl Strategy<Value = Vec<Batch>> {
    let rows = prop_oneof![
        0..ROWS_MAX,
        // Around powers of two.
        (1..15u32, 0..3usize).prop_map(|(power, more)| (1 << power) + more - 1),
    ];
    let null_every = prop_oneof![3 => 0..1usize, 1 => 2..2_000usize];
    let batch = (rows, 0..70usize, any::<i16>(), null_every);
    let batch = batch.prop_map(|(rows, skip, seed, null_every)| Batch {
        rows,
        skip: skip.min(rows),
        seed: i64::from(seed).abs(),
        null_every,
    });
    proptest::collection::vec(batch, 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn batches_of_any_length_come_out_as_rust_computes_them(batches in batches()) {
        let batches: Vec<RecordBatch> = batches.iter().map(Batch::arrow).collect();
        let schema = batches[0].schema();
        let all = concat_batches(&schema, &batches).expect("one schema");
        let ctx = session(&TESTING, batches);
        let ours = answer(
            &ctx,
            "SELECT add_one(i) one, add(x, y) sum, add(x, 0.5) half, next_day(d) day, \
             null_if_odd(i) even, add_one(add_one(add_one(i))) three, add(add(x, y), y) twice FROM t",
        )
        .expect("it has an answer");

        let i = all["i"].as_primitive::<Int64Type>();
        let (x, y) = (all["x"].as_primitive::<Float64Type>(), all["y"].as_primitive::<Float64Type>());
        let d = all["d"].as_primitive::<Date32Type>();
        let ints = |name: &str| ours[name].as_primitive::<Int64Type>().clone();
        let floats = |name: &str| ours[name].as_primitive::<Float64Type>().clone();
        let sum = |more: f64, times: f64| -> Float64Array {
            x.values().iter().zip(y.values()).map(|(x, y)| Some(x + y * times + more)).collect()
        };
        prop_assert_eq!(ours.num_rows(), all.num_rows());
        prop_assert_eq!(ints("one"), i.unary::<_, Int64Type>(|i| i + 1));
        prop_assert_eq!(ints("three"), i.unary::<_, Int64Type>(|i| i + 3));
        prop_assert_eq!(ints("even"), i.iter().map(|i| i.filter(|i| i % 2 == 0)).collect::<Int64Array>());
        prop_assert_eq!(floats("sum"), sum(0.0, 1.0));
        prop_assert_eq!(floats("half"), sum(0.5, 0.0));
        prop_assert_eq!(floats("twice"), sum(0.0, 2.0));
        prop_assert_eq!(ours["day"].as_primitive::<Date32Type>().clone(), d.unary::<_, Date32Type>(|d| d + 1));
    }
}
