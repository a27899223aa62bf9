//! The context as embedders and guests use it.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::{LocalContext, StoreLimits};
use crate::host::context::{HostContext, KeyValueTable, PluginId, VectorIndex, Visit};
use crate::host::error::{HostError, Status};
use crate::module::Digest;

mod file;
mod flush;

fn plugin(name: &str) -> PluginId<'_> {
    PluginId {
        name,
        digest: Digest::of(name.as_bytes()),
    }
}

fn written(context: &LocalContext, name: &str) -> Arc<dyn KeyValueTable> {
    context.table(plugin("p"), name, true).unwrap().unwrap()
}

fn all(table: &dyn KeyValueTable, start: &[u8], end: Option<&[u8]>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut entries = Vec::new();
    table
        .scan(start, end, &mut |key, value| {
            entries.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })
        .unwrap();
    entries
}

fn small() -> StoreLimits {
    StoreLimits {
        key_bytes_max: 4,
        value_bytes_max: 100,
        table_bytes_max: 300,
        tables_max: 2,
        store_bytes_max: 400,
        ..StoreLimits::default()
    }
}

#[track_caller]
fn assert_limit(result: Result<(), HostError>, words: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.status(), Status::Limit);
    assert_eq!(error.message(), words);
}

/// A table that has one key and takes no writes.
struct Fixed;

impl KeyValueTable for Fixed {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, HostError> {
        Ok((key == b"fixed").then(|| Bytes::from_static(b"yes")))
    }

    fn scan(
        &self,
        _start: &[u8],
        _end: Option<&[u8]>,
        _visit: &mut Visit<'_>,
    ) -> Result<(), HostError> {
        Ok(())
    }
}

impl VectorIndex for Fixed {
    fn dimensions(&self) -> usize {
        1
    }

    fn search(
        &self,
        _query: &[f32],
        _k: usize,
        _visit: &mut dyn FnMut(&[u8], f32),
    ) -> Result<(), HostError> {
        Ok(())
    }
}

#[test]
fn a_table_is_made_by_its_first_write() {
    let context = LocalContext::default();
    assert!(context.table(plugin("p"), "t", false).unwrap().is_none());
    let table = written(&context, "t");
    assert_eq!(table.get(b"a").unwrap(), None);
    assert_eq!(all(&*table, b"", None), []);
    assert!(!table.delete(b"a").unwrap());
    assert!(context.table(plugin("p"), "t", false).unwrap().is_none());
    assert!(context.table_names().is_empty());

    table.put(b"a", b"1").unwrap();
    assert_eq!(context.table_names(), ["t"]);
    let other = context.table(plugin("other"), "t", false).unwrap().unwrap();
    assert_eq!(other.get(b"a").unwrap().unwrap(), &b"1"[..]);
    assert!(other.delete(b"a").unwrap());
    assert_eq!(table.get(b"a").unwrap(), None);
    assert!(context.delete_stored("t").unwrap());
    assert!(!context.delete_stored("t").unwrap());
    assert!(context.table(plugin("p"), "t", false).unwrap().is_none());
}

#[test]
fn entries_are_shown_in_the_order_of_their_keys() {
    let context = LocalContext::default();
    let table = written(&context, "t");
    for key in [&b"b"[..], b"", b"a\xff", b"a", b"\xff\xff"] {
        table.put(key, key).unwrap();
    }
    let keys = |start: &[u8], end: Option<&[u8]>| -> Vec<Vec<u8>> {
        all(&*table, start, end).into_iter().map(|e| e.0).collect()
    };
    assert_eq!(
        keys(b"", None),
        [&b""[..], b"a", b"a\xff", b"b", b"\xff\xff"]
    );
    assert_eq!(keys(b"a", Some(b"b")), [&b"a"[..], b"a\xff"]);
    assert_eq!(keys(b"b", Some(b"b")), [b""; 0]);
    assert_eq!(keys(b"c", Some(b"a")), [b""; 0]);
    let mut seen = 0;
    table
        .scan(b"", None, &mut |_, _| {
            seen += 1;
            ControlFlow::Break(())
        })
        .unwrap();
    assert_eq!(seen, 1);
}

