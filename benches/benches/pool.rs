//! What it costs whom an instance serves, and where it comes from: the first call of a stream, and one that follows.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use criterion::Criterion;
use datafusion::logical_expr::ScalarUDF;
use wasmfusion::{Isolation, PoolOptions, Registry, RegistryOptions, ScalarFunction, StreamScope};
use wasmfusion_benches::{Figures, Runner, Subject};

/// Changes the options of a pool.
type Change = fn(&mut PoolOptions);

/// Options that differ, and their names.
const POOLS: [(&str, Change); 5] = [
    ("stream", |_| {}),
    ("stream_warm", |pool| pool.warm_instances = 64),
    ("stream_not_resident", |pool| pool.resident_bytes = 0),
    ("call", |pool| pool.isolation = Isolation::Call),
    ("shared", |pool| pool.isolation = Isolation::Shared),
];

fn main() {
    Runner::new().run(measure, figures);
}

fn measure(c: &mut Criterion) {
    let names: ArrayRef = Arc::new(StringArray::from(vec!["world"]));
    let mut group = c.benchmark_group("pool");
    for (name, change) in POOLS {
        let function = hello(change);
        let subject = Subject::new(&function, std::slice::from_ref(&names));
        group.bench_function(format!("{name}_first_call"), |b| {
            b.iter(|| {
                let mut scope = Some(Box::<StreamScope>::default());
                StreamScope::enter(&mut scope, || black_box(subject.call()))
            });
        });
        group.bench_function(format!("{name}_next_call"), |b| {
            let mut scope = Some(Box::<StreamScope>::default());
            StreamScope::enter(&mut scope, || b.iter(|| black_box(subject.call())));
        });
    }
    group.finish();
}

fn hello(change: Change) -> ScalarUDF {
    let mut options = RegistryOptions::default();
    change(&mut options.pool);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/plugins/built/hello.wasm");
    let plugin = Registry::new(options)
        .load_file(file)
        .expect("the plugin loads");
    ScalarUDF::from(ScalarFunction::named(&plugin, "hello").expect("it has it"))
}

fn figures(figures: &Figures) {
    for (name, _) in POOLS {
        for call in ["first_call", "next_call"] {
            if let Some(ns) = figures.median_ns(&format!("pool/{name}_{call}")) {
                figures.print(&format!("pool/{name}_{call}_us"), ns / 1e3);
            }
        }
    }
}
