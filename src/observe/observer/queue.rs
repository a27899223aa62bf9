//! The events that wait for one plugin's observers, and what came of those before.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::{Duration, Instant};

use crossbeam_queue::ArrayQueue;
use parking_lot::Mutex;

use super::counts::ObserverCounts;
use super::event::Event;
use super::{WANTS_PLAN, WANTS_SQL};
use crate::deadline::Cancellation;
use crate::module::{EventKind, Nulls};
use crate::plugin::{FunctionRef, Plugin};

/// Most events that a call has.
pub(super) const BATCH_EVENTS_MAX: usize = 1_024;
/// How long an event waits for others to be delivered with it.
const GATHER: Duration = Duration::from_millis(50);
/// How long the thread sleeps when there is nothing, if nobody wakes it.
const SLEEP_MAX: Duration = Duration::from_millis(500);
/// How often who waits for a delivery looks.
const LOOK: Duration = Duration::from_millis(1);

/// The observers of one plugin.
pub(super) struct Observer {
    plugin: Arc<Plugin>,
    functions: Box<[Observed]>,
    wanted: u32,
    queue: ArrayQueue<Arc<Event>>,
    /// Bytes of what is in the queue, about.
    bytes: AtomicUsize,
    bytes_max: usize,
    /// Events that were put into the queue, and that were dealt with.
    offered: AtomicU64,
    done: AtomicU64,
    thread: OnceLock<Thread>,
    sleeping: AtomicBool,
    hurried: AtomicBool,
    over: AtomicBool,
    /// Stops its guest, for good.
    pub(super) cancellation: Cancellation,
}

/// One observer function.
pub(super) struct Observed {
    pub(super) function: FunctionRef,
    pub(super) event: EventKind,
    /// The places of the columns that it wants, in the order of its parameters.
    pub(super) columns: Box<[usize]>,
    /// Those of them that it is not called without.
    pub(super) required: Box<[usize]>,
    pub(super) delivered: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) last_error: Mutex<Option<String>>,
}

impl Observed {
    fn new(plugin: &Arc<Plugin>, place: usize) -> Option<Self> {
        let function = FunctionRef {
            plugin: Arc::clone(plugin),
            place,
        };
        let decl = function.decl();
        let event = decl.kind.event().filter(|_| !decl.hidden)?;
        let places = |all: bool| {
            let params = decl.params.iter();
            let wanted = params.filter(|param| all || param.nulls == Nulls::Skip);
            // The manifest was checked: all are there.
            wanted
                .filter_map(|param| event.column(&param.name))
                .collect()
        };
        let (columns, required) = (places(true), places(false));
        Some(Self {
            function,
            event,
            columns,
            required,
            delivered: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            last_error: Mutex::new(None),
        })
    }

    fn wants_column(&self, name: &str) -> bool {
        let place = self.event.column(name);
        place.is_some_and(|place| self.columns.contains(&place))
    }

    fn counts(&self) -> ObserverCounts {
        let id = self.function.id();
        ObserverCounts {
            plugin: id.plugin.into(),
            function: id.function.into(),
            event: self.event,
            delivered: self.delivered.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            last_error: self.last_error.lock().clone(),
        }
    }
}

impl Observer {
    /// The observers of a plugin; `None` if it has none that its operator wants.
    pub(super) fn of(plugin: &Arc<Plugin>) -> Option<Arc<Self>> {
        let places = 0..plugin.manifest().functions.len();
        let functions: Box<[Observed]> = places
            .filter_map(|place| Observed::new(plugin, place))
            .collect();
        if functions.is_empty() {
            return None;
        }
        let wanted = functions.iter().fold(0, |bits, observed| {
            let column = |name, bit| if observed.wants_column(name) { bit } else { 0 };
            let columns = column("plan", WANTS_PLAN) | column("sql", WANTS_SQL);
            bits | observed.event.bit() | columns
        });
        let limits = plugin.limits();
        Some(Arc::new(Self {
            plugin: Arc::clone(plugin),
            functions,
            wanted,
            queue: ArrayQueue::new(limits.observer_events_max.max(1)),
            bytes: AtomicUsize::new(0),
            bytes_max: limits.observer_bytes_max,
            offered: AtomicU64::new(0),
            done: AtomicU64::new(0),
            thread: OnceLock::new(),
            sleeping: AtomicBool::new(false),
            hurried: AtomicBool::new(false),
            over: AtomicBool::new(false),
            cancellation: Cancellation::default(),
        }))
    }

