//! Arithmetic with vectors, such as embeddings: lists of numbers of the same length.
//!
//! Every function is there for lists of 64-bit and of 32-bit numbers. Sums are kept in several parts, which is more
//! exact than one sum and lets the compiler use SIMD.

use wasmfusion_udf::prelude::*;

wasmfusion_udf::plugin! {}

/// Partial sums, each of which takes every eighth number.
const LANES: usize = 8;

const LENGTHS: &str = "the vectors have different numbers of elements";

macro_rules! vectors {
    ($($number:ident)*) => {$(
        pub(crate) mod $number {
            use super::*;

            /// The sum of `term` over the elements of two vectors of the same length.
            #[inline(always)]
            fn sum(left: &[$number], right: &[$number], term: impl Fn($number, $number) -> $number) -> $number {
                let mut sums = [0.0; LANES];
                let (left_chunks, left_rest) = left.as_chunks::<LANES>();
                let (right_chunks, right_rest) = right.as_chunks::<LANES>();
                for (left, right) in left_chunks.iter().zip(right_chunks) {
                    for lane in 0..LANES {
                        sums[lane] += term(left[lane], right[lane]);
                    }
                }
                for (sum, (left, right)) in sums.iter_mut().zip(left_rest.iter().zip(right_rest)) {
                    *sum += term(*left, *right);
                }
                sums.iter().sum()
            }

            pub fn dot(left: &[$number], right: &[$number]) -> Result<$number, &'static str> {
                if left.len() != right.len() {
                    return Err(LENGTHS);
                }
                Ok(sum(left, right, |left, right| left * right))
            }

            pub fn distance(left: &[$number], right: &[$number]) -> Result<$number, &'static str> {
                if left.len() != right.len() {
                    return Err(LENGTHS);
                }
                Ok(sum(left, right, |left, right| (left - right) * (left - right)).sqrt())
            }

            pub fn norm(vector: &[$number]) -> $number {
                sum(vector, vector, |left, right| left * right).sqrt()
            }

            pub fn cosine(left: &[$number], right: &[$number]) -> Result<Option<$number>, &'static str> {
                let product = dot(left, right)?;
                let norms = norm(left) * norm(right);
                Ok((norms != 0.0).then(|| (product / norms).clamp(-1.0, 1.0)))
            }

            pub fn normalize(vector: &[$number], out: &mut ListWriter<$number>) -> Option<()> {
                let norm = norm(vector);
                if norm == 0.0 {
                    return None;
                }
                out.extend(vector.iter().map(|element| element / norm));
                Some(())
            }
        }
    )*};
}

vectors! { f32 f64 }

/// Dot product of two vectors.
#[udf(example("SELECT dot([1.0, 2.0, 3.0], [4.0, 5.0, 6.0])", "32.0"))]
pub fn dot(left: &[f64], right: &[f64]) -> Result<f64, &'static str> {
    f64::dot(left, right)
}

/// Dot product of two vectors.
#[udf(name = "dot")]
pub fn dot_f32(left: &[f32], right: &[f32]) -> Result<f32, &'static str> {
    f32::dot(left, right)
}

/// Cosine of the angle between two vectors, from -1 to 1; NULL if one of them is zero.
#[udf(example("SELECT cosine_similarity([1.0, 0.0], [0.0, 1.0])", "0.0"))]
pub fn cosine_similarity(left: &[f64], right: &[f64]) -> Result<Option<f64>, &'static str> {
    f64::cosine(left, right)
}

/// Cosine of the angle between two vectors, from -1 to 1; NULL if one of them is zero.
#[udf(name = "cosine_similarity")]
pub fn cosine_similarity_f32(left: &[f32], right: &[f32]) -> Result<Option<f32>, &'static str> {
    f32::cosine(left, right)
}

/// Euclidean distance between two vectors.
#[udf(example("SELECT l2_distance([0.0, 0.0], [3.0, 4.0])", "5.0"))]
pub fn l2_distance(left: &[f64], right: &[f64]) -> Result<f64, &'static str> {
    f64::distance(left, right)
}

/// Euclidean distance between two vectors.
#[udf(name = "l2_distance")]
pub fn l2_distance_f32(left: &[f32], right: &[f32]) -> Result<f32, &'static str> {
    f32::distance(left, right)
}

/// Euclidean length of a vector.
#[udf(example("SELECT l2_norm([3.0, 4.0])", "5.0"))]
pub fn l2_norm(vector: &[f64]) -> f64 {
    f64::norm(vector)
}

/// Euclidean length of a vector.
#[udf(name = "l2_norm")]
pub fn l2_norm_f32(vector: &[f32]) -> f32 {
    f32::norm(vector)
}

/// The vector with the same direction and length 1; NULL if it is zero.
#[udf(example("SELECT l2_normalize([3.0, 4.0])", "[0.6, 0.8]"))]
pub fn l2_normalize(vector: &[f64], out: &mut ListWriter<f64>) -> Option<()> {
    f64::normalize(vector, out)
}

/// The vector with the same direction and length 1; NULL if it is zero.
#[udf(name = "l2_normalize")]
pub fn l2_normalize_f32(vector: &[f32], out: &mut ListWriter<f32>) -> Option<()> {
    f32::normalize(vector, out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmfusion_udf::testing::call;

    #[test]
    fn agrees_with_the_definition_at_every_length() {
        for length in 0..40 {
            let left: Vec<f64> = (0..length).map(|place| f64::from(place) - 7.5).collect();
            let right: Vec<f64> = (0..length).map(|place| f64::from(place * place)).collect();
            let expected: f64 = left
                .iter()
                .zip(&right)
                .map(|(left, right)| left * right)
                .sum();
            assert_eq!(dot(&left, &right), Ok(expected));
            let narrow = |vector: &[f64]| {
                vector
                    .iter()
                    .map(|element| *element as f32)
                    .collect::<Vec<_>>()
            };
            let narrow = dot_f32(&narrow(&left), &narrow(&right));
            assert!(
                narrow.is_ok_and(|dot| (f64::from(dot) - expected).abs() <= expected.abs() * 1e-5)
            );
        }
    }

    #[test]
    fn knows_angles_and_lengths() {
        assert_eq!(cosine_similarity(&[1.0, 0.0], &[0.0, 1.0]), Ok(Some(0.0)));
        let same = cosine_similarity(&[2.0, 2.0], &[5.0, 5.0]);
        assert!(same.is_ok_and(|cosine| cosine.is_some_and(|cosine| (1.0 - cosine).abs() < 1e-15)));
        assert_eq!(cosine_similarity(&[1.0], &[-3.0]), Ok(Some(-1.0)));
        assert_eq!(cosine_similarity(&[0.0], &[1.0]), Ok(None));
        assert_eq!(l2_distance(&[0.0, 0.0], &[3.0, 4.0]), Ok(5.0));
        assert_eq!(l2_norm_f32(&[3.0, 4.0]), 5.0);
        assert_eq!(dot(&[1.0], &[1.0, 2.0]), Err(LENGTHS));
    }

    #[test]
    fn normalizes_columns() {
        let run = call!(l2_normalize)
            .column([vec![3.0, 4.0], vec![0.0], vec![-2.0]])
            .run();
        assert_eq!(run, Ok(vec![Some(vec![0.6, 0.8]), None, Some(vec![-1.0])]));
    }
}
