mod hostile;
mod patterns;
#[cfg(target_os = "linux")]
mod races;

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use wasmfusion_abi::host::file::{APPEND, CREATE, READ, TRUNCATE, WRITE};

use super::{FileRoots, OpenFile};
use crate::host::error::{HostError, Status};

const QUOTA: u64 = 1000;

/// A folder with `a.csv`, `b.txt`, `sub/c.csv` and `sub/deep/d.csv`, and files outside of it.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("data/a.csv", "aaa"),
        ("data/b.txt", "bbb"),
        ("data/sub/c.csv", "ccc"),
        ("data/sub/deep/d.csv", "ddd"),
        ("data2/e.csv", "eee"),
        ("secret", "secret"),
    ] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// A path in the folder.
fn at(folder: &TempDir, path: &str) -> String {
    folder.path().join(path).to_str().unwrap().to_owned()
}

fn roots(folder: &TempDir, read: &[&str], write: &[&str]) -> FileRoots {
    let full = |patterns: &[&str]| -> Vec<String> {
        patterns.iter().map(|pattern| at(folder, pattern)).collect()
    };
    let (read, write) = (full(read), full(write));
    FileRoots::new(
        read.iter().map(String::as_str),
        write.iter().map(String::as_str),
    )
    .unwrap()
}

fn read(roots: &FileRoots, path: &str) -> Result<String, HostError> {
    let mut file = roots.open(path, READ, QUOTA)?;
    all(&mut file)
}

fn all(file: &mut OpenFile) -> Result<String, HostError> {
    let mut text = Vec::new();
    let mut buf = [0; 2];
    loop {
        match file.read(&mut buf)? {
            0 => return Ok(String::from_utf8(text).unwrap()),
            n => text.extend_from_slice(&buf[..n]),
        }
    }
}

#[track_caller]
fn assert_fails<T>(status: Status, says: &str, result: Result<T, HostError>) {
    let error = result.err().expect("it did not fail");
    assert_eq!(error.status(), status, "{error}");
    assert!(error.message().contains(says), "{error}");
    assert!(!error.message().contains(['\n', '\r', '\0']), "{error}");
}

#[test]
fn a_file_is_read_and_written() {
    let folder = folder();
    let roots = roots(&folder, &["data/**"], &["data/**"]);
    let path = at(&folder, "data/new.csv");
    assert_fails(
        Status::NotFound,
        "new.csv",
        roots.open(&path, READ | WRITE, QUOTA),
    );

    let mut file = roots.open(&path, READ | WRITE | CREATE, QUOTA).unwrap();
    file.write(b"hello ").unwrap();
    file.write(b"world").unwrap();
    assert_eq!(file.size().unwrap(), 11);
    assert_eq!(all(&mut file).unwrap(), "");
    file.seek(6).unwrap();
    assert_eq!(all(&mut file).unwrap(), "world");
    file.seek(0).unwrap();
    file.write(b"J").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "Jello world");
    assert_fails(Status::Invalid, "-1", file.seek(-1));
    file.seek(i64::MAX).unwrap();
    assert_eq!(file.read(&mut [0; 8]).unwrap(), 0);

    let mut file = roots.open(&path, WRITE | APPEND, QUOTA).unwrap();
    file.seek(0).unwrap();
    file.write(b"!").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "Jello world!");
    assert_fails(Status::Invalid, "not opened to read", file.read(&mut [0]));

    let mut file = roots.open(&path, WRITE, QUOTA).unwrap();
    file.write(b"C").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "Cello world!");
    let mut file = roots.open(&path, WRITE | TRUNCATE | APPEND, QUOTA).unwrap();
    assert_eq!(file.size().unwrap(), 0);
    file.write(b"x").unwrap();

    let mut file = roots.open(&path, READ, QUOTA).unwrap();
    assert_fails(Status::Invalid, "not opened to write", file.write(b"y"));
    roots.remove(&path).unwrap();
    assert!(!Path::new(&path).exists());
    // Who has it open keeps it.
    assert_eq!(all(&mut file).unwrap(), "x");
    assert_fails(Status::NotFound, "new.csv", roots.remove(&path));
}

#[test]
fn rights_are_granted_one_by_one() {
    let folder = folder();
    let roots = roots(
        &folder,
        &["data/*.csv", "data/sub/**"],
        &["data/**/*.txt", "data/sub/c.csv"],
    );
    let open = |path, mode| roots.open(&at(&folder, path), mode, QUOTA);
    for (path, mode) in [
        ("data/a.csv", READ),
        ("data/sub/deep/d.csv", READ),
        ("data/b.txt", WRITE),
        ("data/sub/new.txt", READ | WRITE | CREATE),
        ("data/sub/c.csv", READ | WRITE),
    ] {
        open(path, mode).unwrap();
    }
    for (path, mode) in [
        ("data/a.csv", WRITE),
        ("data/a.csv", READ | WRITE),
        ("data/b.txt", READ),
        ("data/b.txt", READ | WRITE),
        ("data/sub/deep/d.csv", WRITE),
        ("data/sub/deep/new.csv", WRITE | CREATE),
        ("data2/e.csv", READ),
        ("secret", READ),
    ] {
        assert_fails(Status::Denied, "not granted", open(path, mode));
    }
    for path in ["data/a.csv", "data/sub/deep/d.csv", "data", "secret"] {
        assert_fails(
            Status::Denied,
            "not granted",
            roots.remove(&at(&folder, path)),
        );
    }
    let nothing = FileRoots::new([], []).unwrap();
    assert_fails(
        Status::Denied,
        "not granted",
        nothing.open("/etc/passwd", READ, QUOTA),
    );
    assert_fails(Status::Denied, "not granted", nothing.list("/", 10));
}

