//! Threads that work at the same time.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use datafusion::logical_expr::ScalarUDF;
use wasmfusion::StreamScope;

use crate::figures::is_test;
use crate::pairs::median;
use crate::subject::{Subject, floats};

/// Rows of a call.
const ROWS: usize = 64;
/// How often threads are compared, and how long they work each time.
const ROUNDS: usize = 25;
const BURST: Duration = Duration::from_millis(100);

/// What threads do.
#[derive(Clone, Copy)]
pub enum Work<'a> {
    /// Calls of a function of two numbers with 64 rows, each thread in a stream of its own.
    Calls(&'a ScalarUDF),
    /// Computing in registers, some microseconds each time: what the machine gives to threads that share nothing.
    Spin,
}

impl Work<'_> {
    /// How long it takes so many threads to do it so many times each, at the rate at which they do it together.
    ///
    /// # Panics
    ///
    /// If a call fails.
    pub fn at_once(self, threads: usize, times: u64) -> Duration {
        Duration::from_secs_f64(threads as f64 * times as f64 / self.rate(threads, times))
    }

    /// How many times a second so many threads do it together, each for as long as it takes to do it so many times: one that is kept waiting by something
    /// else on the machine does not slow down the others. Each has all that it needs when they start together.
    fn rate(self, threads: usize, times: u64) -> f64 {
        let start = &Barrier::new(threads);
        thread::scope(|scope| {
            let threads: Vec<_> = (0..threads)
                .map(|_| scope.spawn(move || self.window(start, times)))
                .collect();
            let windows = threads.into_iter().map(|thread| thread.join());
            let rate = |window: Duration| times as f64 / window.as_secs_f64();
            windows.map(|window| rate(window.expect("no panic"))).sum()
        })
    }

    /// How long it takes a thread to do it so many times, from when all are at the start.
    fn window(self, start: &Barrier, times: u64) -> Duration {
        let measure = |once: &dyn Fn()| {
            once();
            start.wait();
            let started = Instant::now();
            for _ in 0..times {
                once();
            }
            started.elapsed()
        };
        match self {
            Self::Calls(udf) => {
                let columns = [floats(ROWS, 0.5, 1.0), floats(ROWS, 2.5, 1.0)];
                let subject = Subject::new(udf, &columns);
                StreamScope::enter(&mut Some(Box::default()), || {
                    measure(&|| drop(black_box(subject.call())))
                })
            }
            Self::Spin => measure(&spin),
        }
    }
}

fn spin() {
    let mut number = black_box(1_u64);
    for _ in 0..1_000 {
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
    }
    black_box(number);
}

/// What two threads do in the time in which one does 1: the median over rounds, in each of which all works are measured with one thread and
/// with two.
///
/// # Panics
///
/// If a call fails.
pub fn two_over_one<const N: usize>(works: [Work<'_>; N]) -> [f64; N] {
    let (rounds, burst) = if is_test() {
        (1, Duration::from_micros(100))
    } else {
        (ROUNDS, BURST)
    };
    let times = works.map(|work| {
        const TIMES: u64 = 500;
        let rate = (0..5).map(|_| work.rate(1, TIMES)).fold(1.0, f64::max);
        (burst.as_secs_f64() * rate).max(1.0) as u64
    });
    let mut ratios = [const { Vec::new() }; N];
    for round in 0..rounds {
        for ((work, times), ratios) in works.iter().zip(times).zip(&mut ratios) {
            // Neither is always the first one.
            let (one, two) = if round % 2 == 0 {
                let one = work.rate(1, times);
                (one, work.rate(2, times))
            } else {
                let two = work.rate(2, times);
                (work.rate(1, times), two)
            };
            ratios.push(two / one);
        }
    }
    ratios.map(median)
}
