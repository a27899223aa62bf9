//! Observers: plugins that are told of the engine's events.
//!
//! ```text
//! query, call, audit, metric, span ──▶ Observers::emit ──▶ a queue for each plugin ──▶ its thread ──▶ its instance
//!        one relaxed load              a row of values      bounded; what finds no       a batch of    lives on, until
//!        if nobody observes it                              room is counted              columns       a call fails
//! ```
//!
//! Nothing that an observer does can keep a query waiting: whoever emits pushes and goes on. What happens in an observer's thread, and
//! what comes of it elsewhere, is no event ([`quiet`]), so that observers do not observe themselves.

mod counts;
mod delivery;
mod event;
mod guest;
mod layer;
mod metric;
mod query;
mod queue;
mod quiet;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use parking_lot::RwLock;

use crate::metrics::Metrics;
use crate::module::EventKind;
use crate::plugin::Plugin;

pub use counts::ObserverCounts;
pub(crate) use event::CallOutcome;
pub use layer::ObserverLayer;
pub(crate) use query::{ObservedQuery, Statement};
pub(crate) use quiet::quietly_if;
use quiet::{is_quiet, quietly};

use event::Event;
use queue::Observer;

/// How long observers that are taken away have for what waits for them.
const GRACE: Duration = Duration::from_millis(200);
/// Somebody wants the text of plans. The bits below are those of [`EventKind`].
const WANTS_PLAN: u32 = 1 << 16;
/// Somebody wants the SQL text of queries.
const WANTS_SQL: u32 = 1 << 17;
/// Somebody wants to know of queries, or of what their operators do.
const WANTS_QUERIES: u32 =
    EventKind::QueryStart.bit() | EventKind::QueryEnd.bit() | EventKind::Operator.bit();

/// The observers of a registry. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Observers(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// What somebody wants: bits of kinds, and those above.
    wanted: AtomicU32,
    all: RwLock<Vec<Arc<Observer>>>,
}

impl Observers {
    /// Whether somebody is told of events of this kind.
    #[inline]
    pub(crate) fn wants(&self, kind: EventKind) -> bool {
        self.wants_any(kind.bit())
    }

    /// Whether somebody is told of queries or of their operators.
    #[inline]
    pub(crate) fn wants_queries(&self) -> bool {
        self.wants_any(WANTS_QUERIES)
    }

    /// Whether somebody wants the SQL text of queries.
    pub(crate) fn wants_sql(&self) -> bool {
        self.wants_any(WANTS_SQL)
    }

    /// Whether somebody wants the text of plans.
    fn wants_plan(&self) -> bool {
        self.wants_any(WANTS_PLAN)
    }

    #[inline]
    fn wants_any(&self, bits: u32) -> bool {
        self.0.wanted.load(Ordering::Relaxed) & bits != 0
    }

    /// Tells all observers of its kind of an event, unless it is of an observer's own making.
    fn emit(&self, event: Event) {
        if is_quiet() {
            return;
        }
        let event = Arc::new(event);
        for observer in self.0.all.read().iter() {
            observer.offer(&event);
        }
    }

    /// Has the observers of `new` take the place of those of `old`, as far as these plugins have some.
    pub(crate) fn exchange(
        &self,
        old: Option<&Arc<Plugin>>,
        new: Option<&Arc<Plugin>>,
        metrics: &Metrics,
    ) {
        let (ended, failed) = self.take_in(old, new, metrics);
        // Without the lock: what is logged may be an event for observers.
        if let (Some(error), Some(new)) = (failed, new) {
            tracing::error!(
                target: "wasmfusion::observe",
                { wasmfusion.plugin.name = new.name(), error.message = %error },
                "a plugin's observers do not run, there is no thread for them"
            );
        }
        // Without the lock: nobody who emits waits for them.
        for observer in ended {
            observer.end(GRACE);
        }
    }

    /// Takes the observers of `new` in and those of `old` out.
    fn take_in(
        &self,
        old: Option<&Arc<Plugin>>,
        new: Option<&Arc<Plugin>>,
        metrics: &Metrics,
    ) -> (Vec<Arc<Observer>>, Option<std::io::Error>) {
        let mut failed = None;
        let mut all = self.0.all.write();
        let is_of = |observer: &Arc<Observer>, plugin: Option<&Arc<Plugin>>| {
            plugin.is_some_and(|plugin| Arc::ptr_eq(observer.plugin(), plugin))
        };
        let ended = all.extract_if(.., |observer| is_of(observer, old) && !is_of(observer, new));
        let ended: Vec<_> = ended.collect();
        let there = all.iter().any(|observer| is_of(observer, new));
        if let Some(new) = new.filter(|_| !there).and_then(Observer::of) {
            match delivery::start(&new, metrics) {
                Ok(()) => all.push(new),
                Err(error) => failed = Some(error),
            }
        }
        let wanted = all
            .iter()
            .fold(0, |bits, observer| bits | observer.wanted());
        self.0.wanted.store(wanted, Ordering::Relaxed);
        (ended, failed)
    }

    /// Whether both tell the same observers.
    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether a registry has them still.
    fn is_alive(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// Ends all observers, when what they have waiting is delivered.
    pub(crate) fn clear(&self) {
        self.0.wanted.store(0, Ordering::Relaxed);
        for observer in self.0.all.write().drain(..) {
            observer.stop();
        }
    }

    /// What came of the events of each observer, sorted by plugin and function.
    pub(crate) fn counts(&self) -> Vec<ObserverCounts> {
        let all = self.0.all.read();
        let mut counts: Vec<_> = all.iter().flat_map(|observer| observer.counts()).collect();
        counts.sort_by(|a, b| (&a.plugin, &a.function).cmp(&(&b.plugin, &b.function)));
        counts
    }

    /// Waits until all that was emitted before is delivered, has failed or was dropped. Whether it was in time.
    pub(crate) fn flush(&self, timeout: Duration) -> bool {
        let until = Instant::now() + timeout.min(Duration::from_hours(1));
        let all: Vec<_> = self.0.all.read().clone();
        // All are told before the first is waited for.
        let marks: Vec<u64> = all.iter().map(|observer| observer.hurry()).collect();
        let mut waiting = all.iter().zip(marks);
        waiting.all(|(observer, mark)| observer.wait_for(mark, until))
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.counts()).finish()
    }
}
