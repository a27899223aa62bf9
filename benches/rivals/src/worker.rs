//! A process that runs one rival.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use rivals_worker::Function;

use crate::peers;

/// The rivals, and whether they keep compiled modules on disk.
pub const SERIES: [(&str, bool); 5] = [
    ("native", false),
    ("wasmfusion", true),
    ("arrow-udf", false),
    ("extism", true),
    ("wasmtime", true),
];

/// Settings of the environment that would change what a rival does.
const SETTINGS: [&str; 5] = [
    "EXTISM_CACHE_CONFIG",
    "EXTISM_COREDUMP",
    "EXTISM_DEBUG",
    "EXTISM_MEMDUMP",
    "EXTISM_PROFILE",
];

/// A process that answers lines, as `rivals_worker::serve` says. It ends when it is dropped.
pub struct Worker {
    series: &'static str,
    child: Child,
    lines: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    /// Starts it.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn new(series: &'static str) -> Self {
        let mut child = command(series)
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the process starts");
        Self {
            series,
            lines: child.stdin.take(),
            answers: BufReader::new(child.stdout.take().expect("it was asked for")),
            child,
        }
    }

    /// Makes it ready to call a function with so many rows, after a check of what the function answers.
    ///
    /// # Panics
    ///
    /// If the rival failed, as in all that follow.
    pub fn prepare(&mut self, function: Function, rows: usize) {
        let answer = self.ask(&format!("prepare {} {rows}", function.name()));
        assert_eq!(answer, "ready", "{}", self.series);
    }

    /// Makes it ready for calls from Arrow to Arrow, if other calls are not so.
    pub fn prepare_arrow(&mut self) -> bool {
        self.ask("arrow") == "ready"
    }

    /// Calls the function; how long that took.
    pub fn run(&mut self, calls: u64) -> Duration {
        Duration::from_nanos(number(&self.ask(&format!("run {calls}"))))
    }

    /// Calls the function from so many threads for some time; their calls, and the seconds that those took.
    pub fn threads(&mut self, threads: usize, pause: Duration) -> (f64, f64) {
        let answer = self.ask(&format!("threads {threads} {}", pause.as_millis()));
        let (calls, ns) = answer.split_once(' ').expect("two numbers");
        (number(calls) as f64, number(ns) as f64 / 1e9)
    }

    fn ask(&mut self, line: &str) -> String {
        let lines = self.lines.as_mut().expect("it is open until it is dropped");
        let sent = writeln!(lines, "{line}").and_then(|()| lines.flush());
        let mut answer = String::new();
        let read = sent.and_then(|()| self.answers.read_line(&mut answer));
        assert!(
            matches!(read, Ok(1..)),
            "{}: no answer to {line:?}, its process has failed",
            self.series
        );
        answer.trim_end().to_owned()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It ends when there are no more lines.
        self.lines = None;
        // Whatever its status is, it has ended.
        let _ = self.child.wait();
    }
}

/// Nanoseconds from the bytes of a rival's module to its first answer, in a process of its own.
///
/// # Panics
///
/// If the rival failed.
pub fn cold_start(series: &str, cache: Option<&Path>) -> f64 {
    let mut command = command(series);
    command.arg("cold-start").args(cache);
    number(&once(series, command)) as f64
}

/// By how many bytes a process grew at most, and how many are left, when a rival was loaded and called with 65,536 rows.
///
/// # Panics
///
/// If the rival failed.
pub fn peak_memory(series: &str) -> (f64, f64) {
    let mut command = command(series);
    command.arg("peak-memory");
    let answer = once(series, command);
    let (peak, resident) = answer.split_once(' ').expect("two numbers");
    (number(peak) as f64, number(resident) as f64)
}

/// What a process says that ends by itself.
fn once(series: &str, mut command: Command) -> String {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .expect("the process starts");
    assert!(output.status.success(), "{series}: its process has failed");
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned()
}

/// The program that runs a rival: this one, or that of the other workspace.
fn command(series: &str) -> Command {
    let mut command = if matches!(series, "arrow-udf" | "extism") {
        Command::new(peers::program())
    } else {
        let mut own = Command::new(env::current_exe().expect("this program has a place"));
        own.arg("worker");
        own
    };
    for name in SETTINGS {
        command.env_remove(name);
    }
    command.arg(series);
    command
}

fn number(answer: &str) -> u64 {
    answer
        .parse()
        .unwrap_or_else(|_| panic!("{answer:?} is not a number"))
}
