//! The numbers that plugins emit. Recording is a few atomic instructions; whoever reads sees a moment of each series.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use compact_str::CompactString;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use crate::host::{HostError, Status};

/// The metrics of all plugins of a registry. Clones are the same.
#[derive(Clone, Default)]
pub struct Metrics(Arc<DashMap<Key, Arc<Series>>>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    plugin: Arc<str>,
    name: String,
    labels: Vec<(String, String)>,
}

/// What the values of a metric mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MetricKind {
    /// A sum that only grows.
    Counter,
    /// The last value.
    Gauge,
    /// How values are distributed.
    Histogram,
}

/// One series of a metric at one moment.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Metric {
    /// The plugin.
    pub plugin: Arc<str>,
    /// The metric's name.
    pub name: String,
    /// Names and values that tell the series of a metric apart.
    pub labels: Vec<(String, String)>,
    /// What the values mean.
    pub kind: MetricKind,
    /// The sum of a counter or a histogram, the last value of a gauge.
    pub value: f64,
    /// How many values were recorded.
    pub count: u64,
    /// Median and 99th percentile of a histogram, with an error of at most an eighth.
    pub quantiles: Option<(f64, f64)>,
}

impl MetricKind {
    /// Its name: `counter`, `gauge`, `histogram`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Metrics {
    /// All series, sorted by plugin, name and labels.
    pub fn all(&self) -> Vec<Metric> {
        let mut all: Vec<Metric> = self
            .0
            .iter()
            .map(|entry| entry.value().read(entry.key()))
            .collect();
        all.sort_by(|a, b| (&a.plugin, &a.name, &a.labels).cmp(&(&b.plugin, &b.name, &b.labels)));
        all
    }

    /// All series that have values which no observer has recorded, and how many.
    pub(crate) fn all_of_queries(&self) -> Vec<(Metric, u64)> {
        let counted = self.0.iter().filter_map(|entry| {
            let (key, series) = (entry.key(), entry.value());
            let of_observers = series.of_observers.load(Ordering::Relaxed);
            let metric = series.read(key);
            let count = metric.count.saturating_sub(of_observers);
            (count > 0).then_some((metric, count))
        });
        counted.collect()
    }

    /// The metrics of one plugin, with at most `series_max` series. Another version of the plugin goes on with the same series.
    pub(crate) fn plugin(&self, plugin: &str, series_max: usize) -> PluginMetrics {
        let there = self
            .0
            .iter()
            .filter(|entry| &*entry.key().plugin == plugin)
            .count();
        PluginMetrics {
            metrics: self.clone(),
            plugin: plugin.into(),
            series: AtomicUsize::new(there),
            series_max,
        }
    }
}

/// The metrics of one plugin.
pub(crate) struct PluginMetrics {
    metrics: Metrics,
    plugin: Arc<str>,
    series: AtomicUsize,
    series_max: usize,
}

impl PluginMetrics {
    /// The series of this name and these labels, which is made if there is none.
    pub(crate) fn series(
        &self,
        kind: MetricKind,
        name: &str,
        mut labels: Vec<(String, String)>,
    ) -> Result<Arc<Series>, HostError> {
        labels.sort();
        let key = Key {
            plugin: Arc::clone(&self.plugin),
            name: name.to_owned(),
            labels,
        };
        let same_kind = |series: &Arc<Series>| match series.kind == kind {
            true => Ok(Arc::clone(series)),
            false => Err(HostError::new(
                Status::Invalid,
                format!("the metric `{name}` is a {} already", series.kind.name()),
            )),
        };
        if let Some(series) = self.metrics.0.get(&key) {
            return same_kind(&series);
        }
        match self.metrics.0.entry(key) {
            Entry::Occupied(there) => same_kind(there.get()),
            Entry::Vacant(place) => {
                if self.series.fetch_add(1, Ordering::Relaxed) >= self.series_max {
                    self.series.fetch_sub(1, Ordering::Relaxed);
                    return Err(HostError::new(
                        Status::Limit,
                        format!(
                            "more than {} series of metrics; use fewer different labels, or raise `metric_series_max`",
                            self.series_max
                        ),
                    ));
                }
                Ok(Arc::clone(&place.insert(Arc::new(Series::new(kind, name)))))
            }
        }
    }
}

/// One series.
pub(crate) struct Series {
    kind: MetricKind,
    target: CompactString,
    /// Bits of an `f64`.
    value: AtomicU64,
    count: AtomicU64,
    /// How many of the values observers have recorded.
    of_observers: AtomicU64,
    buckets: Option<Box<[AtomicU64; BUCKETS]>>,
}

/// Buckets of a histogram: four for each power of two from 2⁻³² on.
const BUCKETS: usize = 256;
const PER_POWER: i64 = 4;
const LOWEST_POWER: i64 = -32;

/// The bucket of a value. What is too small, or not positive, is in the first.
fn bucket(value: f64) -> usize {
    // Exponent and the first two bits of the mantissa, as one number.
    let place = (value.to_bits() >> 50) as i64 - (1023 + LOWEST_POWER) * PER_POWER;
    match value > 0.0 {
        true => place.clamp(0, BUCKETS as i64 - 1) as usize,
        false => 0,
    }
}

