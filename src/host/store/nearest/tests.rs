use std::sync::Arc;
use std::time::Instant;

use arrow::array::{
    ArrayRef, FixedSizeListArray, Float32Array, Int64Array, LargeListArray, ListArray, RecordBatch,
    StringArray,
};
use arrow::datatypes::{Float32Type, Float64Type, Int32Type};
use proptest::prelude::*;

use super::{Metric, NearestNeighbours};
use crate::host::context::VectorIndex;
use crate::host::error::Status;
use crate::host::store::StoreError;

const METRICS: [Metric; 3] = [Metric::Cosine, Metric::Euclidean, Metric::Dot];

/// Numbers between −1 and 1, the same for the same seed.
struct Random(u64);

impl Random {
    fn number(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// About normally distributed.
    fn vector(&mut self, dimensions: usize) -> Vec<f32> {
        (0..dimensions)
            .map(|_| (0..6).map(|_| self.number()).sum())
            .collect()
    }

    fn vectors(&mut self, count: usize, dimensions: usize) -> Vec<f32> {
        (0..count).flat_map(|_| self.vector(dimensions)).collect()
    }
}

fn keys(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|i| format!("{i:06}").into_bytes()).collect()
}

fn search(index: &NearestNeighbours, query: &[f32], k: usize) -> Vec<(String, f32)> {
    let mut found = Vec::new();
    index
        .search(query, k, &mut |key, distance| {
            found.push((String::from_utf8_lossy(key).into_owned(), distance));
        })
        .unwrap();
    found
}

/// The distance in `f64`, as its definition says.
fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let pairs = || a.iter().zip(b).map(|(&a, &b)| (f64::from(a), f64::from(b)));
    let dot: f64 = pairs().map(|(a, b)| a * b).sum();
    let length = |v: &[f32]| v.iter().map(|&n| f64::from(n).powi(2)).sum::<f64>().sqrt();
    match metric {
        Metric::Euclidean => pairs().map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt(),
        Metric::Cosine => 1.0 - dot / (length(a) * length(b)),
        Metric::Dot => -dot,
    }
}

/// All of them by distance, then key.
fn naive(metric: Metric, vectors: &[f32], query: &[f32]) -> Vec<(f64, usize)> {
    let mut all: Vec<(f64, usize)> = vectors
        .chunks_exact(query.len())
        .enumerate()
        .map(|(row, vector)| (distance(metric, query, vector), row))
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    all
}

#[test]
fn small_sets_are_searched_exactly() {
    let mut random = Random(1);
    for metric in METRICS {
        let vectors = random.vectors(500, 19);
        let index = NearestNeighbours::build(keys(500), vectors.clone(), 19, metric).unwrap();
        assert!(index.is_exact());
        assert_eq!(index.dimensions(), 19);
        for _ in 0..20 {
            let query = random.vector(19);
            let expected = naive(metric, &vectors, &query);
            let found = search(&index, &query, 10);
            assert_eq!(found.len(), 10);
            for ((key, near), (far, row)) in found.iter().zip(&expected) {
                assert_eq!(*key, format!("{row:06}"), "{metric}");
                assert!(
                    (f64::from(*near) - far).abs() < 1e-4,
                    "{metric}: {near} {far}"
                );
            }
            assert_eq!(search(&index, &query, 1_000).len(), 500);
        }
        // A vector is at no distance from itself.
        if metric != Metric::Dot {
            assert_eq!(
                search(&index, &vectors[..19], 1),
                [("000000".to_owned(), 0.0)]
            );
        }
    }
}

/// A graph, however few they are.
fn graph(vectors: &[f32], dimensions: usize, metric: Metric) -> NearestNeighbours {
    let keys = keys(vectors.len() / dimensions);
    NearestNeighbours::build_exact_up_to(0, keys, vectors.to_vec(), dimensions, metric).unwrap()
}

fn recall(metric: Metric, dimensions: usize, count: usize) -> f64 {
    let mut random = Random(7);
    let vectors = random.vectors(count, dimensions);
    let start = Instant::now();
    let index = graph(&vectors, dimensions, metric);
    let built = start.elapsed();
    assert!(!index.is_exact());
    let queries: Vec<Vec<f32>> = (0..100).map(|_| random.vector(dimensions)).collect();
    let start = Instant::now();
    let answers: Vec<_> = queries
        .iter()
        .map(|query| search(&index, query, 10))
        .collect();
    let searched = start.elapsed() / 100;
    let start = Instant::now();
    for query in &queries {
        search(&index, query, NearestNeighbours::APPROXIMATE_K_MAX + 1);
    }
    let exact = start.elapsed() / 100;
    let mut hits = 0;
    for (query, answer) in queries.iter().zip(answers) {
        let expected = naive(metric, &vectors, query);
        let near: Vec<String> = expected[..10]
            .iter()
            .map(|e| format!("{:06}", e.1))
            .collect();
        hits += answer.iter().filter(|(key, _)| near.contains(key)).count();
    }
    let recall = hits as f64 / 1_000.0;
    println!(
        "{metric}, {count} vectors of {dimensions}: recall {recall}, built in {built:?}, search {searched:?}, exact {exact:?}"
    );
    recall
}

