//! What a file keeps, what is left of it when a process is killed, and files that are no stores.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{all, assert_limit, plugin, small, written};
use crate::host::context::HostContext;
use crate::host::store::{LocalContext, StoreError};

#[test]
fn a_file_keeps_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let context = LocalContext::open_with(&path, small()).unwrap();
    written(&context, "t").put(b"1", &[7; 100]).unwrap();
    written(&context, "t").put(b"2", &[7; 100]).unwrap();
    written(&context, "u").put(b"1", b"").unwrap();
    assert!(context.delete_stored("u").unwrap());
    drop(context);

    let context = LocalContext::open_with(&path, small()).unwrap();
    assert_eq!(context.table_names(), ["t"]);
    let table = context.table(plugin("p"), "t", false).unwrap().unwrap();
    assert_eq!(table.get(b"1").unwrap().unwrap(), &[7; 100][..]);
    // Sizes are kept as well.
    assert_limit(
        table.put(b"3", &[0; 100]),
        "the table would have 351 bytes, more than the 300 that `table_bytes_max` allows",
    );
}

#[test]
fn room_is_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let context = LocalContext::open(&path).unwrap();
    let table = written(&context, "t");
    // 100 MB in all.
    for i in 0..1_000u32 {
        table.put(b"a", &[i as u8; 100_000]).unwrap();
    }
    drop((context, table));
    assert!(std::fs::metadata(&path).unwrap().len() < 64 << 20);
}

#[test]
fn a_file_can_be_open_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let context = LocalContext::open(&path).unwrap();
    let error = LocalContext::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    let table = written(&context, "t");
    drop(context);
    // A guest that has a table open has the file open.
    assert!(LocalContext::open(&path).is_err());
    drop(table);
    LocalContext::open(&path).unwrap();
}

#[test]
fn other_files_are_refused_and_left_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let refused = |content: &[u8]| {
        std::fs::write(&path, content).unwrap();
        let error = LocalContext::open(&path).unwrap_err();
        assert_eq!(std::fs::read(&path).unwrap(), content);
        error
    };
    for content in [&b"x"[..], b"PAR1 and so on", &[0; 10_000]] {
        let error = refused(content);
        assert!(matches!(error, StoreError::NotAStore { .. }), "{error}");
    }
    let error = refused(b"redb\x1a\x0a\xa9\x0d\x0a and then nothing");
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");

    let error = LocalContext::open(folder.path()).unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
    let error = LocalContext::open(folder.path().join("no/such")).unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error}");

    std::fs::write(&path, b"").unwrap();
    LocalContext::open(&path).unwrap();
}

#[test]
fn stores_of_other_programs_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let theirs: redb::TableDefinition<'_, u32, u32> = redb::TableDefinition::new("theirs");
    let database = redb::Database::create(&path).unwrap();
    let txn = database.begin_write().unwrap();
    txn.open_table(theirs).unwrap().insert(1, 2).unwrap();
    txn.commit().unwrap();
    drop(database);
    let error = LocalContext::open(&path).unwrap_err();
    assert!(error.to_string().contains("\"theirs\" of another program"));
}

#[test]
fn damage_is_an_error_and_never_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let context = LocalContext::open(&path).unwrap();
    let table = written(&context, "t");
    for i in 0..2_000u32 {
        table.put(&i.to_be_bytes(), &[1; 50]).unwrap();
    }
    drop((context, table));
    let good = std::fs::read(&path).unwrap();

    let mut opened = 0;
    let mut state = 42u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from((state >> 33) % below as u64).unwrap()
    };
    for round in 0..300 {
        let mut bad = good.clone();
        match round % 3 {
            0 => bad.truncate(random(good.len())),
            1 => bad[random(good.len())] ^= 1 << random(8),
            _ => {
                let start = random(good.len());
                let end = (start + 4096).min(good.len());
                bad[start..end].fill(0xff);
            }
        }
        std::fs::write(&path, &bad).unwrap();
        match LocalContext::open(&path) {
            // What is damaged is not used by any table, or is the header's second slot.
            Ok(context) => {
                opened += 1;
                let table = context.table(plugin("p"), "t", false).unwrap().unwrap();
                assert_eq!(all(&*table, b"", None).len(), 2_000);
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    println!("{opened} of 300 could be opened");
    std::fs::write(&path, &good).unwrap();
    LocalContext::open(&path).unwrap();
}

/// The child of the tests below: writes until it is killed, if it is the child.
#[test]
fn child_that_writes() {
    let Ok(path) = std::env::var("STORE_TEST_PATH") else {
        return;
    };
    let context = LocalContext::open(path).unwrap();
    let table = written(&context, "t");
    for i in 0u64.. {
        table.put(b"n", &i.to_be_bytes()).unwrap();
        table
            .put(&i.to_be_bytes(), &vec![1; (i % 1000) as usize])
            .unwrap();
        if i % 50 == 49 {
            context.flush().unwrap();
        }
    }
}

fn child(path: &Path) -> std::process::Child {
    let module = module_path!().split_once("::").unwrap();
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("{}::child_that_writes", module.1)])
        .env("STORE_TEST_PATH", path)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn a_process_killed_while_it_writes_leaves_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let mut last = 0;
    for round in 0..6u64 {
        let mut child = child(&path);
        std::thread::sleep(Duration::from_millis(400 + 97 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        let context = LocalContext::open(&path).unwrap();
        let Some(table) = context.table(plugin("p"), "t", false).unwrap() else {
            continue;
        };
        let n = table.get(b"n").unwrap().unwrap();
        last = u64::from_be_bytes(n[..].try_into().unwrap());
        // Everything up to there is there, and at most one thing that is not counted yet.
        for i in 0..last {
            let value = table.get(&i.to_be_bytes()).unwrap().unwrap();
            assert_eq!(value.len() as u64, i % 1000);
        }
        let size: usize = all(&*table, b"", None)
            .iter()
            .map(|e| e.0.len() + e.1.len() + 16)
            .sum();
        assert_eq!(
            context.0.store.lock().as_ref().unwrap().bytes("t"),
            size as u64
        );
    }
    assert!(last > 0);
}

#[test]
fn a_write_is_on_the_disk_after_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let context = LocalContext::open(&path).unwrap();
    written(&context, "t").put(b"a", b"1").unwrap();
    let copy = folder.path().join("copy");
    let mut seen = false;
    for _ in 0..50 {
        std::thread::sleep(Duration::from_millis(100));
        std::fs::copy(&path, &copy).unwrap();
        // What a machine would find that has lost its power now.
        if let Ok(context) = LocalContext::open(&copy)
            && context.table(plugin("p"), "t", false).unwrap().is_some()
        {
            seen = true;
            break;
        }
    }
    assert!(seen);
}
