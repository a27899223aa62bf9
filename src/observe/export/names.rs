//! Names of what plugins emit, as Prometheus wants them. They are the guest's: no two kinds of metric may end up with one name, for which
//! Prometheus refuses everything that the process says, and none with the name of a metric of the host.

use std::collections::HashMap;

use metrics::Label;

use crate::metrics::MetricKind;
use crate::module::escape;

/// What plugins' metrics begin with. No metric of the host does.
const PREFIX: &str = "wasmfusion_plugin_";
/// Labels that mean something to the host or to Prometheus.
const RESERVED: [&str; 3] = ["plugin", "quantile", "le"];

/// Which names are whose.
#[derive(Default)]
pub(crate) struct MetricNames(HashMap<String, (MetricKind, String)>);

impl MetricNames {
    /// The name under which a metric is published: always the same for the same metric.
    pub(super) fn claim(&mut self, kind: MetricKind, given: &str) -> String {
        let stem = format!("{PREFIX}{}", sanitized(given));
        let name = match kind {
            MetricKind::Counter if !stem.ends_with("_total") => format!("{stem}_total"),
            _ => stem,
        };
        if self.take(kind, given, &name) {
            return name;
        }
        let hash = blake3::hash(given.as_bytes()).to_hex();
        let other = format!("{name}_{}_{}", kind.name(), &hash[..8]);
        // If that is another's, too, somebody is at pains to confuse himself alone.
        self.take(kind, given, &other);
        other
    }

    /// Takes a name, if nobody else has it.
    fn take(&mut self, kind: MetricKind, given: &str, name: &str) -> bool {
        let mut names = vec![name.to_owned()];
        if kind == MetricKind::Histogram {
            names.extend([format!("{name}_sum"), format!("{name}_count")]);
        }
        let free = |name: &String| {
            let owner = self.0.get(name);
            owner.is_none_or(|(of, whose)| *of == kind && whose == given)
        };
        if !names.iter().all(free) {
            return false;
        }
        for name in names {
            self.0.insert(name, (kind, given.to_owned()));
        }
        true
    }
}

/// The labels of a series: the plugin, then its own, each name once.
pub(super) fn labels(plugin: &str, own: &[(String, String)]) -> Vec<Label> {
    let mut labels = vec![Label::new("plugin", escape(plugin))];
    for (name, value) in own {
        let mut name = sanitized(name);
        // Names that begin so are Prometheus' own.
        if RESERVED.contains(&name.as_str()) || name.starts_with("__") {
            name = format!("exported_{}", name.trim_start_matches('_'));
        }
        while labels.iter().any(|label| label.key() == name) {
            name.push('_');
        }
        labels.push(Label::new(name, escape(value)));
    }
    labels
}

/// A name of letters, digits and `_`.
fn sanitized(name: &str) -> String {
    let mut sanitized = String::with_capacity(name.len() + 1);
    if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        sanitized.push('_');
    }
    let right = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    sanitized.extend(name.chars().map(right));
    sanitized
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_metrics_share_a_name() {
        let mut names = MetricNames::default();
        let metrics = [
            (MetricKind::Counter, "rows"),
            (MetricKind::Gauge, "rows"),
            (MetricKind::Gauge, "rows_total"),
            (MetricKind::Histogram, "rows"),
            (MetricKind::Histogram, "ms"),
            (MetricKind::Gauge, "ms_sum"),
            (MetricKind::Counter, "a.b"),
            (MetricKind::Counter, "a_b"),
            (MetricKind::Counter, "a_b_total"),
        ];
        let claimed: Vec<String> = metrics.map(|(kind, name)| names.claim(kind, name)).into();
        let mut different = claimed.clone();
        different.sort();
        different.dedup();
        assert_eq!(different.len(), metrics.len(), "{claimed:?}");
        assert_eq!(claimed[0], "wasmfusion_plugin_rows_total");
        assert_eq!(claimed[1], "wasmfusion_plugin_rows");
        assert_eq!(claimed[4], "wasmfusion_plugin_ms");
        // And always the same.
        let again: Vec<String> = metrics.map(|(kind, name)| names.claim(kind, name)).into();
        assert_eq!(again, claimed);
    }

    #[test]
    fn labels_are_told_apart() {
        let own = ["plugin", "a.b", "a_b", "__name__", "le", "9"];
        let own: Vec<_> = own.map(|name| (name.to_owned(), "x\n".to_owned())).into();
        let labels = labels("geo", &own);
        let names: Vec<&str> = labels.iter().map(Label::key).collect();
        let expected = [
            "plugin",
            "exported_plugin",
            "a_b",
            "a_b_",
            "exported_name__",
            "exported_le",
            "_9",
        ];
        assert_eq!(names, expected);
        assert!(labels.iter().all(|label| !label.value().contains('\n')));
    }
}
