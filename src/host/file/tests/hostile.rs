//! Ways out of a folder that was granted, and things that are no files.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::{Duration, Instant};

use wasmfusion_abi::host::file::{APPEND, CREATE, READ, TRUNCATE, WRITE};

use super::{QUOTA, assert_fails, at, folder, read, roots};
use crate::host::error::Status;
use crate::host::file::FileRoots;

#[test]
fn paths_mean_what_they_say_or_nothing() {
    let folder = folder();
    let roots = roots(&folder, &["data/**"], &["data/**"]);
    let base = at(&folder, "data");
    for path in [
        String::new(),
        "a.csv".into(),
        "./a.csv".into(),
        "data/a.csv".into(),
        format!("{base}/../secret"),
        format!("{base}/../data/a.csv"),
        format!("{base}/sub/../../secret"),
        format!("{base}/./a.csv"),
        format!("{base}//a.csv"),
        format!("/{base}/a.csv"),
        format!("{base}/a.csv/"),
        format!("{base}/sub/"),
        format!("{base}/.."),
        format!("{base}/a.csv\0"),
        format!("{base}/a.csv\0.txt"),
        format!("{base}/{}", "x/".repeat(3000)),
        format!(" {base}/a.csv"),
        format!("file://{base}/a.csv"),
    ] {
        assert_fails(Status::Invalid, "", roots.open(&path, READ, QUOTA));
        assert_fails(
            Status::Invalid,
            "",
            roots.open(&path, WRITE | CREATE, QUOTA),
        );
        assert_fails(Status::Invalid, "", roots.list(&path, 100));
        assert_fails(Status::Invalid, "", roots.remove(&path));
    }
    for path in [
        "/etc/passwd",
        "/",
        "/proc/self/environ",
        &format!("{base}2/e.csv"),
        &at(&folder, "secret"),
        &base,
    ] {
        assert_fails(Status::Denied, "not granted", roots.open(path, READ, QUOTA));
    }
    for path in [
        format!("{base}/..\\secret"),
        format!("{base}/%2e%2e"),
        format!("{base}/A.CSV"),
        format!("{base}/a.csv "),
    ] {
        assert_fails(Status::NotFound, "", roots.open(&path, READ, QUOTA));
    }
    let long = format!("{base}/{}", "x".repeat(300));
    assert_fails(Status::Failed, "", roots.open(&long, WRITE | CREATE, QUOTA));
    assert_fails(
        Status::NotFound,
        "a\\nb",
        roots.open(&format!("{base}/a\nb"), READ, QUOTA),
    );
}

#[test]
fn no_symbolic_link_is_followed() {
    let folder = folder();
    let roots = roots(&folder, &["data/**"], &["data/**"]);
    let link = |to: &str, from: &str| symlink(to, folder.path().join(from)).unwrap();
    link("a.csv", "data/inside");
    link("../secret", "data/outside");
    link("/etc/passwd", "data/absolute");
    link("absent", "data/dangling");
    link("looping", "data/looping");
    link("/dev/zero", "data/device");
    link("sub", "data/folder");
    link("..", "data/up");
    link("/", "data/top");
    link("deep", "data/sub/again");
    for path in [
        "data/inside",
        "data/outside",
        "data/absolute",
        "data/dangling",
        "data/looping",
        "data/device",
        "data/folder",
        "data/folder/c.csv",
        "data/up/secret",
        "data/top/etc/passwd",
        "data/sub/again/d.csv",
    ] {
        let path = at(&folder, path);
        for mode in [
            READ,
            WRITE,
            WRITE | CREATE,
            READ | WRITE | CREATE | TRUNCATE,
            WRITE | CREATE | APPEND,
        ] {
            assert_fails(
                Status::Denied,
                "symbolic link",
                roots.open(&path, mode, QUOTA),
            );
        }
        assert_fails(Status::Denied, "symbolic link", roots.remove(&path));
    }
    for path in ["data/folder", "data/up", "data/sub/again"] {
        assert_fails(
            Status::Denied,
            "symbolic link",
            roots.list(&at(&folder, path), 100),
        );
    }
    assert_eq!(
        roots.list(&at(&folder, "data"), 100).unwrap(),
        ["a.csv", "b.txt", "sub/"]
    );
    assert_eq!(fs::read_to_string(at(&folder, "secret")).unwrap(), "secret");
    assert_eq!(
        fs::read_to_string(at(&folder, "data/a.csv")).unwrap(),
        "aaa"
    );
    assert!(!folder.path().join("data/absent").exists());
}

