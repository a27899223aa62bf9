//! Calls one function again and again, to be looked at with a profiler, and says how long a call took.
//!
//! ```sh
//! cargo build --release --package wasmfusion-benches --example calls
//! perf record target/release/examples/calls wasm 64 2 5
//! ```
//!
//! The arguments: `wasm` or `native`, rows of a batch, threads, seconds. Two such processes at once, of one thread each, show what
//! two processors give to calls that share nothing at all.

use std::hint::black_box;
use std::time::{Duration, Instant};

use datafusion::logical_expr::ScalarUDF;
use wasmfusion::StreamScope;
use wasmfusion_benches::{Subject, floats, native_add, plugin_function};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize, default: u64| -> u64 {
        let given = args.get(place).map(|arg| arg.parse());
        given.map_or(default, |given| given.expect("a number"))
    };
    let udf = match args.first().map(String::as_str) {
        Some("native") => native_add(),
        _ => plugin_function("testing", "add"),
    };
    let (rows, threads) = (number(1, 64) as usize, number(2, 1));
    let time = Duration::from_secs(number(3, 2));
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let udf = &udf;
            scope.spawn(move || println!("thread {thread}: {:.1} ns", call(udf, rows, time)));
        }
    });
}

/// Nanoseconds a call.
fn call(udf: &ScalarUDF, rows: usize, time: Duration) -> f64 {
    const CALLS: u32 = 1_000;
    let subject = Subject::new(udf, &[floats(rows, 0.5, 1.0), floats(rows, 2.5, 1.0)]);
    StreamScope::enter(&mut Some(Box::default()), || {
        let (started, mut calls) = (Instant::now(), 0_u32);
        while started.elapsed() < time {
            for _ in 0..CALLS {
                black_box(subject.call());
            }
            calls += CALLS;
        }
        started.elapsed().as_nanos() as f64 / f64::from(calls)
    })
}
