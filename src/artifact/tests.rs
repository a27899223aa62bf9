//! Artifacts as they are kept, and as somebody changes them.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use wasmtime::Engine;

use super::*;

/// Random changes of an artifact, each of which must be found.
const FLIPS: u64 = 10_000;

const ID: ArtifactId = ArtifactId {
    module: Digest([7; 32]),
    build: [9; 16],
};

fn options(folder: &TempDir) -> ArtifactOptions {
    ArtifactOptions::new(folder.path().join("artifacts"))
}

fn cache(folder: &TempDir) -> ArtifactCache {
    ArtifactCache::open(&options(folder)).expect("it can be used")
}

/// The same cache as another process sees it.
fn reopened(folder: &TempDir) -> ArtifactCache {
    cache(folder)
}

fn meta() -> Meta {
    Meta {
        imports: vec!["log".to_owned()],
        manifest: "{\"name\": \"geo\"}".to_owned(),
    }
}

fn code(engine: &Engine) -> Vec<u8> {
    let text = r#"(module (func (export "seven") (result i32) (i32.const 7)))"#;
    let bytes = wat::parse_str(text).expect("the test's text parses");
    let module = Module::new(engine, bytes).expect("it compiles");
    module.serialize().expect("it fits")
}

fn put(cache: &ArtifactCache, id: &ArtifactId, code: &[u8]) {
    let put = cache.put(id, &Target::host(), &meta(), code);
    put.expect("it can be written");
}

/// The module of an artifact, as a plugin's first call takes it.
fn mapped(cache: &ArtifactCache, engine: &Engine, id: &ArtifactId) -> Option<Module> {
    cache.get(id)?.module(engine)
}

/// Where the code begins in the file of an artifact.
fn code_start(file: &[u8], code: &[u8]) -> usize {
    assert!(file.ends_with(code));
    file.len() - code.len()
}

/// A cache with one artifact, and its file.
fn filled(folder: &TempDir, engine: &Engine) -> (ArtifactCache, PathBuf) {
    let cache = cache(folder);
    put(&cache, &ID, &code(engine));
    let path = cache.directory().join(file_name(&ID));
    assert!(path.exists());
    (cache, path)
}

fn seven(engine: &Engine, module: &Module) -> i32 {
    let mut store = wasmtime::Store::new(engine, ());
    let instance = wasmtime::Instance::new(&mut store, module, &[]).expect("it starts");
    let seven = instance.get_typed_func::<(), i32>(&mut store, "seven");
    seven
        .and_then(|seven| seven.call(&mut store, ()))
        .expect("it answers")
}

#[test]
fn what_is_kept_comes_back() {
    let (folder, engine) = (TempDir::new().expect("a folder"), Engine::default());
    let (cache, path) = filled(&folder, &engine);
    let artifact = cache.get(&ID).expect("it is there");
    assert_eq!(artifact.meta, meta());
    assert!(artifact.fits_processor && artifact.is_whole());
    assert_eq!(cache.entry(&ID), Some(Target::host().to_string()));
    let first = artifact.module(&engine).expect("it is whole");
    assert_eq!(seven(&engine, &first), 7);
    // For this module and build only.
    let other = ArtifactId {
        module: Digest([8; 32]),
        ..ID
    };
    assert!(cache.get(&other).is_none());
    let other = ArtifactId {
        build: [8; 16],
        ..ID
    };
    assert!(cache.get(&other).is_none());
    // Another process finds it, too; and what is mapped stays, whatever becomes of the file.
    let again = reopened(&folder);
    let second = mapped(&again, &engine, &ID).expect("it is there");
    fs::write(&path, "gone").expect("it can be written");
    assert_eq!(seven(&engine, &second), 7);
    assert_eq!(seven(&engine, &first), 7);
    let counts = cache.counts();
    assert_eq!((counts.hits, counts.misses, counts.written), (1, 2, 1));
    assert_eq!(
        fs::metadata(cache.directory())
            .expect("there")
            .permissions()
            .mode()
            & 0o777,
        0o700
    );
}