#[test]
fn a_visitor_may_write() {
    let context = LocalContext::default();
    let table = written(&context, "t");
    table.put(b"a", b"").unwrap();
    table
        .scan(b"", None, &mut |_, _| {
            table.put(b"b", b"").unwrap();
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(all(&*table, b"", None).len(), 2);
}

#[test]
fn threads_write_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let context = LocalContext::open(folder.path().join("store")).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let table = written(&context, "t");
            scope.spawn(move || {
                for i in 0..200u8 {
                    table.put(&[thread, i], &[i]).unwrap();
                    assert_eq!(table.get(&[thread, i]).unwrap().unwrap(), &[i][..]);
                }
            });
        }
    });
    assert_eq!(all(&*written(&context, "t"), b"", None).len(), 800);
    assert_eq!(
        context.0.store.lock().as_ref().unwrap().bytes("t"),
        800 * 19
    );
}

#[test]
fn limits_are_kept_and_named() {
    let context = LocalContext::in_memory(small());
    let table = written(&context, "t");
    assert_limit(
        table.put(b"12345", b""),
        "the key would have 5 bytes, more than the 4 that `key_bytes_max` allows",
    );
    assert_limit(
        table.put(b"1", &[0; 101]),
        "the value would have 101 bytes, more than the 100 that `value_bytes_max` allows",
    );
    table.put(b"1", &[0; 100]).unwrap();
    table.put(b"2", &[0; 100]).unwrap();
    assert_limit(
        table.put(b"3", &[0; 100]),
        "the table would have 351 bytes, more than the 300 that `table_bytes_max` allows",
    );
    assert_eq!(table.get(b"3").unwrap(), None);
    // What is there can be replaced, and what it leaves used again.
    table.put(b"2", &[0; 99]).unwrap();
    table.put(b"2", &[0; 100]).unwrap();
    table.delete(b"1").unwrap();
    table.put(b"3", &[0; 100]).unwrap();

    let second = written(&context, "u");
    second.put(b"1", &[0; 100]).unwrap();
    assert_limit(
        second.put(b"2", &[0; 100]),
        "the store would have 468 bytes, more than the 400 that `store_bytes_max` allows",
    );
    let third = written(&context, "v");
    assert_limit(
        third.put(b"1", b""),
        "the store would have 3 tables, more than the 2 that `tables_max` allows",
    );
    assert!(context.delete_stored("t").unwrap());
    third.put(b"1", b"").unwrap();
    second.put(b"2", &[0; 100]).unwrap();
}

#[test]
fn refused_writes_leave_no_table() {
    let context = LocalContext::in_memory(StoreLimits {
        table_bytes_max: 0,
        ..small()
    });
    assert!(written(&context, "t").put(b"1", b"").is_err());
    assert!(context.table_names().is_empty());
}

#[test]
fn names_are_checked() {
    let context = LocalContext::default();
    for (name, reason) in [
        ("", "it is empty"),
        (&*"x".repeat(256), "it is longer than 255 bytes"),
        ("a\nb", "it has control characters"),
        ("a\0", "it has control characters"),
    ] {
        let error = context.table(plugin("p"), name, true).err().unwrap();
        assert_eq!(error.status(), Status::Invalid);
        assert!(error.message().ends_with(reason), "{error}");
        assert!(!error.message().contains('\n'));
        assert!(context.vector_index(plugin("p"), name).is_err());
        assert!(context.add_table(name, Arc::new(Fixed)).is_err());
        assert!(context.add_index(name, Arc::new(Fixed)).is_err());
    }
    for name in [&*"x".repeat(255), "ünï code", "../../etc/passwd", "sizes"] {
        written(&context, name).put(b"1", b"").unwrap();
    }
}

#[test]
fn what_was_added_hides_what_was_written() {
    let context = LocalContext::default();
    written(&context, "t").put(b"written", b"").unwrap();
    context.add_table("t", Arc::new(Fixed)).unwrap();
    let table = written(&context, "t");
    assert_eq!(table.get(b"fixed").unwrap().unwrap(), &b"yes"[..]);
    let error = table.put(b"a", b"").unwrap_err();
    assert_eq!(error.status(), Status::Unavailable);
    assert_eq!(context.table_names(), ["t"]);
    assert!(context.remove_table("t"));
    assert!(!context.remove_table("t"));
    assert!(written(&context, "t").get(b"written").unwrap().is_some());
}

