//! Runs each hot path of the host a fixed number of times, so that callgrind can count its instructions.
//!
//! ```sh
//! valgrind --tool=callgrind --collect-atstart=no --toggle-collect=hot_paths_measured --dump-after=hot_paths_measured \
//!     target/release/hot_paths
//! ```
//!
//! For each path it prints `path NAME CALLS` and then calls [`hot_paths_measured`] once: the first dump is of the first path, and so on. An argument
//! runs those paths alone whose names start with it. It keeps compiled modules in the target directory: compiling them takes longest by far.

use std::hint::black_box;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
};
use arrow::datatypes::{DataType, Field, Int32Type};
use datafusion::datasource::MemTable;
use datafusion::logical_expr::function::PartitionEvaluatorArgs;
use datafusion::logical_expr::{AggregateUDF, PartitionEvaluator, ScalarUDF, WindowUDF};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt;
use tokio::runtime::{Builder, Runtime};
use wasmfusion::{
    AggregateFunction, ArtifactOptions, Plugin, PluginSettings, Registry, RegistryOptions,
    SessionContextExt, SqlFunction, StreamScope, WindowFunction,
};
use wasmfusion_benches::guest::{GuestFunction, guest};
use wasmfusion_benches::{Subject, accumulator, built, collect, floats, function_of};

/// Calls before those that are counted: what happens once has happened then.
const WARM_UP: u64 = 16;
const BATCH: usize = 8_192;
/// Host calls in one call of the guest.
const HOST_CALLS: i64 = 100;

/// A path is set up, and then gives its call to be measured.
type Setup = fn(&Host, &mut dyn FnMut(&mut dyn FnMut()));

/// The paths with the number of their calls, such that each runs some million instructions.
const PATHS: [(&str, u64, Setup); 15] = [
    ("scalar/fixed_1_row", 5_000, |host, measure| {
        let columns = [floats(1, 0.5, 1.0), floats(1, 2.5, 1.0)];
        scalar(host, "testing", "add", &columns, measure);
    }),
    ("scalar/fixed_8192_rows", 100, |host, measure| {
        let columns = [floats(BATCH, 0.5, 1.0), floats(BATCH, 2.5, 1.0)];
        scalar(host, "testing", "add", &columns, measure);
    }),
    ("scalar/with_nulls", 100, |host, measure| {
        let sparse = (0..BATCH).map(|row| (row % 10 != 0).then_some(row as f64));
        let sparse: ArrayRef = Arc::new(sparse.collect::<Float64Array>());
        let columns = [sparse, floats(BATCH, 2.5, 1.0)];
        scalar(host, "testing", "add", &columns, measure);
    }),
    ("scalar/strings_64", 500, |host, measure| {
        scalar(host, "testing", "shout", &[words(64)], measure);
    }),
    ("scalar/dictionary", 200, |host, measure| {
        let keys = Int32Array::from_iter_values((0..4_096).map(|row| row % 4));
        let column = DictionaryArray::<Int32Type>::new(keys, words(4));
        scalar(host, "testing", "shout", &[Arc::new(column)], measure);
    }),
    ("scalar/two_functions", 2_500, two_functions),
    ("chain/three", 2_000, chain),
    ("aggregate/update_1000_groups", 50, aggregate),
    ("window/evaluate", 2_000, |host, measure| {
        let (mut evaluator, values) = window(host, "moving_median", 1);
        let mut row = 2;
        measure(&mut || {
            let frame = row - 2..row + 3;
            row = if row + 3 < BATCH { row + 1 } else { 2 };
            black_box(evaluator.evaluate(&values, &frame).expect("a value"));
        });
    }),
    ("window/evaluate_all", 50, |host, measure| {
        let (mut evaluator, values) = window(host, "ema", 2);
        measure(&mut || {
            black_box(evaluator.evaluate_all(&values, BATCH).expect("a column"));
        });
    }),
    ("table/next_batch", 50, table),
    ("host/clock", 200, host_call),
    ("plan/bind", 10, bind),
    ("instance/new", 200, |host, measure| {
        let hello = Subject::new(&host.function("hello", "hello"), &[words(1)]);
        measure(&mut || {
            StreamScope::enter(&mut Some(Box::default()), || {
                black_box(hello.call());
            });
        });
    }),
    ("sql/small_query", 10, small_query),
];

