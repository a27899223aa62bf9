//! A vector index in memory: exact up to some ten thousand vectors, where looking at all of them is as fast, and a graph of neighbours
//! (HNSW) for more. It cannot be changed: to refresh it, make another and add that under the same name.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fmt;

use arrow::array::RecordBatch;

pub(super) use self::columns::VectorRows;
use self::graph::Graph;
use self::space::Space;
use super::error::StoreError;
use super::limits::Figure;
use crate::host::context::VectorIndex;
use crate::host::error::{HostError, Status};

mod columns;
mod graph;
mod space;

pub use self::space::Metric;

/// Vectors with their keys, and those nearest to any other vector.
///
/// Distances depend on the [`Metric`]. Entries at the same distance are shown in the order of their keys, so that the same rows give the same
/// answers, in whatever order they were read. A key may be there more than once, with several vectors.
///
/// Up to [`EXACT_NUMBERS_MAX`](Self::EXACT_NUMBERS_MAX) numbers in all vectors the answers are exact, and so are those for more than
/// [`APPROXIMATE_K_MAX`](Self::APPROXIMATE_K_MAX) neighbours. Otherwise some neighbours can be missing. How many depends on the vectors: of the
/// 10 nearest of 50,000 vectors of 128 numbers all were found where they lie in clusters, as those of texts and pictures do; of 20,000
/// random vectors of 64 numbers it were 96 of 100, and of 50,000 of 128 numbers 82.
pub struct NearestNeighbours {
    /// One for each vector, in order.
    keys: Vec<Vec<u8>>,
    space: Space,
    graph: Option<Graph>,
}

impl NearestNeighbours {
    /// Up to how many numbers, in all vectors together, all of them are looked at: 32,768 vectors of 64 numbers, or 5,461 of 384. That takes
    /// half a millisecond, and the graph takes about as long there.
    pub const EXACT_NUMBERS_MAX: usize = 1 << 21;
    /// For how many neighbours the graph is asked. For more, all vectors are looked at.
    pub const APPROXIMATE_K_MAX: usize = 100;
    /// How many neighbours can be asked for.
    pub const K_MAX: usize = 10_000;
    /// How many numbers a vector can have.
    pub const DIMENSIONS_MAX: usize = 1 << 16;

    /// The index of these vectors, which lie one behind the other, `dimensions` numbers each, in the order of `keys`. Building the graph
    /// takes up to a millisecond a vector, on one thread, so that the same vectors give the same index: in async code, use `spawn_blocking`.
    ///
    /// # Errors
    ///
    /// If there are not as many vectors as keys, one has a number that is not finite, or is too long (2⁶³) to be measured, or has no
    /// direction where the metric asks for one.
    pub fn build(
        keys: Vec<Vec<u8>>,
        vectors: Vec<f32>,
        dimensions: usize,
        metric: Metric,
    ) -> Result<Self, StoreError> {
        Self::build_exact_up_to(Self::EXACT_NUMBERS_MAX, keys, vectors, dimensions, metric)
    }

