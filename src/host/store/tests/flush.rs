//! What is seen and kept while writes are on their way to the disk, and when they do not get there.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use redb::StorageBackend;
use redb::backends::InMemoryBackend;

use super::{all, assert_limit, plugin, written};
use crate::host::context::{HostContext, KeyValueTable};
use crate::host::error::Status;
use crate::host::store::redb::Store;
use crate::host::store::{Inner, LocalContext, StoreError, StoreLimits};

/// A disk that can be made to hang.
#[derive(Clone, Debug, Default)]
struct Disk(Arc<Hanging>);

#[derive(Debug, Default)]
struct Hanging {
    bytes: InMemoryBackend,
    gate: Mutex<()>,
    waiting: AtomicUsize,
}

impl Disk {
    /// A store on this disk.
    fn context(&self, limits: StoreLimits) -> LocalContext {
        let database = redb::Builder::new()
            .create_with_backend(self.clone())
            .unwrap();
        let store = Store::lasting(database, BTreeMap::new(), limits).unwrap();
        LocalContext(Arc::new(Inner {
            limits,
            store: Mutex::new(Some(Arc::new(store))),
            ..Inner::default()
        }))
    }

    /// From here on, who waits for it waits until the guard is dropped.
    fn hang(&self) -> MutexGuard<'_, ()> {
        self.0.gate.lock()
    }

    fn is_waited_for(&self) -> bool {
        self.0.waiting.load(Ordering::Relaxed) > 0
    }

    /// Does something that waits for the disk, in a thread, and returns when it waits.
    fn until_it_waits(
        &self,
        run: impl FnOnce() -> Result<(), StoreError> + Send + 'static,
    ) -> JoinHandle<Result<(), StoreError>> {
        let running = thread::spawn(run);
        let start = Instant::now();
        while !self.is_waited_for() {
            assert!(start.elapsed() < Duration::from_secs(5));
            thread::sleep(Duration::from_millis(1));
        }
        running
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.0.bytes.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.bytes.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.bytes.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.waiting.fetch_add(1, Ordering::Relaxed);
        // Not for ever: a test whose own thread waits for it is to fail, not to hang.
        drop(self.0.gate.try_lock_for(Duration::from_secs(10)));
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
        self.0.bytes.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.bytes.write(offset, data)
    }
}

/// Whether the table has exactly these entries, looked for one by one, scanned and counted.
#[track_caller]
fn assert_is(context: &LocalContext, table: &dyn KeyValueTable, expected: &[(&str, &str)]) {
    let bytes = |&(key, value): &(&str, &str)| (key.as_bytes().to_vec(), value.as_bytes().to_vec());
    let entries: Vec<_> = expected.iter().map(bytes).collect();
    assert_eq!(all(table, b"", None), entries);
    for key in ["a", "b", "c", "d", "e", "f"] {
        let value = expected.iter().find(|entry| entry.0 == key);
        let value = value.map(|entry| entry.1.as_bytes());
        assert_eq!(table.get(key.as_bytes()).unwrap().as_deref(), value);
    }
    let size: usize = expected.iter().map(|e| e.0.len() + e.1.len() + 16).sum();
    assert_eq!(context.stored().unwrap().bytes("t"), size as u64);
}

