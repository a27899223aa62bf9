//! What a start costs when modules were compiled before: a directory of a hundred plugins, what of that goes into reading and hashing the modules, and
//! one plugin up to its first answer.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use criterion::Criterion;
use tempfile::TempDir;
use wasmfusion::module::ModuleSource;
use wasmfusion::{ArtifactOptions, Limits, Registry, RegistryOptions};
use wasmfusion_benches::{Figures, Runner, Subject, function_of, renamed};

/// Plugins of the directory.
const PLUGINS: usize = 100;
/// Real plugins that need no grants, of which the directory's are made.
const MODELS: [&str; 8] = [
    "dates", "geo", "hello", "json", "money", "stats", "text", "web",
];

fn main() {
    Runner::new().run(measure, figures);
}

fn measure(c: &mut Criterion) {
    let folder = TempDir::new().expect("a folder");
    let plugins = folder.path().join("plugins");
    fs::create_dir(&plugins).expect("a folder in it");
    for number in 0..PLUGINS {
        let model = MODELS[number % MODELS.len()];
        let name = name(model, number);
        let file = plugins.join(&name).with_extension("wasm");
        fs::write(file, renamed(model, &name)).expect("it can be written");
    }
    let registry = || {
        let mut options = RegistryOptions::default();
        options.artifacts = Some(ArtifactOptions::new(folder.path().join("artifacts")));
        Registry::new(options)
    };
    // Once, so that all is compiled.
    let cold = open(&registry(), &plugins);
    assert!(cold >= PLUGINS, "{cold} functions");

    let mut group = c.benchmark_group("startup");
    group.sample_size(20);
    group.bench_function("open_100", |b| {
        b.iter(|| black_box(open(&registry(), &plugins)));
    });
    // On one thread, where the above has all.
    let files = Registry::module_files(&plugins).expect("it can be read");
    let limits = Limits::default();
    group.bench_function("sources_100", |b| {
        b.iter(|| {
            for file in &files {
                black_box(ModuleSource::from_file(file, &limits).expect("it is a module"));
            }
        });
    });
    let names: ArrayRef = Arc::new(StringArray::from(vec!["world"]));
    let hello = plugins.join(name("hello", 2)).with_extension("wasm");
    group.bench_function("first_call", |b| {
        b.iter(|| {
            let plugin = registry().load_file(&hello).expect("it is there");
            let function = function_of(&plugin, "hello");
            black_box(Subject::new(&function, std::slice::from_ref(&names)).call())
        });
    });
    let counts = registry()
        .artifacts()
        .expect("it can be used")
        .expect("there is one")
        .counts();
    assert_eq!(counts.refused, 0);
    group.finish();
}

/// The name of the plugin of this number.
fn name(model: &str, number: usize) -> String {
    format!("{}{number:02}", &model[..model.len() - 2])
}

/// Loads the directory, and makes every function. Their number.
fn open(registry: &Registry, plugins: &Path) -> usize {
    for (file, loaded) in registry.load_dir(plugins).expect("it can be read") {
        loaded.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
    registry.functions().len()
}

fn figures(figures: &Figures, (): ()) {
    for (figure, benchmark, ns) in [
        ("startup/open_100_ms", "startup/open_100", 1e6),
        ("startup/sources_100_ms", "startup/sources_100", 1e6),
        ("startup/first_call_us", "startup/first_call", 1e3),
    ] {
        if let Some(median) = figures.median_ns(benchmark) {
            figures.print(figure, median / ns);
        }
    }
}
