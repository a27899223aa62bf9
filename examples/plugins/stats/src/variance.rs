//! Variance without loss of digits.

use wasmfusion_udf::prelude::*;

/// The variance of a sample. It keeps its digits also where the numbers are large and near each other, since it sums up
/// distances from the mean and not squares (Welford's algorithm, and Chan's to merge). NULL for fewer than two numbers.
#[derive(Debug, Default, State)]
pub struct StableVariance {
    count: i64,
    mean: f64,
    /// The sum of the squared distances from the mean.
    squares: f64,
}

#[udaf(example(
    "SELECT stable_variance(v) FROM (VALUES (1000000001.0), (1000000002.0), (1000000003.0)) AS t(v)",
    "1.0"
))]
impl StableVariance {
    fn update(&mut self, value: f64) {
        self.count += 1;
        let distance = value - self.mean;
        self.mean += distance / self.count as f64;
        self.squares += distance * (value - self.mean);
    }

    fn retract(&mut self, value: f64) {
        if self.count <= 1 {
            *self = StableVariance::default();
            return;
        }
        self.count -= 1;
        let distance = value - self.mean;
        self.mean -= distance / self.count as f64;
        self.squares = (self.squares - distance * (value - self.mean)).max(0.0);
    }

    fn merge(&mut self, other: Self) {
        if other.count == 0 {
            return;
        }
        let (left, right) = (self.count as f64, other.count as f64);
        let distance = other.mean - self.mean;
        self.count += other.count;
        self.mean += distance * right / (left + right);
        self.squares += other.squares + distance * distance * left * right / (left + right);
    }

    fn evaluate(&self) -> Option<f64> {
        (self.count > 1).then(|| self.squares / (self.count - 1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmfusion_udf::testing::aggregate;

    const VALUES: [f64; 6] = [1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0, 1e9, 1e9];

    #[test]
    fn keeps_digits() {
        let four = &VALUES[..4];
        let whole = aggregate!(StableVariance)
            .column(four.iter().copied())
            .evaluate();
        assert_eq!(whole, Ok(vec![Some(30.0)]));
        let merged = aggregate!(StableVariance)
            .column([VALUES[0]])
            .merge(aggregate!(StableVariance).column(four[1..].iter().copied()));
        assert_eq!(merged.evaluate(), Ok(vec![Some(30.0)]));
        let converted = aggregate!(StableVariance)
            .column(four.iter().copied())
            .convert();
        assert_eq!(converted.evaluate(), Ok(vec![Some(30.0)]));
    }

    #[test]
    fn slides() {
        let slid = aggregate!(StableVariance)
            .column(VALUES)
            .update()
            .column([1e9, 1e9])
            .retract();
        let found = slid.evaluate::<Option<f64>>();
        let close = |variance: Option<f64>| variance.is_some_and(|one| (one - 30.0).abs() < 1e-6);
        assert!(found.is_ok_and(|all| all.into_iter().all(close)));
        assert_eq!(
            aggregate!(StableVariance).column([1.0]).evaluate(),
            Ok(vec![None::<f64>])
        );
    }
}
