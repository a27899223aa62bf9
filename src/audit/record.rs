//! One record: as a host call leaves it, and as it is read.

use std::sync::Arc;
use std::time::SystemTime;

use compact_str::CompactString;
use quanta::Clock;
use serde::Serialize;

use super::{Caller, CallerId};
use crate::capability::CapabilityKind;
use crate::host::Status;
use crate::module::Digest;

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
    /// Whether an observer has called: observers are not told of it.
    pub(crate) of_observer: bool,
    /// The host function.
    pub(crate) operation: &'static str,
    /// `None` for those that need none: `reply`, `close`.
    pub(crate) capability: Option<CapabilityKind>,
    pub(crate) target: CompactString,
    pub(crate) calls: u64,
    pub(crate) bytes: u64,
    pub(crate) outcome: Outcome,
}

impl Entry {
    /// Takes `other` in, a later call of the same instance, if both did the same with the same outcome.
    #[inline]
    pub(crate) fn merge(&mut self, other: &Self) -> bool {
        let same = std::ptr::eq(self.operation, other.operation)
            && self.outcome == other.outcome
            && self.function == other.function
            && self.capability == other.capability
            && self.target == other.target;
        if same {
            // When it began, and the time of all calls together.
            self.ended += other.ended - other.started;
            self.calls += other.calls;
            self.bytes += other.bytes;
        }
        same
    }
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

/// One host call, or several of one instance that did the same: see [`Self::calls`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AuditRecord {
    /// When it began; the first of several.
    pub time: SystemTime,
    /// The plugin, by the name that it gives itself.
    pub plugin: Arc<str>,
    /// Which module that is.
    pub digest: Option<Digest>,
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
    /// How many calls this stands for: those within one call of the guest that do nothing outside of the process (clock, metrics, reads of a
    /// table) and are the same in everything but bytes and time have one record together. Calls that reach outside have one each.
    pub calls: u64,
    /// Bytes that went in and came out, of all calls together.
    pub bytes: u64,
    /// How long it took, in nanoseconds, all calls together.
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
            digest: caller.map(|caller| caller.digest),
            function: function.map(Arc::clone).unwrap_or_default(),
            query: self.query,
            operation: self.operation,
            capability: self.capability,
            target: self.target,
            calls: self.calls,
            bytes: self.bytes,
            duration_ns: now.clock.delta_as_nanos(self.started, self.ended),
            outcome: self.outcome,
        }
    }
}

impl AuditRecord {
    /// What stands in place of records of a plugin that were lost.
    pub(super) fn lost(caller: &Caller, records: u64) -> Self {
        Self {
            time: SystemTime::now(),
            plugin: Arc::clone(&caller.plugin),
            digest: Some(caller.digest),
            function: Arc::default(),
            query: 0,
            operation: "audit",
            capability: None,
            target: compact_str::format_compact!("{records} records"),
            calls: 0,
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
            digest: Option<String>,
            function: &'a str,
            query: u64,
            operation: &'a str,
            capability: Option<&'a str>,
            target: &'a str,
            calls: u64,
            bytes: u64,
            duration_ns: u64,
            outcome: &'a str,
        }
        Line {
            time_ns: self.time_ns(),
            plugin: &self.plugin,
            digest: self.digest.map(|digest| digest.to_string()),
            function: &self.function,
            query: self.query,
            operation: self.operation,
            capability: self.capability.map(CapabilityKind::name),
            target: &self.target,
            calls: self.calls,
            bytes: self.bytes,
            duration_ns: self.duration_ns,
            outcome: self.outcome.name(),
        }
        .serialize(serializer)
    }
}
