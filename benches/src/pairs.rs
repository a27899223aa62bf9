//! Two sides of a ratio, measured in turns: what neighbours on the machine do in a second, they do to both.

use std::collections::BTreeMap;
use std::ops::Index;
use std::time::{Duration, Instant};

use arrow::array::ArrayRef;
use datafusion::logical_expr::ScalarUDF;
use wasmfusion::StreamScope;

use crate::figures::is_test;
use crate::subject::both;

/// How often both sides are measured.
const ROUNDS: usize = 101;
/// How long each is measured in a round.
const BURST: Duration = Duration::from_millis(1);
/// Most calls of a burst.
const CALLS_MAX: f64 = 1e5;

/// What two sides take, one beside the other: medians over rounds in which both were measured.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pair {
    /// Our time over theirs.
    pub ratio: f64,
    /// Our time of a call less theirs, in nanoseconds.
    pub difference_ns: f64,
    /// Our time of a call, in nanoseconds.
    pub ours_ns: f64,
    /// Their time of a call, in nanoseconds.
    pub theirs_ns: f64,
}

impl Pair {
    /// Measures two sides, each of which makes as many calls as it is told.
    fn measure(mut ours: impl FnMut(u32), mut theirs: impl FnMut(u32)) -> Self {
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
        let of_rounds = |of: fn(f64, f64) -> f64| {
            let values = rounds.iter().map(|(ours, theirs)| of(*ours, *theirs));
            median(values.collect())
        };
        Self {
            ratio: of_rounds(|ours, theirs| ours / theirs),
            difference_ns: of_rounds(|ours, theirs| ours - theirs),
            ours_ns: of_rounds(|ours, _| ours),
            theirs_ns: of_rounds(|_, theirs| theirs),
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

/// The value in the middle.
///
/// # Panics
///
/// If there is none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The pairs of a benchmark by name, for its figures.
#[derive(Debug, Default)]
pub struct Pairs(BTreeMap<String, Pair>);

impl Pairs {
    /// Measures a pair. As a test, both sides are called once.
    pub fn measure(
        &mut self,
        name: impl Into<String>,
        mut ours: impl FnMut(u32),
        mut theirs: impl FnMut(u32),
    ) {
        let pair = if is_test() {
            ours(1);
            theirs(1);
            Pair::default()
        } else {
            Pair::measure(ours, theirs)
        };
        self.0.insert(name.into(), pair);
    }

    /// Measures a function of a plugin, inside a stream's scope, and the native one, after a check that they agree.
    ///
    /// # Panics
    ///
    /// If they do not.
    pub fn compare(
        &mut self,
        name: impl Into<String>,
        plugin: &ScalarUDF,
        native: &ScalarUDF,
        columns: &[ArrayRef],
    ) {
        let (wasm, native) = both(plugin, native, columns);
        let mut scope = Some(Box::default());
        self.measure(
            name,
            |calls| StreamScope::enter(&mut scope, || wasm.calls(calls)),
            |calls| native.calls(calls),
        );
    }
}

impl Index<&str> for Pairs {
    type Output = Pair;

    /// What was measured under this name.
    ///
    /// # Panics
    ///
    /// If nothing was.
    fn index(&self, name: &str) -> &Pair {
        &self.0[name]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_has_the_medians_of_both_sides() {
        let sleep =
            |micros| move |calls: u32| std::thread::sleep(Duration::from_micros(micros) * calls);
        let pair = Pair::measure(sleep(2_000), sleep(1_000));
        assert!(pair.ours_ns >= 2e6 && pair.theirs_ns >= 1e6, "{pair:?}");
        assert!(pair.ratio > 1.2 && pair.difference_ns > 0.0, "{pair:?}");
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
    }
}