    fn build_exact_up_to(
        numbers_max: usize,
        keys: Vec<Vec<u8>>,
        vectors: Vec<f32>,
        dimensions: usize,
        metric: Metric,
    ) -> Result<Self, StoreError> {
        if dimensions == 0 || dimensions > Self::DIMENSIONS_MAX {
            return Err(wrong(format!(
                "vectors have {dimensions} numbers, and must have 1 to {}",
                Self::DIMENSIONS_MAX
            )));
        }
        if keys.len().checked_mul(dimensions) != Some(vectors.len()) {
            return Err(wrong(format!(
                "{} keys need as many vectors of {dimensions} numbers, but there are {} numbers",
                keys.len(),
                vectors.len()
            )));
        }
        // In the order of keys, and of the vectors where keys are the same: the order of ties, whatever order they came in.
        let mut rows: Vec<(Vec<u8>, &[f32])> = keys
            .into_iter()
            .zip(vectors.chunks_exact(dimensions))
            .collect();
        if let Some((row, reason)) = rows
            .iter()
            .enumerate()
            .find_map(|(row, (_, vector))| Some((row, space::check(vector, metric).err()?)))
        {
            let row = row as u64 + 1;
            return Err(StoreError::Row { row, reason });
        }
        rows.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| compare(a.1, b.1)));
        let space = Space::new(rows.iter().map(|row| row.1), dimensions, metric);
        let keys: Vec<Vec<u8>> = rows.into_iter().map(|row| row.0).collect();
        let graph = if vectors.len() > numbers_max {
            Some(Graph::build(&space)?)
        } else {
            None
        };
        Ok(Self { keys, space, graph })
    }

    /// The index of the vectors in these rows. Names of columns are matched exactly. Keys are bytes as in a
    /// [`SnapshotTable`](super::SnapshotTable); vectors are lists (`List`, `LargeList`, `FixedSizeList`) of `Float32` or `Float64`.
    /// Rows in which one of them is NULL are left out.
    ///
    /// # Errors
    ///
    /// If a column is not there or has another type, vectors differ in their length, or for what [`build`](Self::build) fails for.
    pub fn from_batches(
        batches: &[RecordBatch],
        key_column: &str,
        vector_column: &str,
        metric: Metric,
    ) -> Result<Self, StoreError> {
        let mut rows = VectorRows::new(key_column, vector_column, metric);
        for batch in batches {
            rows.push(batch)?;
        }
        rows.finish()
    }

    /// Number of vectors.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no vector.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether answers are exact.
    pub fn is_exact(&self) -> bool {
        self.graph.is_none()
    }

    /// The `k` nearest of these rows, nearest first.
    fn nearest(&self, query: &[f32], k: usize, rows: impl Iterator<Item = usize>) -> Vec<Near> {
        let mut nearest = BinaryHeap::with_capacity(k.saturating_add(1));
        for row in rows {
            let measure = self.space.measure(query, row);
            let near = Near { measure, row };
            if nearest.len() < k {
                nearest.push(near);
            } else if let Some(mut farthest) = nearest.peek_mut()
                && near < *farthest
            {
                *farthest = near;
            }
        }
        nearest.into_sorted_vec()
    }
}

impl fmt::Debug for NearestNeighbours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NearestNeighbours")
            .field("vectors", &self.len())
            .field("dimensions", &self.space.dimensions())
            .field("metric", &self.space.metric())
            .field("exact", &self.is_exact())
            .finish_non_exhaustive()
    }
}

impl VectorIndex for NearestNeighbours {
    fn dimensions(&self) -> usize {
        self.space.dimensions()
    }

    fn search(
        &self,
        query: &[f32],
        k: usize,
        visit: &mut dyn FnMut(&[u8], f32),
    ) -> Result<(), HostError> {
        Figure {
            what: "the answer",
            is: k as u64,
            max: Self::K_MAX as u64,
            unit: "neighbours",
            setting: "K_MAX",
        }
        .check()?;
        let invalid = |reason: String| HostError::new(Status::Invalid, reason);
        if query.len() != self.space.dimensions() {
            return Err(invalid(format!(
                "the vector has {} numbers, but those of the index have {}",
                query.len(),
                self.space.dimensions()
            )));
        }
        space::check(query, self.space.metric()).map_err(invalid)?;
        let k = k.min(self.len());
        if k == 0 {
            return Ok(());
        }
        let query = self.space.query(query);
        let candidates = match &self.graph {
            Some(graph) if k <= Self::APPROXIMATE_K_MAX => graph.candidates(&query),
            _ => None,
        };
        let nearest = match candidates {
            Some(rows) if rows.len() >= k => self.nearest(&query, k, rows.into_iter()),
            _ => self.nearest(&query, k, 0..self.len()),
        };
        for Near { measure, row } in nearest {
            if let Some(key) = self.keys.get(row) {
                visit(key, self.space.distance(measure));
            }
        }
        Ok(())
    }
}

/// A row and how far it is. Rows that are as far are in their own order.
#[derive(Clone, Copy)]
struct Near {
    measure: f32,
    row: usize,
}

impl Ord for Near {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_row = || self.row.cmp(&other.row);
        self.measure.total_cmp(&other.measure).then_with(by_row)
    }
}

impl PartialOrd for Near {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Near {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Near {}

fn compare(a: &[f32], b: &[f32]) -> Ordering {
    let mut pairs = a.iter().zip(b).map(|(a, b)| a.total_cmp(b));
    pairs.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

fn wrong(reason: String) -> StoreError {
    StoreError::Index { reason }
}

#[cfg(test)]
mod tests;
