//! Metrics of plugins that have changed since they were looked at last.

use std::collections::HashMap;
use std::sync::Arc;

use crate::metrics::{Metric, Metrics};

/// Finds metrics that have changed. What observers record is no change.
pub(super) struct Changes {
    metrics: Metrics,
    /// How many values each series had.
    seen: HashMap<Key, u64>,
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    plugin: Arc<str>,
    name: String,
    labels: Vec<(String, String)>,
}

impl Changes {
    /// Changes from now on.
    pub(super) fn new(metrics: Metrics) -> Self {
        let mut this = Self {
            metrics,
            seen: HashMap::new(),
        };
        this.look();
        this
    }

    /// Those that have changed.
    pub(super) fn look(&mut self) -> Vec<Metric> {
        let changed = |(metric, count): (Metric, u64)| {
            let key = Key {
                plugin: Arc::clone(&metric.plugin),
                name: metric.name.clone(),
                labels: metric.labels.clone(),
            };
            let before = self.seen.insert(key, count).unwrap_or_default();
            (before != count).then_some(metric)
        };
        let all = self.metrics.all_of_queries();
        all.into_iter().filter_map(changed).collect()
    }
}