#[test]
fn the_code_is_looked_at_when_it_is_needed() {
    let (folder, engine) = (TempDir::new().expect("a folder"), Engine::default());
    let (cache, path) = filled(&folder, &engine);
    let code = code(&engine);
    let whole = fs::read(&path).expect("it is there");
    let artifact = cache.get(&ID).expect("it is there");
    // Damaged after its start was read.
    let mut changed = whole.clone();
    changed[code_start(&whole, &code) + code.len() / 2] ^= 1;
    fs::write(&path, &changed).expect("it can be written");
    let later = cache.get(&ID).expect("its start is as it was sealed");
    assert!(!later.is_whole() && !path.exists());
    fs::write(&path, &changed).expect("it can be written");
    assert!(artifact.module(&engine).is_none() && !path.exists());
    assert_eq!(cache.counts().refused, 2);
    // Gone, which is nobody's fault.
    assert!(artifact.module(&engine).is_none());
    assert_eq!((cache.counts().refused, cache.counts().misses), (2, 1));
    // In its place, one that is sealed for something else; one of another key; and the code of one behind the start of another.
    let other = ArtifactId {
        build: [8; 16],
        ..ID
    };
    put(&cache, &other, &code);
    let elsewhere = fs::read(cache.directory().join(file_name(&other))).expect("it is there");
    let mut longer = code.clone();
    longer.push(0);
    put(&cache, &other, &longer);
    let with_other_code = fs::read(cache.directory().join(file_name(&other))).expect("there");
    let start = &whole[..code_start(&whole, &code)];
    let mixed = [
        start,
        &with_other_code[with_other_code.len() - code.len()..],
    ]
    .concat();
    for wrong in [elsewhere, mixed] {
        fs::write(&path, wrong).expect("it can be written");
        assert!(artifact.module(&engine).is_none() && !path.exists());
    }
    // What another process has made anew is as good as what was there.
    put(&reopened(&folder), &ID, &code);
    assert_eq!(
        seven(&engine, &artifact.module(&engine).expect("it is whole")),
        7
    );
}

#[test]
fn what_an_older_version_has_sealed_is_not_read() {
    let (folder, engine) = (TempDir::new().expect("a folder"), Engine::default());
    let (cache, path) = filled(&folder, &engine);
    let mut old = fs::read(&path).expect("it is there");
    assert_eq!(&old[..8], b"wasmfus2");
    old[7] = b'1';
    fs::write(&path, old).expect("it can be written");
    assert!(cache.get(&ID).is_none() && !path.exists());
    assert_eq!(cache.counts().refused, 1);
}

#[test]
fn what_was_put_in_its_place_meanwhile_is_not_removed() {
    let (folder, engine) = (TempDir::new().expect("a folder"), Engine::default());
    let (cache, path) = filled(&folder, &engine);
    let read = fs::metadata(&path).expect("it is there");
    put(&reopened(&folder), &ID, &code(&engine));
    cache.0.directory.remove(&file_name(&ID), Some(&read));
    assert!(path.exists());
    let read = fs::metadata(&path).expect("it is there");
    cache.0.directory.remove(&file_name(&ID), Some(&read));
    assert!(!path.exists());
}

#[test]
fn what_is_there_is_listed() {
    let (folder, engine) = (TempDir::new().expect("a folder"), Engine::default());
    let (cache, path) = filled(&folder, &engine);
    let triple: Target = "aarch64-unknown-linux-gnu".parse().expect("a target");
    let other = ArtifactId {
        build: [10; 16],
        ..ID
    };
    let size = cache
        .put(&other, &triple, &meta(), b"code")
        .expect("written");
    fs::write(cache.directory().join("other.cwasm"), "").expect("ours");
    let entries = cache.entries().expect("it can be read");
    let [first, second] = entries.as_slice() else {
        panic!("{entries:?}");
    };
    assert_eq!(first.file, file_name(&ID));
    assert_eq!((first.module, second.module), (ID.module, ID.module));
    assert_eq!(first.target.as_deref(), Some(&*Target::host().to_string()));
    assert_eq!(second.target.as_deref(), Some("aarch64-unknown-linux-gnu"));
    assert_eq!(second.bytes, size);
    assert!(first.is_for(&ID) && !first.is_for(&other) && second.is_for(&other));
    assert!(first.used.elapsed().expect("the past") < Duration::from_secs(600));
    // Looking at what is damaged changes nothing.
    fs::write(&path, "damaged").expect("ours");
    let entries = cache.entries().expect("it can be read");
    assert!(entries[0].target.is_none() && !entries[0].is_for(&ID) && path.exists());
    assert_eq!(cache.counts().refused, 0);
}

