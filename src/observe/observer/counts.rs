//! What came of an observer's events.

use std::sync::Arc;

use crate::module::EventKind;

/// What came of the events of one observer function since its plugin was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObserverCounts {
    /// The plugin.
    pub plugin: Arc<str>,
    /// The function.
    pub function: Arc<str>,
    /// The kind of events that it observes.
    pub event: EventKind,
    /// Events that it was called with, and that it has taken.
    pub delivered: u64,
    /// Events that found its plugin's queue full.
    pub dropped: u64,
    /// Events of calls that have failed.
    pub failed: u64,
    /// Why the last call failed that did.
    pub last_error: Option<String>,
}