#[test]
fn modes_that_make_no_sense_are_refused() {
    let folder = folder();
    let roots = roots(&folder, &["data/**"], &["data/**"]);
    for mode in [
        0,
        32,
        READ | 64,
        -1,
        CREATE,
        TRUNCATE,
        APPEND,
        READ | CREATE,
        READ | TRUNCATE,
        READ | APPEND,
        i32::MIN | READ,
    ] {
        assert_fails(
            Status::Invalid,
            "no mode",
            roots.open(&at(&folder, "data/a.csv"), mode, QUOTA),
        );
    }
    assert_eq!(
        fs::read_to_string(at(&folder, "data/a.csv")).unwrap(),
        "aaa"
    );
}

#[test]
fn no_file_becomes_larger_than_it_may() {
    let folder = folder();
    let roots = roots(&folder, &[], &["data/**"]);
    let path = at(&folder, "data/a.csv");
    let mut file = roots.open(&path, WRITE, 10).unwrap();
    file.write(b"12345678").unwrap();
    assert_fails(Status::Limit, "would have 11 bytes", file.write(b"abc"));
    file.write(b"ab").unwrap();
    file.write(b"").unwrap();
    assert_fails(Status::Limit, "file_bytes_max", file.write(b"x"));
    // What is there can be written over.
    file.seek(0).unwrap();
    file.write(b"x").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "x2345678ab");

    // A hole counts as well, and opening it again gives nothing more.
    let mut file = roots.open(&path, WRITE, 20).unwrap();
    for position in [20, 1 << 40, i64::MAX] {
        file.seek(position).unwrap();
        assert_fails(Status::Limit, "at most 20", file.write(b"x"));
    }
    file.seek(15).unwrap();
    file.write(b"x").unwrap();
    assert_fails(Status::Limit, "would have 21 bytes", file.write(b"12345"));
    let mut file = roots.open(&path, WRITE | APPEND, 20).unwrap();
    file.write(b"1234").unwrap();
    assert_fails(Status::Limit, "would have 21 bytes", file.write(b"5"));
    assert_eq!(file.size().unwrap(), 20);
}

#[test]
fn listings_show_what_was_granted() {
    let folder = folder();
    let list = |read: &[&str], path: &str| roots(&folder, read, &[]).list(&at(&folder, path), 100);
    for (read, path, expected) in [
        (&["data/**"][..], "data", &["a.csv", "b.txt", "sub/"][..]),
        (&["data/**"], "data/sub", &["c.csv", "deep/"]),
        (&["data/*.csv"], "data", &["a.csv"]),
        (&["data/*/c.csv"], "data", &["sub/"]),
        (&["data/*/c.csv"], "data/sub", &["c.csv"]),
        (&["data/**/d.csv"], "data", &["sub/"]),
        (&["data/**/d.csv"], "data/sub/deep", &["d.csv"]),
        (&["data/a.csv"], "data", &["a.csv"]),
        (&["data/absent.csv"], "data", &[]),
        (
            &["data/*.txt", "data/a.csv", "data/sub/*"],
            "data",
            &["a.csv", "b.txt"],
        ),
        (&["*/*.csv"], "", &["data/", "data2/"]),
        (&["data{,2}/*.csv"], "", &["data/", "data2/"]),
    ] {
        // The folder itself stands for the empty path.
        let path = path.trim_end_matches('/');
        let full = at(&folder, path);
        let listed = roots(&folder, read, &[]).list(full.trim_end_matches('/'), 100);
        assert_eq!(listed.unwrap(), expected, "{read:?} in {path}");
    }
    assert_fails(
        Status::Denied,
        "be listed",
        list(&["data/*.csv"], "data/sub"),
    );
    assert_fails(Status::Denied, "be listed", list(&["data/sub/**"], "data"));
    assert_fails(Status::Denied, "be listed", list(&["data/a.csv"], "data2"));
    assert_fails(
        Status::Denied,
        "be listed",
        roots(&folder, &[], &["data/**"]).list(&at(&folder, "data"), 9),
    );
    assert_fails(
        Status::NotFound,
        "absent",
        list(&["data/**"], "data/absent"),
    );
    assert_fails(Status::NotFound, "a.csv", list(&["data/**"], "data/a.csv"));
    assert_fails(
        Status::Limit,
        "more than 2",
        roots(&folder, &["data/**"], &[]).list(&at(&folder, "data"), 2),
    );
    assert_eq!(
        roots(&folder, &["data/**"], &[])
            .list(&at(&folder, "data"), 3)
            .unwrap()
            .len(),
        3
    );
}

#[test]
fn a_grant_whose_root_is_absent_is_an_error() {
    let folder = folder();
    let pattern = at(&folder, "absent/**");
    assert_fails(Status::Failed, "make it", FileRoots::new([&*pattern], []));
    // A file may come later, its folder may not.
    FileRoots::new([], [&*at(&folder, "data/later.csv")]).unwrap();
    let pattern = at(&folder, "data/a.csv/**");
    assert_fails(Status::Failed, "make it", FileRoots::new([&*pattern], []));
}
