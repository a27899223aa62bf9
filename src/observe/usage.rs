//! What each function has cost, for whoever wants to know.

use std::collections::{HashMap, VecDeque};
use std::ops::{AddAssign, Sub};
use std::sync::{Arc, Weak};
use std::time::{Instant, SystemTime};

use dashmap::DashMap;
use parking_lot::Mutex;

use super::counters::{FunctionCounters, InstanceCounters};
use super::observer::Observers;
use crate::error::Error;
use crate::plugin::Plugin;
use crate::registry::Registry;

/// Queries of which it is remembered what each function did in them.
const QUERIES_MAX: usize = 256;
/// Functions that are counted apart, those included whose plugin is gone. Those without a plugin make room.
const FUNCTIONS_MAX: usize = 10_000;

/// What calls of a function have come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallCounts {
    /// Calls of the guest: one for each batch of a scalar function, for each operation on the states of other kinds.
    pub calls: u64,
    /// Rows that went in, or that were asked for.
    pub rows: u64,
    /// Bytes of columns that were copied into guests' memory.
    pub bytes_in: u64,
    /// Bytes of columns that were copied out of it.
    pub bytes_out: u64,
    /// Nanoseconds that guests ran, host calls not included. Of calls that take less than five microseconds, one in 64 is timed for all.
    pub guest_ns: u64,
    /// Nanoseconds that it took to copy columns in and out and to check them. Timed as [`Self::guest_ns`] is.
    pub copy_ns: u64,
    /// Nanoseconds in host functions.
    pub host_ns: u64,
    /// Calls of host functions.
    pub host_calls: u64,
    /// Calls of host functions that were refused for want of a grant.
    pub denials: u64,
    /// Units of fuel, where fuel is counted.
    pub fuel: u64,
}

impl CallCounts {
    fn zip(self, other: Self, f: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            calls: f(self.calls, other.calls),
            rows: f(self.rows, other.rows),
            bytes_in: f(self.bytes_in, other.bytes_in),
            bytes_out: f(self.bytes_out, other.bytes_out),
            guest_ns: f(self.guest_ns, other.guest_ns),
            copy_ns: f(self.copy_ns, other.copy_ns),
            host_ns: f(self.host_ns, other.host_ns),
            host_calls: f(self.host_calls, other.host_calls),
            denials: f(self.denials, other.denials),
            fuel: f(self.fuel, other.fuel),
        }
    }
}

impl AddAssign for CallCounts {
    fn add_assign(&mut self, other: Self) {
        *self = self.zip(other, u64::wrapping_add);
    }
}

impl Sub for CallCounts {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.zip(other, u64::saturating_sub)
    }
}

/// How calls of a function have failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailureCounts {
    /// The guest said that it cannot.
    pub errors: u64,
    /// The guest did what no program may do: a trap.
    pub traps: u64,
    /// It ran longer than it may.
    pub timeouts: u64,
    /// It reached another limit, or the query's memory pool had no room.
    pub limits: u64,
    /// What it left was no column of the promised type.
    pub bad_results: u64,
    /// Its query was cancelled.
    pub cancellations: u64,
}

impl FailureCounts {
    pub(super) fn of(count: impl Fn(usize) -> u64) -> Self {
        let of = |outcome: Outcomes| count(outcome as usize);
        Self {
            errors: of(Outcomes::Error),
            traps: of(Outcomes::Trap),
            timeouts: of(Outcomes::Timeout),
            limits: of(Outcomes::Limit),
            bad_results: of(Outcomes::BadResult),
            cancellations: of(Outcomes::Cancelled),
        }
    }
}

/// The ways in which a call fails that are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcomes {
    Error,
    Trap,
    Timeout,
    Limit,
    BadResult,
    Cancelled,
}

impl Outcomes {
    pub(super) const COUNT: usize = 6;

    /// Where an error is counted. What is the fault of the host or of the user is not.
    pub(super) fn place(error: &Error) -> Option<usize> {
        let outcome = match error {
            Error::Guest { .. } => Self::Error,
            Error::Trap { .. } => Self::Trap,
            Error::Limit {
                setting: "call_timeout_ms" | "query_timeout_ms",
                ..
            } => Self::Timeout,
            Error::Limit { .. } | Error::MemoryPool { .. } => Self::Limit,
            Error::BadResult { .. } => Self::BadResult,
            Error::Cancelled { .. } => Self::Cancelled,
            _ => return None,
        };
        Some(outcome as usize)
    }
}

