//! Threads that call at the same time, each in a stream of its own.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use criterion::Criterion;
use datafusion::logical_expr::ScalarUDF;
use wasmfusion::StreamScope;
use wasmfusion_benches::{Subject, floats, native_add, plugin_function};

use crate::curve::{Curve, Points, Value, places};

const ROWS: usize = 64;

/// `growth/threads`: X is the number of threads, VALUE the calls in a second of all of them together, of 64 rows each. `spin` computes in registers, some
/// microseconds a call: what the machine gives to threads that share nothing.
pub fn threads(c: &mut Criterion, points: &mut Points) {
    const THREADS: [usize; 4] = [1, 2, 4, 8];
    let mut curve = Curve::of_calls(c, points, "growth/threads");
    let (plugin, native) = (plugin_function("testing", "add"), native_add());
    for &threads in places(&THREADS, 2) {
        let value = || Value::PerSecond(threads as f64);
        for (series, udf) in [("plugin", &plugin), ("native", &native)] {
            curve.measure(series, threads, value(), |b| {
                b.iter_custom(|calls| at_once(threads, &|start| call(udf, calls, start)));
            });
        }
        curve.measure("spin", threads, value(), |b| {
            b.iter_custom(|calls| at_once(threads, &|start| spin(calls, start)));
        });
    }
}

/// How long it takes until all of so many threads have done their work, after they have all come to the start.
fn at_once(threads: usize, work: &(dyn Fn(&Barrier) + Sync)) -> Duration {
    let start = Barrier::new(threads + 1);
    let started = thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| work(&start));
        }
        start.wait();
        Instant::now()
    });
    started.elapsed()
}

fn call(udf: &ScalarUDF, calls: u64, start: &Barrier) {
    let subject = Subject::new(udf, &[floats(ROWS, 0.5, 1.0), floats(ROWS, 2.5, 1.0)]);
    StreamScope::enter(&mut Some(Box::default()), || {
        black_box(subject.call());
        start.wait();
        for _ in 0..calls {
            black_box(subject.call());
        }
    });
}

fn spin(calls: u64, start: &Barrier) {
    start.wait();
    for _ in 0..calls {
        let mut number = black_box(1_u64);
        for _ in 0..1_000 {
            number ^= number << 13;
            number ^= number >> 7;
            number ^= number << 17;
        }
        black_box(number);
    }
}
