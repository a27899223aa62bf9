//! The counters behind [`super::Usage`]. A live instance counts for itself, so that no thread waits for another one's cache line: a
//! [`Tally`] is written by whoever has the instance, and read by anybody. What ended instances have counted is added up in [`FunctionCounters`].

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use histogram::AtomicHistogram32;
use parking_lot::Mutex;

use super::observer::{CallOutcome, Observers};
use super::usage::{CallCounts, FailureCounts, Outcomes, Recent};
use crate::error::Error;

/// Precision of the histogram of durations: buckets are an eighth of their lowest value wide.
const GROUPING_POWER: u8 = 3;
/// Longest duration that the histogram tells from longer ones: 2⁴⁰ ns, 18 minutes.
const VALUE_POWER_MAX: u8 = 40;

/// A number that one thread at a time adds to, without the price of an atomic addition, and that any may read.
#[derive(Debug, Default)]
struct Sum(AtomicU64);

impl Sum {
    #[inline]
    fn add(&self, value: u64) {
        let sum = self.0.load(Ordering::Relaxed).wrapping_add(value);
        self.0.store(sum, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What all live instances of a plugin have together.
#[derive(Debug, Default)]
pub(crate) struct PluginCounters {
    pub(crate) instances: AtomicU32,
    pub(crate) memory_bytes: AtomicU64,
    live: Mutex<Vec<Arc<InstanceCounters>>>,
}

impl PluginCounters {
    /// Instances that live now, and the bytes of their memory.
    pub(crate) fn now(&self) -> (u64, u64) {
        let instances = self.instances.load(Ordering::Relaxed);
        (instances.into(), self.memory_bytes.load(Ordering::Relaxed))
    }

    /// The counters of a new instance.
    pub(crate) fn begin(&self, query: u64, within_query: bool) -> Arc<InstanceCounters> {
        let instance = Arc::new(InstanceCounters {
            query: AtomicU64::new(query),
            within_query,
            started: Instant::now(),
            memory_bytes: AtomicU64::new(0),
        });
        self.live.lock().push(Arc::clone(&instance));
        instance
    }

    /// An instance is gone.
    pub(crate) fn end(&self, instance: &Arc<InstanceCounters>) {
        let mut live = self.live.lock();
        if let Some(place) = live.iter().rposition(|other| Arc::ptr_eq(other, instance)) {
            live.swap_remove(place);
        }
    }

    /// All live instances.
    pub(super) fn live(&self) -> Vec<Arc<InstanceCounters>> {
        self.live.lock().clone()
    }
}

/// What is known of one live instance.
#[derive(Debug)]
pub(crate) struct InstanceCounters {
    query: AtomicU64,
    /// Whether it serves a stream of a query, not a single call outside of one.
    within_query: bool,
    started: Instant,
    memory_bytes: AtomicU64,
}

impl InstanceCounters {
    pub(super) fn query(&self) -> u64 {
        self.query.load(Ordering::Relaxed)
    }

    pub(super) fn started(&self) -> Instant {
        self.started
    }

    pub(super) fn memory_bytes(&self) -> u64 {
        self.memory_bytes.load(Ordering::Relaxed)
    }

    /// Says that the instance serves nobody.
    pub(crate) fn idle(&self) {
        self.query.store(0, Ordering::Relaxed);
    }

    /// Says how much memory the instance has now.
    pub(crate) fn set_memory(&self, bytes: usize) {
        self.memory_bytes.store(bytes as u64, Ordering::Relaxed);
    }
}

/// What the calls of one function in one instance have come to.
#[derive(Debug)]
pub(crate) struct Tally {
    instance: Arc<InstanceCounters>,
    calls: Sum,
    rows: Sum,
    bytes_in: Sum,
    bytes_out: Sum,
    guest_ns: Sum,
    copy_ns: Sum,
    host_ns: Sum,
    host_calls: Sum,
    denials: Sum,
    fuel: Sum,
    max_ns: AtomicU64,
}

impl Tally {
    pub(super) fn instance(&self) -> &Arc<InstanceCounters> {
        &self.instance
    }

    /// Counts a call.
    #[inline]
    pub(crate) fn call(&self, rows: u64, bytes_in: u64, bytes_out: u64) {
        self.calls.add(1);
        self.rows.add(rows);
        self.bytes_in.add(bytes_in);
        self.bytes_out.add(bytes_out);
    }

    /// Counts what a call took, in nanoseconds.
    #[inline]
    pub(crate) fn time(&self, guest_ns: u64, copy_ns: u64) {
        self.guest_ns.add(guest_ns);
        self.copy_ns.add(copy_ns);
    }

    /// Notes how long a call took, in nanoseconds.
    #[inline]
    pub(crate) fn longest(&self, ns: u64) {
        if ns > self.max_ns.load(Ordering::Relaxed) {
            self.max_ns.store(ns, Ordering::Relaxed);
        }
    }

    /// Counts the host calls of a call.
    #[inline]
    pub(crate) fn host(&self, calls: u64, ns: u64, denials: u64) {
        self.host_calls.add(calls);
        self.host_ns.add(ns);
        self.denials.add(denials);
    }

    /// Counts the fuel of a call.
    #[inline]
    pub(crate) fn fuel(&self, units: u64) {
        self.fuel.add(units);
    }

    pub(crate) fn counts(&self) -> CallCounts {
        CallCounts {
            calls: self.calls.get(),
            rows: self.rows.get(),
            bytes_in: self.bytes_in.get(),
            bytes_out: self.bytes_out.get(),
            guest_ns: self.guest_ns.get(),
            copy_ns: self.copy_ns.get(),
            host_ns: self.host_ns.get(),
            host_calls: self.host_calls.get(),
            denials: self.denials.get(),
            fuel: self.fuel.get(),
        }
    }
}

/// What a function has cost since the start: all versions of its plugin together.
pub(crate) struct FunctionCounters {
    pub(super) plugin: Arc<str>,
    pub(super) function: Arc<str>,
    /// Tallies of live instances, and what ended ones have come to: under one lock, so that nothing is counted twice.
    sums: Mutex<Sums>,
    /// Always there: its parameters are right.
    call_ns: Option<AtomicHistogram32>,
    failures: [AtomicU64; Outcomes::COUNT],
    recent: Weak<Recent>,
    /// Who is told of calls, when their instance ends.
    observers: Observers,
}

#[derive(Default)]
struct Sums {
    live: Vec<Arc<Tally>>,
    ended: CallCounts,
    instances: u64,
    memory_bytes_max: u64,
}

/// What a function has come to, at one moment.
pub(super) struct Snapshot {
    pub(super) counts: CallCounts,
    pub(super) live: Vec<Arc<Tally>>,
    pub(super) instances: u64,
    pub(super) memory_bytes_max: u64,
}

impl FunctionCounters {
    pub(super) fn new(
        plugin: Arc<str>,
        function: Arc<str>,
        recent: Weak<Recent>,
        observers: Observers,
    ) -> Self {
        Self {
            plugin,
            function,
            sums: Mutex::default(),
            call_ns: AtomicHistogram32::new(GROUPING_POWER, VALUE_POWER_MAX).ok(),
            failures: [const { AtomicU64::new(0) }; Outcomes::COUNT],
            recent,
            observers,
        }
    }

    /// A tally for an instance that calls the function for the first time.
    pub(crate) fn begin(&self, instance: &Arc<InstanceCounters>) -> Arc<Tally> {
        let tally = Arc::new(Tally {
            instance: Arc::clone(instance),
            calls: Sum::default(),
            rows: Sum::default(),
            bytes_in: Sum::default(),
            bytes_out: Sum::default(),
            guest_ns: Sum::default(),
            copy_ns: Sum::default(),
            host_ns: Sum::default(),
            host_calls: Sum::default(),
            denials: Sum::default(),
            fuel: Sum::default(),
            max_ns: AtomicU64::new(0),
        });
        self.sums.lock().live.push(Arc::clone(&tally));
        tally
    }

    /// The instance of a tally is gone.
    pub(crate) fn end(self: &Arc<Self>, tally: &Arc<Tally>) {
        let counts = tally.counts();
        {
            let mut sums = self.sums.lock();
            if let Some(place) = sums
                .live
                .iter()
                .rposition(|other| Arc::ptr_eq(other, tally))
            {
                sums.live.swap_remove(place);
            }
            sums.ended += counts;
            sums.instances += 1;
            sums.memory_bytes_max = sums.memory_bytes_max.max(tally.instance.memory_bytes());
        }
        self.observers.called(&CallOutcome {
            query: tally.instance.within_query.then(|| tally.instance.query()),
            plugin: &self.plugin,
            function: &self.function,
            calls: counts.calls,
            rows: counts.rows,
            guest_ns: counts.guest_ns,
            copy_ns: counts.copy_ns,
            max_ns: tally.max_ns.load(Ordering::Relaxed),
        });
        if tally.instance.within_query
            && let Some(recent) = self.recent.upgrade()
        {
            recent.add(self, &tally.instance, counts);
        }
    }

    /// Records how long a call took, which stands for some others that were not timed.
    #[inline]
    pub(crate) fn took(&self, ns: u64, calls: u32) {
        if let Some(call_ns) = &self.call_ns {
            // What is longer than the longest counts as that, so that no value is out of range.
            let _ = call_ns.add(ns.min((1 << VALUE_POWER_MAX) - 1), calls);
        }
    }

    /// Counts a call that failed.
    #[cold]
    pub(crate) fn failed(&self, error: &Error) {
        if let Some(place) = Outcomes::place(error)
            && let Some(count) = self.failures.get(place)
        {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let sums = self.sums.lock();
        let mut counts = sums.ended;
        let mut memory_bytes_max = sums.memory_bytes_max;
        for tally in &sums.live {
            counts += tally.counts();
            memory_bytes_max = memory_bytes_max.max(tally.instance.memory_bytes());
        }
        Snapshot {
            counts,
            live: sums.live.clone(),
            instances: sums.instances + sums.live.len() as u64,
            memory_bytes_max,
        }
    }

    pub(super) fn failures(&self) -> FailureCounts {
        FailureCounts::of(|place| {
            self.failures
                .get(place)
                .map_or(0, |count| count.load(Ordering::Relaxed))
        })
    }

    /// Median and 99th percentile of the duration of a call, in nanoseconds, and the longest.
    pub(super) fn quantiles(&self) -> Option<[u64; 3]> {
        let histogram = self.call_ns.as_ref()?.load();
        let found = histogram.quantiles(&[0.5, 0.99, 1.0]).ok()??;
        let at = |q: f64| {
            let quantile = histogram::Quantile::new(q).ok()?;
            Some(found.get(&quantile)?.end())
        };
        Some([at(0.5)?, at(0.99)?, at(1.0)?])
    }
}
