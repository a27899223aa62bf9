//! Files and folders that become something else while they are opened.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use wasmfusion_abi::host::file::{APPEND, CREATE, TRUNCATE, WRITE};

use super::{QUOTA, at, folder, read, roots};
use crate::host::error::Status;

/// Lets somebody swap a path with each of the others, and back, while `attempt` runs again and again. It says whether it got at a file;
/// both have to happen.
fn race(swapped: &str, others: &[String], mut attempt: impl FnMut() -> bool) {
    let over = Arc::new(AtomicBool::new(false));
    let swapping = thread::spawn({
        let over = Arc::clone(&over);
        let (swapped, others) = (swapped.to_owned(), others.to_vec());
        move || {
            while !over.load(Ordering::Relaxed) {
                for other in others.iter().flat_map(|other| [other, other]) {
                    renameat_with(CWD, &swapped, CWD, other, RenameFlags::EXCHANGE).unwrap();
                }
            }
        }
    });
    let (mut got, mut refused) = (0, 0);
    let until = Instant::now() + Duration::from_secs(20);
    while (got < 300 || refused < 300) && Instant::now() < until {
        if attempt() {
            got += 1;
        } else {
            refused += 1;
        }
    }
    over.store(true, Ordering::Relaxed);
    swapping.join().unwrap();
    assert!(got > 0 && refused > 0, "{got} {refused}");
}

#[test]
fn a_folder_that_becomes_a_link_leads_nowhere() {
    let folder = folder();
    for (path, text) in [("out/swap/f", "secret"), ("data/swap/f", "fine")] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let link = at(&folder, "link");
    symlink(at(&folder, "out/swap"), &link).unwrap();

    let roots = roots(&folder, &["data/**"], &["data/**"]);
    race(&at(&folder, "data/swap"), &[link], || {
        let _ = roots.open(&at(&folder, "data/swap/made"), WRITE | CREATE, QUOTA);
        match read(&roots, &at(&folder, "data/swap/f")) {
            Ok(text) => {
                assert_eq!(text, "fine");
                true
            }
            Err(e) => {
                assert!(
                    matches!(e.status(), Status::Denied | Status::NotFound),
                    "{e}"
                );
                false
            }
        }
    });
    assert!(!folder.path().join("out/swap/made").exists());
}

/// The links lead to a neighbour, which no sandbox of folders would mind. A FIFO would never answer.
#[test]
fn a_file_that_becomes_something_else_is_not_opened() {
    let folder = folder();
    let others = ["data/link", "data/fifo"].map(|path| at(&folder, path));
    symlink("b.txt", &others[0]).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(&others[1])
            .status()
            .unwrap()
            .success()
    );

    let roots = roots(&folder, &["data/a.csv"], &["data/a.csv"]);
    let path = at(&folder, "data/a.csv");
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        race(&path, &others, || {
            let _ = roots
                .open(&path, WRITE | TRUNCATE | APPEND, QUOTA)
                .map(|mut file| file.write(b"aaa"));
            match read(&roots, &path) {
                Ok(text) => {
                    assert_eq!(text, "aaa");
                    true
                }
                Err(_) => false,
            }
        });
        sender.send(()).unwrap();
    });
    receiver
        .recv_timeout(Duration::from_secs(40))
        .expect("it hung or failed");
    assert_eq!(
        fs::read_to_string(at(&folder, "data/b.txt")).unwrap(),
        "bbb"
    );
}
