//! What the calls in an instance cost. On the path of a call that is a handful of additions to numbers that nobody else writes; of
//! short calls, only some are timed, for reading a clock four times takes longer than some of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::TypedFunc;

use super::Instance;
use crate::compiled::CompiledModule;
use crate::observe::{CallCounts, FunctionCounters, InstanceCounters, Tally};

/// Calls that are all timed, at first.
const FIRST: u32 = 8;
/// From then on, one of so many calls is timed if the last one took less than [`SHORT_NS`].
const SHORT_EVERY: u32 = 64;
/// What a short call takes at most, in nanoseconds: reading the clocks is 2 per cent of it.
const SHORT_NS: u64 = 5_000;

/// A function of an instance.
pub(super) struct Callable {
    pub(super) function: TypedFunc<u32, i32>,
    /// What counts its calls, if they are counted.
    meter: Option<Meter>,
}

/// What counts the calls of a function in an instance.
struct Meter {
    counters: Arc<FunctionCounters>,
    tally: Arc<Tally>,
    /// What [`Instance::take_counts`] has given.
    taken: CallCounts,
    /// Calls of the [`FIRST`] that are left.
    first: u32,
    /// Calls until the next one is timed.
    untimed: u32,
    /// How many calls the next one that is timed stands for.
    weight: u32,
}

impl Callable {
    pub(super) fn new(
        function: TypedFunc<u32, i32>,
        counters: Option<&Arc<FunctionCounters>>,
        instance: &Arc<InstanceCounters>,
    ) -> Self {
        let meter = |counters: &Arc<FunctionCounters>| Meter {
            tally: counters.begin(instance),
            counters: Arc::clone(counters),
            taken: CallCounts::default(),
            first: FIRST,
            untimed: 0,
            weight: 1,
        };
        Self {
            function,
            meter: counters.map(meter),
        }
    }
}

impl Meter {
    /// Whether the next call is timed.
    #[inline]
    fn is_timed(&self) -> bool {
        self.untimed == 0
    }

    /// Counts what a call took that was timed.
    fn time(&mut self, guest_ns: u64, copy_ns: u64) {
        let ns = guest_ns + copy_ns;
        let weight = u64::from(self.weight);
        self.tally.time(guest_ns * weight, copy_ns * weight);
        self.tally.longest(ns);
        self.counters.took(ns, self.weight);
        self.first = self.first.saturating_sub(1);
        let all = self.first > 0 || ns >= SHORT_NS;
        self.weight = if all { 1 } else { SHORT_EVERY };
        self.untimed = self.weight - 1;
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.counters.end(&self.tally);
    }
}

/// The call that is being counted.
#[derive(Default)]
pub(super) struct CurrentCall {
    /// When it began, if it is timed.
    pub(super) started: Option<Instant>,
    /// How long the guest ran, host calls included.
    pub(super) guest: Duration,
    bytes_in: u64,
    bytes_out: u64,
    pub(super) fuel: u64,
}

impl Instance {
    /// Begins to count a call of the function at `place` in the manifest: before anything is copied for it.
    #[inline]
    pub(crate) fn begin(&mut self, module: &CompiledModule, place: usize) {
        if !matches!(self.calls.functions.get(place), Some(Some(_))) {
            // If that fails, so does the call.
            let _ = self.resolve(module, place);
        }
        let timed = match self.calls.functions.get(place) {
            Some(Some(callable)) => callable.meter.as_ref().is_some_and(Meter::is_timed),
            _ => false,
        };
        // Field by field: a struct that is written whole and read in parts right after would be waited for.
        let current = &mut self.current;
        current.started = None;
        if timed {
            current.started = Some(Instant::now());
            current.guest = Duration::ZERO;
        }
        current.bytes_in = 0;
        current.bytes_out = 0;
        current.fuel = 0;
    }

    /// Counts bytes of columns that were copied into the guest's memory for the call.
    #[inline]
    pub(crate) fn count_in(&mut self, bytes: u64) {
        self.current.bytes_in += bytes;
    }

    /// Counts bytes of columns that were copied out of it.
    #[inline]
    pub(crate) fn count_out(&mut self, bytes: u64) {
        self.current.bytes_out += bytes;
    }

    /// Ends to count what [`Self::begin`] began.
    #[inline]
    pub(crate) fn end(&mut self, place: usize, rows: usize) {
        let Some(Some(callable)) = self.calls.functions.get_mut(place) else {
            return;
        };
        let Some(meter) = &mut callable.meter else {
            return;
        };
        let call = &self.current;
        meter.tally.call(rows as u64, call.bytes_in, call.bytes_out);
        if call.fuel > 0 {
            meter.tally.fuel(call.fuel);
        }
        let mut host_ns = 0;
        if self.calls_host
            && let Some(host) = &mut self.store.data_mut().host
        {
            let spent = host.take_spent();
            host_ns = host.ns(spent.time);
            meter.tally.host(spent.calls, host_ns, spent.denials);
        }
        if let Some(started) = call.started {
            let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
            let all_ns = ns(started.elapsed());
            let run_ns = ns(call.guest).min(all_ns);
            meter.time(run_ns.saturating_sub(host_ns), all_ns - run_ns);
        } else {
            meter.untimed = meter.untimed.saturating_sub(1);
        }
    }

    /// What all its calls have come to since this was asked last.
    pub(crate) fn take_counts(&mut self) -> CallCounts {
        let mut sum = CallCounts::default();
        let callables = self.calls.functions.iter_mut().flatten();
        for meter in callables.filter_map(|callable| callable.meter.as_mut()) {
            let counts = meter.tally.counts();
            sum += counts - meter.taken;
            meter.taken = counts;
        }
        sum
    }
}
