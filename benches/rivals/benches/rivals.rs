//! This project beside native Rust and its rivals, on the same work in the same run. The README in this folder says what each of them does in a call.

use std::time::Duration;

use rivals::{SERIES, Worker, cold_start, peak_memory};
use rivals_worker::Function;
use tempfile::TempDir;
use wasmfusion_benches::{Figures, Runner, fit, is_test, measurement_time, median};

const ROWS: [usize; 5] = [1, 64, 1_024, 8_192, 65_536];
/// Rows of a call in the measurement of threads.
const THREAD_ROWS: usize = 64;
/// How often each call is measured.
const ROUNDS: u32 = 21;
/// The series of calls from Arrow to Arrow, and the rival whose calls are not so anyway.
const ARROW: (&str, &str) = ("extism_arrow", "extism");

/// What was measured: times of calls, and lines of what has no figures.
struct Measured {
    times: Vec<Time>,
    lines: Vec<String>,
}

/// What a call takes.
struct Time {
    function: Function,
    series: &'static str,
    rows: usize,
    ns: f64,
}

fn main() {
    let mut args = std::env::args().skip(1).peekable();
    if args.next_if(|arg| arg == "worker").is_some() {
        if let Err(error) = rivals::work(args) {
            eprintln!("{error}");
            std::process::exit(1);
        }
        return;
    }
    Runner::new().run(|_| measure(), figures);
}

fn measure() -> Measured {
    // The one from Arrow to Arrow comes last.
    let series = SERIES.map(|(series, _)| (series, series));
    let mut workers: Vec<(&str, Worker)> = series
        .into_iter()
        .chain([ARROW])
        .map(|(series, rival)| (series, Worker::new(rival)))
        .collect();
    let mut times = Vec::new();
    for function in Function::ALL {
        for rows in ROWS {
            // All of them, before anything is measured.
            for (series, worker) in &mut workers {
                worker.prepare(function, rows);
                assert!(*series != ARROW.0 || worker.prepare_arrow());
            }
            let all = in_turns(&mut workers);
            for ((series, _), ns) in workers.iter().zip(all) {
                times.push(Time {
                    function,
                    series,
                    rows,
                    ns,
                });
            }
        }
    }
    let mut lines = threads(&mut workers[..SERIES.len()]);
    drop(workers);
    lines.extend(starts());
    lines.extend(memory());
    Measured { times, lines }
}

/// Nanoseconds of a call of each: medians over rounds in which all were measured, so that a machine that gets slower is slower for all.
fn in_turns(workers: &mut [(&str, Worker)]) -> Vec<f64> {
    let rounds = if is_test() { 1 } else { ROUNDS as usize };
    let calls: Vec<u64> = workers
        .iter_mut()
        .map(|(_, worker)| calls(worker))
        .collect();
    let mut samples = vec![Vec::new(); workers.len()];
    for round in 0..rounds {
        for turn in 0..workers.len() {
            // In each round another one is the first.
            let place = (round + turn) % workers.len();
            let elapsed = workers[place].1.run(calls[place]);
            samples[place].push(elapsed.as_nanos() as f64 / calls[place] as f64);
        }
    }
    samples.into_iter().map(median).collect()
}

/// How many calls fill a round's part of the time that each is measured for. The first ones find nothing warm.
fn calls(worker: &mut Worker) -> u64 {
    if is_test() {
        return 1;
    }
    let part = (measurement_time() / ROUNDS).as_secs_f64();
    let mut calls = 1;
    loop {
        // The shortest one, since the machine may have done something else in another.
        let runs = (0..3).map(|_| worker.run(calls).as_secs_f64());
        let seconds = runs.fold(f64::MAX, f64::min);
        if seconds > part / 4.0 {
            return (part / seconds * calls as f64).max(1.0) as u64;
        }
        calls *= 2;
    }
}

