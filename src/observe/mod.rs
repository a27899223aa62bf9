//! What is seen of the engine at work: what plugins cost, counted where they are called, read by tables, metrics and `EXPLAIN ANALYZE`; and
//! plugins that are told of what happens.
//!
//! ```text
//! instance/meter.rs ──▶ counters.rs: a tally for each function of each live instance ──▶ usage.rs: sums, for each function and each query
//!                            │
//!                            ▼
//! scope/, audit/, tracing ──▶ observer/: events ──▶ plugins
//! ```

mod counters;
mod export;
mod observer;
mod usage;

pub(crate) use counters::{FunctionCounters, InstanceCounters, PluginCounters, Tally};
pub use export::MetricsPublisher;
pub(crate) use export::Published;
pub(crate) use observer::{ObservedQuery, Observers, Statement, quietly_if};
pub use observer::{ObserverCounts, ObserverLayer};
pub(crate) use usage::Usage;
pub use usage::{CallCounts, FailureCounts, FunctionUsage, InstanceUsage, QueryUsage};
