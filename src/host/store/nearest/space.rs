//! Vectors and how far apart they are. Knows no keys and no graph.
//!
//! | metric | what is kept of a vector | what orders (the measure) | distance |
//! |---|---|---|---|
//! | Euclidean | itself | squared distance | its root |
//! | Cosine | itself at length 1 | squared distance | half of it, which is 1 − cos |
//! | Dot | itself, and one number that brings all to the same length | − product | − product |
//!
//! Squared distances of what is kept order as the measure does, for each metric: for `Dot`, those to a query with 0 as its last number.
//! So one graph does for all three, and is built with a true distance.

use std::fmt;

/// How far apart two vectors are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Metric {
    /// 1 − the cosine of the angle between them: 0 to 2. Vectors of zeros are refused.
    Cosine,
    /// The root of the sum of squared differences.
    Euclidean,
    /// − the sum of products, so that the largest product is nearest.
    Dot,
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cosine => "cosine",
            Self::Euclidean => "Euclidean",
            Self::Dot => "dot",
        })
    }
}

/// Longest vector. Nothing that is computed of two of them is beyond `f32`.
const LENGTH_MAX: f64 = (1u64 << 63) as f64;

/// Whether a vector can be measured; what is wrong with it otherwise.
pub(super) fn check(vector: &[f32], metric: Metric) -> Result<(), String> {
    if let Some((place, number)) = vector.iter().enumerate().find(|(_, n)| !n.is_finite()) {
        return Err(format!(
            "number {place} (the first is 0) of the vector is {number}"
        ));
    }
    let length = length(vector);
    if length >= LENGTH_MAX {
        return Err(format!(
            "the vector is too long: {length:e}; at most {LENGTH_MAX:e}"
        ));
    }
    if length == 0.0 && metric == Metric::Cosine {
        return Err("the vector is all zeros, which have no direction".to_owned());
    }
    Ok(())
}

/// Vectors in the form in which they are compared. All of them were [`check`]ed.
pub(super) struct Space {
    metric: Metric,
    dimensions: usize,
    /// Numbers of a row: one more than there are dimensions for [`Metric::Dot`].
    width: usize,
    numbers: Vec<f32>,
}

impl Space {
    pub(super) fn new<'a>(
        vectors: impl ExactSizeIterator<Item = &'a [f32]> + Clone,
        dimensions: usize,
        metric: Metric,
    ) -> Self {
        let width = dimensions + usize::from(metric == Metric::Dot);
        let mut numbers = Vec::with_capacity(vectors.len().saturating_mul(width));
        let longest = match metric {
            Metric::Dot => vectors.clone().map(length).fold(0.0, f64::max),
            Metric::Cosine | Metric::Euclidean => 0.0,
        };
        for vector in vectors {
            match metric {
                Metric::Euclidean => numbers.extend_from_slice(vector),
                Metric::Cosine => numbers.extend(unit(vector)),
                Metric::Dot => {
                    let length = length(vector);
                    numbers.extend_from_slice(vector);
                    let rest = (longest * longest - length * length).max(0.0).sqrt();
                    numbers.push(rest as f32);
                }
            }
        }
        Self {
            metric,
            dimensions,
            width,
            numbers,
        }
    }

    pub(super) fn metric(&self) -> Metric {
        self.metric
    }

    pub(super) fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Number of vectors.
    pub(super) fn len(&self) -> usize {
        self.numbers.len() / self.width
    }

    /// A vector that is asked for, in the form in which it is compared.
    pub(super) fn query(&self, vector: &[f32]) -> Vec<f32> {
        match self.metric {
            Metric::Euclidean => vector.to_vec(),
            Metric::Cosine => unit(vector).collect(),
            Metric::Dot => vector.iter().copied().chain([0.0]).collect(),
        }
    }

    /// A row as it is kept.
    pub(super) fn row(&self, row: usize) -> &[f32] {
        let start = row.saturating_mul(self.width);
        let end = start.saturating_add(self.width);
        self.numbers.get(start..end).unwrap_or_default()
    }

    /// What orders rows by their distance from a [`query`](Self::query).
    pub(super) fn measure(&self, query: &[f32], row: usize) -> f32 {
        let row = self.row(row);
        match self.metric {
            Metric::Cosine | Metric::Euclidean => squared_distance(query, row),
            // The query's last number is 0.
            Metric::Dot => -sum(query, row, |a, b| a * b),
        }
    }

    /// The distance that belongs to a measure.
    pub(super) fn distance(&self, measure: f32) -> f32 {
        match self.metric {
            Metric::Cosine => measure / 2.0,
            Metric::Euclidean => measure.sqrt(),
            // Without the sign of a zero.
            Metric::Dot => measure + 0.0,
        }
    }
}

/// The sum of squared differences.
pub(super) fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    sum(a, b, |a, b| (a - b) * (a - b))
}

/// The sum of a term for each pair, eight at a time, which the compiler turns into vector instructions.
fn sum(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let (a, b) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut lanes = [0.0f32; 8];
    for (a, b) in a.0.iter().zip(b.0) {
        for ((lane, &a), &b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += term(a, b);
        }
    }
    let rest: f32 = a.1.iter().zip(b.1).map(|(&a, &b)| term(a, b)).sum();
    lanes.iter().sum::<f32>() + rest
}

fn length(vector: &[f32]) -> f64 {
    let squares = vector.iter().map(|&n| f64::from(n) * f64::from(n));
    squares.sum::<f64>().sqrt()
}

fn unit(vector: &[f32]) -> impl Iterator<Item = f32> {
    let length = length(vector);
    vector.iter().map(move |&n| (f64::from(n) / length) as f32)
}
