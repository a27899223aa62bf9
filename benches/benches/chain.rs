//! What `f(g(h(x)))` costs over `f(x)`: functions of one plugin, whose results stay in the guest; the same called one by one; and native ones.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::datasource::MemTable;
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use datafusion::prelude::SessionContext;
use tokio::runtime::Runtime;
use wasmfusion::{Registry, SessionContextExt, StreamScope};
use wasmfusion_benches::guest::{GuestFunction, guest};
use wasmfusion_benches::{
    Figures, Pairs, Runner, Subject, assert_agree, built_plugins, function_of, native_add_one,
    native_distance,
};

/// Rows of a batch: DataFusion's own size.
const BATCH: usize = 8_192;
const STEPS: [usize; 2] = [1, 3];

/// Name, plugin, function of it, the native one, and which of the columns goes through them.
const FUNCTIONS: [(&str, &str, &str, &str, &str); 2] = [
    // One addition a row: all else is the way in and out.
    ("add_one", "testing", "add_one", "native_add_one", "i"),
    // Some work a row.
    ("distance", "geo", "great_circle_km", "native_distance", "d"),
];

/// A side of a ratio, with its number of steps.
type Side = (&'static str, usize);

/// Figure, and the sides of its ratio.
const PAIRS: [(&str, Side, Side); 4] = [
    ("three", ("wasm", 3), ("wasm", 1)),
    // What the same costs natively: three passes over a batch are more work than one.
    ("native_three", ("native", 3), ("native", 1)),
    // What it would cost if each result came out and went in again.
    ("separate", ("separate", 3), ("separate", 1)),
    ("over_native", ("wasm", 3), ("native", 3)),
];

fn main() {
    Runner::new().run(|_| measure(), figures);
}

fn measure() -> Pairs {
    let mut pairs = Pairs::default();
    let runtime = Runtime::new().expect("a runtime");
    let registry = built_plugins(&["testing", "geo"]);
    let batch = batch(BATCH);
    let (chained, separate) = (chained(&registry, &batch), separate(&registry, &batch));
    for (name, _, plugin, native, column) in FUNCTIONS {
        let mut expressions = BTreeMap::new();
        for steps in STEPS {
            let expression = |ctx, function| {
                runtime.block_on(Expression::new(ctx, &batch, function, column, steps))
            };
            let wasm = expression(&chained, plugin);
            let separate = expression(&separate, plugin);
            let native = expression(&chained, native);
            assert!(!wasm.is_nested(), "{}", wasm.expression);
            assert_eq!(separate.is_nested(), steps > 1, "{}", separate.expression);
            for expression in [&wasm, &separate] {
                let column =
                    StreamScope::enter(&mut Some(Box::default()), || expression.evaluate());
                // A step makes of what the one before is off some hundred times as much.
                assert_agree(name, &column, &native.evaluate(), 1e-6);
            }
            let sides = [("wasm", wasm), ("separate", separate), ("native", native)];
            let sides = sides.map(|(side, expression)| ((side, steps), expression));
            expressions.extend(sides);
        }
        pair(&mut pairs, name, &expressions);
    }
    floor(&mut pairs, &batch);
    pairs
}

/// Measures one function that makes three passes over its column by itself against one that makes one: three in a row can do no better.
fn floor(pairs: &mut Pairs, batch: &RecordBatch) {
    let names = STEPS.map(|passes| (passes, format!("add_{passes}")));
    let functions = names
        .each_ref()
        .map(|(passes, name)| GuestFunction::of_passes(name, *passes));
    let registry = Registry::default();
    let plugin = registry
        .load_bytes(
            "passes.wat",
            guest("passes", "", &[], &functions).as_bytes(),
        )
        .expect("the guest loads");
    let column = batch.column(0);
    let [one, three] = names.map(|(passes, name)| {
        let subject = Subject::new(&function_of(&plugin, &name), std::slice::from_ref(column));
        let mut scope = Some(Box::default());
        let answer = StreamScope::enter(&mut scope, || subject.call());
        let answer = answer.into_array(BATCH).expect("a column");
        let expected =
            Int64Array::from_iter_values((0..BATCH as i64).map(|row| row + passes as i64));
        assert_eq!(answer.as_primitive::<Int64Type>(), &expected);
        move |calls| StreamScope::enter(&mut scope, || subject.calls(calls))
    });
    pairs.measure("floor", three, one);
}

/// Measures the expressions in pairs, by side and number of steps.
fn pair(pairs: &mut Pairs, name: &str, expressions: &BTreeMap<Side, Expression>) {
    for (figure, ours, theirs) in PAIRS {
        let side = |side| {
            let mut scope = Some(Box::default());
            let expression = &expressions[&side];
            move |calls| {
                StreamScope::enter(&mut scope, || {
                    for _ in 0..calls {
                        black_box(expression.evaluate());
                    }
                });
            }
        };
        pairs.measure(format!("{name}/{figure}"), side(ours), side(theirs));
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

/// A session as users have it, with the plan rule, and with the native functions.
fn chained(registry: &Registry, batch: &RecordBatch) -> SessionContext {
    let ctx = session(batch);
    ctx.register_plugins(registry)
        .expect("the functions are new");
    ctx.register_udf(native_distance());
    ctx.register_udf(native_add_one());
    ctx
}

/// A session without the plan rule: each call is one for itself.
fn separate(registry: &Registry, batch: &RecordBatch) -> SessionContext {
    let ctx = session(batch);
    for (_, plugin, function, ..) in FUNCTIONS {
        let plugin = registry.plugin(plugin).expect("it is loaded");
        ctx.register_udf(function_of(&plugin, function));
    }
    ctx
}

fn session(batch: &RecordBatch) -> SessionContext {
    let ctx = SessionContext::new();
    let table = MemTable::try_new(batch.schema(), vec![vec![batch.clone()]]);
    ctx.register_table("t", Arc::new(table.expect("a table")))
        .expect("the table is new");
    ctx
}

/// An expression as DataFusion plans it, with the columns that it is planned for.
struct Expression {
    expression: Arc<dyn PhysicalExpr>,
    batch: RecordBatch,
}

impl Expression {
    /// The function applied so many times, `f(f(f(x)))`. A distance takes four arguments: three are the column.
    async fn new(
        ctx: &SessionContext,
        batch: &RecordBatch,
        function: &str,
        column: &str,
        steps: usize,
    ) -> Self {
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
        // The table is read without the columns that nobody asks for.
        let columns = projection.input().schema();
        let columns = columns.fields().iter().map(|field| {
            let column = batch.schema().index_of(field.name());
            column.expect("a column of the table")
        });
        let columns: Vec<usize> = columns.collect();
        Self {
            expression: Arc::clone(&projection.expr()[0].expr),
            batch: batch.project(&columns).expect("columns of the batch"),
        }
    }

    fn evaluate(&self) -> ArrayRef {
        let value = self.expression.evaluate(&self.batch);
        let value = value.expect("it can be evaluated");
        value
            .into_array(self.batch.num_rows())
            .expect("a column of the same length")
    }

    /// Whether calls are arguments of calls. Those of a chain are not.
    fn is_nested(&self) -> bool {
        let call = self.expression.downcast_ref::<ScalarFunctionExpr>();
        let is_call =
            |arg: &Arc<dyn PhysicalExpr>| arg.downcast_ref::<ScalarFunctionExpr>().is_some();
        call.is_some_and(|call| call.args().iter().any(is_call))
    }
}

fn projection(plan: &Arc<dyn ExecutionPlan>) -> Option<&ProjectionExec> {
    plan.downcast_ref::<ProjectionExec>()
        .or_else(|| plan.children().into_iter().find_map(projection))
}

fn figures(figures: &Figures, pairs: Pairs) {
    for (name, ..) in FUNCTIONS {
        let prefix = match name {
            "add_one" => String::new(),
            _ => format!("{name}_"),
        };
        for (figure, ..) in PAIRS {
            let pair = pairs[format!("{name}/{figure}").as_str()];
            figures.print(&format!("chain/{prefix}{figure}_ratio"), pair.ratio);
        }
    }
    figures.print("chain/floor_ratio", pairs["floor"].ratio);
}
