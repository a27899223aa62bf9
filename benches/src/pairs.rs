//! Two sides of a ratio, measured in turns: what neighbours on the machine do in a second, they do to both.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::figures::is_test;

/// How often both sides are measured.
const ROUNDS: usize = 101;
/// How long each is measured in a round.
const BURST: Duration = Duration::from_millis(1);
/// Most calls of a burst.
const CALLS_MAX: f64 = 1e5;

/// What two sides take, one beside the other: medians over rounds in which both were measured.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// Our time over theirs.
    pub ratio: f64,
    /// Our time of a call less theirs, in nanoseconds.
    pub difference_ns: f64,
}

impl Pair {
    /// Measures two sides, each of which makes as many calls as it is told.
    pub fn measure(mut ours: impl FnMut(u32), mut theirs: impl FnMut(u32)) -> Self {
        let (our_calls, their_calls) = (burst(&mut ours), burst(&mut theirs));
        let rounds = (0..ROUNDS).map(|round| {
            // Neither side is always the first one.
            if round % 2 == 0 {
                let ours = time(&mut ours, our_calls);
                (ours, time(&mut theirs, their_calls))
            } else {
                let theirs = time(&mut theirs, their_calls);
                (time(&mut ours, our_calls), theirs)
            }
        });
        let rounds: Vec<(f64, f64)> = rounds.collect();
        Self {
            ratio: median(rounds.iter().map(|(ours, theirs)| ours / theirs)),
            difference_ns: median(rounds.iter().map(|(ours, theirs)| ours - theirs)),
        }
    }
}

/// Nanoseconds of a call.
fn time(side: &mut impl FnMut(u32), calls: u32) -> f64 {
    let started = Instant::now();
    side(calls);
    started.elapsed().as_nanos() as f64 / f64::from(calls)
}

/// How many calls fill a burst. The first ones find nothing warm.
fn burst(side: &mut impl FnMut(u32)) -> u32 {
    side(3);
    let call = (0..5).map(|_| time(side, 3)).fold(f64::MAX, f64::min);
    (BURST.as_nanos() as f64 / call.max(1.0)).clamp(1.0, CALLS_MAX) as u32
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The pairs of a benchmark by name, for its figures.
#[derive(Debug, Default)]
pub struct Pairs(RefCell<BTreeMap<String, Pair>>);

impl Pairs {
    /// Measures a pair, unless the benchmark runs as a test.
    pub fn measure(&self, name: &str, ours: impl FnMut(u32), theirs: impl FnMut(u32)) {
        if !is_test() {
            let pair = Pair::measure(ours, theirs);
            self.0.borrow_mut().insert(name.to_owned(), pair);
        }
    }

    /// What was measured under this name.
    pub fn get(&self, name: &str) -> Option<Pair> {
        self.0.borrow().get(name).copied()
    }
}
