//! What a registry knows, handed to the facade `metrics`: whatever recorder the process has installed there gets it.
//!
//! All values are absolute, so that publishing twice changes nothing. The facade's counters are whole numbers; sums of seconds are gauges
//! that only grow. What plugins emit is in a namespace of its own (`names.rs`), so that none can be taken for what the host says.

mod described;
mod names;
mod publisher;

use std::collections::{BTreeMap, HashSet};
use std::mem;

use metrics::{Label, counter, gauge};

pub(crate) use names::MetricNames;
pub use publisher::MetricsPublisher;

use super::{CallCounts, FailureCounts, FunctionUsage};
use crate::artifact::ArtifactCounts;
use crate::instance::PoolCounts;
use crate::metrics::{Metric, MetricKind};
use crate::module::escape;
use crate::plugin::Plugin;
use crate::registry::Registry;

/// What was published before, of what can go away.
#[derive(Default)]
pub(crate) struct Published {
    names: MetricNames,
    plugins: HashSet<String>,
    versions: HashSet<[String; 3]>,
}

impl Registry {
    /// Sets in the recorder that is installed for the crate [`metrics`] what this registry knows: what each function costs, what lives, what
    /// plugins emit themselves. Idempotent, and as cheap as reading all of it; [`MetricsPublisher`] does it again and again.
    ///
    /// `docs/operations.md` lists the names. Texts of plugins in them are escaped, and the number of series is bounded by the functions there
    /// are and by [`Limits::metric_series_max`](crate::Limits::metric_series_max).
    pub fn publish_metrics(&self) {
        described::describe();
        // Most functions of most plugins are never called.
        let called = |usage: &FunctionUsage| {
            usage.counts != CallCounts::default() || usage.failures != FailureCounts::default()
        };
        for function in self.usage().iter().filter(|usage| called(usage)) {
            publish_function(function);
        }
        let mut published = self.published().lock();
        self.publish_plugins(&mut published);
        if let Some(counts) = self.artifact_counts() {
            publish_artifacts(counts);
        }
        let lost = self.audit_begun().map_or(0, |log| log.lost());
        counter!("wasmfusion_audit_lost_total").absolute(lost);
        for metric in self.metrics().all() {
            publish_metric(&mut published.names, &metric);
        }
    }

    fn publish_plugins(&self, published: &mut Published) {
        let mut plugins: BTreeMap<String, PluginSums> = BTreeMap::new();
        let mut versions = HashSet::new();
        for plugin in self.plugins_in_use() {
            let name = escape(plugin.name());
            let version = escape(&plugin.manifest().version);
            // Those that can only be returned to are not what runs.
            if !self.is_former(&plugin) {
                versions.insert([name.clone(), version, plugin.digest().to_string()]);
            }
            plugins.entry(name).or_default().add(&plugin);
        }
        let info = |[plugin, version, digest]: &[String; 3], value: f64| {
            let labels = vec![
                Label::new("plugin", plugin.clone()),
                Label::new("version", version.clone()),
                Label::new("digest", digest.clone()),
            ];
            gauge!("wasmfusion_info", labels).set(value);
        };
        plugins.iter().for_each(|(name, sums)| sums.publish(name));
        versions.iter().for_each(|version| info(version, 1.0));
        // A recorder keeps what it was told last.
        let plugins: HashSet<String> = plugins.into_keys().collect();
        for gone in mem::take(&mut published.plugins).difference(&plugins) {
            PluginSums::default().publish(gone);
        }
        for gone in mem::take(&mut published.versions).difference(&versions) {
            info(gone, 0.0);
        }
        published.plugins = plugins;
        published.versions = versions;
    }
}

/// What all versions of a plugin have together.
#[derive(Default)]
struct PluginSums {
    instances: u64,
    memory_bytes: u64,
    pool: PoolCounts,
}

impl PluginSums {
    fn add(&mut self, plugin: &Plugin) {
        let module = plugin.module();
        let (instances, memory_bytes) = module.counters().now();
        let PoolCounts {
            idle,
            hits,
            misses,
            waits,
        } = module.pool().counts();
        self.instances += instances;
        self.memory_bytes += memory_bytes;
        self.pool.idle += idle;
        self.pool.hits += hits;
        self.pool.misses += misses;
        self.pool.waits += waits;
    }

