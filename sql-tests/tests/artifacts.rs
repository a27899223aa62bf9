//! Compiled modules on disk, as a registry uses them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::util::display::array_value_to_string;
use wasmfusion::{
    ArtifactCounts, ArtifactOptions, Interruption, Registry, RegistryOptions, Target,
};
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

/// The files of the artifacts.
fn files(registry: &Registry) -> Vec<PathBuf> {
    let artifacts = registry
        .artifacts()
        .expect("it can be used")
        .expect("there is one");
    let entries = artifacts.entries().expect("it can be read").into_iter();
    entries
        .map(|entry| artifacts.directory().join(entry.file))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_after_the_start_does_not_end_a_query() {
    let folder = tempfile::tempdir().expect("a folder");
    let geo = built_plugins().join("geo.wasm");
    let sql = "SELECT round(great_circle_km(52.5, 13.4, 48.9, 2.4))";
    let first = registry(folder.path(), |_| {});
    first.load_file(&geo).expect("it is compiled");
    let expected = answer(&first, sql).await;
    let whole = fs::read(&files(&first)[0]).expect("it is there");
    let damages: [fn(&mut Vec<u8>); 4] = [
        // In its start, in its code, at its end; gone.
        |bytes| bytes[200] ^= 1,
        |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        },
        |bytes| bytes.truncate(bytes.len() - 1),
        Vec::clear,
    ];
    for (number, damage) in damages.iter().enumerate() {
        let registry = registry(folder.path(), |_| {});
        registry.load_file(&geo).expect("its start is whole");
        assert_eq!(counts(&registry).hits, 1);
        let mut damaged = whole.clone();
        damage(&mut damaged);
        fs::write(&files(&registry)[0], damaged).expect("ours");
        // Several streams find it so at once.
        let answers = (0..4).map(|_| {
            let registry = registry.clone();
            tokio::spawn(async move { answer(&registry, sql).await })
        });
        for found in answers.collect::<Vec<_>>() {
            assert_eq!(found.await.expect("it answers"), expected);
        }
        let counts = counts(&registry);
        assert_eq!((counts.refused, counts.written), (1, 1), "damage {number}");
        assert_eq!(
            fs::read(&files(&registry)[0]).expect("it is there").len(),
            whole.len()
        );
    }
}

#[tokio::test]
async fn what_was_compiled_ahead_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let geo = built_plugins().join("geo.wasm");
    let ahead = registry(folder.path(), |_| {});
    let mut module = ahead.precompile(&geo).expect("it is a module");
    let other: Target = "aarch64-unknown-linux-gnu".parse().expect("a target");
    for target in [&other, &Target::host()] {
        assert!(!module.compile_for(target).expect("it is compiled").cached);
        assert!(module.compile_for(target).expect("it is there").cached);
    }
    assert!(ahead.plugins().is_empty());
    // By who has not compiled it, too.
    let mut module = registry(folder.path(), |_| {})
        .precompile(&geo)
        .expect("a module");
    for target in [&other, &Target::host()] {
        assert!(module.compile_for(target).expect("it is there").cached);
    }
    let later = registry(folder.path(), |_| {});
    later.load_file(&geo).expect("it is there");
    answer(&later, "SELECT great_circle_km(1.0, 2.0, 3.0, 4.0)").await;
    let ArtifactCounts {
        hits,
        misses,
        refused,
        written,
        ..
    } = counts(&later);
    assert_eq!((hits, misses, refused, written), (1, 0, 0, 0));
    // What an operator says of a module holds: its digest, and its limits.
    let pinned = folder.path().join("pinned.wasm");
    fs::copy(&geo, &pinned).expect("ours");
    fs::write(
        pinned.with_extension("toml"),
        format!("digest = \"sha256:{}\"", "0".repeat(64)),
    )
    .expect("ours");
    let error = later
        .precompile(&pinned)
        .expect_err("another digest is pinned");
    assert!(error.to_string().contains("is pinned"), "{error}");
    fs::write(
        pinned.with_extension("toml"),
        "[limits]\nmodule_functions_max = 1",
    )
    .expect("ours");
    let mut module = later.precompile(&pinned).expect("a module");
    let error = module
        .compile_for(&other)
        .expect_err("it has more functions");
    assert!(
        error.to_string().contains("module_functions_max"),
        "{error}"
    );
    // There must be a place for it.
    let error = Registry::default()
        .precompile(&geo)
        .expect_err("nowhere to keep it");
    assert!(
        error.to_string().contains("RegistryOptions::artifacts"),
        "{error}"
    );
}

#[tokio::test]
async fn a_table_shows_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let geo = built_plugins().join("geo.wasm");
    let registry = registry(folder.path(), |_| {});
    let other: Target = "aarch64-unknown-linux-gnu".parse().expect("a target");
    let mut module = registry.precompile(&geo).expect("a module");
    module.compile_for(&Target::host()).expect("it is compiled");
    module.compile_for(&other).expect("it is compiled");
    let sql = "SELECT string_agg(concat_ws(' ', coalesce(plugin, '?'), coalesce(target, '?'), current), ', ' ORDER BY target) \
               FROM wasmfusion.artifacts";
    let host = Target::host();
    let mut expected = [format!("? {other} false"), format!("? {host} true")];
    expected.sort();
    assert_eq!(answer(&registry, sql).await, expected.join(", "));
    let plugin = registry.load_file(&geo).expect("it is there");
    let known = expected.map(|line| line.replace('?', "geo"));
    assert_eq!(answer(&registry, sql).await, known.join(", "));
    let digest = answer(&registry, "SELECT max(digest) FROM wasmfusion.artifacts").await;
    assert_eq!(digest, plugin.digest().to_string());
    let bytes: u64 = files(&registry)
        .iter()
        .map(|file| fs::metadata(file).expect("there").len())
        .sum();
    let shown = answer(&registry, "SELECT sum(bytes) FROM wasmfusion.artifacts").await;
    assert_eq!(shown, bytes.to_string());
    for file in files(&registry) {
        fs::write(file, "damaged").expect("ours");
    }
    let shown = answer(
        &registry,
        "SELECT count(*) FROM wasmfusion.artifacts WHERE target IS NULL AND NOT current",
    )
    .await;
    assert_eq!(shown, "2");
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