/// A root is what whoever granted it says it is, a link if they like. What is beneath it is not.
#[test]
fn a_root_may_be_reached_through_a_link() {
    let folder = folder();
    symlink("data", folder.path().join("link")).unwrap();
    symlink("/", folder.path().join("data/top")).unwrap();
    let both = roots(&folder, &["link/**"], &["link/**"]);
    assert_eq!(read(&both, &at(&folder, "link/a.csv")).unwrap(), "aaa");
    assert_fails(
        Status::Denied,
        "not granted",
        read(&both, &at(&folder, "data/a.csv")),
    );
    assert_fails(
        Status::Denied,
        "symbolic link",
        read(&both, &at(&folder, "link/top/etc/passwd")),
    );

    // The right to write beneath the link does not become one to read there.
    let mixed = roots(&folder, &["**"], &["link/*.csv"]);
    mixed
        .open(&at(&folder, "link/a.csv"), WRITE, QUOTA)
        .unwrap();
    assert_fails(
        Status::Denied,
        "symbolic link",
        read(&mixed, &at(&folder, "link/a.csv")),
    );
    assert_fails(
        Status::Denied,
        "symbolic link",
        mixed.open(&at(&folder, "link/a.csv"), READ | WRITE, QUOTA),
    );
    assert_fails(
        Status::Denied,
        "symbolic link",
        mixed.list(&at(&folder, "link"), 100),
    );
}

#[test]
fn a_grant_of_one_file_shows_that_file_only() {
    let folder = folder();
    let roots = roots(&folder, &["data/a.csv"], &[]);
    assert_eq!(read(&roots, &at(&folder, "data/a.csv")).unwrap(), "aaa");
    for path in [
        "data/b.txt",
        "data/a.csv.bak",
        "data/a",
        "data/sub/c.csv",
        "data",
        "secret",
    ] {
        assert_fails(
            Status::Denied,
            "not granted",
            roots.open(&at(&folder, path), READ, QUOTA),
        );
    }
    assert_eq!(roots.list(&at(&folder, "data"), 100).unwrap(), ["a.csv"]);
    for path in ["", "data/sub", "data/a.csv"] {
        let path = at(&folder, path);
        assert_fails(
            Status::Denied,
            "be listed",
            roots.list(path.trim_end_matches('/'), 100),
        );
    }
}

#[test]
fn only_regular_files_are_opened_and_nothing_hangs() {
    let folder = folder();
    let roots = roots(&folder, &["data/**"], &["data/**"]);
    let fifo = at(&folder, "data/fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let socket = at(&folder, "data/socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    let start = Instant::now();
    for path in [fifo, socket, at(&folder, "data/sub")] {
        for mode in [READ, WRITE, READ | WRITE | CREATE, WRITE | TRUNCATE] {
            assert_fails(
                Status::Denied,
                "only regular files",
                roots.open(&path, mode, QUOTA),
            );
        }
        assert_fails(Status::Denied, "only regular files", roots.remove(&path));
    }
    let devices = FileRoots::new(["/dev/**"], ["/dev/**"]).unwrap();
    for path in ["/dev/null", "/dev/zero", "/dev/tty"] {
        for mode in [READ, WRITE, READ | WRITE | CREATE | TRUNCATE] {
            assert_fails(
                Status::Denied,
                "only regular files",
                devices.open(path, mode, QUOTA),
            );
        }
    }
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(
        roots.list(&at(&folder, "data"), 100).unwrap(),
        ["a.csv", "b.txt", "sub/"]
    );
}

/// A second name of a file is a file: nobody can tell them apart. Guests cannot make any.
#[test]
fn a_hard_link_is_a_file() {
    let folder = folder();
    fs::hard_link(at(&folder, "secret"), at(&folder, "data/hard")).unwrap();
    assert_eq!(
        read(
            &roots(&folder, &["data/**"], &[]),
            &at(&folder, "data/hard")
        )
        .unwrap(),
        "secret"
    );
}

#[test]
fn files_that_are_made_cannot_be_executed() {
    let folder = folder();
    let roots = roots(&folder, &[], &["data/**"]);
    roots
        .open(&at(&folder, "data/new"), WRITE | CREATE, QUOTA)
        .unwrap();
    let mode = fs::metadata(at(&folder, "data/new"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7111, 0);
    assert_fails(
        Status::NotFound,
        "new2",
        roots.open(&at(&folder, "data/none/new2"), WRITE | CREATE, QUOTA),
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told() {
    // A device that is always full, behind everything that keeps guests from devices.
    let file = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mode = crate::host::file::Mode::parse(WRITE).unwrap();
    let mut file = crate::host::file::OpenFile::new(file, "/data/x", mode, QUOTA);
    assert_fails(Status::Failed, "No space left", file.write(b"x"));
}
