//! Window functions over numbers: smoother ones, and some where there were none.

use std::ops::Range;

use wasmfusion_udf::prelude::*;

/// An exponential moving average in the making.
#[derive(Debug, Default)]
pub struct Ema {
    mean: Option<f64>,
}

/// Exponential moving average: each value counts `alpha`, a number from 0 to 1, and what came before the rest. A NULL leaves the average as it
/// is.
#[udwf(example(
    "SELECT ema(v, 0.5) OVER (ORDER BY i) AS e FROM (VALUES (1, 1.0), (2, 3.0)) AS t(i, v) ORDER BY i DESC LIMIT 1",
    "2.0"
))]
impl Ema {
    fn next(&mut self, value: Option<f64>, alpha: f64) -> Result<Option<f64>, &'static str> {
        if !(0.0..=1.0).contains(&alpha) {
            return Err("alpha is a number from 0 to 1");
        }
        if let Some(value) = value {
            let mean = self.mean.unwrap_or(value);
            self.mean = Some(mean + alpha * (value - mean));
        }
        Ok(self.mean)
    }
}

/// The number in the middle of a frame, or the mean of the two in the middle: `moving_median(v) OVER (ORDER BY t ROWS BETWEEN 2 PRECEDING AND 2
/// FOLLOWING)` takes out spikes. NULLs do not count.
#[udwf(
    framed,
    example(
        "SELECT moving_median(v) OVER (ORDER BY i ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS m FROM (VALUES (1, 1.0), (2, 99.0), (3, 2.0)) AS t(i, v) ORDER BY i LIMIT 1 OFFSET 1",
        "2.0"
    )
)]
pub fn moving_median(values: Column<'_, Option<f64>>, frame: Range<usize>) -> Option<f64> {
    let mut numbers: Vec<f64> = values.range(frame).flatten().collect();
    numbers.sort_unstable_by(f64::total_cmp);
    let upper = numbers.len() / 2;
    let lower = numbers.len().checked_sub(1)? / 2;
    Some((numbers[lower] + numbers[upper]) / 2.0)
}

/// The value, or where it is NULL, one on the straight line between its neighbours. NULLs at the ends of the partition stay.
#[udwf(example(
    "SELECT interpolate(v) OVER (ORDER BY i) AS v2 FROM (VALUES (1, 1.0), (2, NULL), (3, 2.0)) AS t(i, v) ORDER BY i LIMIT 1 OFFSET 1",
    "1.5"
))]
pub fn interpolate(values: Column<'_, Option<f64>>) -> Vec<Option<f64>> {
    let mut whole: Vec<Option<f64>> = values.iter().collect();
    let mut before: Option<(usize, f64)> = None;
    for row in 0..whole.len() {
        let Some(value) = whole[row] else { continue };
        if let Some((start, first)) = before {
            let step = (value - first) / (row - start) as f64;
            for (steps, gap) in (1..).zip(&mut whole[start + 1..row]) {
                *gap = Some(first + step * f64::from(steps));
            }
        }
        before = Some((row, value));
    }
    whole
}

/// The rank, which peers share: each gets the mean of the places that they take. Correlated, such ranks give Spearman's coefficient.
#[udwf(
    ranked,
    example(
        "SELECT shared_rank() OVER (ORDER BY v) AS r FROM (VALUES (1), (2), (2)) AS t(v) ORDER BY v DESC LIMIT 1",
        "2.5"
    )
)]
pub fn shared_rank(peers: Peers<'_>, out: &mut Output<'_, f64>) {
    for rows in peers.iter() {
        let rank = (rows.start + 1 + rows.end) as f64 / 2.0;
        out.extend(rows.map(|_| rank));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmfusion_udf::testing::window;

    #[test]
    fn averages() {
        let run = window!(Ema)
            .column([None, Some(1.0), Some(3.0)])
            .constant(0.5)
            .then()
            .column([None, Some(4.0)])
            .constant(0.5)
            .run();
        let expected = vec![None, Some(1.0), Some(2.0), Some(2.0), Some(3.0)];
        assert_eq!(run, Ok(expected));
        let wrong = window!(Ema).column([Some(1.0)]).constant(1.5);
        assert!(wrong.run::<Option<f64>>().is_err());
    }

    #[test]
    fn finds_the_middle() {
        let run = window!(moving_median)
            .column([Some(1.0), Some(99.0), None, Some(2.0)])
            .frames([0..1, 0..2, 0..4, 2..3, 4..4])
            .run();
        let expected = vec![Some(1.0), Some(50.0), Some(2.0), None, None];
        assert_eq!(run, Ok(expected));
    }

    #[test]
    fn fills_gaps() {
        let gaps = [None, Some(1.0), None, None, Some(4.0), Some(0.0), None];
        let run = window!(interpolate).column(gaps).run();
        let filled = [
            None,
            Some(1.0),
            Some(2.0),
            Some(3.0),
            Some(4.0),
            Some(0.0),
            None,
        ];
        assert_eq!(run, Ok(filled.to_vec()));
    }

    #[test]
    fn shares_ranks() {
        let run = window!(shared_rank).rows(6).peers([0, 1, 3]).run();
        assert_eq!(run, Ok(vec![1.0, 2.5, 2.5, 5.0, 5.0, 5.0]));
    }
}
