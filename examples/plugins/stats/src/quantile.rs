//! Quantiles of any number of values in little memory.

use std::mem;

use tdigest::{Centroid, TDigest};
use wasmfusion_udf::prelude::*;

/// Centroids that a digest has at most.
const CENTROIDS: usize = 100;
/// Values that are collected before they go into the digest.
const PENDING_MAX: usize = 512;

/// An approximate quantile: a t-digest, which is most exact at both ends.
#[derive(Debug)]
pub struct ApproxQuantile {
    digest: TDigest,
    pending: Vec<f64>,
    fraction: f64,
}

impl Default for ApproxQuantile {
    fn default() -> Self {
        ApproxQuantile {
            digest: TDigest::new_with_size(CENTROIDS),
            pending: Vec::new(),
            fraction: 0.5,
        }
    }
}

/// A digest as columns.
#[derive(Debug, SqlStruct)]
pub struct Saved {
    means: Vec<f64>,
    weights: Vec<f64>,
    sum: f64,
    count: f64,
    max: Option<f64>,
    min: Option<f64>,
}

impl State for ApproxQuantile {
    type Saved = (Saved, f64);

    const NAMES: &'static [&'static str] = &["digest", "fraction"];

    fn save(mut self) -> (Saved, f64) {
        self.flush();
        let digest = self.digest;
        let centroids = digest.centroids();
        let saved = Saved {
            means: centroids.iter().map(Centroid::mean).collect(),
            weights: centroids.iter().map(Centroid::weight).collect(),
            sum: digest.sum(),
            count: digest.count(),
            max: digest.max(),
            min: digest.min(),
        };
        (saved, self.fraction)
    }

    fn load((saved, fraction): (Saved, f64)) -> Result<Self, Error> {
        let centroids = saved.means.into_iter().zip(saved.weights);
        let centroids = centroids.map(|(mean, weight)| Centroid::new(mean, weight));
        let digest = TDigest::new(
            centroids.collect(),
            saved.sum,
            saved.count,
            saved.max,
            saved.min,
            CENTROIDS,
        );
        Ok(ApproxQuantile {
            digest,
            pending: Vec::new(),
            fraction,
        })
    }
}

/// The number below which a given fraction of all numbers lies, about: `approx_quantile(value, 0.5)` is the median. Numbers that are not
/// finite do not count. NULL if there are none.
#[udaf(example(
    "SELECT approx_quantile(v, 0.5) FROM (VALUES (1.0), (2.0), (9.0)) AS t(v)",
    "2.0"
))]
impl ApproxQuantile {
    fn update(&mut self, value: f64, fraction: f64) -> Result<(), &'static str> {
        if !(0.0..=1.0).contains(&fraction) {
            return Err("the fraction is a number from 0 to 1");
        }
        self.fraction = fraction;
        if value.is_finite() {
            self.pending.push(value);
            if self.pending.len() >= PENDING_MAX {
                self.flush();
            }
        }
        Ok(())
    }

    fn merge(&mut self, mut other: Self) {
        self.flush();
        other.flush();
        if other.digest.is_empty() {
            return;
        }
        self.fraction = other.fraction;
        let own = mem::take(&mut self.digest);
        self.digest = TDigest::merge_digests(vec![own, other.digest]);
    }

    fn evaluate(&self) -> Option<f64> {
        if self.pending.is_empty() {
            return self.digest.estimate_quantile(self.fraction);
        }
        let all = self.digest.merge_unsorted(self.pending.clone());
        all.estimate_quantile(self.fraction)
    }

    fn heap_bytes(&self) -> usize {
        self.pending.capacity() * size_of::<f64>() + size_of_val(self.digest.centroids())
    }
}

impl ApproxQuantile {
    /// Takes what is pending into the digest.
    fn flush(&mut self) {
        if !self.pending.is_empty() {
            let pending = mem::take(&mut self.pending);
            self.digest = self.digest.merge_unsorted(pending);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmfusion_udf::testing::aggregate;

    #[test]
    fn is_near_the_exact_quantile() {
        let values = || (0..10_000).map(|number| f64::from(number * 7919 % 10_000));
        for fraction in [0.0, 0.01, 0.5, 0.9, 0.999, 1.0] {
            let merged = aggregate!(ApproxQuantile)
                .column(values().take(3_000))
                .constant(fraction)
                .merge(
                    aggregate!(ApproxQuantile)
                        .column(values().skip(3_000))
                        .constant(fraction),
                );
            let found = merged.evaluate::<Option<f64>>();
            let close = |found: &Option<f64>| {
                found.is_some_and(|found| (found - fraction * 10_000.0).abs() < 60.0)
            };
            assert!(
                found.as_ref().is_ok_and(|all| all.iter().all(close)),
                "{fraction}: {found:?}"
            );
        }
    }

    #[test]
    fn leaves_out_what_is_no_number() {
        let odd = aggregate!(ApproxQuantile)
            .column([Some(f64::NAN), Some(3.0), None, Some(f64::INFINITY)])
            .constant(0.5);
        assert_eq!(odd.evaluate(), Ok(vec![Some(3.0)]));
        let none = aggregate!(ApproxQuantile).evaluate();
        assert_eq!(none, Ok(vec![None::<f64>]));
        let wrong = aggregate!(ApproxQuantile).column([1.0]).constant(50.0);
        assert!(wrong.evaluate::<Option<f64>>().is_err());
    }
}