fn main() {
    let only = std::env::args().nth(1).unwrap_or_default();
    let host = Host::new();
    // An instance that lives all the time: without one the watchdog sleeps, and whoever makes one has to wake it.
    let mut alive = Some(Box::default());
    let hello = Subject::new(&host.function("hello", "hello"), &[words(1)]);
    StreamScope::enter(&mut alive, || hello.call());
    for (name, calls, setup) in PATHS {
        if !name.starts_with(&only) {
            continue;
        }
        setup(&host, &mut |call| {
            for _ in 0..WARM_UP {
                call();
            }
            println!("path {name} {calls}");
            io::stdout().flush().expect("it can be written");
            hot_paths_measured(calls, call);
        });
    }
}

/// What callgrind counts the instructions of.
#[unsafe(no_mangle)]
#[inline(never)]
pub fn hot_paths_measured(calls: u64, call: &mut dyn FnMut()) {
    for _ in 0..calls {
        call();
    }
}

/// Where plugins and queries run: one thread of queries.
struct Host {
    registry: Registry,
    runtime: Runtime,
}

impl Host {
    fn new() -> Self {
        let mut options = RegistryOptions::default();
        // valgrind has less address space to give, and everything takes longer under it.
        options.limits.instances_max = 6;
        options.limits.compile_timeout_ms = 3_600_000;
        options.limits.describe_timeout_ms = 600_000;
        options.limits.call_timeout_ms = 600_000;
        options.artifacts = Some(ArtifactOptions::new(artifacts()));
        let runtime = Builder::new_current_thread().enable_time().build();
        Self {
            registry: Registry::new(options),
            runtime: runtime.expect("a runtime"),
        }
    }

    /// A built plugin, loaded when it is first asked for.
    fn plugin(&self, name: &str) -> Arc<Plugin> {
        self.registry.plugin(name).unwrap_or_else(|| {
            let plugin = self.registry.load_file(built(name));
            plugin.expect("the plugin loads")
        })
    }

    fn function(&self, plugin: &str, function: &str) -> ScalarUDF {
        function_of(&self.plugin(plugin), function)
    }

    /// A session with the functions of this plugin and a table `t` of one batch: `i` counts, `s` is a text.
    fn session(&self, plugin: &str, rows: usize) -> SessionContext {
        self.plugin(plugin);
        let ctx = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
        ctx.register_plugins(&self.registry)
            .expect("the functions are new");
        let columns: [(&str, ArrayRef); 2] = [("i", integers(rows)), ("s", words(rows))];
        let batch = RecordBatch::try_from_iter(columns).expect("a batch");
        let table = MemTable::try_new(batch.schema(), vec![vec![batch]]);
        ctx.register_table("t", Arc::new(table.expect("a table")))
            .expect("the name is free");
        ctx
    }

    /// The plan of a query.
    async fn plan(ctx: &SessionContext, sql: &str) -> Arc<dyn ExecutionPlan> {
        let state = ctx.state();
        let plan = state.create_logical_plan(sql).await;
        let plan = plan.expect("it can be planned");
        let plan = state.create_physical_plan(&plan).await;
        plan.expect("it can be planned")
    }
}

fn artifacts() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR");
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    target
        .map_or_else(default, PathBuf::from)
        .join("hot_paths_artifacts")
}

fn integers(rows: usize) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(0..rows as i64))
}

fn words(rows: usize) -> ArrayRef {
    let words = (0..rows).map(|row| format!("word number {row}"));
    Arc::new(StringArray::from_iter_values(words))
}

/// Calls of a scalar function in one stream.
fn scalar(
    host: &Host,
    plugin: &str,
    function: &str,
    columns: &[ArrayRef],
    measure: &mut dyn FnMut(&mut dyn FnMut()),
) {
    let subject = Subject::new(&host.function(plugin, function), columns);
    StreamScope::enter(&mut Some(Box::default()), || {
        measure(&mut || {
            black_box(subject.call());
        });
    });
}

/// Two functions of one plugin in turns, in one stream.
fn two_functions(host: &Host, measure: &mut dyn FnMut(&mut dyn FnMut())) {
    let add = Subject::new(
        &host.function("testing", "add"),
        &[floats(1, 0.5, 1.0), floats(1, 2.5, 1.0)],
    );
    let add_one = Subject::new(&host.function("testing", "add_one"), &[integers(1)]);
    StreamScope::enter(&mut Some(Box::default()), || {
        measure(&mut || {
            black_box(add.call());
            black_box(add_one.call());
        });
    });
}