#[test]
fn code_for_another_processor_is_tried_when_its_plugin_is_loaded() {
    use crate::registry::{Registry, RegistryOptions};

    let folder = TempDir::new().expect("a folder");
    let geo = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/examples/plugins/built/geo.wasm"
    );
    let loaded = || {
        let registry = Registry::new(RegistryOptions {
            artifacts: Some(options(&folder)),
            ..RegistryOptions::default()
        });
        let plugin = registry.load_file(geo).expect("it is a plugin");
        let artifacts = registry.artifacts().expect("it can be used");
        (plugin.artifact(), artifacts.expect("there is one").counts())
    };
    let (id, _) = loaded();
    let cache = cache(&folder);
    let meta = cache.get(&id).expect("it is there").meta;
    let of = |processor: Option<&str>| Said {
        target: "x".into(),
        processor: processor.map(str::to_owned),
        meta: meta.clone(),
    };
    // What is no code at all is noticed when it is tried.
    for (processor, refused) in [
        (Some("abacus"), 1),
        (Some(target::processor()), 0),
        (None, 0),
    ] {
        cache
            .put_said(&id, &of(processor), b"no code")
            .expect("it can be written");
        let (_, counts) = loaded();
        assert_eq!((counts.hits, counts.refused), (1, refused), "{processor:?}");
        // What was refused was made anew.
        assert_eq!(counts.written, refused);
    }
}

#[test]
fn a_key_from_a_file() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("the.key");
    let read = |bytes: &[u8], mode: u32| {
        fs::write(&path, bytes).expect("ours");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("ours");
        ArtifactKey::from_file(&path).map_err(|error| error.to_string())
    };
    assert_eq!(read(&[5; 32], 0o600), Ok(ArtifactKey([5; 32])));
    assert_eq!(read(&[6; 32], 0o640), Ok(ArtifactKey([6; 32])));
    for mode in [0o644, 0o660, 0o602] {
        let error = read(&[5; 32], mode).expect_err("open to others");
        assert!(error.contains("chmod g-w,o="), "{error}");
    }
    for length in [0, 31, 33] {
        let error = read(&vec![5; length], 0o600).expect_err("no key");
        assert!(error.contains("32 bytes"), "{error}");
    }
    assert!(ArtifactKey::from_file(folder.path()).is_err());
    assert!(ArtifactKey::from_file(folder.path().join("missing")).is_err());
}

#[test]
fn a_change_anywhere_is_found() {
    let (folder, engine) = (TempDir::new().expect("a folder"), Engine::default());
    let (cache, path) = filled(&folder, &engine);
    let whole = fs::read(&path).expect("it is there");
    let start = code_start(&whole, &code(&engine));
    let (mut of_start, mut of_code) = (0, 0);
    let mut state = 1_u64;
    let mut random = move |end: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % end
    };
    for turn in 0..FLIPS {
        let mut changed = whole.clone();
        // Every byte of the start is among them, and most of the others.
        let place = if turn < start as u64 {
            turn as usize
        } else {
            random(whole.len())
        };
        changed[place] ^= 1 << random(8);
        fs::write(&path, &changed).expect("it can be written");
        let artifact = cache.get(&ID);
        // The start is refused at once, the code when it is to be executed.
        assert_eq!(artifact.is_some(), place >= start, "byte {place}");
        match artifact {
            Some(artifact) => {
                assert!(artifact.module(&engine).is_none(), "byte {place}");
                of_code += 1;
            }
            None => of_start += 1,
        }
        assert!(!path.exists(), "byte {place}");
    }
    assert!(of_start > 200 && of_code > 5_000, "{of_start}, {of_code}");
    assert_eq!(of_start + of_code, FLIPS);
    assert_eq!(cache.counts().refused, FLIPS);
    fs::write(&path, &whole).expect("it can be written");
    assert!(mapped(&cache, &engine, &ID).is_some());
}