#[test]
fn what_is_on_its_way_to_the_disk_is_seen_and_waited_for_by_nobody() {
    let disk = Disk::default();
    let context = disk.context(StoreLimits::default());
    let table = written(&context, "t");
    for key in [b"a", b"b", b"c", b"d"] {
        table.put(key, b"stored").unwrap();
    }
    context.flush().unwrap();

    let hanging = disk.hang();
    table.put(b"a", b"sent").unwrap();
    assert!(table.delete(b"b").unwrap());
    table.put(b"e", b"sent").unwrap();
    // So much that the file has to grow, which waits for the disk even before the commit.
    let large = written(&context, "large");
    for i in 0..8 {
        large.put(&[i], &vec![i; 1 << 20]).unwrap();
    }
    let flushed = context.clone();
    let flushing = disk.until_it_waits(move || flushed.flush());
    let sent = [
        ("a", "sent"),
        ("c", "stored"),
        ("d", "stored"),
        ("e", "sent"),
    ];
    assert_is(&context, &*table, &sent);

    // What is newer wins, be it a value or that there is none.
    table.put(b"a", b"newest").unwrap();
    table.put(b"b", b"newest").unwrap();
    for key in [b"c", b"e"] {
        assert!(table.delete(key).unwrap());
        assert!(!table.delete(key).unwrap());
    }
    let newest = [("a", "newest"), ("b", "newest"), ("d", "stored")];
    assert_is(&context, &*table, &newest);
    assert_eq!(all(&*table, b"b", Some(b"d")).len(), 1);
    assert_eq!(all(&*large, b"", None).len(), 8);
    written(&context, "u").put(b"a", b"").unwrap();
    assert!(context.table(plugin("p"), "u", false).unwrap().is_some());
    assert_eq!(context.table_names(), ["large", "t", "u"]);

    // All of this was done while the disk was waited for.
    assert!(disk.is_waited_for());
    assert!(!flushing.is_finished());
    drop(hanging);
    flushing.join().unwrap().unwrap();
    assert_is(&context, &*table, &newest);
    context.flush().unwrap();
    assert_eq!(context.stored().unwrap().unsaved(), 0);
    assert_is(&context, &*table, &newest);
    assert_eq!(all(&*large, b"", None).len(), 8);
}

#[test]
fn a_table_that_is_removed_and_made_again_has_nothing_of_before() {
    let disk = Disk::default();
    let context = disk.context(StoreLimits::default());
    let table = written(&context, "t");
    table.put(b"a", b"stored").unwrap();
    context.flush().unwrap();

    let hanging = disk.hang();
    table.put(b"b", b"").unwrap();
    let removed = context.clone();
    let removing = disk.until_it_waits(move || {
        assert!(removed.delete_stored("t")?);
        Ok(())
    });
    // The flusher may have been first with `b`, then the removal comes after it.
    while context.table(plugin("p"), "t", false).unwrap().is_some() {
        thread::sleep(Duration::from_millis(1));
    }
    assert_is(&context, &*table, &[]);
    assert!(!table.delete(b"a").unwrap());
    table.put(b"c", b"new").unwrap();
    assert_is(&context, &*table, &[("c", "new")]);
    drop(hanging);
    removing.join().unwrap().unwrap();
    context.flush().unwrap();
    assert_is(&context, &*table, &[("c", "new")]);
    assert_eq!(context.table_names(), ["t"]);
}

#[test]
fn a_scan_merges_what_is_stored_with_what_is_not() {
    let disk = Disk::default();
    let context = disk.context(StoreLimits::default());
    let table = written(&context, "t");
    let mut map = BTreeMap::new();
    let mut write = |step: usize, value: Option<&[u8]>| {
        for i in (0..2_000u16).step_by(step) {
            let key = i.to_be_bytes();
            match value {
                Some(value) => {
                    table.put(&key, value).unwrap();
                    map.insert(key.to_vec(), value.to_vec());
                }
                None => {
                    let was_there = map.remove(&key[..]).is_some();
                    assert_eq!(table.delete(&key).unwrap(), was_there);
                }
            }
        }
    };
    write(2, Some(b"stored"));
    context.flush().unwrap();
    let hanging = disk.hang();
    write(3, Some(b"sent"));
    write(5, None);
    let flushed = context.clone();
    let flushing = disk.until_it_waits(move || flushed.flush());
    write(7, Some(b"newest"));
    write(11, None);

    let assert_scans = || {
        for (start, end) in [
            (0, None),
            (0, Some(2_000)),
            (1, Some(1_999)),
            (700, Some(1_100)),
            (500, Some(501)),
            (1_990, None),
        ] {
            let start = u16::to_be_bytes(start);
            let end = end.map(u16::to_be_bytes);
            let expected: Vec<_> = map
                .iter()
                .filter(|(key, _)| key[..] >= start[..])
                .filter(|(key, _)| end.is_none_or(|end| key[..] < end[..]))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            let end = end.as_ref().map(|end| &end[..]);
            assert_eq!(all(&*table, &start, end), expected);
        }
    };
    assert_scans();
    drop(hanging);
    flushing.join().unwrap().unwrap();
    assert_scans();
    context.flush().unwrap();
    assert_scans();
}