#[test]
fn the_graph_finds_nearly_all() {
    for metric in METRICS {
        assert!(recall(metric, 16, 1_500) >= 0.95);
    }
}

/// Not a test but a measurement: `cargo test --release -- --ignored --nocapture measure_nearest`.
#[test]
#[ignore = "a measurement"]
fn measure_nearest() {
    for (metric, dimensions, count) in [
        (Metric::Euclidean, 64, 20_000),
        (Metric::Cosine, 64, 20_000),
        (Metric::Dot, 64, 20_000),
        (Metric::Cosine, 128, 8_200),
        (Metric::Cosine, 384, 6_000),
    ] {
        recall(metric, dimensions, count);
    }
}

#[test]
fn the_same_rows_give_the_same_answers() {
    let vectors = Random(3).vectors(1_000, 8);
    let there = graph(&vectors, 8, Metric::Euclidean);
    let backwards: Vec<f32> = vectors.chunks_exact(8).rev().flatten().copied().collect();
    let keys = keys(1_000).into_iter().rev().collect();
    let back =
        NearestNeighbours::build_exact_up_to(0, keys, backwards, 8, Metric::Euclidean).unwrap();
    let mut random = Random(4);
    for _ in 0..50 {
        let query = random.vector(8);
        assert_eq!(search(&there, &query, 50), search(&back, &query, 50));
    }
}

#[test]
fn ties_are_in_the_order_of_keys() {
    for numbers_max in [0, 600] {
        let vectors = [1.0, 0.0].repeat(300);
        let keys = keys(300).into_iter().rev().collect();
        let index =
            NearestNeighbours::build_exact_up_to(numbers_max, keys, vectors, 2, Metric::Cosine)
                .unwrap();
        let found = search(&index, &[2.0, 0.0], 5);
        assert!(found.iter().all(|(_, distance)| *distance == 0.0));
        assert!(found.is_sorted_by(|a, b| a.0 < b.0));
        if index.is_exact() {
            assert_eq!(found[0].0, "000000");
            assert_eq!(found[4].0, "000004");
        }
    }
}

#[test]
fn queries_are_checked() {
    let index =
        NearestNeighbours::build(keys(2), vec![1.0, 0.0, 0.0, 1.0], 2, Metric::Cosine).unwrap();
    let status = |query: &[f32], k| {
        index
            .search(query, k, &mut |_, _| panic!())
            .unwrap_err()
            .status()
    };
    for query in [
        [f32::NAN, 0.0],
        [0.0, f32::INFINITY],
        [0.0, 0.0],
        [1e30, 1e30],
    ] {
        assert_eq!(status(&query, 1), Status::Invalid);
    }
    assert_eq!(status(&[1.0], 1), Status::Invalid);
    assert_eq!(status(&[], 1), Status::Invalid);
    let error = index
        .search(&[1.0, 0.0], 10_001, &mut |_, _| ())
        .unwrap_err();
    assert_eq!(error.status(), Status::Limit);
    assert!(
        error
            .message()
            .contains("10001 neighbours, more than the 10000")
    );
    assert_eq!(search(&index, &[1.0, 0.0], 0), []);
    assert_eq!(search(&index, &[1e-30, 0.0], 9).len(), 2);

    let empty = NearestNeighbours::build(vec![], vec![], 2, Metric::Dot).unwrap();
    assert!(empty.is_empty());
    assert_eq!(search(&empty, &[1.0, 0.0], 5), []);
}

