//! What security advisories of the engine described once, again: guests that were computed wrongly then, and instances that saw what another had
//! left behind. `docs/security.md` lists the advisories.
//!
//! A file in `advisories/` holds fields of a module, with a function `$case` of one number. The first lines are comments: the advisory, then
//! `;; expect X: Y`, where `$case` of X is Y, or the word `trap`.

use std::fs;
use std::path::Path;

use wasmfusion::{Interruption, Registry, RegistryOptions, ScalarFunction};
use wasmfusion_sql_tests::call;

/// How often an instance follows another in the same place.
const TURNS: usize = 60;
/// Threads that load and unload modules at the same time, and how often each does.
const THREADS: usize = 4;
const LOADS: usize = 40;

/// What every guest here has: its memory and the interface. The first page is the guest's, behind the manifest.
const INTERFACE: &str = r#"
    (memory (export "memory") 2)
    (func (export "wasmfusion_abi_version") (result i32) (i32.const 1))
    (func (export "wasmfusion_alloc") (param i32 i32) (result i32) (i32.const 65536))
    ;; Each row is a case.
    (func (export "case") (param $frame i32) (result i32)
      (local $in i32) (local $out i32) (local $end i32)
      (local.set $in (i32.load offset=4 (i32.load offset=40 (i32.load offset=8 (local.get $frame)))))
      (local.set $out (i32.load offset=4 (i32.load offset=40 (i32.load offset=12 (local.get $frame)))))
      (local.set $end (i32.add (local.get $in) (i32.mul (i32.load (local.get $frame)) (i32.const 8))))
      (loop $next
        (if (i32.lt_u (local.get $in) (local.get $end))
          (then
            (i64.store (local.get $out) (call $case (i64.load (local.get $in))))
            (local.set $in (i32.add (local.get $in) (i32.const 8)))
            (local.set $out (i32.add (local.get $out) (i32.const 8)))
            (br $next))))
      (i32.const 0))
"#;

/// The manifest, fit for a text in a module, and its length.
fn manifest(name: &str) -> (String, usize) {
    let manifest = format!(
        r#"{{"name": "{name}", "version": "1", "functions": [{{"name": "case", "params": [{{"name": "x", "type": "Int64"}}], "returns": {{"type": "Int64"}}}}]}}"#
    );
    (manifest.replace('"', "\\\""), manifest.len())
}

