//! Nested calls give the same rows in a plan, where they are chains, as without the plan rule, where each is a call for itself.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::{SessionConfig, SessionContext};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use proptest::strategy::BoxedStrategy;
use tokio::runtime::Runtime;
use wasmfusion::{Registry, ScalarFunction, SessionContextExt};
use wasmfusion_sql_tests::built_plugins;

/// Functions of one plugin, of integers and of floating-point numbers.
const FUNCTIONS: [&str; 3] = ["add_one", "null_if_odd", "add"];

/// Loaded once for all cases.
static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let registry = Registry::default();
    registry
        .load_file(built_plugins().join("testing.wasm"))
        .expect("it is built");
    registry
});

/// A batch: the columns `i`, `j`, `x` and `y`, and how much of the front is cut off.
#[derive(Clone, Debug)]
struct Batch {
    rows: Vec<(Option<i64>, i64, Option<f64>, f64)>,
    skip: usize,
}

fn batches() -> impl Strategy<Value = Vec<Batch>> {
    let optional = |percent: f64| proptest::option::weighted(1.0 - percent, any::<i32>());
    let row = (optional(0.05), any::<i32>(), optional(0.05), any::<i32>());
    let row = row.prop_map(|(i, j, x, y)| {
        (
            i.map(i64::from),
            i64::from(j),
            x.map(|x| f64::from(x) / 8.0),
            f64::from(y) / 4.0,
        )
    });
    let batch = (proptest::collection::vec(row, 0..40), 0..3usize);
    let batch = batch.prop_map(|(rows, skip)| Batch {
        skip: skip.min(rows.len()),
        rows,
    });
    proptest::collection::vec(batch, 1..5)
}

/// SQL of integers.
fn integers() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        Just("i".to_owned()),
        Just("j".to_owned()),
        any::<i16>().prop_map(|value| format!("CAST({value} AS BIGINT)")),
        Just("j * 3".to_owned()),
    ];
    leaf.prop_recursive(5, 12, 1, |inner| {
        prop_oneof![
            4 => inner.clone().prop_map(|arg| format!("add_one({arg})")),
            1 => inner.prop_map(|arg| format!("null_if_odd({arg})")),
        ]
    })
    .boxed()
}

/// SQL of floating-point numbers.
fn floats() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        Just("x".to_owned()),
        Just("y".to_owned()),
        any::<i16>().prop_map(|value| format!("CAST({value} AS DOUBLE)")),
    ];
    leaf.prop_recursive(5, 24, 2, |inner| {
        (inner.clone(), inner).prop_map(|(left, right)| format!("add({left}, {right})"))
    })
    .boxed()
}

/// The batches as Arrow has them; one that is cut is a slice.
fn arrow(batches: &[Batch]) -> Vec<RecordBatch> {
    let field = |name, ty, nullable| Field::new(name, ty, nullable);
    let schema = Arc::new(Schema::new(vec![
        field("i", DataType::Int64, true),
        field("j", DataType::Int64, false),
        field("x", DataType::Float64, true),
        field("y", DataType::Float64, false),
    ]));
    let batches = batches.iter().map(|Batch { rows, skip }| {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()),
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1))),
            Arc::new(rows.iter().map(|row| row.2).collect::<Float64Array>()),
            Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.3))),
        ];
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).expect("four columns");
        batch.slice(*skip, rows.len() - skip)
    });
    batches.collect()
}

/// What a query returns, as text, and its plan.
async fn answer(ctx: &SessionContext, sql: &str) -> Result<(Vec<Vec<String>>, String), String> {
    let query = ctx.sql(sql).await.map_err(|e| e.to_string())?;
    let schema = Arc::clone(query.schema().inner());
    let plan = query.clone().create_physical_plan().await;
    let plan = plan.map_err(|e| e.to_string())?;
    let plan = datafusion::physical_plan::displayable(plan.as_ref())
        .indent(false)
        .to_string();
    let batches = query.collect().await.map_err(|e| e.to_string())?;
    let batch = concat_batches(&schema, &batches).map_err(|e| e.to_string())?;
    let row = |row: usize| {
        let columns = batch.columns().iter();
        columns
            .map(|column| array_value_to_string(column, row).expect("it can be shown"))
            .collect()
    };
    Ok(((0..batch.num_rows()).map(row).collect(), plan))
}

fn session(batches: &[RecordBatch]) -> SessionContext {
    let config = SessionConfig::new().with_target_partitions(1);
    let ctx = SessionContext::new_with_config(config);
    let table = MemTable::try_new(batches[0].schema(), vec![batches.to_vec()]);
    ctx.register_table("t", Arc::new(table.expect("a table")))
        .expect("the table is new");
    ctx
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn chains_return_what_calls_one_by_one_return(
        batches in batches(),
        integers in proptest::collection::vec(integers(), 1..4),
        floats in proptest::collection::vec(floats(), 1..4),
    ) {
        let batches = arrow(&batches);
        let columns: Vec<String> = integers
            .iter()
            .chain(&floats)
            .enumerate()
            .map(|(place, sql)| format!("{sql} AS c{place}"))
            .collect();
        let sql = format!("SELECT {} FROM t", columns.join(", "));
        let chained = session(&batches);
        chained.register_plugins(&REGISTRY).expect("the functions are new");
        let plugin = REGISTRY.plugin("testing").expect("it is loaded");
        let single = session(&batches);
        for name in FUNCTIONS {
            let function = ScalarFunction::named(&plugin, name).expect("the plugin has it");
            single.register_udf(ScalarUDF::from(function));
        }
        let runtime = Runtime::new().expect("a runtime");
        let (ours, plan) = runtime.block_on(answer(&chained, &sql)).expect("it has an answer");
        let (theirs, _) = runtime.block_on(answer(&single, &sql)).expect("it has an answer");
        proptest::prop_assert_eq!(ours, theirs, "{}\n{}", sql, plan);
    }
}
