//! Who asked the host for what, and what came of it.
//!
//! ```text
//! host call ──▶ queues ──▶ [drain] ──▶ history ──▶ AuditLog::records, SQL
//!               no lock        │
//!               bounded        ├──▶ tracing, target `wasmfusion::audit`
//!                              └──▶ a file, a line of JSON each
//! ```
//!
//! An instance [collects](Collector) what is the same and pushes it when the guest returns. A thread drains the queues some times a second, and so
//! does whoever reads. There are two, so that a flood of calls that do nothing outside hides none that does: who finds
//! the queue of those full drains it first. Of the others a plugin may leave so many in a second; what is more, or finds the
//! queue full, is counted for the plugin, and the count takes its place.

mod collector;
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

pub(crate) use collector::Collector;
pub use record::{AuditRecord, Outcome};
pub(crate) use record::{Entry, NO_FUNCTION};

use crate::error::{Error, Result};
use crate::module::Digest;
use crate::observe::{Observers, quietly_if};
use sink::Sinks;

/// How often the queue is drained when nobody reads.
const DRAIN_EVERY: Duration = Duration::from_millis(20);

/// What an [`AuditLog`] keeps and where it writes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AuditOptions {
    /// Records that may wait to be drained, some hundred bytes each. What is more is lost, and counted, but for calls that reach outside.
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
    /// Calls that do nothing outside of the process.
    inside: ArrayQueue<Entry>,
    /// Calls that do.
    outside: ArrayQueue<Entry>,
    /// Records that were lost since the log was made.
    lost: AtomicU64,
    clock: Clock,
    callers: RwLock<Vec<Caller>>,
    drained: Mutex<Sinks>,
    observers: Observers,
}

/// A plugin, as records refer to it.
struct Caller {
    plugin: Arc<str>,
    digest: Digest,
    functions: Vec<Arc<str>>,
    /// Records of it that were lost since the last drain.
    lost: AtomicU64,
    /// How many have it now: another may have its number when nobody does.
    holders: usize,
    /// How often its number was given.
    registrations: u64,
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
    pub(crate) fn new(options: &AuditOptions, observers: Observers) -> Result<Self> {
        let inner = Arc::new(Inner {
            inside: ArrayQueue::new(options.queue_records_max.max(1)),
            outside: ArrayQueue::new(options.queue_records_max.max(1)),
            lost: AtomicU64::new(0),
            clock: Clock::new(),
            callers: RwLock::default(),
            drained: Mutex::new(Sinks::new(options)?),
            observers,
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
        self.0.lost.load(Ordering::Relaxed)
    }

    /// Makes a plugin known, so that records can refer to it, until it is [released](Self::release). One that is known keeps its number; the numbers of
    /// those that were released are used again.
    pub(crate) fn register(
        &self,
        plugin: &str,
        digest: Digest,
        functions: impl Iterator<Item = impl AsRef<str>>,
    ) -> CallerId {
        let id = |place| CallerId(u32::try_from(place).unwrap_or(u32::MAX));
        let known = |caller: &Caller| caller.digest == digest && &*caller.plugin == plugin;
        // One after the other: nobody else drains meanwhile, or takes a number that is free.
        let mut drained = self.0.drained.lock();
        let mut free: Vec<(usize, u64)> = Vec::new();
        {
            let mut callers = self.0.callers.write();
            for (place, caller) in callers.iter_mut().enumerate() {
                if known(caller) {
                    caller.holders += 1;
                    caller.registrations += 1;
                    return id(place);
                }
                if caller.holders == 0 {
                    free.push((place, caller.registrations));
                }
            }
        }
        if !free.is_empty() {
            // The records that refer to them are written before they are somebody else's.
            self.0.drain(&mut drained);
        }
        let mut callers = self.0.callers.write();
        let is_free = |(place, registrations): &(usize, u64)| {
            let caller = callers.get(*place);
            caller.is_some_and(|c| c.holders == 0 && c.registrations == *registrations)
        };
        let place = free.iter().find(|place| is_free(place)).copied();
        let registrations = place.map_or(1, |(_, registrations)| registrations + 1);
        let caller = Caller {
            plugin: plugin.into(),
            digest,
            functions: functions.map(|name| name.as_ref().into()).collect(),
            lost: AtomicU64::new(0),
            holders: 1,
            registrations,
        };
        match place {
            Some((place, _)) => {
                callers[place] = caller;
                id(place)
            }
            None => {
                callers.push(caller);
                id(callers.len() - 1)
            }
        }
    }

    /// Says that a plugin leaves no more records.
    pub(crate) fn release(&self, caller: CallerId) {
        let mut callers = self.0.callers.write();
        if let Some(caller) = callers.get_mut(caller.0 as usize) {
            caller.holders = caller.holders.saturating_sub(1);
        }
    }

    /// The moment, in the clock's own units.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        self.0.clock.raw()
    }

    /// A time in the clock's own units in nanoseconds.
    #[inline]
    pub(crate) fn ns(&self, time: u64) -> u64 {
        self.0.clock.delta_as_nanos(0, time)
    }

    /// Adds a record of calls that did nothing outside of the process.
    pub(crate) fn push_inside(&self, entry: Entry) {
        if let Err(entry) = self.0.inside.push(entry) {
            self.lose(entry.caller);
        }
    }

    /// Adds a record of a call that reached outside. It is not lost: if it has to, it waits.
    pub(crate) fn push_outside(&self, entry: Entry) {
        let mut refused = self.0.outside.push(entry).err();
        while let Some(entry) = refused {
            self.flush();
            refused = self.0.outside.push(entry).err();
        }
    }

    /// Counts a record of this plugin that there is no room for.
    #[cold]
    pub(crate) fn lose(&self, caller: CallerId) {
        self.0.lost.fetch_add(1, Ordering::Relaxed);
        if let Some(caller) = self.0.callers.read().get(caller.0 as usize) {
            caller.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Inner {
    fn drain(&self, sinks: &mut Sinks) {
        let clock = record::Moment::now(&self.clock);
        let callers = self.callers.read();
        // As many as there were: whoever pushes meanwhile does not keep us here.
        let waiting = |queue: &ArrayQueue<Entry>| -> Vec<Entry> {
            (0..queue.len()).map_while(|_| queue.pop()).collect()
        };
        let mut entries = waiting(&self.inside);
        entries.extend(waiting(&self.outside));
        entries.sort_by_key(|entry| entry.started);
        for entry in entries {
            let caller = callers.get(entry.caller.0 as usize);
            quietly_if(entry.of_observer, || {
                let record = entry.into_record(&clock, caller);
                self.observers.recorded(&record);
                sinks.write(record);
            });
        }
        for caller in callers.iter() {
            let lost = caller.lost.swap(0, Ordering::Relaxed);
            if lost > 0 {
                sinks.write(AuditRecord::lost(caller, lost));
            }
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
