//! Aggregates of plugins against the same aggregates of DataFusion, and against a model that is too simple to be wrong.

mod accumulators;
mod datafusion_cases;
mod modes;
mod queries;

use std::sync::{Arc, LazyLock};

use datafusion::logical_expr::AggregateUDF;
use wasmfusion::{AggregateFunction, Plugin, Registry, SqlFunction};
use wasmfusion_sql_tests::built_plugins;

/// The plugin that has the simplest aggregates of all.
static TESTING: LazyLock<Arc<Plugin>> = LazyLock::new(|| {
    let file = built_plugins().join("testing.wasm");
    Registry::default().load_file(file).unwrap()
});

/// An aggregate function of the plugin, under another name.
fn aggregate(name: &str, other_name: &str) -> AggregateUDF {
    let function = SqlFunction::named(&TESTING, name).unwrap();
    let function = AggregateFunction::new(function.with_name(other_name)).unwrap();
    AggregateUDF::from(function)
}
