//! The samples of one instance.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use wasmtime::FrameInfo;

use super::{Moment, Place, ProfiledPlugin, Stack, Total};

/// What of a guest the host has called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Entry {
    /// The function at this place in the manifest.
    Function(u32),
    /// Another export, by its name.
    Export(&'static str),
}

/// Takes the samples of one instance.
///
/// Time counts from the start of a call or from its last sample. What is left at the end of a call waits for the next sample of the same
/// function: short calls meet a tick in proportion to the time that they take, and a sample stands for all of it.
pub(crate) struct Sampler {
    plugin: Arc<ProfiledPlugin>,
    entry: Entry,
    since: Instant,
    /// Time of calls that no sample was taken for yet.
    pending: Vec<(Entry, Duration)>,
    /// Ticks when the call began, or at its last sample. The epoch alone does not say that one is due: profilers and the watchdog share it.
    ticks: u64,
    /// Ticks when the host call began that runs.
    host_call_ticks: u64,
}

impl ProfiledPlugin {
    /// For a new instance.
    pub(crate) fn sampler(self: &Arc<Self>) -> Box<Sampler> {
        Box::new(Sampler {
            plugin: Arc::clone(self),
            entry: Entry::Export(""),
            since: Instant::now(),
            pending: Vec::new(),
            ticks: 0,
            host_call_ticks: 0,
        })
    }
}

impl Sampler {
    /// A call begins.
    pub(crate) fn begin(&mut self, entry: Entry) {
        self.entry = entry;
        self.ticks = self.now();
        self.since = Instant::now();
    }

    /// The call is over.
    pub(crate) fn end(&mut self) {
        let left = self.since.elapsed();
        match self.pending.iter_mut().find(|(of, _)| *of == self.entry) {
            Some((_, time)) => *time += left,
            None => self.pending.push((self.entry, left)),
        }
    }

    /// A host call begins.
    pub(crate) fn begin_host_call(&mut self) {
        self.host_call_ticks = self.now();
    }

    /// Whether a sample is due: of the guest, or of the host call that it has just made.
    pub(crate) fn is_due(&self, host_call: bool) -> bool {
        let since = match host_call {
            true => self.host_call_ticks,
            false => self.ticks,
        };
        self.now() != since
    }

    /// How often the interval has passed.
    fn now(&self) -> u64 {
        self.plugin.profiler.0.ticks.load(Ordering::Relaxed)
    }

    /// Takes a sample: of the guest, or of the host function that it called.
    pub(crate) fn sample(&mut self, frames: &[FrameInfo], host: Option<&'static str>) {
        let now = Instant::now();
        let mut time = now.saturating_duration_since(self.since);
        self.since = now;
        self.ticks = self.now();
        if let Some((_, pending)) = self.pending.iter_mut().find(|(of, _)| *of == self.entry) {
            time += std::mem::take(pending);
        }
        let place = |frame: &FrameInfo| Place {
            function: frame.func_index(),
            offset: frame
                .func_offset()
                .and_then(|offset| u32::try_from(offset).ok()),
        };
        let inner = &self.plugin.profiler.0;
        let mut gathered = inner.gathered.lock();
        let stack = Stack {
            plugin: gathered.plugin(&self.plugin),
            entry: self.entry,
            frames: frames.iter().map(place).collect(),
            host,
        };
        let stack = gathered.add(&inner.options, stack, Total { time, samples: 1 });
        let moment = Moment {
            at: now.saturating_duration_since(inner.started),
            time,
            stack,
            thread: gathered.thread(),
        };
        gathered.add_moment(&inner.options, moment);
    }
}

impl Sampler {
    /// Counts what no sample was taken for as the function's own time, whatever of it ran.
    pub(crate) fn flush(&mut self) {
        let inner = &self.plugin.profiler.0;
        let left = self.pending.drain(..).filter(|(_, time)| !time.is_zero());
        let mut left = left.peekable();
        if left.peek().is_none() {
            return;
        }
        let mut gathered = inner.gathered.lock();
        let plugin = gathered.plugin(&self.plugin);
        for (entry, time) in left {
            let stack = Stack {
                plugin,
                entry,
                frames: Box::default(),
                host: None,
            };
            gathered.add(&inner.options, stack, Total { time, samples: 0 });
        }
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.flush();
    }
}