#[test]
fn vectors_are_checked() {
    let build = |vectors: Vec<f32>, dimensions, metric| {
        NearestNeighbours::build(keys(2), vectors, dimensions, metric)
    };
    for (vectors, dimensions) in [
        (vec![], 0),
        (vec![1.0], 1),
        (vec![1.0; 3], 2),
        (vec![1.0; 2], usize::MAX),
    ] {
        assert!(matches!(
            build(vectors, dimensions, Metric::Dot),
            Err(StoreError::Index { .. })
        ));
    }
    for (second, words) in [
        (
            f32::NAN,
            "row 2 (the first is 1): number 0 (the first is 0) of the vector is NaN",
        ),
        (f32::NEG_INFINITY, "is -inf"),
        (f32::MAX, "the vector is too long"),
        (0.0, "no direction"),
    ] {
        let error = build(vec![1.0, second], 1, Metric::Cosine).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    assert!(build(vec![0.0, 0.0], 1, Metric::Dot).is_ok());
    // What is nearly too long can be measured.
    for metric in METRICS {
        let index = build(vec![9e18, -9e18], 1, metric).unwrap();
        assert!(
            search(&index, &[9e18], 2)
                .iter()
                .all(|(_, distance)| distance.is_finite())
        );
    }
}

fn rows(keys: Vec<Option<&str>>, vectors: ArrayRef) -> RecordBatch {
    let keys: ArrayRef = Arc::new(StringArray::from(keys));
    RecordBatch::try_from_iter_with_nullable([("k", keys, true), ("v", vectors, true)]).unwrap()
}

fn of(batches: &[RecordBatch]) -> Result<NearestNeighbours, StoreError> {
    NearestNeighbours::from_batches(batches, "k", "v", Metric::Euclidean)
}

#[test]
fn vectors_come_from_lists() {
    let keys = || vec![Some("a"), Some("b"), None, Some("d")];
    let numbers = [
        Some(vec![Some(1.0), Some(2.0)]),
        None,
        Some(vec![Some(0.0), Some(0.0)]),
        Some(vec![Some(5.0), Some(6.0)]),
    ];
    let doubles = numbers
        .clone()
        .map(|v| v.map(|v| v.into_iter().map(|n| n.map(f64::from)).collect::<Vec<_>>()));
    let lists: [ArrayRef; 4] = [
        Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(
            numbers.clone(),
        )),
        Arc::new(LargeListArray::from_iter_primitive::<Float64Type, _, _>(
            doubles,
        )),
        Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(numbers.clone(), 2)),
        Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(
            numbers.map(|v| {
                v.map(|v| {
                    v.into_iter()
                        .map(|n: Option<f32>| n.map(f64::from))
                        .collect::<Vec<_>>()
                })
            }),
        )),
    ];
    for list in lists {
        let index = of(&[
            rows(keys(), Arc::clone(&list)),
            rows(keys(), list).slice(3, 1),
        ])
        .unwrap();
        assert_eq!(index.len(), 3);
        let found = search(&index, &[5.0, 6.0], 9);
        assert_eq!(
            found.iter().map(|f| f.0.as_str()).collect::<Vec<_>>(),
            ["d", "d", "a"]
        );
    }
}

#[test]
fn columns_are_checked() {
    let list = |vectors: Vec<Option<Vec<Option<f64>>>>| -> ArrayRef {
        Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(vectors))
    };
    let wrong = |vectors: ArrayRef, words: &str| {
        let first = rows(vec![Some("x")], list(vec![Some(vec![Some(1.0)])]));
        let error = of(&[first, rows(vec![Some("a"), Some("b")], vectors)]).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    };
    wrong(
        list(vec![None, Some(vec![])]),
        "row 3 (the first is 1): the vector has 0 numbers, but the first one has 1",
    );
    wrong(
        list(vec![Some(vec![None]), None]),
        "row 2 (the first is 1): number 0 (the first is 0) of the vector is NULL",
    );
    wrong(list(vec![Some(vec![Some(1e300)]), None]), "is inf");
    wrong(
        Arc::new(Float32Array::from(vec![1.0, 2.0])),
        "lists of Float32 or Float64, but it has Float32",
    );
    let integers = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1)]), None]);
    wrong(Arc::new(integers), "lists of Float32 or Float64");

    assert!(
        of(&[])
            .unwrap_err()
            .to_string()
            .contains("there is no vector")
    );
    let empty = rows(vec![Some("a")], list(vec![Some(vec![])]));
    assert!(
        of(&[empty])
            .unwrap_err()
            .to_string()
            .contains("vectors have 0 numbers")
    );
    let other =
        RecordBatch::try_from_iter([("k", Arc::new(Int64Array::from(vec![1])) as ArrayRef)])
            .unwrap();
    assert!(
        of(&[other])
            .unwrap_err()
            .to_string()
            .contains("no such column")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The nearest is the one that the definition says.
    #[test]
    fn the_nearest_is_nearest(
        vectors in prop::collection::vec(-100i8..100, 3..60),
        query in prop::array::uniform3(-100i8..100),
        metric in prop::sample::select(&METRICS[..]),
    ) {
        let vectors: Vec<f32> = vectors.chunks_exact(3)
            .filter(|v| v.iter().any(|&n| n != 0)).flatten().map(|&n| f32::from(n)).collect();
        let query = query.map(f32::from);
        prop_assume!(query.iter().any(|&n| n != 0.0) && !vectors.is_empty());
        let count = vectors.len() / 3;
        let index = NearestNeighbours::build(keys(count), vectors.clone(), 3, metric).unwrap();
        let found = search(&index, &query, count);
        prop_assert_eq!(found.len(), count);
        prop_assert!(found.is_sorted_by(|a, b| a.1 <= b.1));
        let nearest = naive(metric, &vectors, &query)[0].0;
        prop_assert!((f64::from(found[0].1) - nearest).abs() <= 1e-5 * nearest.abs().max(1.0));
    }
}