/// What one function has cost since the registry was made, in all versions of its plugin.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FunctionUsage {
    /// The plugin's name.
    pub plugin: Arc<str>,
    /// The function's name in the plugin.
    pub function: Arc<str>,
    /// What its calls have come to.
    pub counts: CallCounts,
    /// How calls have failed.
    pub failures: FailureCounts,
    /// Median, 99th percentile and maximum of the duration of a call, copies included, in nanoseconds; up to an eighth too high.
    pub call_ns: Option<[u64; 3]>,
    /// Instances that have called it.
    pub instances: u64,
    /// Largest memory that one of them had, in bytes.
    pub memory_bytes_max: u64,
}

/// What one function has cost in one query.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct QueryUsage {
    /// The query's number in this process, as audit records have it.
    pub query: u64,
    /// When its first instance was made.
    pub started: SystemTime,
    /// Whether an instance of it still lives.
    pub running: bool,
    /// The plugin's name.
    pub plugin: Arc<str>,
    /// The function's name in the plugin.
    pub function: Arc<str>,
    /// What its calls have come to.
    pub counts: CallCounts,
}

/// A live instance of a plugin.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InstanceUsage {
    /// The plugin of which it is an instance.
    pub plugin: Arc<Plugin>,
    /// The query that it serves; 0 if it waits for one.
    pub query: u64,
    /// When it was made, or began to serve.
    pub started: SystemTime,
    /// Bytes of its memory.
    pub memory_bytes: u64,
    /// What its calls have come to.
    pub counts: CallCounts,
}

/// What all functions of a registry have cost.
#[derive(Clone, Default)]
pub(crate) struct Usage(Arc<Inner>);

#[derive(Default)]
struct Inner {
    functions: DashMap<(Arc<str>, Arc<str>), Arc<FunctionCounters>>,
    recent: Arc<Recent>,
}

impl Usage {
    /// The counters of a plugin's function. Another version of the plugin goes on with the same.
    pub(crate) fn function(
        &self,
        plugin: &str,
        function: &str,
        observers: &Observers,
    ) -> Arc<FunctionCounters> {
        let (plugin, function): (Arc<str>, Arc<str>) = (plugin.into(), function.into());
        let Inner { functions, recent } = self.0.as_ref();
        if functions.len() >= FUNCTIONS_MAX {
            functions.retain(|_, counters| Arc::strong_count(counters) > 1);
        }
        let key = (Arc::clone(&plugin), Arc::clone(&function));
        if let Some(counters) = functions.get(&key) {
            return Arc::clone(&counters);
        }
        let counters =
            FunctionCounters::new(plugin, function, Arc::downgrade(recent), observers.clone());
        Arc::clone(&functions.entry(key).or_insert(Arc::new(counters)))
    }

    fn counters(&self) -> Vec<Arc<FunctionCounters>> {
        let functions = self.0.functions.iter();
        let mut all: Vec<_> = functions.map(|entry| Arc::clone(entry.value())).collect();
        all.sort_by(|a, b| (&a.plugin, &a.function).cmp(&(&b.plugin, &b.function)));
        all
    }
}

impl Registry {
    /// What each function has cost since this registry was made, sorted by plugin and function.
    pub fn usage(&self) -> Vec<FunctionUsage> {
        let usage = |counters: &Arc<FunctionCounters>| {
            let snapshot = counters.snapshot();
            FunctionUsage {
                plugin: Arc::clone(&counters.plugin),
                function: Arc::clone(&counters.function),
                counts: snapshot.counts,
                failures: counters.failures(),
                call_ns: counters.quantiles(),
                instances: snapshot.instances,
                memory_bytes_max: snapshot.memory_bytes_max,
            }
        };
        self.counted().counters().iter().map(usage).collect()
    }

    /// What each function has cost in the queries that run, and in the last 256 that have ended. Sorted by query.
    pub fn query_usage(&self) -> Vec<QueryUsage> {
        let counters = self.counted().counters();
        let mut usage = self.counted().0.recent.all();
        for counters in &counters {
            for tally in counters.snapshot().live {
                let instance = tally.instance();
                usage.add(counters, instance, tally.counts(), true);
            }
        }
        usage.0
    }

