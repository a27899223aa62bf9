//! This project beside native Rust and its rivals, on the same work in the same run. The README in this folder says what each of them does in a call.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use rivals::{SERIES, Worker, cold_start, peak_memory};
use rivals_worker::Function;
use tempfile::TempDir;
use wasmfusion_benches::{Figures, Runner, is_test};

const ROWS: [usize; 5] = [1, 64, 1_024, 8_192, 65_536];
/// Rows of a call in the measurement of threads.
const THREAD_ROWS: usize = 64;

fn main() {
    let mut args = std::env::args().skip(1).peekable();
    if args.next_if(|arg| arg == "worker").is_some() {
        if let Err(error) = rivals::work(args) {
            eprintln!("{error}");
            std::process::exit(1);
        }
        return;
    }
    let mut lines = Vec::new();
    // The figures are printed after criterion's, and not in a test.
    Runner::new().run(|c| lines = measure(c), figures);
    if !is_test() {
        for line in lines {
            println!("{line}");
        }
    }
}

/// Takes all measurements; those that criterion has no form for as lines.
fn measure(c: &mut Criterion) -> Vec<String> {
    let mut workers: Vec<Worker> = SERIES.map(|(series, _)| Worker::new(series)).into();
    for function in Function::ALL {
        let mut group = c.benchmark_group(format!("rivals_{}", function.name()));
        for rows in ROWS {
            group.throughput(Throughput::Elements(rows as u64));
            // All of them, before anything is measured.
            for worker in &mut workers {
                worker.prepare(function, rows);
            }
            for ((series, _), worker) in SERIES.iter().zip(&mut workers) {
                group.bench_function(BenchmarkId::new(*series, rows), |b| {
                    b.iter_custom(|calls| worker.run(calls));
                });
                if worker.prepare_arrow() {
                    group.bench_function(BenchmarkId::new(format!("{series}_arrow"), rows), |b| {
                        b.iter_custom(|calls| worker.run(calls));
                    });
                }
            }
        }
        group.finish();
    }
    let mut lines = threads(&mut workers);
    drop(workers);
    lines.extend(starts());
    lines.extend(memory());
    lines
}

/// Calls a second of one function that one thread has, and two, in turns, so that a machine that gets slower is slower for all.
fn threads(workers: &mut [Worker]) -> Vec<String> {
    let (rounds, pause) = if is_test() { (1, 10) } else { (3, 500) };
    let mut sums = [[(0.0, 0.0); 2]; SERIES.len()];
    for worker in &mut *workers {
        worker.prepare(Function::AddOne, THREAD_ROWS);
    }
    for _ in 0..rounds {
        for (sums, worker) in sums.iter_mut().zip(&mut *workers) {
            for (place, sum) in sums.iter_mut().enumerate() {
                let (calls, seconds) = worker.threads(place + 1, Duration::from_millis(pause));
                *sum = (sum.0 + calls, sum.1 + seconds);
            }
        }
    }
    let mut lines = Vec::new();
    for ((series, _), sums) in SERIES.iter().zip(sums) {
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
        let cold = median((0..samples).map(|_| cold_start(series, None)));
        lines.push(format!("point rivals/cold_start {series} 0 {cold:.0}"));
        if caches {
            let folder = TempDir::new().expect("a folder");
            // Once, so that it is compiled.
            cold_start(series, Some(folder.path()));
            let cached = median((0..samples).map(|_| cold_start(series, Some(folder.path()))));
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

fn median(samples: impl Iterator<Item = f64>) -> f64 {
    let mut samples: Vec<f64> = samples.collect();
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

fn figures(figures: &Figures) {
    let name = |function: Function, series: &str, rows: usize| {
        format!("rivals_{}/{series}/{rows}", function.name())
    };
    let series = || {
        SERIES
            .iter()
            .map(|(series, _)| *series)
            .chain(["extism_arrow"])
    };
    for function in Function::ALL {
        for series in series() {
            for rows in ROWS {
                if let Some(ns) = figures.median_ns(&name(function, series, rows)) {
                    println!("point rivals/{} {series} {rows} {ns:.1}", function.name());
                }
            }
        }
    }
    for function in Function::ALL {
        for series in series() {
            let points = ROWS.map(|rows| (rows, name(function, series, rows)));
            if let Some((fixed, row)) = figures.fit(&points) {
                // The cost of a call is that of the function that does least.
                let label = match function {
                    Function::AddOne => series.replace('-', "_"),
                    _ => format!("{}_{}", series.replace('-', "_"), function.name()),
                };
                figures.print(&format!("rivals/{label}_fixed_ns"), fixed);
                figures.print(&format!("rivals/{label}_row_ns"), row);
            }
        }
    }
    let one_row = |series: &str| figures.median_ns(&name(Function::AddOne, series, 1));
    for rival in ["arrow-udf", "extism", "extism_arrow"] {
        let label = rival.replace('-', "_");
        if let (Some(native), Some(ours), Some(theirs)) =
            (one_row("native"), one_row("wasmfusion"), one_row(rival))
        {
            figures.print(
                &format!("rivals/{label}_fixed_ratio"),
                (theirs - native) / (ours - native),
            );
        }
        figures.ratio(
            &format!("rivals/{label}_8192_ratio"),
            &name(Function::AddOne, rival, 8_192),
            &name(Function::AddOne, "wasmfusion", 8_192),
        );
    }
}