#[test]
fn writes_are_refused_where_the_disk_is_too_slow() {
    let disk = Disk::default();
    let context = disk.context(StoreLimits {
        unsaved_bytes_max: 1_000,
        ..StoreLimits::default()
    });
    let table = written(&context, "t");
    table.put(b"0", b"").unwrap();
    context.flush().unwrap();

    let hanging = disk.hang();
    // 129 bytes each.
    for key in b"1234567" {
        table.put(&[*key], b"").unwrap();
    }
    assert_limit(
        table.put(b"8", b""),
        "what waits to be written to the disk would have 1032 bytes, more than the 1000 that `unsaved_bytes_max` allows; write less at \
         once, or again a little later",
    );
    assert_eq!(table.delete(b"0").unwrap_err().status(), Status::Limit);
    assert_eq!(all(&*table, b"", None).len(), 8);
    assert_eq!(context.stored().unwrap().bytes("t"), 8 * 17);
    drop(hanging);
    context.flush().unwrap();
    table.put(b"8", b"").unwrap();
    assert!(table.delete(b"0").unwrap());
    assert_eq!(all(&*table, b"", None).len(), 8);
}

#[test]
fn what_could_not_be_written_is_kept_for_the_next_time() {
    let context = LocalContext::default();
    let table = written(&context, "t");
    table.put(b"a", b"stored").unwrap();
    table.put(b"b", b"stored").unwrap();
    context.flush().unwrap();
    let store = context.stored().unwrap();
    table.put(b"a", b"kept").unwrap();
    assert!(table.delete(b"b").unwrap());
    table.put(b"c", b"kept").unwrap();
    let kept = [("a", "kept"), ("c", "kept")];

    store.fail_commits(true);
    for _ in 0..2 {
        let error = context.flush().unwrap_err();
        assert!(matches!(error, StoreError::Write { .. }), "{error}");
        assert_eq!(store.unsaved(), 3);
        assert_is(&context, &*table, &kept);
        // Nothing is taken that may not last.
        for refused in [table.put(b"d", b""), table.delete(b"a").map(drop)] {
            let error = refused.unwrap_err();
            assert_eq!(error.status(), Status::Failed);
            assert!(error.message().contains("no room"), "{error}");
        }
    }
    store.fail_commits(false);
    context.flush().unwrap();
    assert_eq!(store.unsaved(), 0);
    assert_is(&context, &*table, &kept);
    table.put(b"d", b"").unwrap();
}

#[test]
fn what_has_failed_is_tried_again_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let context = LocalContext::open(&path).unwrap();
    written(&context, "t").put(b"a", b"").unwrap();
    context.flush().unwrap();
    let store = context.stored().unwrap();
    store.fail_commits(true);
    context.delete_stored("t").unwrap_err();
    assert!(context.table(plugin("p"), "t", false).unwrap().is_none());
    let table = written(&context, "u");
    assert_eq!(table.put(b"a", b"").unwrap_err().status(), Status::Failed);

    store.fail_commits(false);
    let start = Instant::now();
    while table.put(b"a", b"").is_err() {
        assert!(start.elapsed() < Duration::from_secs(10));
        thread::sleep(Duration::from_millis(50));
    }
    drop((context, table, store));
    let context = LocalContext::open(&path).unwrap();
    assert_eq!(context.table_names(), ["u"]);
}
