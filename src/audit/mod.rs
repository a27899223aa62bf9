//! Who asked the host for what, and what came of it.
//!
//! ```text
//! host call ──▶ queue ──▶ [drain] ──▶ history ──▶ AuditLog::records, SQL
//!               no lock       │
//!               bounded       ├──▶ tracing, target `wasmfusion::audit`
//!                             └──▶ a file, a line of JSON each
//! ```
//!
//! A call pushes one record and goes on. A thread drains the queue some times a second, and so does whoever reads. Records that find
//! the queue full are counted, and the count takes their place.

mod record;
mod sink;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use parking_lot::{Mutex, RwLock};
use quanta::Clock;

pub use record::{AuditRecord, Outcome};
pub(crate) use record::{Entry, NO_FUNCTION};

use crate::error::{Error, Result};
use sink::Sinks;

/// How often the queue is drained when nobody reads.
const DRAIN_EVERY: Duration = Duration::from_millis(20);

/// What an [`AuditLog`] keeps and where it writes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AuditOptions {
    /// Records that may wait to be drained, some hundred bytes each. What is more is lost, and counted.
    pub queue_records_max: usize,
    /// Records that are kept to be read. Older ones are forgotten.
    pub history_records_max: usize,
    /// Whether each record becomes a `tracing` event of level INFO, target `wasmfusion::audit`; denials are of level WARN.
    pub tracing: bool,
    /// A file that each record is appended to, as a line of JSON.
    pub file: Option<PathBuf>,
}

impl Default for AuditOptions {
    fn default() -> Self {
        Self {
            queue_records_max: 16 << 10,
            history_records_max: 10_000,
            tracing: true,
            file: None,
        }
    }
}

/// The records of the host calls of all plugins of a registry. Clones are the same log.
#[derive(Clone)]
pub struct AuditLog(Arc<Inner>);

struct Inner {
    queue: ArrayQueue<Entry>,
    /// Records that found the queue full since the last drain.
    lost: AtomicU64,
    /// And since the log was made.
    lost_in_all: AtomicU64,
    clock: Clock,
    callers: RwLock<Vec<Caller>>,
    drained: Mutex<Sinks>,
}

/// A plugin, as records refer to it.
struct Caller {
    plugin: Arc<str>,
    functions: Vec<Arc<str>>,
}

/// A plugin's number in an [`AuditLog`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallerId(u32);

impl AuditLog {
    /// A log with these options.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened, or the operating system gives no thread.
    pub(crate) fn new(options: &AuditOptions) -> Result<Self> {
        let inner = Arc::new(Inner {
            queue: ArrayQueue::new(options.queue_records_max.max(1)),
            lost: AtomicU64::new(0),
            lost_in_all: AtomicU64::new(0),
            clock: Clock::new(),
            callers: RwLock::default(),
            drained: Mutex::new(Sinks::new(options)?),
        });
        let weak = Arc::downgrade(&inner);
        let drain = move || {
            while let Some(inner) = weak.upgrade() {
                inner.drain(&mut inner.drained.lock());
                drop(inner);
                std::thread::sleep(DRAIN_EVERY);
            }
        };
        std::thread::Builder::new()
            .name("wasmfusion-audit".into())
            .spawn(drain)
            .map_err(|error| Error::Host {
                what: "the thread that writes the audit log could not be started".into(),
                reason: error.to_string(),
            })?;
        Ok(Self(inner))
    }

    /// Everything that is kept, oldest first.
    pub fn records(&self) -> Vec<AuditRecord> {
        let mut drained = self.0.drained.lock();
        self.0.drain(&mut drained);
        drained.history().cloned().collect()
    }

    /// Writes everything that waits.
    pub fn flush(&self) {
        self.0.drain(&mut self.0.drained.lock());
    }

    /// How many records were lost since the log was made, because more came than could be drained.
    pub fn lost(&self) -> u64 {
        self.0.lost_in_all.load(Ordering::Relaxed)
    }

    /// Makes a plugin known, so that records can refer to it.
    pub(crate) fn register(
        &self,
        plugin: &str,
        functions: impl Iterator<Item = impl AsRef<str>>,
    ) -> CallerId {
        let mut callers = self.0.callers.write();
        callers.push(Caller {
            plugin: plugin.into(),
            functions: functions.map(|name| name.as_ref().into()).collect(),
        });
        CallerId(u32::try_from(callers.len() - 1).unwrap_or(u32::MAX))
    }

    /// The moment, in the clock's own units.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        self.0.clock.raw()
    }

    /// Adds a record.
    #[inline]
    pub(crate) fn push(&self, entry: Entry) {
        if self.0.queue.push(entry).is_err() {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
            self.0.lost_in_all.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Inner {
    fn drain(&self, sinks: &mut Sinks) {
        let waiting = self.queue.len();
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if waiting > 0 {
            let clock = record::Moment::now(&self.clock);
            let callers = self.callers.read();
            // As many as there were: whoever pushes meanwhile does not keep us here.
            for entry in std::iter::from_fn(|| self.queue.pop()).take(waiting) {
                let caller = callers.get(entry.caller.0 as usize);
                sinks.write(entry.into_record(&clock, caller));
            }
        }
        if lost > 0 {
            sinks.write(AuditRecord::lost(lost));
        }
        sinks.flush();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let mut sinks =
            std::mem::replace(&mut self.drained, Mutex::new(Sinks::none())).into_inner();
        self.drain(&mut sinks);
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog")
            .field("lost", &self.lost())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