/// Calls a second of one function that one thread has, and two, in turns as well.
fn threads(workers: &mut [(&str, Worker)]) -> Vec<String> {
    let (rounds, pause) = if is_test() { (1, 10) } else { (3, 500) };
    let mut sums = vec![[(0.0, 0.0); 2]; workers.len()];
    for (_, worker) in &mut *workers {
        worker.prepare(Function::AddOne, THREAD_ROWS);
    }
    for _ in 0..rounds {
        for (sums, (_, worker)) in sums.iter_mut().zip(&mut *workers) {
            for (place, sum) in sums.iter_mut().enumerate() {
                let (calls, seconds) = worker.threads(place + 1, Duration::from_millis(pause));
                *sum = (sum.0 + calls, sum.1 + seconds);
            }
        }
    }
    let mut lines = Vec::new();
    for ((series, _), sums) in workers.iter().zip(sums) {
        for (place, (calls, seconds)) in sums.iter().enumerate() {
            let rate = calls / seconds;
            lines.push(format!(
                "point rivals/threads {series} {} {rate:.0}",
                place + 1
            ));
        }
    }
    lines
}

/// Time from a module's bytes to the first answer, each in a new process, and the same when the module was compiled before.
fn starts() -> Vec<String> {
    let samples = if is_test() { 1 } else { 9 };
    let mut lines = Vec::new();
    for (series, caches) in SERIES {
        let start = |cache| median((0..samples).map(|_| cold_start(series, cache)).collect());
        let cold = start(None);
        lines.push(format!("point rivals/cold_start {series} 0 {cold:.0}"));
        if caches {
            let folder = TempDir::new().expect("a folder");
            // Once, so that it is compiled.
            cold_start(series, Some(folder.path()));
            let cached = start(Some(folder.path()));
            lines.push(format!(
                "point rivals/cold_start_cached {series} 0 {cached:.0}"
            ));
        }
    }
    lines
}

/// By how much a process grows that runs one rival.
fn memory() -> Vec<String> {
    let mut lines = Vec::new();
    for (series, _) in SERIES {
        let (peak, resident) = peak_memory(series);
        lines.push(format!("point rivals/peak_memory {series} 65536 {peak:.0}"));
        lines.push(format!(
            "point rivals/resident_memory {series} 65536 {resident:.0}"
        ));
    }
    lines
}

fn figures(figures: &Figures, Measured { times, lines }: Measured) {
    for time in &times {
        let (function, series) = (time.function.name(), time.series);
        println!(
            "point rivals/{function} {series} {} {:.1}",
            time.rows, time.ns
        );
    }
    let ns = |function: Function, series: &str, rows: usize| {
        let mut times = times.iter();
        let time = times
            .find(|time| time.function == function && time.series == series && time.rows == rows);
        time.expect("all are measured").ns
    };
    let series = || SERIES.iter().map(|(series, _)| *series).chain([ARROW.0]);
    for function in Function::ALL {
        for series in series() {
            let (fixed, row) = fit(&ROWS.map(|rows| (rows, ns(function, series, rows))));
            // The cost of a call is that of the function that does least.
            let label = match function {
                Function::AddOne => series.replace('-', "_"),
                _ => format!("{}_{}", series.replace('-', "_"), function.name()),
            };
            figures.print(&format!("rivals/{label}_fixed_ns"), fixed);
            figures.print(&format!("rivals/{label}_row_ns"), row);
        }
    }
    let add_one = |series: &str, rows: usize| ns(Function::AddOne, series, rows);
    let over_native = |series: &str| add_one(series, 1) - add_one("native", 1);
    figures.print(
        "rivals/wasmfusion_over_native_ns",
        over_native("wasmfusion"),
    );
    for rival in ["arrow-udf", "extism", "extism_arrow"] {
        let label = rival.replace('-', "_");
        figures.print(
            &format!("rivals/{label}_fixed_ratio"),
            over_native(rival) / over_native("wasmfusion"),
        );
        figures.print(
            &format!("rivals/{label}_8192_ratio"),
            add_one(rival, 8_192) / add_one("wasmfusion", 8_192),
        );
    }
    for line in lines {
        println!("{line}");
    }
}
