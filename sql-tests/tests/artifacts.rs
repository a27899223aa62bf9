//! Compiled modules on disk, as a registry uses them.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::util::display::array_value_to_string;
use wasmfusion::{ArtifactCounts, ArtifactOptions, Interruption, Registry, RegistryOptions};
use wasmfusion_sql_tests::{built_plugins, evil_guests, new_session, test_plugins};

fn registry(folder: &Path, change: impl FnOnce(&mut RegistryOptions)) -> Registry {
    let mut options = RegistryOptions::default();
    options.artifacts = Some(ArtifactOptions::new(folder.join("kept")));
    change(&mut options);
    Registry::new(options)
}

fn counts(registry: &Registry) -> ArtifactCounts {
    let artifacts = registry.artifacts().expect("the directory can be used");
    artifacts.expect("there is one").counts()
}

/// Loads the built plugins and those of the tests; their names and manifests.
fn load(registry: &Registry) -> Vec<(String, String)> {
    for directory in [built_plugins(), test_plugins()] {
        for (file, loaded) in registry.load_dir(directory).expect("it can be read") {
            loaded.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        }
    }
    let plugins = registry.plugins().into_iter();
    plugins
        .map(|plugin| (plugin.name().to_owned(), format!("{:?}", plugin.manifest())))
        .collect()
}

async fn answer(registry: &Registry, sql: &str) -> String {
    let ctx = new_session(registry, Arc::default()).expect("a session");
    let batches = ctx.sql(sql).await.expect("it is planned").collect().await;
    let batches = batches.expect("it answers");
    array_value_to_string(batches[0].column(0), 0).expect("text")
}

#[tokio::test]
async fn what_was_compiled_once_is_mapped() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = registry(folder.path(), |_| {});
    let compiled = load(&first);
    let plugins = compiled.len() as u64;
    assert_eq!((counts(&first).written, counts(&first).hits), (plugins, 0));

    let second = registry(folder.path(), |_| {});
    assert_eq!(load(&second), compiled);
    let ArtifactCounts {
        hits,
        misses,
        refused,
        written,
        ..
    } = counts(&second);
    assert_eq!((hits, misses, refused, written), (plugins, 0, 0, 0));
    for sql in [
        "SELECT hello('world')",
        "SELECT count(random_uuid())",
        "SELECT round(great_circle_km(52.5, 13.4, 48.9, 2.4))",
    ] {
        assert_eq!(answer(&first, sql).await, answer(&second, sql).await);
    }
}

#[test]
fn what_decides_over_a_module_is_part_of_its_artifact() {
    let folder = tempfile::tempdir().expect("a folder");
    let geo = built_plugins().join("geo.wasm");
    let loaded = |change: fn(&mut RegistryOptions)| {
        let registry = registry(folder.path(), change);
        let loaded = registry.load_file(&geo);
        (
            loaded.map(drop).map_err(|error| error.to_string()),
            counts(&registry).hits,
        )
    };
    assert_eq!(loaded(|_| {}), (Ok(()), 0));
    assert_eq!(loaded(|_| {}), (Ok(()), 1));
    // Other code, or a module that may not be loaded any more.
    assert_eq!(
        loaded(|options| options.interruption = Interruption::Epoch),
        (Ok(()), 0)
    );
    assert_eq!(
        loaded(|options| options.limits.call_fuel_max = Some(1 << 40)),
        (Ok(()), 0)
    );
    let (refused, hits) = loaded(|options| options.limits.module_functions_max = 1);
    assert!(refused.is_err_and(|error| error.contains("module_functions_max")) && hits == 0);
    let (refused, hits) = loaded(|options| options.limits.memory_bytes_max = 1 << 16);
    assert!(refused.is_err_and(|error| error.contains("memory_bytes_max")) && hits == 0);
    // Limits that are looked at each time: the manifest's, and the module's size.
    let (refused, hits) = loaded(|options| options.limits.manifest_bytes_max = 10);
    assert!(refused.is_err_and(|error| error.contains("manifest")) && hits == 1);
    let (refused, hits) = loaded(|options| options.limits.module_bytes_max = 10);
    assert!(refused.is_err_and(|error| error.contains("module_bytes_max")) && hits == 0);
    // And those that have nothing to do with it.
    assert_eq!(
        loaded(|options| options.limits.call_timeout_ms = 1),
        (Ok(()), 1)
    );
}

#[test]
fn what_is_refused_is_not_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let registry = registry(folder.path(), |options| {
        options.limits.describe_timeout_ms = 50
    });
    for evil in ["loop_in_describe.wat", "host_capability_unknown.wat"] {
        registry
            .load_file(evil_guests().join(evil))
            .expect_err("it is refused");
    }
    assert_eq!(counts(&registry).written, 0);
    // It is asked for again, and refused again, grants or not.
    let evil = evil_guests().join("host_capability_not_granted.wat");
    for _ in 0..2 {
        registry.load_file(&evil).expect_err("it is refused");
    }
}

#[test]
fn without_a_place_to_keep_them_modules_are_compiled() {
    let folder = tempfile::tempdir().expect("a folder");
    let geo = built_plugins().join("geo.wasm");
    // Somebody takes the directory away.
    let first = registry(folder.path(), |_| {});
    let artifacts = first
        .artifacts()
        .expect("it can be used")
        .expect("there is one");
    fs::remove_dir_all(artifacts.directory()).expect("ours");
    first.load_file(&geo).expect("it is compiled");
    assert_eq!(counts(&first).written, 0);
    // A file is in its place.
    fs::write(folder.path().join("kept"), "").expect("written");
    let error = registry(folder.path(), |_| {})
        .load_file(&geo)
        .expect_err("told")
        .to_string();
    assert!(
        error.contains("the directory of compiled modules"),
        "{error}"
    );
}