/// Three calls in a row, `f(f(f(i)))`, of which the plan rule makes one, on 64 rows.
fn chain(host: &Host, measure: &mut dyn FnMut(&mut dyn FnMut())) {
    const ROWS: usize = 64;
    let ctx = host.session("testing", ROWS);
    let sql = "SELECT add_one(add_one(add_one(i))) FROM t";
    let plan = host.runtime.block_on(Host::plan(&ctx, sql));
    let projection: &ProjectionExec = plan.downcast_ref().expect("a projection");
    let expression: Arc<dyn PhysicalExpr> = Arc::clone(&projection.expr()[0].expr);
    let schema = projection.input().schema();
    let batch = RecordBatch::try_new(schema, vec![integers(ROWS)]).expect("the column alone");
    StreamScope::enter(&mut Some(Box::default()), || {
        measure(&mut || {
            black_box(expression.evaluate(&batch).expect("a column"));
        });
    });
}

/// A batch into the states of an aggregate.
fn aggregate(host: &Host, measure: &mut dyn FnMut(&mut dyn FnMut())) {
    const GROUPS: usize = 1_000;
    let function = SqlFunction::named(&host.plugin("stats"), "geometric_mean");
    let function = function.and_then(AggregateFunction::new);
    let function = AggregateUDF::from(function.expect("the plugin has the function"));
    let mut accumulator = accumulator(function);
    let values = [floats(BATCH, 1.0, 0.5)];
    let groups: Vec<usize> = (0..BATCH).map(|row| row * 7 % GROUPS).collect();
    measure(&mut || {
        accumulator
            .update_batch(&values, &groups, None, GROUPS)
            .expect("it goes in");
    });
}

/// A window function of the plugin `series` with so many arguments, and a partition.
fn window(
    host: &Host,
    function: &str,
    arguments: usize,
) -> (Box<dyn PartitionEvaluator>, Vec<ArrayRef>) {
    let function = SqlFunction::named(&host.plugin("series"), function);
    let function = function.and_then(WindowFunction::new);
    let function = WindowUDF::from(function.expect("the plugin has the function"));
    let values = [floats(BATCH, 1.0, 0.5), floats(BATCH, 0.1, 0.0)];
    let values = values[..arguments].to_vec();
    let places = 0..arguments;
    let columns: Vec<Arc<dyn PhysicalExpr>> = places
        .clone()
        .map(|place| Arc::new(Column::new("v", place)) as Arc<dyn PhysicalExpr>)
        .collect();
    let fields: Vec<_> = places
        .map(|_| Arc::new(Field::new("v", DataType::Float64, true)))
        .collect();
    let args = PartitionEvaluatorArgs::new(&columns, &fields, false, false);
    let evaluator = function.partition_evaluator_factory(args);
    (evaluator.expect("an evaluator"), values)
}

/// One batch of a table function. Where the plan has its root, there is a task for it; this is the operator below.
fn table(host: &Host, measure: &mut dyn FnMut(&mut dyn FnMut())) {
    let ctx = host.session("series", 1);
    let sql = "SELECT position + 1, value FROM linspace(0.0, 1.0, 100000000)";
    let mut plan = host.runtime.block_on(Host::plan(&ctx, sql));
    while let Some(below) = plan.children().first().map(|below| Arc::clone(below)) {
        plan = below;
    }
    let mut batches = plan.execute(0, ctx.task_ctx()).expect("it starts");
    measure(&mut || {
        let batch = host.runtime.block_on(batches.next());
        black_box(batch.expect("it has not ended").expect("a batch"));
    });
}

/// Host calls that stay in the process, a hundred in a call.
fn host_call(host: &Host, measure: &mut dyn FnMut(&mut dyn FnMut())) {
    let calls = GuestFunction::repeating("clock", "", "(call $clock)");
    let import = r#"(import "wasmfusion" "clock_realtime" (func $clock (result i64)))"#;
    let text = guest("clock", import, &["clock"], &[calls]);
    let settings = PluginSettings::default().grant("clock");
    let settings = settings.expect("there is such a capability");
    host.registry
        .load_bytes_with("clock.wat", text.as_bytes(), &settings)
        .expect("the guest loads");
    let count: ArrayRef = Arc::new(Int64Array::from(vec![HOST_CALLS]));
    scalar(host, "clock", "clock", &[count], measure);
}

/// Planning a query whose function is bound.
fn bind(host: &Host, measure: &mut dyn FnMut(&mut dyn FnMut())) {
    let ctx = host.session("testing", 1);
    measure(&mut || {
        let sql = "SELECT has_prefix(s, 'word') FROM t";
        black_box(host.runtime.block_on(Host::plan(&ctx, sql)));
    });
}

/// A whole query over one batch.
fn small_query(host: &Host, measure: &mut dyn FnMut(&mut dyn FnMut())) {
    let ctx = host.session("testing", BATCH);
    measure(&mut || {
        let sql = "SELECT add_one(i) FROM t";
        black_box(collect(&host.runtime, &ctx, sql));
    });
}
