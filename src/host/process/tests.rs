mod endings;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Command, Output, ProcessBounds, run};
use crate::host::error::{HostError, Status};

fn bounds(search_path: &[PathBuf]) -> ProcessBounds<'_> {
    ProcessBounds {
        deadline: Instant::now() + Duration::from_secs(20),
        output_bytes_max: 1 << 20,
        cancelled: Arc::new(|| false),
        search_path,
        environment: &[],
        directory: Path::new("/"),
    }
}

fn path() -> [PathBuf; 2] {
    ["/usr/bin".into(), "/bin".into()]
}

fn try_run(program: &str, args: &[&str], input: &[u8]) -> Result<Output, HostError> {
    run(
        &Command {
            program,
            args,
            input,
        },
        &bounds(&path()),
    )
}

/// A script of a shell that the test asks for, as nothing else does.
fn sh(script: &str) -> Output {
    try_run("sh", &["-c", script], b"").unwrap()
}

#[track_caller]
fn assert_fails(status: Status, says: &str, run: impl FnOnce() -> Result<Output, HostError>) {
    let start = Instant::now();
    let error = run().expect_err("it did not fail");
    assert_eq!(error.status(), status, "{error}");
    assert!(error.message().contains(says), "{error}");
    assert!(!error.message().contains(['\n', '\r', '\0']), "{error}");
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{error} took {:?}",
        start.elapsed()
    );
}

#[test]
fn arguments_arrive_as_they_are() {
    let args = [
        "; rm -rf /",
        "$(id)",
        "`id`",
        "$HOME",
        "a b",
        "*",
        "'\"\\",
        "",
        "--flag",
        "-n",
        "a\nb",
        "| cat",
        "> /tmp/x",
        "caf\u{e9}",
    ];
    let printed = try_run("/usr/bin/printf", &[&["%s\\0"], &args[..]].concat(), b"").unwrap();
    assert_eq!(
        printed.output,
        args.map(|arg| format!("{arg}\0")).concat().as_bytes()
    );
    assert_eq!((printed.code, printed.error_output), (0, Vec::new()));
}

#[test]
fn arguments_that_cannot_be_are_refused() {
    assert_fails(Status::Invalid, "argument 2", || {
        try_run("echo", &["a", "b\0c"], b"")
    });
    let long = "x".repeat(200_000);
    assert_fails(Status::Limit, "200001 bytes", || {
        try_run("echo", &[&long], b"")
    });
    let many = vec!["x"; 100_000];
    assert_fails(Status::Limit, "200000 bytes", || {
        try_run("echo", &many, b"")
    });
}

