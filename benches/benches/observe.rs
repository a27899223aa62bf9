//! What observing costs: counting a call, and everything that can be switched on at once.

use std::hint::black_box;
use std::path::Path;

use criterion::Criterion;
use datafusion::logical_expr::ScalarUDF;
use wasmfusion::{Registry, RegistryOptions, ScalarFunction, StreamScope};
use wasmfusion_benches::{Figures, Runner, Subject, floats};

fn main() {
    Runner::new().run(measure, figures);
}

fn measure(c: &mut Criterion) {
    let mut group = c.benchmark_group("observe");
    let numbers = [floats(1, 0.5, 1.0), floats(1, 2.5, 1.0)];
    for (name, count) in [("counted", true), ("not_counted", false)] {
        let mut options = RegistryOptions::default();
        options.count_calls = count;
        let subject = Subject::new(
            &function(&Registry::new(options), "testing", "add"),
            &numbers,
        );
        group.bench_function(name, |b| {
            let mut scope = Some(Box::<StreamScope>::default());
            StreamScope::enter(&mut scope, || b.iter(|| black_box(subject.call())));
        });
    }
    group.finish();
}

fn function(registry: &Registry, plugin: &str, function: &str) -> ScalarUDF {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/plugins/built");
    let plugin = registry
        .load_file(built.join(plugin).with_extension("wasm"))
        .expect("the plugin loads");
    ScalarUDF::from(ScalarFunction::named(&plugin, function).expect("it has it"))
}

fn figures(figures: &Figures) {
    if let (Some(on), Some(off)) = (
        figures.median_ns("observe/counted"),
        figures.median_ns("observe/not_counted"),
    ) {
        figures.print("observe/count_ns", on - off);
    }
}
