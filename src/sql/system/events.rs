//! The table `wasmfusion.events`: what happened to plugins.

use datafusion::arrow::array::RecordBatch;
use datafusion::error::Result;

use super::usage::times;
use super::{batch, optional, text};
use crate::registry::Registry;

/// What happened to plugins, the latest last.
pub(super) fn events(registry: &Registry) -> Result<RecordBatch> {
    let events = registry.events();
    let all = || events.iter();
    batch([
        ("time", false, times(all().map(|e| e.time))),
        ("plugin", false, text(all().map(|e| &e.plugin))),
        ("version", true, optional(all().map(|e| e.version.as_ref()))),
        ("event", false, text(all().map(|e| e.kind.name()))),
        ("detail", true, optional(all().map(|e| e.detail.as_ref()))),
    ])
}