#[test]
fn what_is_cut_off_longer_or_elsewhere_is_found() {
    let (folder, engine) = (TempDir::new().expect("a folder"), Engine::default());
    let (cache, path) = filled(&folder, &engine);
    let whole = fs::read(&path).expect("it is there");
    for length in (0..200).chain([whole.len() - 33, whole.len() - 1]) {
        fs::write(&path, &whole[..length]).expect("it can be written");
        assert!(cache.get(&ID).is_none(), "{length}");
    }
    fs::write(&path, [&whole[..], b"x"].concat()).expect("it can be written");
    assert!(cache.get(&ID).is_none());
    // In the place of another one.
    let other = ArtifactId {
        module: Digest([8; 32]),
        ..ID
    };
    fs::write(cache.directory().join(file_name(&other)), &whole).expect("it can be written");
    assert!(cache.get(&other).is_none());
    // A link is not followed, and a folder or a pipe does not keep anybody waiting.
    let elsewhere = folder.path().join("elsewhere");
    fs::write(&elsewhere, &whole).expect("it can be written");
    symlink(&elsewhere, &path).expect("it can be made");
    assert!(cache.get(&ID).is_none());
    assert!(elsewhere.exists());
    fs::create_dir(&path).expect("it can be made");
    assert!(cache.get(&ID).is_none());
}

#[test]
fn another_key_opens_nothing() {
    let (folder, engine) = (TempDir::new().expect("a folder"), Engine::default());
    let (_, path) = filled(&folder, &engine);
    let whole = fs::read(&path).expect("it is there");
    let given = ArtifactOptions {
        key: Some(ArtifactKey([1; 32])),
        ..options(&folder)
    };
    let cache = ArtifactCache::open(&given).expect("it can be used");
    assert!(cache.get(&ID).is_none());
    put(&cache, &ID, &code(&engine));
    assert!(cache.get(&ID).is_some());
    assert!(reopened(&folder).get(&ID).is_none());
    // The code of another engine is refused by wasmtime, with the right key, too.
    fs::write(&path, &whole).expect("it can be written");
    let mut config = wasmtime::Config::new();
    config.consume_fuel(true);
    let other = Engine::new(&config).expect("an engine");
    assert!(mapped(&reopened(&folder), &other, &ID).is_none());
}

