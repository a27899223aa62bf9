//! Artifacts as they are kept, and as somebody changes them.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
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

/// A cache with one artifact, and its file.
fn filled(folder: &TempDir, engine: &Engine) -> (ArtifactCache, PathBuf) {
    let cache = cache(folder);
    cache.put(&ID, &meta(), &code(engine));
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
    let artifact = cache.get(&engine, &ID).expect("it is there");
    assert_eq!(artifact.meta, meta());
    assert_eq!(seven(&engine, &artifact.module), 7);
    // For this module and build only.
    let other = ArtifactId {
        module: Digest([8; 32]),
        ..ID
    };
    assert!(cache.get(&engine, &other).is_none());
    let other = ArtifactId {
        build: [8; 16],
        ..ID
    };
    assert!(cache.get(&engine, &other).is_none());
    // Another process finds it, too; and what is mapped stays, whatever becomes of the file.
    let again = reopened(&folder);
    let second = again.get(&engine, &ID).expect("it is there");
    fs::write(&path, "gone").expect("it can be written");
    assert_eq!(seven(&engine, &second.module), 7);
    assert_eq!(seven(&engine, &artifact.module), 7);
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
fn a_change_anywhere_is_found() {
    let (folder, engine) = (TempDir::new().expect("a folder"), Engine::default());
    let (cache, path) = filled(&folder, &engine);
    let whole = fs::read(&path).expect("it is there");
    let mut state = 1_u64;
    let mut random = move |end: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % end
    };
    for turn in 0..FLIPS {
        let mut changed = whole.clone();
        // Every byte of the header is among them, and most of the others.
        let place = if turn < 256 {
            turn as usize
        } else {
            random(whole.len())
        };
        changed[place] ^= 1 << random(8);
        fs::write(&path, &changed).expect("it can be written");
        assert!(cache.get(&engine, &ID).is_none(), "byte {place}");
        assert!(!path.exists(), "byte {place}");
    }
    assert_eq!(cache.counts().refused, FLIPS);
    fs::write(&path, &whole).expect("it can be written");
    assert!(cache.get(&engine, &ID).is_some());
}

#[test]
fn what_is_cut_off_longer_or_elsewhere_is_found() {
    let (folder, engine) = (TempDir::new().expect("a folder"), Engine::default());
    let (cache, path) = filled(&folder, &engine);
    let whole = fs::read(&path).expect("it is there");
    for length in (0..200).chain([whole.len() - 33, whole.len() - 1]) {
        fs::write(&path, &whole[..length]).expect("it can be written");
        assert!(cache.get(&engine, &ID).is_none(), "{length}");
    }
    fs::write(&path, [&whole[..], b"x"].concat()).expect("it can be written");
    assert!(cache.get(&engine, &ID).is_none());
    // In the place of another one.
    let other = ArtifactId {
        module: Digest([8; 32]),
        ..ID
    };
    fs::write(cache.directory().join(file_name(&other)), &whole).expect("it can be written");
    assert!(cache.get(&engine, &other).is_none());
    // A link is not followed, and a folder or a pipe does not keep anybody waiting.
    let elsewhere = folder.path().join("elsewhere");
    fs::write(&elsewhere, &whole).expect("it can be written");
    symlink(&elsewhere, &path).expect("it can be made");
    assert!(cache.get(&engine, &ID).is_none());
    assert!(elsewhere.exists());
    fs::create_dir(&path).expect("it can be made");
    assert!(cache.get(&engine, &ID).is_none());
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
    assert!(cache.get(&engine, &ID).is_none());
    cache.put(&ID, &meta(), &code(&engine));
    assert!(cache.get(&engine, &ID).is_some());
    assert!(reopened(&folder).get(&engine, &ID).is_none());
    // The code of another engine is refused by wasmtime, with the right key, too.
    fs::write(&path, &whole).expect("it can be written");
    let mut config = wasmtime::Config::new();
    config.consume_fuel(true);
    let other = Engine::new(&config).expect("an engine");
    assert!(reopened(&folder).get(&other, &ID).is_none());
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
        bytes_max: 3 * code.len() as u64 + 1_000,
        ..options(&folder)
    };
    let cache = ArtifactCache::open(&small).expect("it can be used");
    let id = |number: u8| ArtifactId {
        module: Digest([number; 32]),
        ..ID
    };
    let hours = |hours: u64| SystemTime::now() - Duration::from_secs(hours * 60 * 60);
    for number in 0..3 {
        cache.put(&id(number), &meta(), &code);
        let file = fs::File::options()
            .append(true)
            .open(cache.directory().join(file_name(&id(number))));
        file.and_then(|file| file.set_modified(hours(10 - u64::from(number))))
            .expect("ours");
    }
    let others = ["notes.txt", "other.cwasm", ".hidden"];
    for name in others {
        let path = cache.directory().join(name);
        fs::write(&path, vec![0; code.len()]).expect("ours");
        let file = fs::File::options().append(true).open(path);
        file.and_then(|file| file.set_modified(hours(100)))
            .expect("ours");
    }
    // The oldest is used, so that it is the newest.
    assert!(cache.get(&engine, &id(0)).is_some());
    cache.put(&id(3), &meta(), &code);
    let there = |number| cache.get(&engine, &id(number)).is_some();
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
    cache.put(&id(4), &meta(), &code);
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
                    cache.put(&ID, &meta(), &code);
                    let artifact = cache.get(&engine, &ID).expect("it was just written");
                    assert_eq!(seven(&engine, &artifact.module), 7);
                }
                assert_eq!(cache.counts().refused, 0);
            });
        }
    });
}
