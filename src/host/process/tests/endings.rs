//! Programs that do not end by themselves, and what is left of those that do.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, test_kill_process};

use super::{assert_fails, bounds, path, sh, try_run};
use crate::host::error::Status;
use crate::host::process::{Command, ProcessBounds, run};

#[test]
fn output_does_not_grow_for_ever() {
    for script in [
        "yes",
        "yes >&2",
        "cat /dev/zero",
        "trap '' TERM; yes",
        "(yes &) ; sleep 30",
    ] {
        assert_fails(Status::Limit, "longer than 1048576 bytes", || {
            try_run("sh", &["-c", script], b"")
        });
    }
    let path = path();
    let exactly = |output_bytes_max| {
        let bounds = ProcessBounds {
            output_bytes_max,
            ..bounds(&path)
        };
        let args = ["-c", "printf 12345; printf 67890 >&2"];
        run(
            &Command {
                program: "sh",
                args: &args,
                input: b"",
            },
            &bounds,
        )
    };
    assert_eq!(exactly(10).unwrap().error_output, b"67890");
    assert_fails(Status::Limit, "longer than 9 bytes", || exactly(9));
}

/// Runs a script that prints the number of a process that has to be gone in the end, until the deadline or until it is cancelled.
fn stopped(script: &str, cancel: bool) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let (path, after) = (path(), Duration::from_millis(400));
    let cancelled = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&cancelled);
    thread::spawn(move || {
        thread::sleep(after);
        set.store(cancel, Ordering::Relaxed);
    });
    let left = if cancel {
        Duration::from_secs(20)
    } else {
        after
    };
    let bounds = ProcessBounds {
        deadline: Instant::now() + left,
        cancelled: Arc::new(move || cancelled.load(Ordering::Relaxed)),
        directory: folder.path(),
        ..bounds(&path)
    };
    let says = if cancel { "cancelled" } else { "time" };
    assert_fails(Status::Timeout, says, || {
        run(
            &Command {
                program: "sh",
                args: &["-c", script],
                input: b"",
            },
            &bounds,
        )
    });
    assert_gone(&file);
}

/// Waits until the process whose number is in a file is gone. Its new parent has to notice that too.
#[track_caller]
fn assert_gone(file: &Path) {
    let pid: i32 = fs::read_to_string(file).unwrap().trim().parse().unwrap();
    let until = Instant::now() + Duration::from_secs(5);
    while is_alive(pid) {
        assert!(Instant::now() < until, "{pid} lives");
        thread::sleep(Duration::from_millis(10));
    }
}

fn is_alive(pid: i32) -> bool {
    // Whom nobody has reaped is dead all the same.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    test_kill_process(Pid::from_raw(pid).unwrap()).is_ok() && !stat.contains(") Z ")
}

#[test]
fn a_program_that_does_not_end_is_killed() {
    for cancel in [false, true] {
        stopped("echo $$ > pid; sleep 30", cancel);
        stopped(
            "echo $$ > pid; trap '' TERM HUP INT; while :; do :; done",
            cancel,
        );
        stopped("echo $$ > pid; exec sleep 30 <&- >&- 2>&-", cancel);
        stopped("echo $$ > pid; kill -STOP $$", cancel);
    }
}

#[test]
fn what_a_program_started_is_killed_too() {
    stopped("sleep 30 & echo $! > pid; wait", false);
    stopped("(sleep 30 & echo $! > pid); sleep 30", true);
}

#[test]
fn a_program_ends_when_it_ends_whoever_holds_its_pipes() {
    let folder = tempfile::tempdir().unwrap();
    let path = path();
    let bounds = ProcessBounds {
        directory: folder.path(),
        ..bounds(&path)
    };
    let args = ["-c", "sleep 30 & echo $! > pid; echo done"];
    let start = Instant::now();
    let output = run(
        &Command {
            program: "sh",
            args: &args,
            input: b"",
        },
        &bounds,
    )
    .unwrap();
    assert_eq!((output.code, &output.output[..]), (0, &b"done\n"[..]));
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_gone(&folder.path().join("pid"));
}

/// What left the group lives on, but is not waited for.
#[cfg(target_os = "linux")]
#[test]
fn what_left_the_group_is_not_waited_for() {
    let start = Instant::now();
    let output = sh("setsid sleep 8 & echo done");
    assert_eq!(output.output, b"done\n");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[cfg(target_os = "linux")]
#[test]
fn no_zombie_stays() {
    let zombies = || {
        let me = std::process::id().to_string();
        let stats = fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| fs::read_to_string(entry.unwrap().path().join("stat")).ok());
        stats
            .filter(|stat| stat.contains(&format!(") Z {me} ")))
            .count()
    };
    let path = path();
    for _ in 0..20 {
        let bounds = ProcessBounds {
            deadline: Instant::now() + Duration::from_millis(5),
            ..bounds(&path)
        };
        let _ = run(
            &Command {
                program: "sleep",
                args: &["30"],
                input: b"",
            },
            &bounds,
        );
        sh("true");
    }
    // Those of tests that run at the same time are reaped in a moment.
    let until = Instant::now() + Duration::from_secs(5);
    while zombies() > 0 {
        assert!(Instant::now() < until);
        thread::sleep(Duration::from_millis(5));
    }
}