    pub(super) fn plugin(&self) -> &Arc<Plugin> {
        &self.plugin
    }

    pub(super) fn functions(&self) -> &[Observed] {
        &self.functions
    }

    /// Bits of what it wants.
    pub(super) fn wanted(&self) -> u32 {
        self.wanted
    }

    pub(super) fn counts(&self) -> impl Iterator<Item = ObserverCounts> {
        self.functions.iter().map(Observed::counts)
    }

    /// Puts an event into the queue, if it is of a kind that it wants. If there is no room, that is counted.
    pub(super) fn offer(&self, event: &Arc<Event>) {
        if self.wanted & event.kind().bit() == 0 {
            return;
        }
        let bytes = event.bytes();
        // An event that is alone is taken, whatever its size.
        let before = self.bytes.fetch_add(bytes, Ordering::AcqRel);
        let room = before == 0 || before.saturating_add(bytes) <= self.bytes_max;
        if !room || self.queue.push(Arc::clone(event)).is_err() {
            self.bytes.fetch_sub(bytes, Ordering::AcqRel);
            let observing = self.functions.iter().filter(|f| f.event == event.kind());
            for observed in observing {
                observed.dropped.fetch_add(1, Ordering::Relaxed);
            }
            return;
        }
        self.offered.fetch_add(1, Ordering::Relaxed);
        // Either this thread sees that the other sleeps, or that one sees the event.
        fence(Ordering::SeqCst);
        if self.sleeping.load(Ordering::Relaxed) || self.queue.len() >= BATCH_EVENTS_MAX {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Tells which thread delivers.
    pub(super) fn set_thread(&self, thread: &Thread) {
        // It is told once.
        let _ = self.thread.set(thread.clone());
        // It may have been stopped before it had a thread.
        self.wake();
    }

    /// No event is offered any more: what waits is delivered, and that is the end.
    pub(super) fn stop(&self) {
        self.over.store(true, Ordering::Release);
        self.wake();
    }

    /// As [`Self::stop`], but no longer than `grace`: then its guest is stopped, and what waits is lost.
    pub(super) fn end(&self, grace: Duration) {
        let mark = self.hurry();
        self.wait_for(mark, Instant::now() + grace);
        self.cancellation.cancel();
        self.stop();
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Waits until there are events to deliver, but no longer than to `until`. The thread that delivers calls it.
    pub(super) fn gather(&self, until: Option<Instant>) {
        let due = |now: Instant| until.is_some_and(|until| until <= now);
        self.sleeping.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        while self.queue.is_empty() && !self.is_over() {
            let now = Instant::now();
            if due(now) {
                break;
            }
            let longest = until.map_or(SLEEP_MAX, |until| until.duration_since(now));
            std::thread::park_timeout(longest.min(SLEEP_MAX));
        }
        self.sleeping.store(false, Ordering::Relaxed);
        let full = Instant::now() + GATHER;
        while self.queue.len() < BATCH_EVENTS_MAX && !self.is_over() {
            let now = Instant::now();
            if now >= full || due(now) || self.hurried.load(Ordering::Acquire) {
                break;
            }
            std::thread::park_timeout(full.duration_since(now));
        }
    }

    /// Sleeps for so long, or until it is over.
    pub(super) fn pause(&self, until: Instant) {
        while !self.is_over() {
            let Some(left) = until.checked_duration_since(Instant::now()) else {
                return;
            };
            std::thread::park_timeout(left);
        }
    }

    /// The next events.
    pub(super) fn take(&self) -> Vec<Arc<Event>> {
        let events: Vec<_> = (0..BATCH_EVENTS_MAX)
            .map_while(|_| self.queue.pop())
            .collect();
        let bytes = events.iter().map(|event| event.bytes()).sum();
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        events
    }

    /// Counts events that were taken and dealt with.
    pub(super) fn settle(&self, events: usize) {
        self.done.fetch_add(events as u64, Ordering::Release);
        if self.queue.is_empty() {
            self.hurried.store(false, Ordering::Release);
        }
    }

    /// Has what waits delivered without waiting for more. How many events are dealt with when it is.
    pub(super) fn hurry(&self) -> u64 {
        self.hurried.store(true, Ordering::Release);
        self.wake();
        self.offered.load(Ordering::Acquire)
    }

    /// Waits until so many events are dealt with.
    pub(super) fn wait_for(&self, mark: u64, until: Instant) -> bool {
        while self.done.load(Ordering::Acquire) < mark {
            if Instant::now() >= until {
                return false;
            }
            std::thread::sleep(LOOK);
        }
        true
    }
}
