//! What plugins cost: counted where they are called, read by tables, metrics and `EXPLAIN ANALYZE`.
//!
//! ```text
//! instance/meter.rs ──▶ counters.rs: a tally for each function of each live instance ──▶ usage.rs: sums, for each function and each query
//! ```

mod counters;
mod export;
mod usage;

pub(crate) use counters::{FunctionCounters, InstanceCounters, PluginCounters, Tally, clock};
pub use export::MetricsPublisher;
pub(crate) use export::Published;
pub(crate) use usage::Usage;
pub use usage::{CallCounts, FailureCounts, FunctionUsage, InstanceUsage, QueryUsage};
