//! The table `artifacts`: compiled modules on disk.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use datafusion::arrow::array::{ArrayRef, BooleanArray, RecordBatch, TimestampNanosecondArray};
use datafusion::error::Result;

use super::{batch, number, optional, text};
use crate::artifact::ArtifactEntry;
use crate::module::Digest;
use crate::plugin::Plugin;
use crate::registry::Registry;

/// What is in the directory of compiled modules; nothing if the registry has none.
pub(super) fn artifacts(registry: &Registry) -> Result<RecordBatch> {
    let entries = match registry.artifacts()? {
        Some(artifacts) => artifacts.entries()?,
        None => Vec::new(),
    };
    let plugins = registry.plugins_in_use();
    let mut known: BTreeMap<Digest, Vec<&Plugin>> = BTreeMap::new();
    for plugin in &plugins {
        known.entry(plugin.digest()).or_default().push(plugin);
    }
    let of = |entry: &ArtifactEntry| known.get(&entry.module).map_or(&[][..], Vec::as_slice);
    // A plugin may have limits of its own; of a module that was not loaded, only the registry's are known.
    let is_current = |entry: &ArtifactEntry| match of(entry) {
        [] => entry.is_for(&registry.artifact_of(entry.module)),
        plugins => plugins
            .iter()
            .any(|plugin| entry.is_for(&plugin.artifact())),
    };
    let all = || entries.iter();
    let names = all().map(|entry| of(entry).first().map(|plugin| plugin.name()));
    let used =
        TimestampNanosecondArray::from_iter_values(all().map(|entry| nanoseconds(entry.used)));
    let current: BooleanArray = all().map(|entry| Some(is_current(entry))).collect();
    batch([
        ("file", false, text(all().map(|entry| &entry.file))),
        (
            "digest",
            false,
            text(all().map(|entry| entry.module.to_string())),
        ),
        ("plugin", true, optional(names)),
        (
            "target",
            true,
            optional(all().map(|entry| entry.target.as_ref())),
        ),
        ("bytes", false, number(all().map(|entry| entry.bytes))),
        (
            "last_used",
            false,
            Arc::new(used.with_timezone("UTC")) as ArrayRef,
        ),
        ("current", false, Arc::new(current)),
    ])
}

/// Since 1970; 0 for what is before.
fn nanoseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