    fn publish(&self, plugin: &str) {
        let labels = || vec![Label::new("plugin", plugin.to_owned())];
        for (name, value) in [
            ("wasmfusion_instances", self.instances),
            ("wasmfusion_instance_memory_bytes", self.memory_bytes),
            ("wasmfusion_instances_idle", self.pool.idle),
        ] {
            gauge!(name, labels()).set(value as f64);
        }
        for (name, value) in [
            ("wasmfusion_pool_hits_total", self.pool.hits),
            ("wasmfusion_pool_misses_total", self.pool.misses),
            ("wasmfusion_pool_waits_total", self.pool.waits),
        ] {
            counter!(name, labels()).absolute(value);
        }
    }
}

fn publish_function(usage: &FunctionUsage) {
    let labels = vec![
        Label::new("plugin", escape(&usage.plugin)),
        Label::new("function", escape(&usage.function)),
    ];
    let with = |name: &'static str, value: &'static str| {
        let mut labels = labels.clone();
        labels.push(Label::new(name, value));
        labels
    };
    let CallCounts {
        calls,
        rows,
        bytes_in,
        bytes_out,
        guest_ns,
        copy_ns,
        host_ns,
        host_calls,
        denials,
        fuel,
    } = usage.counts;
    for (name, value) in [
        ("wasmfusion_function_calls_total", calls),
        ("wasmfusion_function_rows_total", rows),
        ("wasmfusion_function_input_bytes_total", bytes_in),
        ("wasmfusion_function_output_bytes_total", bytes_out),
        ("wasmfusion_function_host_calls_total", host_calls),
        ("wasmfusion_function_denials_total", denials),
        ("wasmfusion_function_fuel_total", fuel),
        ("wasmfusion_function_instances_total", usage.instances),
    ] {
        counter!(name, labels.clone()).absolute(value);
    }
    for (name, ns) in [
        ("wasmfusion_function_guest_seconds_total", guest_ns),
        ("wasmfusion_function_copy_seconds_total", copy_ns),
        ("wasmfusion_function_host_seconds_total", host_ns),
    ] {
        gauge!(name, labels.clone()).set(seconds(ns));
    }
    let FailureCounts {
        errors,
        traps,
        timeouts,
        limits,
        bad_results,
        cancellations,
    } = usage.failures;
    for (reason, count) in [
        ("error", errors),
        ("trap", traps),
        ("timeout", timeouts),
        ("limit", limits),
        ("bad_result", bad_results),
        ("cancelled", cancellations),
    ] {
        counter!("wasmfusion_function_failures_total", with("reason", reason)).absolute(count);
    }
    for (quantile, ns) in ["0.5", "0.99", "1"]
        .into_iter()
        .zip(usage.call_ns.into_iter().flatten())
    {
        gauge!(
            "wasmfusion_function_call_duration_seconds",
            with("quantile", quantile)
        )
        .set(seconds(ns));
    }
    gauge!("wasmfusion_function_memory_peak_bytes", labels.clone())
        .set(usage.memory_bytes_max as f64);
}

fn publish_artifacts(counts: ArtifactCounts) {
    let ArtifactCounts {
        hits,
        misses,
        refused,
        written,
        evicted,
    } = counts;
    for (event, count) in [
        ("hit", hits),
        ("miss", misses),
        ("refused", refused),
        ("written", written),
        ("evicted", evicted),
    ] {
        counter!(
            "wasmfusion_artifacts_total",
            vec![Label::new("event", event)]
        )
        .absolute(count);
    }
}

/// One series that a plugin emits. A histogram is what Prometheus calls a summary: quantiles, their sum, their number.
fn publish_metric(names: &mut MetricNames, metric: &Metric) {
    let name = names.claim(metric.kind, &metric.name);
    let labels = names::labels(&metric.plugin, &metric.labels);
    let what = "Emitted by plugins.";
    match metric.kind {
        MetricKind::Counter => {
            metrics::describe_counter!(name.clone(), what);
            counter!(name, labels).absolute(metric.value as u64);
        }
        MetricKind::Gauge => {
            metrics::describe_gauge!(name.clone(), what);
            gauge!(name, labels).set(metric.value);
        }
        MetricKind::Histogram => {
            metrics::describe_gauge!(name.clone(), what);
            counter!(format!("{name}_count"), labels.clone()).absolute(metric.count);
            gauge!(format!("{name}_sum"), labels.clone()).set(metric.value);
            let (median, high) = metric.quantiles.unwrap_or_default();
            for (quantile, value) in [("0.5", median), ("0.99", high)] {
                let mut labels = labels.clone();
                labels.push(Label::new("quantile", quantile));
                gauge!(name.clone(), labels).set(value);
            }
        }
    }
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

#[cfg(test)]
mod tests;
