//! One record: as a host call leaves it, and as it is read.

use std::sync::Arc;
use std::time::SystemTime;

use compact_str::CompactString;
use quanta::Clock;
use serde::Serialize;

use super::{Caller, CallerId};
use crate::capability::CapabilityKind;
use crate::host::Status;

/// In place of a function's number: the plugin was called for no function.
pub(crate) const NO_FUNCTION: u32 = u32::MAX;

/// A record as a host call leaves it: small, and with nothing that has to be looked up.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) started: u64,
    pub(crate) ended: u64,
    pub(crate) caller: CallerId,
    /// Place of the function in the manifest, or [`NO_FUNCTION`].
    pub(crate) function: u32,
    pub(crate) query: u64,
    /// The host function.
    pub(crate) operation: &'static str,
    /// `None` for those that need none: `reply`, `close`.
    pub(crate) capability: Option<CapabilityKind>,
    pub(crate) target: CompactString,
    pub(crate) bytes: u64,
    pub(crate) outcome: Outcome,
}

/// What came of a host call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It was done.
    Ok,
    /// It was not done. [`Status::Denied`] says that the plugin was not granted it.
    Refused(Status),
    /// The plugin gave an address outside its memory and was ended.
    Trapped,
    /// Records were lost here, because more came than could be written.
    Lost,
}

impl Outcome {
    /// Its name: `ok`, `denied`, `failed` and so on.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused(status) => status.name(),
            Self::Trapped => "trapped",
            Self::Lost => "lost",
        }
    }
}

/// One host call.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AuditRecord {
    /// When it began.
    pub time: SystemTime,
    /// The plugin.
    pub plugin: Arc<str>,
    /// The SQL function that was running.
    pub function: Arc<str>,
    /// Number of the query in this process. Calls outside of a query have numbers of their own.
    pub query: u64,
    /// The host function.
    pub operation: &'static str,
    /// The kind of capability that it needs.
    pub capability: Option<CapabilityKind>,
    /// What was asked for: a table's name, a path, an address, a key. Secrets are redacted.
    pub target: CompactString,
    /// Bytes that went in and came out.
    pub bytes: u64,
    /// How long it took, in nanoseconds.
    pub duration_ns: u64,
    /// What came of it.
    pub outcome: Outcome,
}

/// A moment in the queue's clock and in the world's.
pub(super) struct Moment<'a> {
    clock: &'a Clock,
    raw: u64,
    time: SystemTime,
}

impl<'a> Moment<'a> {
    pub(super) fn now(clock: &'a Clock) -> Self {
        Self {
            clock,
            raw: clock.raw(),
            time: SystemTime::now(),
        }
    }
}

impl Entry {
    pub(super) fn into_record(self, now: &Moment<'_>, caller: Option<&Caller>) -> AuditRecord {
        let function = caller.and_then(|caller| caller.functions.get(self.function as usize));
        let passed = now.clock.delta(self.started, now.raw);
        AuditRecord {
            time: now.time.checked_sub(passed).unwrap_or(now.time),
            plugin: caller
                .map(|caller| Arc::clone(&caller.plugin))
                .unwrap_or_default(),
            function: function.map(Arc::clone).unwrap_or_default(),
            query: self.query,
            operation: self.operation,
            capability: self.capability,
            target: self.target,
            bytes: self.bytes,
            duration_ns: now.clock.delta_as_nanos(self.started, self.ended),
            outcome: self.outcome,
        }
    }
}

impl AuditRecord {
    /// What stands in place of records that were lost.
    pub(super) fn lost(records: u64) -> Self {
        Self {
            time: SystemTime::now(),
            plugin: Arc::default(),
            function: Arc::default(),
            query: 0,
            operation: "audit",
            capability: None,
            target: compact_str::format_compact!("{records} records"),
            bytes: 0,
            duration_ns: 0,
            outcome: Outcome::Lost,
        }
    }

    /// Nanoseconds since 1970-01-01 UTC.
    pub fn time_ns(&self) -> i64 {
        let since = self.time.duration_since(SystemTime::UNIX_EPOCH);
        i64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(i64::MAX)
    }
}

impl Serialize for AuditRecord {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Line<'a> {
            time_ns: i64,
            plugin: &'a str,
            function: &'a str,
            query: u64,
            operation: &'a str,
            capability: Option<&'a str>,
            target: &'a str,
            bytes: u64,
            duration_ns: u64,
            outcome: &'a str,
        }
        Line {
            time_ns: self.time_ns(),
            plugin: &self.plugin,
            function: &self.function,
            query: self.query,
            operation: self.operation,
            capability: self.capability.map(CapabilityKind::name),
            target: &self.target,
            bytes: self.bytes,
            duration_ns: self.duration_ns,
            outcome: self.outcome.name(),
        }
        .serialize(serializer)
    }
}
