//! A process that has no file handles left. A test program of its own, since all that runs beside it would have none either.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use datafusion::arrow::array::AsArray as _;
use datafusion::arrow::datatypes::{DataType, Field, Float64Type};
use datafusion::common::ScalarValue;
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use wasmfusion::{ArtifactCounts, ArtifactOptions, Registry, RegistryOptions, ScalarFunction};
use wasmfusion_sql_tests::built_plugins;

#[test]
fn artifacts_stay_where_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let registry = || {
        let mut options = RegistryOptions::default();
        options.artifacts = Some(ArtifactOptions::new(folder.path().join("kept")));
        let registry = Registry::new(options);
        registry.artifacts().expect("the directory can be used");
        registry
    };
    let bytes = fs::read(built_plugins().join("geo.wasm")).expect("it is built");
    let first = registry();
    first
        .load_bytes("geo.wasm", &bytes)
        .expect("it is compiled");
    let artifacts = first.artifacts().expect("it can be used");
    let artifacts = artifacts.expect("there is one");
    let entries = artifacts.entries().expect("it can be read");
    let file = artifacts.directory().join(&entries[0].file);
    let inode = || fs::metadata(&file).expect("it is there").ino();
    let before = inode();

    // One is loaded and not called yet, one not even loaded.
    let (loaded, other) = (registry(), registry());
    let plugin = loaded.load_bytes("geo.wasm", &bytes).expect("it is there");
    let function = ScalarFunction::named(&plugin, "great_circle_km").expect("it has the function");
    let function = ScalarUDF::from(function);
    let all = getrlimit(Resource::Nofile);
    let few = Rlimit {
        current: Some(64),
        ..all
    };
    setrlimit(Resource::Nofile, few).expect("less is always allowed");
    let mut held = Vec::new();
    while let Ok(handle) = File::open("/dev/null") {
        held.push(handle);
    }
    // Both compile instead. wasmtime cannot make an instance without a handle, so that this is as far as they come.
    let called = call(&function).map_err(|error| error.to_string());
    let compiled = other.load_bytes("geo.wasm", &bytes).map(drop);
    drop(held);
    setrlimit(Resource::Nofile, all).expect("as it was");
    let error = called.expect_err("no instance can be made");
    assert!(error.contains("no instance could be made"), "{error}");
    compiled.expect_err("no instance can be made");
    for registry in [&loaded, &other] {
        let counts = counts(registry);
        assert_eq!((counts.refused, counts.written), (1, 0), "{counts:?}");
    }
    assert_eq!(inode(), before);
    // With handles, the artifact is as good as before, and so is the plugin.
    other.load_bytes("geo.wasm", &bytes).expect("it is there");
    assert_eq!((counts(&other).hits, counts(&other).refused), (1, 1));
    assert!(call(&function).expect("it answers") > 0.0);
}

fn counts(registry: &Registry) -> ArtifactCounts {
    let artifacts = registry.artifacts().expect("it can be used");
    artifacts.expect("there is one").counts()
}

/// Calls a function of four numbers.
fn call(function: &ScalarUDF) -> Result<f64> {
    let field = || Arc::new(Field::new("x", DataType::Float64, true));
    let numbers = [52.5, 13.4, 48.9, 2.4].map(|x| ColumnarValue::Scalar(ScalarValue::from(x)));
    let args = ScalarFunctionArgs {
        args: numbers.to_vec(),
        arg_fields: (0..4).map(|_| field()).collect(),
        number_rows: 1,
        return_field: field(),
        config_options: Arc::new(ConfigOptions::default()),
    };
    let array = function.invoke_with_args(args)?.into_array(1)?;
    Ok(array.as_primitive::<Float64Type>().value(0))
}