/// The middle of a bucket.
fn middle(bucket: usize) -> f64 {
    let (power, part) = (bucket as i64 / PER_POWER, bucket as i64 % PER_POWER);
    let lowest = 2f64.powi((power + LOWEST_POWER) as i32);
    lowest * (1.0 + (part as f64 + 0.5) / PER_POWER as f64)
}

impl Series {
    fn new(kind: MetricKind, name: &str) -> Self {
        let buckets = || Box::new([const { AtomicU64::new(0) }; BUCKETS]);
        Self {
            kind,
            target: name.into(),
            value: AtomicU64::new(0),
            count: AtomicU64::new(0),
            of_observers: AtomicU64::new(0),
            buckets: (kind == MetricKind::Histogram).then(buckets),
        }
    }

    pub(crate) fn kind(&self) -> MetricKind {
        self.kind
    }

    /// The metric's name, for the audit.
    pub(crate) fn target(&self) -> CompactString {
        self.target.clone()
    }

    /// Adds to a counter, sets a gauge, records in a histogram.
    #[inline]
    pub(crate) fn record(&self, value: f64) {
        self.count.fetch_add(1, Ordering::Relaxed);
        if self.kind == MetricKind::Gauge {
            self.value.store(value.to_bits(), Ordering::Relaxed);
            return;
        }
        if let Some(bucket) = self.buckets.as_ref().and_then(|all| all.get(bucket(value))) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        let add = |bits| Some((f64::from_bits(bits) + value).to_bits());
        // It always says `Some`.
        let _ = self
            .value
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// As [`Self::record`], for an observer.
    pub(crate) fn record_of_observer(&self, value: f64) {
        self.of_observers.fetch_add(1, Ordering::Relaxed);
        self.record(value);
    }

    fn read(&self, key: &Key) -> Metric {
        let buckets = self.buckets.as_ref().map(|buckets| {
            let counts: Vec<u64> = buckets.iter().map(|b| b.load(Ordering::Relaxed)).collect();
            (quantile(&counts, 0.5), quantile(&counts, 0.99))
        });
        Metric {
            plugin: Arc::clone(&key.plugin),
            name: key.name.clone(),
            labels: key.labels.clone(),
            kind: self.kind,
            value: f64::from_bits(self.value.load(Ordering::Relaxed)),
            count: self.count.load(Ordering::Relaxed),
            quantiles: buckets.and_then(|(median, high)| median.zip(high)),
        }
    }
}

/// The value below which this part of all values lies.
fn quantile(counts: &[u64], part: f64) -> Option<f64> {
    let all: u64 = counts.iter().sum();
    let rank = (all as f64 * part).ceil() as u64;
    let mut seen = 0;
    let place = counts.iter().position(|count| {
        seen += count;
        seen >= rank && seen > 0
    });
    place.map(middle)
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics")
            .field("series", &self.0.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_hold_what_was_recorded() {
        let metrics = Metrics::default();
        let plugin = metrics.plugin("geo", 10);
        let labels = |value: &str| vec![("kind".to_owned(), value.to_owned())];
        let counter = plugin
            .series(MetricKind::Counter, "rows", labels("a"))
            .expect("room");
        counter.record(2.0);
        counter.record(0.5);
        let gauge = plugin
            .series(MetricKind::Gauge, "depth", Vec::new())
            .expect("room");
        gauge.record(7.0);
        gauge.record(3.0);
        let histogram = plugin
            .series(MetricKind::Histogram, "ms", Vec::new())
            .expect("room");
        (1..=1000).for_each(|value| histogram.record(f64::from(value)));
        let again = plugin
            .series(MetricKind::Counter, "rows", labels("a"))
            .expect("there");
        again.record(1.0);

        let all = metrics.all();
        let values: Vec<_> = all
            .iter()
            .map(|m| (m.name.as_str(), m.value, m.count))
            .collect();
        assert_eq!(
            values,
            [("depth", 3.0, 2), ("ms", 500_500.0, 1000), ("rows", 3.5, 3)]
        );
        let (median, high) = all[1].quantiles.expect("a histogram has quantiles");
        assert!((median - 500.0).abs() < 500.0 / 8.0, "{median}");
        assert!((high - 990.0).abs() < 990.0 / 8.0, "{high}");
    }

    #[test]
    fn series_are_limited() {
        let plugin = Metrics::default().plugin("geo", 2);
        let open = |name: &str| plugin.series(MetricKind::Counter, name, Vec::new());
        assert!(open("a").is_ok() && open("b").is_ok() && open("a").is_ok());
        let Err(error) = open("c") else {
            panic!("a third series");
        };
        assert_eq!(error.status(), Status::Limit);
        assert!(plugin.series(MetricKind::Gauge, "a", Vec::new()).is_err());
    }

    #[test]
    fn every_value_has_a_bucket() {
        for value in [0.0, -1.0, 1e-300, 1e300, f64::MIN_POSITIVE, 1.0, 1.99, 2.0] {
            assert!(bucket(value) < BUCKETS);
        }
        for bucket_of in 1..BUCKETS {
            assert_eq!(bucket(middle(bucket_of)), bucket_of);
        }
    }

    #[test]
    fn nothing_is_lost_among_threads() {
        let metrics = Metrics::default();
        let series = metrics
            .plugin("geo", 1)
            .series(MetricKind::Counter, "rows", Vec::new())
            .expect("room");
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..100_000).for_each(|_| series.record(1.0)));
            }
        });
        assert_eq!(metrics.all()[0].value, 200_000.0);
    }
}
