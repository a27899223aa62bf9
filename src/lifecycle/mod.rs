//! The life of a plugin after it was loaded: whether it may be called, who has said so, and what has happened to it.
//!
//! ```text
//! suspend, resume ──▶ Standing ◀── admit: where an instance is made        never on the path of a call
//!                        │     ◀── how it ended: where it is dropped
//!                        ├── breaker.rs   failures in a row suspend a plugin for a while
//!                        └── events.rs    what happened, to be read and logged
//! ```
//!
//! A [`Standing`] belongs to one version of a plugin. Which version is called, and which are kept, is for the registry to say.

mod breaker;
mod events;
mod state;
mod suspension;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::SystemTime;

use parking_lot::Mutex;

use breaker::{Admitted, Breaker, Change};
pub(crate) use events::{EVENTS_MAX, Events};
pub use events::{PluginEvent, PluginEventKind};
pub use state::{PluginState, PluginStatus};
pub(crate) use suspension::Refusal;
pub use suspension::{SuspendedBy, Suspension};

use crate::limits::Limits;

/// Whether a version of a plugin may be called, and how it fares.
#[derive(Debug)]
pub(crate) struct Standing {
    plugin: String,
    version: String,
    /// Whether somebody has suspended it: looked at without a lock.
    is_suspended: AtomicBool,
    suspension: Mutex<Option<Suspension>>,
    breaker: Breaker,
    events: Events,
    place: AtomicU8,
    /// Since when it is there, in milliseconds since 1970.
    since_ms: AtomicU64,
    /// Whether it came while the process was running, so that nobody was there to be told of names that are taken.
    arrived: AtomicBool,
}

/// Where a version is in its registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nowhere: statements and queries alone have it.
    Nowhere,
    /// It is what is called.
    Called,
    /// Another version has taken its place.
    Replaced,
    /// It was taken out.
    Unloaded,
}

/// The right to one instance of a plugin. Dropping it says how the instance ended.
#[derive(Debug)]
pub(crate) struct Admission {
    standing: Arc<Standing>,
    /// Whether the instance is the one that the breaker tries the plugin with.
    is_trial: bool,
    verdict: Verdict,
}

/// How an instance ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It was not called, or what ended it is no fault of the plugin.
    #[default]
    Nothing,
    /// It did what it was called for.
    Good,
    /// The plugin failed: its words, or what it did.
    Fault(String),
}

impl Standing {
    pub(crate) fn new(plugin: &str, version: &str, limits: &Limits, events: &Events) -> Self {
        Self {
            plugin: plugin.to_owned(),
            version: version.to_owned(),
            is_suspended: AtomicBool::new(false),
            suspension: Mutex::new(None),
            breaker: Breaker::new(limits.breaker_failures_max, limits.breaker_pause_ms),
            events: events.clone(),
            place: AtomicU8::new(Place::Nowhere as u8),
            since_ms: AtomicU64::new(events::now_ms()),
            arrived: AtomicBool::new(false),
        }
    }

    /// The right to one more instance. `goes_on` says that it is for a stream that has had one before: what runs goes on.
    ///
    /// # Errors
    ///
    /// Who has suspended the plugin.
    pub(crate) fn admit(self: &Arc<Self>, goes_on: bool) -> Result<Admission, Box<Refusal>> {
        if !goes_on
            && self.is_suspended.load(Ordering::Acquire)
            && let Some(suspension) = self.suspension.lock().clone()
        {
            return Err(Box::new(Refusal {
                suspension,
                tried_in_ms: None,
            }));
        }
        let is_trial = match self.breaker.admit(breaker::now_ms()) {
            Admitted::Yes => false,
            Admitted::Trial => {
                self.tell(PluginEventKind::BreakerHalfOpen, None);
                true
            }
            Admitted::No(_) if goes_on => false,
            Admitted::No(tried_in_ms) => {
                return Err(Box::new(Refusal {
                    suspension: self.breaker.suspension(),
                    tried_in_ms: Some(tried_in_ms),
                }));
            }
        };
        Ok(Admission {
            standing: Arc::clone(self),
            is_trial,
            verdict: Verdict::Nothing,
        })
    }

    /// Suspends the plugin, or ends that.
    pub(crate) fn set_suspended(&self, suspension: Option<Suspension>) {
        let mut there = self.suspension.lock();
        self.is_suspended
            .store(suspension.is_some(), Ordering::Release);
        *there = suspension;
    }

    /// Forgets all failures.
    pub(crate) fn close_breaker(&self) {
        if self.breaker.close() {
            self.tell(PluginEventKind::BreakerClosed, Some("by hand".to_owned()));
        }
    }

    /// Whether somebody has suspended it, not its breaker.
    pub(crate) fn is_suspended(&self) -> bool {
        self.is_suspended.load(Ordering::Acquire)
    }

    /// Who has suspended it, if it is.
    pub(crate) fn suspension(&self) -> Option<Suspension> {
        let by_hand = self.suspension.lock().clone();
        by_hand.or_else(|| self.breaker.is_open().then(|| self.breaker.suspension()))
    }

    /// Where it is, and since when.
    pub(crate) fn place(&self) -> (Place, SystemTime) {
        let places = [Place::Called, Place::Replaced, Place::Unloaded];
        let place = self.place.load(Ordering::Acquire);
        let place = places.into_iter().find(|other| *other as u8 == place);
        let since = events::time(self.since_ms.load(Ordering::Relaxed));
        (place.unwrap_or(Place::Nowhere), since)
    }

    pub(crate) fn set_place(&self, place: Place) {
        if self.place.swap(place as u8, Ordering::AcqRel) != place as u8 {
            self.since_ms.store(events::now_ms(), Ordering::Relaxed);
        }
    }

    /// Whether it came while the process was running.
    pub(crate) fn has_arrived(&self) -> bool {
        self.arrived.load(Ordering::Relaxed)
    }

    pub(crate) fn set_arrived(&self) {
        self.arrived.store(true, Ordering::Relaxed);
    }

    fn ended(&self, is_trial: bool, verdict: &Verdict) {
        match self.breaker.ended(is_trial, verdict, breaker::now_ms()) {
            Change::None => {}
            Change::Closed => self.tell(PluginEventKind::BreakerClosed, None),
            Change::Opened => {
                let Suspension { reason, .. } = self.breaker.suspension();
                let pause_ms = self.breaker.pause_ms();
                let reason = reason.unwrap_or_default();
                let detail = format!("{reason}; it is tried again in {pause_ms} ms");
                self.tell(PluginEventKind::BreakerOpened, Some(detail));
            }
        }
    }

    /// Puts on record what happened to this version.
    pub(crate) fn tell(&self, kind: PluginEventKind, detail: Option<String>) {
        self.events
            .push(&self.plugin, Some(&self.version), kind, detail);
    }
}

impl Admission {
    /// Says how the instance ended.
    pub(crate) fn judge(&mut self, verdict: Verdict) {
        self.verdict = verdict;
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.standing.ended(self.is_trial, &self.verdict);
    }
}

#[cfg(test)]
mod tests;
