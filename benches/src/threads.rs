//! Threads that work at the same time.

use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
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
        const WINDOW: Duration = Duration::from_millis(50);
        let rate = self.rate(threads, window(WINDOW));
        Duration::from_secs_f64(threads as f64 * times as f64 / rate)
    }

    /// How many times a second so many threads do it together, in a window of time. Each has all that it needs when they start.
    fn rate(self, threads: usize, window: Duration) -> f64 {
        let (start, stop) = (&Barrier::new(threads + 1), &AtomicBool::new(false));
        thread::scope(|scope| {
            let threads: Vec<_> = (0..threads)
                .map(|_| scope.spawn(move || self.until(start, stop)))
                .collect();
            start.wait();
            thread::sleep(window);
            stop.store(true, Ordering::Relaxed);
            let rates = threads.into_iter().map(|thread| thread.join());
            rates.map(|rate| rate.expect("no panic")).sum()
        })
    }

    /// How many times a second a thread does it, from when all are at the start until they are to stop.
    fn until(self, start: &Barrier, stop: &AtomicBool) -> f64 {
        let measure = |once: &dyn Fn()| {
            once();
            start.wait();
            let started = Instant::now();
            let mut times = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                once();
                times += 1;
            }
            times as f64 / started.elapsed().as_secs_f64()
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

/// A window of time, which is short in a test.
fn window(window: Duration) -> Duration {
    if is_test() {
        Duration::from_millis(1)
    } else {
        window
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
    let rounds = if is_test() { 1 } else { ROUNDS };
    let mut ratios = [const { Vec::new() }; N];
    for round in 0..rounds {
        for (work, ratios) in works.iter().zip(&mut ratios) {
            let rate = |threads| work.rate(threads, window(BURST));
            // Neither is always the first one.
            let (one, two) = if round % 2 == 0 {
                let one = rate(1);
                (one, rate(2))
            } else {
                let two = rate(2);
                (rate(1), two)
            };
            ratios.push(two / one);
        }
    }
    ratios.map(median)
}