#[test]
fn programs_are_found_by_name_or_absolute_path_only() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, mode| {
        let path = folder.path().join(name);
        fs::write(&path, "#!/bin/sh\necho \"$0\"\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let program = file("program", 0o755);
    let data = file("data", 0o644);
    let search_path = [folder.path().to_owned()];
    let try_run = |program: &str| {
        run(
            &Command {
                program,
                args: &[],
                input: b"",
            },
            &bounds(&search_path),
        )
    };
    let said = format!("{program}\n").into_bytes();
    assert_eq!(try_run("program").unwrap().output, said);
    assert_eq!(try_run(&program).unwrap().output, said);

    let folder = folder.path().to_str().unwrap();
    for absent in [
        "absent",
        "sh",
        "data",
        "program ",
        "PROGRAM",
        "program; id",
        &data,
        folder,
        "/absent",
        "/bin/sh ",
    ] {
        assert_fails(Status::NotFound, "there is no program", || try_run(absent));
    }
    for invalid in [
        "",
        ".",
        "..",
        "./program",
        "../program",
        "bin/sh",
        "/",
        "//bin/sh",
        "/bin/../bin/sh",
        "/bin/./sh",
        "/bin//sh",
        "/bin/sh/",
        "program\0",
        "/bin/sh\0x",
        "\n/bin/sh",
    ] {
        if invalid != "/" {
            assert_fails(Status::Invalid, "neither", || try_run(invalid));
        }
    }
    assert_fails(Status::NotFound, "there is no program", || try_run("/"));
    assert_fails(Status::Invalid, "5000 bytes", || try_run(&"x".repeat(5000)));
}

#[test]
fn relative_folders_are_not_searched() {
    let search_path = ["".into(), ".".into(), "bin".into()];
    let command = Command {
        program: "Cargo.toml",
        args: &[],
        input: b"",
    };
    assert_fails(Status::NotFound, "there is no program", || {
        run(&command, &bounds(&search_path))
    });
}

#[test]
fn a_program_sees_what_it_was_given_and_nothing_else() {
    assert_eq!(try_run("env", &[], b"").unwrap().output, b"");
    let environment = [("A".to_owned(), "b c".to_owned())];
    let path = path();
    let command = |program| Command {
        program,
        args: &[],
        input: b"",
    };
    let given = ProcessBounds {
        environment: &environment,
        directory: Path::new("/usr"),
        ..bounds(&path)
    };
    assert_eq!(run(&command("env"), &given).unwrap().output, b"A=b c\n");
    assert_eq!(run(&command("pwd"), &given).unwrap().output, b"/usr\n");
    assert_eq!(try_run("pwd", &[], b"").unwrap().output, b"/\n");
}

/// Files that the host has open are closed in the program.
#[cfg(target_os = "linux")]
#[test]
fn a_program_inherits_no_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let name = file.path().file_name().unwrap().to_str().unwrap();
    let listed = try_run("ls", &["-l", "/proc/self/fd"], b"").unwrap();
    let listed = String::from_utf8(listed.output).unwrap();
    assert!(
        listed.contains(" 2 -> pipe:") && !listed.contains(name),
        "{listed}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn no_pipe_stays_open() {
    let pipes = || {
        let open = fs::read_dir("/proc/self/fd").unwrap();
        let targets = open.filter_map(|fd| fs::read_link(fd.unwrap().path()).ok());
        targets
            .filter(|to| to.to_string_lossy().starts_with("pipe:"))
            .count()
    };
    let before = pipes();
    for _ in 0..50 {
        sh("echo x; echo y >&2");
        let _ = try_run("yes", &[], b"");
    }
    // Tests that run at the same time have some too.
    assert!(pipes() < before + 50);
}

#[test]
fn exit_codes_and_signals_are_told() {
    assert_eq!(sh("exit 0").code, 0);
    assert_eq!(sh("exit 7").code, 7);
    assert_eq!(sh("kill -9 $$").code, 128 + 9);
    let both = sh("echo out; echo err >&2; exit 3");
    assert_eq!(
        (both.code, &both.output[..], &both.error_output[..]),
        (3, &b"out\n"[..], &b"err\n"[..])
    );
}

#[test]
fn input_larger_than_a_pipe_goes_through() {
    let input: Vec<u8> = (0..500_000u32)
        .flat_map(|i| (i as u16).to_le_bytes())
        .collect();
    let output = try_run("cat", &[], &input).unwrap();
    assert!(output.output == input);
    // Nobody reads it.
    assert_eq!(try_run("true", &[], &input).unwrap().code, 0);
    let closed = try_run("sh", &["-c", "exec 0<&-; sleep 0.2; echo done"], &input).unwrap();
    assert_eq!(closed.output, b"done\n");
    // None at all is the end of the input, not a wait for it.
    assert_eq!(try_run("cat", &[], b"").unwrap().output, b"");
}

#[test]
fn a_quick_program_is_quick() {
    let start = Instant::now();
    for _ in 0..20 {
        assert_eq!(try_run("true", &[], b"").unwrap().code, 0);
    }
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn nothing_starts_when_the_time_is_over() {
    let path = path();
    let over = ProcessBounds {
        deadline: Instant::now(),
        ..bounds(&path)
    };
    let command = Command {
        program: "true",
        args: &[],
        input: b"",
    };
    assert_fails(Status::Timeout, "time", || run(&command, &over));
    let nowhere = ProcessBounds {
        directory: Path::new("/absent"),
        ..bounds(&path)
    };
    assert_fails(Status::Failed, "cannot be started", || {
        run(&command, &nowhere)
    });
}
