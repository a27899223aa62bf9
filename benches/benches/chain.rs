//! What `f(g(h(x)))` costs over `f(x)`: functions of one plugin, whose results stay in the guest, and native ones.

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema};
use arrow::record_batch::RecordBatch;
use criterion::{BenchmarkId, Criterion};
use datafusion::datasource::MemTable;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use datafusion::prelude::SessionContext;
use tokio::runtime::Runtime;
use wasmfusion::{SessionContextExt, StreamScope};
use wasmfusion_benches::{Figures, Runner, built_plugins, is_test, native};

const ROWS: [usize; 4] = [1, 64, 1_024, 8_192];
const STEPS: [usize; 4] = [1, 2, 3, 5];
/// The batch of the figures: DataFusion's own size.
const BATCH: usize = 8_192;

/// Name, how a column `x` goes through the function of each side, and which of the columns that is.
const FUNCTIONS: [(&str, &str, &str, &str); 2] = [
    // One addition a row: all else is the way in and out.
    ("add_one", "add_one", "native_add_one", "i"),
    // Some work a row.
    ("distance", "great_circle_km", "native_distance", "d"),
];

fn main() {
    Runner::new().run(measure, figures);
}

fn measure(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    for rows in ROWS {
        let batch = batch(rows);
        for (name, plugin, native, column) in FUNCTIONS {
            let mut group = c.benchmark_group(format!("chain_{name}"));
            for steps in STEPS {
                let wasm = runtime.block_on(expression(&batch, plugin, column, steps));
                let native = runtime.block_on(expression(&batch, native, column, steps));
                let parameter = format!("{steps}x{rows}");
                StreamScope::enter(&mut Some(Box::default()), || {
                    assert_agree(&evaluate(&wasm, &batch), &evaluate(&native, &batch));
                    group.bench_function(BenchmarkId::new("wasm", &parameter), |b| {
                        b.iter(|| black_box(evaluate(&wasm, &batch)));
                    });
                });
                group.bench_function(BenchmarkId::new("native", &parameter), |b| {
                    b.iter(|| black_box(evaluate(&native, &batch)));
                });
            }
            group.finish();
        }
        if is_test() {
            break;
        }
    }
}

fn batch(rows: usize) -> RecordBatch {
    let integers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows as i64));
    let degrees = Float64Array::from_iter_values((0..rows).map(|row| (row % 90) as f64));
    let schema = Schema::new(vec![
        Field::new("i", DataType::Int64, false),
        Field::new("d", DataType::Float64, false),
    ]);
    let columns = vec![integers, Arc::new(degrees)];
    RecordBatch::try_new(Arc::new(schema), columns).expect("columns of one length")
}

/// The function applied so many times, as DataFusion plans it: `f(f(f(x)))`. A distance takes four arguments: three are the column.
async fn expression(
    batch: &RecordBatch,
    function: &str,
    column: &str,
    steps: usize,
) -> Arc<dyn PhysicalExpr> {
    let ctx = SessionContext::new();
    ctx.register_plugins(&built_plugins(&["testing", "geo"]))
        .expect("the functions are new");
    ctx.register_udf(wasmfusion_benches::native_distance());
    ctx.register_udf(native_add_one());
    let table = MemTable::try_new(batch.schema(), vec![vec![batch.clone()]]);
    ctx.register_table("t", Arc::new(table.expect("a table")))
        .expect("the table is new");
    let mut sql = column.to_owned();
    for _ in 0..steps {
        sql = match column {
            "d" => format!("{function}({sql}, d, d, d)"),
            _ => format!("{function}({sql})"),
        };
    }
    let query = ctx.sql(&format!("SELECT {sql} FROM t")).await;
    let query = query.expect("it can be planned");
    let plan = query.create_physical_plan().await;
    let plan = plan.expect("it can be planned");
    let projection = projection(&plan).expect("there is a projection");
    Arc::clone(&projection.expr()[0].expr)
}

fn projection(plan: &Arc<dyn ExecutionPlan>) -> Option<&ProjectionExec> {
    plan.downcast_ref::<ProjectionExec>()
        .or_else(|| plan.children().into_iter().find_map(projection))
}

fn evaluate(expression: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> ArrayRef {
    let value = expression.evaluate(batch).expect("it can be evaluated");
    value.into_array(batch.num_rows()).expect("a column")
}

/// That two columns are equal, floating-point numbers nearly so: sine and arc sine come from different libraries.
fn assert_agree(ours: &ArrayRef, theirs: &ArrayRef) {
    match (
        ours.as_primitive_opt::<Float64Type>(),
        theirs.as_primitive_opt::<Float64Type>(),
    ) {
        (Some(ours), Some(theirs)) => {
            for (ours, theirs) in ours.values().iter().zip(theirs.values()) {
                let close = (ours - theirs).abs() <= 1e-6 * theirs.abs().max(1.0);
                assert!(close, "the plugin says {ours}, native code {theirs}");
            }
        }
        _ => assert_eq!(ours, theirs, "the plugin and native code differ"),
    }
}

fn native_add_one() -> datafusion::logical_expr::ScalarUDF {
    native(
        "native_add_one",
        vec![DataType::Int64],
        DataType::Int64,
        |columns| {
            let values = columns[0].as_primitive::<Int64Type>().values();
            let sums: Vec<i64> = values.iter().map(|value| value.wrapping_add(1)).collect();
            Arc::new(Int64Array::new(sums.into(), None))
        },
    )
}

fn figures(figures: &Figures) {
    for (name, ..) in FUNCTIONS {
        let of = |side: &str, steps: usize| format!("chain_{name}/{side}/{steps}x{BATCH}");
        let prefix = if name == "add_one" {
            String::new()
        } else {
            format!("{name}_")
        };
        figures.ratio(
            &format!("chain/{prefix}three_ratio"),
            &of("wasm", 3),
            &of("wasm", 1),
        );
        // What the same costs natively: three passes over a batch are more work than one.
        figures.ratio(
            &format!("chain/{prefix}native_three_ratio"),
            &of("native", 3),
            &of("native", 1),
        );
        figures.ratio(
            &format!("chain/{prefix}over_native_ratio"),
            &of("wasm", 3),
            &of("native", 3),
        );
    }
}
