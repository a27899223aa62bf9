//! The graph of neighbours: the one place that names `hnsw_rs`.
//!
//! It was chosen of the crates on offer because it is kept up, is pure Rust, has the same levels in each run, and finds what is to be found in
//! data that come in clusters. It can panic, on what is not given to it here; should it do so all the same, all vectors are looked at.

use std::panic::{AssertUnwindSafe, catch_unwind};

use hnsw_rs::anndists::dist::Distance;
use hnsw_rs::hnsw::Hnsw;

use super::space::{Metric, Space, squared_distance};
use super::wrong;
use crate::host::store::error::StoreError;

/// Neighbours of a node in each level; twice as many in the lowest.
const NEIGHBOURS: usize = 16;
/// Most levels, which is more than there will be.
const LEVELS: usize = 16;
/// How many candidates are kept when a vector is put in.
const BUILD_WIDTH: usize = 200;
/// How many candidates a search keeps. More of them find more and take longer.
const SEARCH_WIDTH: usize = 200;
/// The same for [`Metric::Dot`], where a query lies apart from all vectors.
const DOT_SEARCH_WIDTH: usize = 400;

/// Which vectors are near each other.
pub(super) struct Graph {
    /// There until it is dropped.
    nodes: Option<Hnsw<'static, f32, SquaredDistance>>,
    width: usize,
}

impl Graph {
    /// The graph of all vectors of a space. They are put in one after the other: on several threads, the graph would depend on which
    /// of them is first.
    pub(super) fn build(space: &Space) -> Result<Self, StoreError> {
        let nodes = catch_unwind(AssertUnwindSafe(|| {
            let nodes = Hnsw::new(
                NEIGHBOURS,
                space.len(),
                LEVELS,
                BUILD_WIDTH,
                SquaredDistance,
            );
            for row in 0..space.len() {
                nodes.insert((space.row(row), row));
            }
            nodes
        }));
        let width = match space.metric() {
            Metric::Dot => DOT_SEARCH_WIDTH,
            Metric::Cosine | Metric::Euclidean => SEARCH_WIDTH,
        };
        match nodes {
            Ok(nodes) => Ok(Self {
                nodes: Some(nodes),
                width,
            }),
            Err(_) => Err(wrong("the graph of neighbours has panicked".to_owned())),
        }
    }

    /// Rows that are likely to be near to a query. `None` if the graph cannot say.
    pub(super) fn candidates(&self, query: &[f32]) -> Option<Vec<usize>> {
        let nodes = self.nodes.as_ref()?;
        let search = || nodes.search(query, self.width, self.width);
        let found = catch_unwind(AssertUnwindSafe(search)).ok()?;
        Some(found.iter().map(|found| found.d_id).collect())
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        let nodes = self.nodes.take();
        // It asks for the time, and panics if that has gone back.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(nodes)));
    }
}

struct SquaredDistance;

impl Distance<f32> for SquaredDistance {
    fn eval(&self, a: &[f32], b: &[f32]) -> f32 {
        squared_distance(a, b)
    }
}
