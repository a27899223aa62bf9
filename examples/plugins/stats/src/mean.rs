//! Means that are not the arithmetic one.

use wasmfusion_udf::prelude::*;

/// Bits of a number's fraction.
const FRACTION: u64 = (1 << 52) - 1;
/// How far the exponent in a number's bits is from the true one.
const BIAS: i64 = 1023;

/// The geometric mean of positive numbers: of growth rates and ratios. NULL if there are none, or a number is negative.
#[derive(Clone, Debug, State)]
pub struct GeometricMean {
    /// The product of all numbers is this times two to the power of `exponent`: from 1 to 2, or zero, infinite or not a number for good.
    fraction: f64,
    exponent: i64,
    count: i64,
}

impl Default for GeometricMean {
    fn default() -> Self {
        GeometricMean {
            fraction: 1.0,
            exponent: 0,
            count: 0,
        }
    }
}

impl GeometricMean {
    /// Multiplies by a number from 1 to 2, or one that cannot be brought there, and by a power of two.
    fn multiply(&mut self, fraction: f64, exponent: i64) {
        let product = self.fraction * fraction;
        let bits = product.to_bits();
        let carry = (bits >> 52) as i64 - BIAS;
        self.exponent += exponent + (carry & 1);
        self.fraction = if carry == 0 || carry == 1 {
            f64::from_bits(bits & FRACTION | 1.0_f64.to_bits())
        } else {
            product
        };
    }

    /// Takes in what is no positive number of full precision.
    #[cold]
    fn update_special(&mut self, value: f64) {
        if value > 0.0 && value.is_finite() {
            // So small that it has lost digits.
            self.count -= 1;
            self.exponent -= 64;
            self.update(value * 2.0_f64.powi(64));
        } else {
            self.fraction *= if value < 0.0 { f64::NAN } else { value };
        }
    }
}

#[udaf(example("SELECT geometric_mean(v) FROM (VALUES (1.0), (4.0)) AS t(v)", "2.0"))]
impl GeometricMean {
    /// Takes a number in. Multiplying costs a fraction of what a logarithm for each number would.
    #[inline]
    pub fn update(&mut self, value: f64) {
        self.count += 1;
        let bits = value.to_bits();
        let exponent = (bits >> 52) as i64;
        if (1..2047).contains(&exponent) {
            let fraction = f64::from_bits(bits & FRACTION | 1.0_f64.to_bits());
            self.multiply(fraction, exponent - BIAS);
        } else {
            self.update_special(value);
        }
    }

    /// Takes in what another one has seen.
    #[inline]
    pub fn merge(&mut self, other: Self) {
        self.multiply(other.fraction, other.exponent);
        self.count += other.count;
    }

    /// The mean of the numbers so far.
    #[inline]
    pub fn evaluate(&self) -> Option<f64> {
        if self.count == 0 || self.fraction.is_nan() {
            return None;
        }
        let mean = (self.fraction.log2() + self.exponent as f64) / self.count as f64;
        Some(mean.exp2())
    }
}

/// The mean of values of which some weigh more than others. NULL if the weights add up to 0.
#[derive(Debug, Default, State)]
pub struct WeightedAvg {
    sum: f64,
    weight: f64,
    /// Rows, so that nothing is left of rounding when the last one is taken out.
    count: i64,
}

#[udaf(
    aliases("wavg"),
    example(
        "SELECT weighted_avg(price, amount) FROM (VALUES (10.0, 1.0), (20.0, 3.0)) AS t(price, amount)",
        "17.5"
    )
)]
impl WeightedAvg {
    fn update(&mut self, value: f64, weight: f64) {
        self.sum += value * weight;
        self.weight += weight;
        self.count += 1;
    }

    fn retract(&mut self, value: f64, weight: f64) {
        self.sum -= value * weight;
        self.weight -= weight;
        self.count -= 1;
        if self.count == 0 {
            *self = WeightedAvg::default();
        }
    }

    fn merge(&mut self, other: Self) {
        self.sum += other.sum;
        self.weight += other.weight;
        self.count += other.count;
    }

    fn evaluate(&self) -> Option<f64> {
        (self.weight != 0.0).then(|| self.sum / self.weight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmfusion_udf::testing::aggregate;

    #[test]
    fn multiplies_and_takes_roots() {
        let means = aggregate!(GeometricMean)
            .column([1.0, 4.0, 3.0, 0.0, -1.0])
            .groups([0, 0, 1, 3, 4])
            .evaluate::<Option<f64>>();
        let rounded = means.map(|means| {
            let round = |mean: f64| (mean * 1e9).round() / 1e9;
            means
                .into_iter()
                .map(|mean| mean.map(round))
                .collect::<Vec<_>>()
        });
        let expected = vec![Some(2.0), Some(3.0), None, Some(0.0), None];
        assert_eq!(rounded, Ok(expected));
    }

    #[test]
    fn agrees_with_logarithms() {
        let mut numbers = Vec::new();
        let mut seed = 7_u64;
        for _ in 0..5_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let number = f64::from_bits(seed >> 2 & !(1 << 63));
            numbers.push(if number.is_finite() { number } else { 1e-310 });
        }
        for numbers in numbers.chunks(500) {
            let logs: f64 = numbers.iter().map(|number| number.ln()).sum();
            let expected = logs / numbers.len() as f64;
            let (mut whole, mut half) = (GeometricMean::default(), GeometricMean::default());
            for (place, number) in numbers.iter().enumerate() {
                if place % 3 == 0 {
                    &mut half
                } else {
                    &mut whole
                }
                .update(*number);
            }
            whole.merge(half);
            let found = whole.evaluate().map(f64::ln);
            let agrees = found
                .is_some_and(|found| (found - expected).abs() < 1e-9 * expected.abs().max(1.0));
            assert!(agrees, "{found:?}, expected {expected}");
        }
        let mean = |numbers: &[f64]| {
            let mut mean = GeometricMean::default();
            numbers.iter().for_each(|number| mean.update(*number));
            mean.evaluate()
        };
        assert_eq!(mean(&[3.0, 0.0, 5.0]), Some(0.0));
        assert_eq!(mean(&[3.0, f64::INFINITY]), Some(f64::INFINITY));
        assert_eq!(mean(&[0.0, f64::INFINITY]), None);
        assert_eq!(mean(&[3.0, f64::NAN, 2.0]), None);
        assert_eq!(mean(&[-3.0, -3.0]), None);
    }

    #[test]
    fn weighs() {
        let mean = aggregate!(WeightedAvg)
            .column([10.0, 20.0])
            .column([1.0, 3.0]);
        assert_eq!(mean.evaluate(), Ok(vec![Some(17.5)]));
        let none = aggregate!(WeightedAvg)
            .column([0.1, 0.2])
            .column([0.1, 0.7])
            .update()
            .column([0.1, 0.2])
            .column([0.1, 0.7])
            .retract();
        assert_eq!(none.evaluate(), Ok(vec![None::<f64>]));
    }
}