    /// The live instances of all plugins, sorted by plugin.
    pub fn instances(&self) -> Vec<InstanceUsage> {
        let mut tallies: HashMap<*const InstanceCounters, CallCounts> = HashMap::new();
        for counters in self.counted().counters() {
            for tally in counters.snapshot().live {
                let instance = Arc::as_ptr(tally.instance());
                *tallies.entry(instance).or_default() += tally.counts();
            }
        }
        let mut instances = Vec::new();
        for plugin in self.plugins_in_use() {
            for instance in plugin.module().counters().live() {
                let counts = tallies.get(&Arc::as_ptr(&instance));
                instances.push(InstanceUsage {
                    plugin: Arc::clone(&plugin),
                    query: instance.query(),
                    started: wall(instance.started()),
                    memory_bytes: instance.memory_bytes(),
                    counts: counts.copied().unwrap_or_default(),
                });
            }
        }
        instances
    }
}

/// What was counted in queries that have ended, or a part of which has.
#[derive(Default)]
pub(super) struct Recent(Mutex<VecDeque<Ended>>);

struct Ended {
    query: u64,
    started: Instant,
    functions: Vec<(Weak<FunctionCounters>, CallCounts)>,
}

impl Recent {
    pub(super) fn add(
        &self,
        function: &Arc<FunctionCounters>,
        instance: &InstanceCounters,
        counts: CallCounts,
    ) {
        let mut queries = self.0.lock();
        // Most likely the last one.
        let there = queries.iter().rposition(|q| q.query == instance.query());
        let place = there.unwrap_or_else(|| {
            if queries.len() >= QUERIES_MAX {
                queries.pop_front();
            }
            queries.push_back(Ended {
                query: instance.query(),
                started: instance.started(),
                functions: Vec::new(),
            });
            queries.len() - 1
        });
        let Some(query) = queries.get_mut(place) else {
            return;
        };
        query.started = query.started.min(instance.started());
        let same = |other: &&mut (Weak<FunctionCounters>, CallCounts)| {
            std::ptr::eq(other.0.as_ptr(), Arc::as_ptr(function))
        };
        match query.functions.iter_mut().find(same) {
            Some((_, sum)) => *sum += counts,
            None => query.functions.push((Arc::downgrade(function), counts)),
        }
    }

    fn all(&self) -> Queries {
        let queries = self.0.lock();
        let mut all = Queries::default();
        for query in queries.iter() {
            for (function, counts) in &query.functions {
                if let Some(function) = function.upgrade() {
                    all.push(&function, query.query, query.started, *counts, false);
                }
            }
        }
        all
    }
}

/// What is known of queries, sorted by query.
#[derive(Default)]
struct Queries(Vec<QueryUsage>);

impl Queries {
    fn push(
        &mut self,
        function: &FunctionCounters,
        query: u64,
        started: Instant,
        counts: CallCounts,
        running: bool,
    ) {
        let place = self.0.partition_point(|other| other.query <= query);
        self.0.insert(
            place,
            QueryUsage {
                query,
                started: wall(started),
                running,
                plugin: Arc::clone(&function.plugin),
                function: Arc::clone(&function.function),
                counts,
            },
        );
    }

    /// Adds what a live instance has counted so far.
    fn add(
        &mut self,
        function: &FunctionCounters,
        instance: &InstanceCounters,
        counts: CallCounts,
        running: bool,
    ) {
        let started = wall(instance.started());
        let mut there = false;
        for other in self.0.iter_mut().filter(|q| q.query == instance.query()) {
            other.running |= running;
            other.started = other.started.min(started);
            if other.plugin == function.plugin && other.function == function.function {
                other.counts += counts;
                there = true;
            }
        }
        if !there {
            self.push(
                function,
                instance.query(),
                instance.started(),
                counts,
                running,
            );
        }
    }
}

/// The time of day of a moment.
fn wall(moment: Instant) -> SystemTime {
    SystemTime::now()
        .checked_sub(moment.elapsed())
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

impl std::fmt::Debug for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Usage")
            .field("functions", &self.0.functions.len())
            .finish_non_exhaustive()
    }
}
