//! What a stream costs before its first row: a new instance, and the first call in it.

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use criterion::Criterion;
use wasmfusion::StreamScope;
use wasmfusion_benches::{Figures, Runner, Subject, plugin_function};

fn main() {
    Runner::new().run(measure, figures);
}

fn measure(c: &mut Criterion) {
    let names: ArrayRef = Arc::new(StringArray::from(vec!["world"]));
    let hello = Subject::new(&plugin_function("hello", "hello"), &[names]);
    let mut group = c.benchmark_group("instantiate");
    group.bench_function("new_instance", |b| {
        b.iter(|| {
            let mut scope = Some(Box::default());
            StreamScope::enter(&mut scope, || black_box(hello.call()))
        });
    });
    group.bench_function("second_call", |b| {
        let mut scope = Some(Box::default());
        StreamScope::enter(&mut scope, || b.iter(|| black_box(hello.call())));
    });
    group.finish();
}

fn figures(figures: &Figures) {
    if let Some(ns) = figures.median_ns("instantiate/new_instance") {
        figures.print("instantiate/new_instance_us", ns / 1_000.0);
    }
}