#[test]
fn a_directory_of_others_is_refused() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("artifacts");
    fs::create_dir(&path).expect("it can be made");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("ours");
    let error = ArtifactCache::open(&options(&folder))
        .expect_err("open to others")
        .to_string();
    assert!(error.contains("chmod go="), "{error}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("ours");
    let cache = cache(&folder);
    // A key that others may have read, or that is none.
    let key = cache.directory().join("key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("ours");
    assert!(ArtifactCache::open(&options(&folder)).is_err());
    fs::remove_file(&key).expect("ours");
    fs::write(&key, "short").expect("ours");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("ours");
    let error = ArtifactCache::open(&options(&folder))
        .expect_err("no key")
        .to_string();
    assert!(error.contains("32 bytes"), "{error}");
    fs::write(folder.path().join("file"), "").expect("ours");
    let file = ArtifactOptions::new(folder.path().join("file/artifacts"));
    assert!(ArtifactCache::open(&file).is_err());
}

#[test]
fn what_was_not_used_goes_first() {
    let (folder, engine) = (TempDir::new().expect("a folder"), Engine::default());
    let code = code(&engine);
    let small = ArtifactOptions {
        bytes_max: 3 * code.len() as u64 + 2_000,
        ..options(&folder)
    };
    let cache = ArtifactCache::open(&small).expect("it can be used");
    let id = |number: u8| ArtifactId {
        module: Digest([number; 32]),
        ..ID
    };
    let hours = |hours: u64| SystemTime::now() - Duration::from_secs(hours * 60 * 60);
    for number in 0..3 {
        put(&cache, &id(number), &code);
        let file = File::options()
            .append(true)
            .open(cache.directory().join(file_name(&id(number))));
        file.and_then(|file| file.set_modified(hours(10 - u64::from(number))))
            .expect("ours");
    }
    let others = ["notes.txt", "other.cwasm", ".hidden"];
    for name in others {
        let path = cache.directory().join(name);
        fs::write(&path, vec![0; code.len()]).expect("ours");
        let file = File::options().append(true).open(path);
        file.and_then(|file| file.set_modified(hours(100)))
            .expect("ours");
    }
    // The oldest is used, so that it is the newest.
    assert!(cache.get(&id(0)).is_some());
    put(&cache, &id(3), &code);
    let there = |number| cache.get(&id(number)).is_some();
    assert_eq!([0, 1, 2, 3].map(there), [true, false, true, true]);
    // Nobody else's file goes.
    for name in others {
        assert!(cache.directory().join(name).exists(), "{name}");
    }
    assert_eq!(cache.counts().evicted, 1);
    // What is larger than all may be together is not kept.
    let tiny = ArtifactOptions {
        bytes_max: 10,
        ..options(&folder)
    };
    let cache = ArtifactCache::open(&tiny).expect("it can be used");
    let error = cache
        .put(&id(4), &Target::host(), &meta(), &code)
        .expect_err("too large");
    assert!(error.contains("bytes_max"), "{error}");
    assert_eq!(cache.counts().written, 0);
}

#[test]
fn many_write_and_read_at_once() {
    let (folder, engine) = (TempDir::new().expect("a folder"), Engine::default());
    let code = code(&engine);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                // As of a process of its own, that finds no key or makes one.
                let cache = cache(&folder);
                for _ in 0..50 {
                    put(&cache, &ID, &code);
                    let module = mapped(&cache, &engine, &ID).expect("it was just written");
                    assert_eq!(seven(&engine, &module), 7);
                }
                assert_eq!(cache.counts().refused, 0);
            });
        }
    });
}

#[test]
fn many_fill_it_and_make_room_at_once() {
    let (folder, engine) = (TempDir::new().expect("a folder"), Engine::default());
    let code = code(&engine);
    let small = ArtifactOptions {
        bytes_max: 5 * (code.len() as u64 + 1_000),
        ..options(&folder)
    };
    let done = AtomicBool::new(false);
    let done = &done;
    std::thread::scope(|scope| {
        // Each as of a process of its own, with modules of its own and some of all.
        let writers: Vec<_> = (0..4_u8)
            .map(|writer| {
                let (small, code, engine) = (&small, &code, &engine);
                scope.spawn(move || {
                    let cache = ArtifactCache::open(small).expect("it can be used");
                    for turn in 0..40_u8 {
                        let own = [writer, turn, 0xff];
                        let module = if turn % 2 == 0 { own } else { [turn, 0, 0] };
                        let mut id = ID;
                        id.module.0[..3].copy_from_slice(&module);
                        put(&cache, &id, code);
                        // Another one may have made room of it already; but what is there is whole.
                        if let Some(module) = mapped(&cache, engine, &id) {
                            assert_eq!(seven(engine, &module), 7);
                        }
                    }
                    cache.counts()
                })
            })
            .collect();
        let small = &small;
        scope.spawn(move || {
            let cache = ArtifactCache::open(small).expect("it can be used");
            while !done.load(Ordering::Relaxed) {
                cache.entries().expect("it can be read");
            }
        });
        let mut evicted = 0;
        for writer in writers {
            let counts = writer.join().expect("it does not fail");
            assert_eq!((counts.refused, counts.written), (0, 40));
            evicted += counts.evicted;
        }
        done.store(true, Ordering::Relaxed);
        assert!(evicted > 50, "{evicted}");
    });
    let cache = ArtifactCache::open(&small).expect("it can be used");
    let entries = cache.entries().expect("it can be read");
    let bytes: u64 = entries.iter().map(|entry| entry.bytes).sum();
    // No more than may be, and not much less: nobody has made room twice.
    assert!(
        bytes <= small.bytes_max && entries.len() >= 4,
        "{entries:?}"
    );
}