/// A guest whose manifest is part of what its memory starts with.
fn guest(name: &str, fields: &str) -> String {
    let (manifest, length) = manifest(name);
    format!(
        "(module {INTERFACE}
           (func (export \"wasmfusion_describe\") (result i32)
             (i32.store (i32.const 1016) (i32.const 1024))
             (i32.store (i32.const 1020) (i32.const {length}))
             (i32.const 1016))
           (data (i32.const 1024) \"{manifest}\")
           {fields})"
    )
}

/// A guest whose memory starts with nothing.
fn guest_without_data(name: &str, fields: &str) -> String {
    let (manifest, length) = manifest(name);
    format!(
        "(module {INTERFACE}
           (func (export \"wasmfusion_describe\") (result i32)
             (memory.init $manifest (i32.const 1024) (i32.const 0) (i32.const {length}))
             (i32.store (i32.const 1016) (i32.const 1024))
             (i32.store (i32.const 1020) (i32.const {length}))
             (i32.const 1016))
           (data $manifest \"{manifest}\")
           {fields})"
    )
}

fn registry(interruption: Interruption, instances_max: u32) -> Registry {
    let mut options = RegistryOptions::default();
    options.interruption = interruption;
    options.limits.memory_bytes_max = 16 << 20;
    options.limits.instances_max = instances_max;
    Registry::new(options)
}

fn load(registry: &Registry, name: &str, guest: &str) -> ScalarFunction {
    let plugin = registry
        .load_bytes(name, guest.as_bytes())
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    ScalarFunction::named(&plugin, "case").expect("it has one function")
}

#[test]
fn guests_compute_what_they_should() {
    let registries = [Interruption::WatchPage, Interruption::Epoch].map(|way| registry(way, 100));
    let mut files: Vec<_> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("advisories"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut cases = 0;
    for file in files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let fields = fs::read_to_string(&file).unwrap();
        let expected: Vec<(i64, Option<i64>)> = fields
            .lines()
            .map_while(|line| line.strip_prefix(";; "))
            .filter_map(|line| line.strip_prefix("expect ")?.split_once(": "))
            .map(|(x, value)| (x.parse().unwrap(), value.parse().ok()))
            .collect();
        assert!(!expected.is_empty(), "{name} expects nothing");
        for registry in &registries {
            let function = load(registry, &name, &guest(&name, &fields));
            for (x, expected) in &expected {
                cases += 1;
                match (call(&function, *x), expected) {
                    (Ok(found), Some(expected)) => {
                        assert_eq!(found, *expected, "{name}: case {x}")
                    }
                    (Err(error), None) => {
                        let message = error.strip_backtrace();
                        assert!(message.contains(" failed: "), "{name}: case {x}: {message}");
                    }
                    (Ok(found), None) => panic!("{name}: case {x} is {found}, not a trap"),
                    (Err(error), Some(_)) => panic!("{name}: case {x}: {error}"),
                }
            }
        }
    }
    println!("{cases} cases");
}

/// Fills its memory, its table and its global, all that it may have of them.
const LEAVES_TRACES: &str = r#"
    (table $table 100 funcref)
    (elem declare func $secret)
    (func $secret (result i64) (i64.const 42))
    (global $global (mut i64) (i64.const 0))
    (data (i32.const 2048) "the secret of another query")
    (data (i32.const 120000) "the secret of another query")
    (func $case (param $pages i64) (result i64)
      (drop (memory.grow (i32.wrap_i64 (local.get $pages))))
      (memory.fill (i32.const 2048) (i32.const 0xab) (i32.const 60000))
      (memory.fill
        (i32.const 70000)
        (i32.const 0xab)
        (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 70000)))
      (drop (table.grow $table (ref.func $secret) (i32.const 1000)))
      (table.fill $table (i32.const 0) (ref.func $secret) (table.size $table))
      (global.set $global (i64.const -1))
      (i64.extend_i32_u (memory.size)))
"#;

/// Counts what it finds in its memory, its table and its global that it has not put there.
const LOOKS_FOR_TRACES: &str = r#"
    (table $table 100 funcref)
    (global $global (mut i64) (i64.const 0))
    (func $case (param $pages i64) (result i64)
      (local $found i64) (local $at i32) (local $end i32)
      (drop (memory.grow (i32.wrap_i64 (local.get $pages))))
      (drop (table.grow $table (ref.null func) (i32.const 1000)))
      (local.set $found (global.get $global))
      (local.set $at (i32.const 2048))
      (local.set $end (i32.mul (memory.size) (i32.const 65536)))
      (loop $bytes
        ;; Between 65536 and 70000 is what the host has written.
        (if (i32.or (i32.lt_u (local.get $at) (i32.const 65536)) (i32.ge_u (local.get $at) (i32.const 70000)))
          (then
            (local.set $found
              (i64.add (local.get $found) (i64.extend_i32_u (i64.ne (i64.load (local.get $at)) (i64.const 0)))))))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br_if $bytes (i32.lt_u (local.get $at) (local.get $end))))
      (local.set $at (i32.const 0))
      (loop $elements
        (local.set $found
          (i64.add (local.get $found) (i64.extend_i32_u (i32.eqz (ref.is_null (table.get $table (local.get $at)))))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br_if $elements (i32.lt_u (local.get $at) (table.size $table))))
      (local.get $found))
"#;

/// CVE-2022-39393 and CVE-2026-34988: an instance saw the memory of the one before it in the same place.
#[test]
fn nothing_is_left_for_the_next_instance() {
    for interruption in [Interruption::WatchPage, Interruption::Epoch] {
        // One place, so that the next instance has to take it.
        let registry = registry(interruption, 1);
        let leaves = load(&registry, "leaves", &guest("leaves", LEAVES_TRACES));
        let looks = [
            load(&registry, "looks", &guest("looks", LOOKS_FOR_TRACES)),
            load(
                &registry,
                "bare",
                &guest_without_data("bare", LOOKS_FOR_TRACES),
            ),
        ];
        for turn in 0..TURNS {
            let pages = [0, 1, 3, 30][turn % 4];
            assert_eq!(call(&leaves, pages).unwrap(), 2 + pages);
            let found = call(&looks[turn % 2], [30, 0, 2][turn % 3]).unwrap();
            assert_eq!(found, 0, "turn {turn}: something was left");
        }
    }
}

/// CVE-2024-47813: modules that came and went in several threads could mix up the types of functions.
#[test]
fn types_are_told_apart_while_modules_come_and_go() {
    let registry = registry(Interruption::WatchPage, 100);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let registry = &registry;
            scope.spawn(move || {
                for turn in 0..LOADS {
                    let name = format!("types{thread}");
                    // Types that others have too, and one that nobody else has at the moment.
                    let (shared, own) = (1 + turn % 7, 10 + thread + THREADS * turn);
                    let function = load(registry, &name, &guest(&name, &types(shared, own)));
                    assert_eq!(call(&function, 0).unwrap(), shared as i64);
                    assert_eq!(call(&function, 1).unwrap(), own as i64);
                    for wrong in 2..4 {
                        let error = call(&function, wrong).unwrap_err().to_string();
                        assert!(error.contains(" failed: "), "{error}");
                    }
                    registry.unload(&name);
                }
            });
        }
    });
}

/// Calls functions with so many parameters through a table: of the right type for 0 and 1, of the wrong one for 2 and 3.
fn types(shared: usize, own: usize) -> String {
    let params = |count: usize| "i32 ".repeat(count);
    let zeros = |count: usize| "(i32.const 0) ".repeat(count);
    let call = |count: usize, place: usize| {
        format!(
            "(call_indirect $table (param {}) (result i64) {} (i32.const {place}))",
            params(count),
            zeros(count)
        )
    };
    format!(
        "(table $table funcref (elem $shared $own))
         (func $shared (param {}) (result i64) (i64.const {shared}))
         (func $own (param {}) (result i64) (i64.const {own}))
         (func $case (param $x i64) (result i64)
           (if (i64.eq (local.get $x) (i64.const 0)) (then (return {})))
           (if (i64.eq (local.get $x) (i64.const 1)) (then (return {})))
           (if (i64.eq (local.get $x) (i64.const 2)) (then (return {})))
           {})",
        params(shared),
        params(own),
        call(shared, 0),
        call(own, 1),
        call(shared, 1),
        call(own, 0),
    )
}
