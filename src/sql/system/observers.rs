//! The table `wasmfusion.observers`: who observes what, and what came of it.

use datafusion::arrow::array::RecordBatch;
use datafusion::error::Result;

use super::{batch, number, optional, text};
use crate::registry::Registry;

/// A row for each observer function of the plugins that are loaded.
pub(super) fn observers(registry: &Registry) -> Result<RecordBatch> {
    let counts = registry.observers();
    let all = || counts.iter();
    batch([
        ("plugin", false, text(all().map(|o| &o.plugin))),
        ("function", false, text(all().map(|o| &o.function))),
        ("event", false, text(all().map(|o| o.event.name()))),
        ("delivered", false, number(all().map(|o| o.delivered))),
        ("dropped", false, number(all().map(|o| o.dropped))),
        ("failed", false, number(all().map(|o| o.failed))),
        (
            "last_error",
            true,
            optional(all().map(|o| o.last_error.as_ref())),
        ),
    ])
}
