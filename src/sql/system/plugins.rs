//! The table `wasmfusion.plugins`: every version of every plugin, and modules that are being loaded or were refused.

use datafusion::arrow::array::RecordBatch;
use datafusion::error::Result;

use super::usage::times;
use super::{batch, number, optional, text};
use crate::registry::Registry;

/// Where each version of each plugin is in its life.
pub(super) fn plugins(registry: &Registry) -> Result<RecordBatch> {
    let statuses = registry.statuses();
    let all = || statuses.iter();
    let digest = |digest: crate::module::Digest| digest.to_string();
    batch([
        ("plugin", false, text(all().map(|p| &p.plugin))),
        ("version", true, optional(all().map(|p| p.version.as_ref()))),
        ("state", false, text(all().map(|p| p.state.name()))),
        ("since", false, times(all().map(|p| p.since))),
        ("problem", true, optional(all().map(|p| p.problem.as_ref()))),
        ("source", false, text(all().map(|p| &p.source))),
        (
            "digest",
            true,
            optional(all().map(|p| p.digest.map(digest))),
        ),
        ("instances", false, number(all().map(|p| p.instances))),
        ("memory_bytes", false, number(all().map(|p| p.memory_bytes))),
    ])
}
