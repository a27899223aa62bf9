//! What it costs whom an instance serves, and where it comes from: the first call of a stream, and one that follows.

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use criterion::Criterion;
use wasmfusion::{Isolation, PoolOptions, RegistryOptions, StreamScope};
use wasmfusion_benches::{Figures, Runner, Subject, function_with};

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
        let mut options = RegistryOptions::default();
        change(&mut options.pool);
        let function = function_with(options, "hello", "hello");
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

fn figures(figures: &Figures, (): ()) {
    for (name, _) in POOLS {
        for call in ["first_call", "next_call"] {
            let figure = match (name, call) {
                // What every stream costs before its first row.
                ("stream", "first_call") => "instantiate/new_instance_us".to_owned(),
                _ => format!("pool/{name}_{call}_us"),
            };
            if let Some(ns) = figures.median_ns(&format!("pool/{name}_{call}")) {
                figures.print(&figure, ns / 1e3);
            }
        }
    }
}