#[test]
fn indexes_are_found_by_name() {
    let context = LocalContext::default();
    assert!(context.vector_index(plugin("p"), "i").unwrap().is_none());
    context.add_index("i", Arc::new(Fixed)).unwrap();
    assert!(
        context
            .clone()
            .vector_index(plugin("p"), "i")
            .unwrap()
            .is_some()
    );
    assert_eq!(context.index_names(), ["i"]);
    assert!(context.remove_index("i"));
    assert!(context.vector_index(plugin("p"), "i").unwrap().is_none());
}

#[derive(Clone, Debug)]
enum Step {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    Scan(Vec<u8>, Option<Vec<u8>>),
    Flush,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let bytes = || prop::collection::vec(0u8..4, 0..3);
    let step = prop_oneof![
        4 => (bytes(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(k, v)| Step::Put(k, v)),
        2 => bytes().prop_map(Step::Delete),
        2 => (bytes(), prop::option::of(bytes())).prop_map(|(s, e)| Step::Scan(s, e)),
        1 => Just(Step::Flush),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// A stored table does what a map does, and its size is that of the map.
    #[test]
    fn a_table_is_a_map(steps in steps()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let mut context = LocalContext::open(&path).unwrap();
        let mut table = written(&context, "t");
        let mut map = std::collections::BTreeMap::new();
        for step in steps {
            match step {
                Step::Put(key, value) => {
                    table.put(&key, &value).unwrap();
                    map.insert(key, value);
                }
                Step::Delete(key) => {
                    prop_assert_eq!(table.delete(&key).unwrap(), map.remove(&key).is_some());
                }
                Step::Scan(start, end) => {
                    let expected: Vec<_> = map.iter()
                        .filter(|(key, _)| **key >= start && end.as_ref().is_none_or(|end| *key < end))
                        .map(|(key, value)| (key.clone(), value.clone()))
                        .collect();
                    prop_assert_eq!(all(&*table, &start, end.as_deref()), expected);
                }
                Step::Flush => context.flush().unwrap(),
                Step::Reopen => {
                    drop((table, context));
                    context = LocalContext::open(&path).unwrap();
                    table = written(&context, "t");
                }
            }
            let bytes: usize = map.iter().map(|(key, value)| key.len() + value.len() + 16).sum();
            prop_assert_eq!(context.0.store.lock().as_ref().unwrap().bytes("t"), bytes as u64);
        }
    }
}

/// Not a test but a measurement: `cargo test --release -- --ignored --nocapture measure_store`.
#[test]
#[ignore = "a measurement"]
fn measure_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    for (place, context) in [
        ("memory", LocalContext::default()),
        ("file", LocalContext::open(&path).unwrap()),
    ] {
        let table = written(&context, "t");
        let n = 50_000u32;
        let start = std::time::Instant::now();
        for i in 0..n {
            table
                .put(&i.wrapping_mul(2_654_435_761).to_be_bytes(), &[1; 100])
                .unwrap();
        }
        println!("{place}: put {:?}", start.elapsed() / n);
        let start = std::time::Instant::now();
        for i in 0..n {
            assert!(
                table
                    .get(&i.wrapping_mul(2_654_435_761).to_be_bytes())
                    .unwrap()
                    .is_some()
            );
        }
        println!("{place}: get {:?}", start.elapsed() / n);
        let start = std::time::Instant::now();
        assert_eq!(all(&*table, b"", None).len(), n as usize);
        println!("{place}: scan of an entry {:?}", start.elapsed() / n);
        let start = std::time::Instant::now();
        table.put(b"x", b"").unwrap();
        context.flush().unwrap();
        println!("{place}: flush {:?}", start.elapsed());
    }
    let big = LocalContext::open(&path).unwrap();
    for i in 0..200u32 {
        written(&big, "big")
            .put(&i.to_be_bytes(), &vec![1; 1 << 20])
            .unwrap();
    }
    drop(big);
    let start = std::time::Instant::now();
    LocalContext::open(&path).unwrap();
    let megabytes = std::fs::metadata(&path).unwrap().len() >> 20;
    println!("open of {megabytes} MiB: {:?}", start.elapsed());
}
