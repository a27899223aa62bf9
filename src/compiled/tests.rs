//! Code that is linked at the first call.

use std::fs;

use super::*;
use crate::artifact::{ArtifactCache, ArtifactOptions, Meta, Target};
use crate::instance::PoolOptions;

/// A module that imports a host function.
const GUEST: &str = r#"(module
    (import "wasmfusion" "clock_monotonic" (func (result i64)))
    (memory (export "memory") 1)
    (func (export "wasmfusion_abi_version") (result i32) (i32.const 1))
    (func (export "wasmfusion_describe") (result i32) (i32.const 0))
    (func (export "wasmfusion_alloc") (param i32 i32) (result i32) (i32.const 64))
    (func (export "answer") (param i32) (result i32) (i32.const 0)))"#;

struct Place {
    folder: tempfile::TempDir,
    cache: ArtifactCache,
    limits: Limits,
    pool: PoolOptions,
    source: ModuleSource,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options = ArtifactOptions::new(folder.path().join("artifacts"));
        let limits = Limits::default();
        Self {
            cache: ArtifactCache::open(&options).expect("it can be used"),
            source: ModuleSource::from_bytes(GUEST.as_bytes(), &limits).expect("a module"),
            limits,
            pool: PoolOptions::default(),
            folder,
        }
    }

    fn options(&self) -> CompileOptions<'_> {
        CompileOptions {
            name: "guest.wat",
            limits: &self.limits,
            pool: &self.pool,
            interruption: Interruption::default(),
            tooling: Tooling::default(),
        }
    }

    /// Keeps the module, with these imports.
    fn keep(&self, imports: &[&str]) {
        let engine = self.options().engine().expect("an engine");
        let (module, _) =
            CompiledModule::compile(&self.source, self.options(), &engine).expect("it is compiled");
        let meta = Meta {
            imports: imports.iter().map(|name| (*name).to_owned()).collect(),
            manifest: "{}".into(),
        };
        let id = self
            .options()
            .artifact(self.source.digest(), &Target::host());
        self.cache.keep(
            &id,
            &meta,
            module.linked().expect("it is there").pre.module(),
        );
    }

    /// The module as it is kept.
    fn kept(&self) -> CompiledModule {
        let engine = self.options().engine().expect("an engine");
        let id = self
            .options()
            .artifact(self.source.digest(), &Target::host());
        let artifact = self.cache.get(&id).expect("it is kept");
        let mut module = CompiledModule::kept(&self.source, self.options(), &engine, artifact);
        module.resolve_functions(["answer", "missing"].into_iter());
        module
    }
}

fn functions(module: &CompiledModule) -> Vec<bool> {
    let exports = module.exports().map(|exports| &exports.functions);
    let found = exports.into_iter().flatten();
    found.map(Option::is_some).collect()
}

#[test]
fn it_is_mapped_once_whoever_asks() {
    let place = Place::new();
    place.keep(&["clock_monotonic"]);
    let module = place.kept();
    assert!(module.exports().is_none());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| module.linked().map(drop).expect("it is whole"));
        }
    });
    assert_eq!(functions(&module), [true, false]);
    let counts = place.cache.counts();
    assert_eq!((counts.hits, counts.refused, counts.written), (1, 0, 1));
    // It needs the file no more.
    fs::remove_dir_all(place.folder.path()).expect("ours");
    module.linked().map(drop).expect("it is there");
}

#[test]
fn what_is_damaged_meanwhile_is_compiled_anew_once() {
    let place = Place::new();
    place.keep(&["clock_monotonic"]);
    let module = place.kept();
    let entries = place.cache.entries().expect("it can be read");
    let path = place.cache.directory().join(&entries[0].file);
    let mut bytes = fs::read(&path).expect("it is there");
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    fs::write(&path, bytes).expect("ours");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| module.linked().map(drop).expect("it is compiled anew"));
        }
    });
    assert_eq!(functions(&module), [true, false]);
    let counts = place.cache.counts();
    assert_eq!((counts.hits, counts.refused, counts.written), (1, 1, 2));
    place.kept().linked().map(drop).expect("it is whole again");
    assert_eq!(place.cache.counts().refused, 1);
}

#[test]
fn what_cannot_be_linked_is_compiled_anew() {
    let place = Place::new();
    // Sealed as it must be, but what it says of its imports is wrong.
    place.keep(&[]);
    place
        .kept()
        .linked()
        .map(drop)
        .expect("it is compiled anew");
    let counts = place.cache.counts();
    assert_eq!((counts.hits, counts.refused, counts.written), (1, 1, 2));
    let again = place.kept();
    again.linked().map(drop).expect("it is right now");
    assert_eq!(again.imports(), ["clock_monotonic"]);
    assert_eq!(place.cache.counts().refused, 1);
}

#[test]
fn what_cannot_be_compiled_anew_is_an_error_and_tried_again() {
    let mut place = Place::new();
    place.keep(&["clock_monotonic"]);
    // A limit that is no part of the artifact's name, which nothing is compiled within.
    place.limits.compile_timeout_ms = 0;
    let module = place.kept();
    let entries = place.cache.entries().expect("it can be read");
    let path = place.cache.directory().join(&entries[0].file);
    let whole = fs::read(&path).expect("it is there");
    fs::remove_file(&path).expect("ours");
    let error = module.linked().map(drop).expect_err("there is no time");
    assert!(
        error.to_string().contains("guest.wat") && error.to_string().contains("compile_timeout_ms")
    );
    fs::write(&path, whole).expect("ours");
    module.linked().map(drop).expect("it is back");
}
