//! The circuit breaker of a plugin: failures in a row suspend it for a while, and one instance tries it again.
//!
//! ```text
//! closed ──failures_max in a row──▶ open ──after the pause──▶ trying ──the instance ends well──▶ closed
//!   ▲                                 ▲                           │
//!   └── a good end sets the count     └── it fails: the pause ────┘
//!       back to 0                         doubles, up to 32 times
//! ```
//!
//! Everything is in one atomic word: the state, how often the pause was doubled, and a number, which is that of the failures or the moment at
//! which the state ends.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use super::Verdict;
use super::events;
use super::suspension::{SuspendedBy, Suspension};
use crate::module::escape_cut;

/// How often a pause is doubled at most.
const LEVEL_MAX: u64 = 5;
/// Bytes that are kept of the words of a failure.
const REASON_BYTES_MAX: usize = 300;

const NUMBER_BITS: u32 = 56;
const STATE_SHIFT: u32 = 62;
const NUMBER_MAX: u64 = (1 << NUMBER_BITS) - 1;

#[derive(Debug)]
pub(super) struct Breaker {
    word: AtomicU64,
    /// 0: it never opens.
    failures_max: u32,
    pause_ms: u64,
    /// When it opened last, in milliseconds since 1970.
    opened_ms: AtomicU64,
    /// What the last failure was that counted.
    last: Mutex<String>,
}

/// Whether an instance may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admitted {
    Yes,
    /// To try whether the plugin works again.
    Trial,
    /// Not for so many milliseconds.
    No(u64),
}

/// What the end of an instance has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    None,
    Opened,
    Closed,
}

/// The word, unfolded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Closed { failures: u64 },
    Open { level: u64, until_ms: u64 },
    Trying { level: u64, until_ms: u64 },
}

/// Milliseconds of a clock that only goes forward.
pub(super) fn now_ms() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_millis() as u64
}

impl Breaker {
    pub(super) fn new(failures_max: u32, pause_ms: u64) -> Self {
        Self {
            word: AtomicU64::new(0),
            failures_max,
            pause_ms,
            opened_ms: AtomicU64::new(0),
            last: Mutex::default(),
        }
    }

    pub(super) fn admit(&self, now_ms: u64) -> Admitted {
        // Nearly always.
        if self.word.load(Ordering::Acquire) >> STATE_SHIFT == 0 {
            return Admitted::Yes;
        }
        let mut admitted = Admitted::Yes;
        self.change(|word| match word {
            Word::Closed { .. } => {
                admitted = Admitted::Yes;
                None
            }
            // An instance that tries and does not end keeps others out no longer than a pause.
            Word::Open { level, until_ms } | Word::Trying { level, until_ms }
                if until_ms <= now_ms =>
            {
                admitted = Admitted::Trial;
                let until_ms = now_ms.saturating_add(self.pause_at(level));
                Some(Word::Trying { level, until_ms })
            }
            Word::Open { until_ms, .. } | Word::Trying { until_ms, .. } => {
                admitted = Admitted::No(until_ms - now_ms);
                None
            }
        });
        admitted
    }

    pub(super) fn ended(&self, is_trial: bool, verdict: &Verdict, now_ms: u64) -> Change {
        match verdict {
            Verdict::Good => self.good(is_trial),
            Verdict::Fault(reason) => self.fault(is_trial, reason, now_ms),
            Verdict::Nothing => {
                if is_trial {
                    // Somebody else may try.
                    self.change(|word| match word {
                        Word::Trying { level, .. } => Some(Word::Open {
                            level,
                            until_ms: now_ms,
                        }),
                        _ => None,
                    });
                }
                Change::None
            }
        }
    }

    fn good(&self, is_trial: bool) -> Change {
        if self.word.load(Ordering::Relaxed) == 0 {
            return Change::None;
        }
        let mut change = Change::None;
        self.change(|word| {
            change = match word {
                Word::Closed { .. } => Change::None,
                Word::Trying { .. } if is_trial => Change::Closed,
                // It was made before the failures.
                Word::Open { .. } | Word::Trying { .. } => return None,
            };
            Some(Word::Closed { failures: 0 })
        });
        change
    }

    fn fault(&self, is_trial: bool, reason: &str, now_ms: u64) -> Change {
        if self.failures_max == 0 {
            return Change::None;
        }
        let mut change = Change::None;
        let changed = self.change(|word| match word {
            Word::Closed { failures } if failures + 1 < u64::from(self.failures_max) => {
                change = Change::None;
                Some(Word::Closed {
                    failures: failures + 1,
                })
            }
            Word::Closed { .. } => {
                change = Change::Opened;
                let until_ms = now_ms.saturating_add(self.pause_at(0));
                Some(Word::Open { level: 0, until_ms })
            }
            Word::Trying { level, .. } if is_trial => {
                change = Change::Opened;
                let level = (level + 1).min(LEVEL_MAX);
                let until_ms = now_ms.saturating_add(self.pause_at(level));
                Some(Word::Open { level, until_ms })
            }
            // It was made before.
            Word::Open { .. } | Word::Trying { .. } => {
                change = Change::None;
                None
            }
        });
        if changed {
            *self.last.lock() = escape_cut(reason, REASON_BYTES_MAX);
        }
        if change == Change::Opened {
            self.opened_ms.store(events::now_ms(), Ordering::Relaxed);
        }
        change
    }

    /// Forgets all failures. Whether it was open.
    pub(super) fn close(&self) -> bool {
        self.word.swap(0, Ordering::AcqRel) >> STATE_SHIFT != 0
    }

    /// Whether the plugin is suspended, or tried.
    pub(super) fn is_open(&self) -> bool {
        self.word.load(Ordering::Acquire) >> STATE_SHIFT != 0
    }

    /// How long the present pause is, in milliseconds.
    pub(super) fn pause_ms(&self) -> u64 {
        match Word::unfold(self.word.load(Ordering::Acquire)) {
            Word::Closed { .. } => self.pause_at(0),
            Word::Open { level, .. } | Word::Trying { level, .. } => self.pause_at(level),
        }
    }

    /// What it says while it is open.
    pub(super) fn suspension(&self) -> Suspension {
        let last = self.last.lock().clone();
        Suspension {
            by: SuspendedBy::Breaker,
            since: events::time(self.opened_ms.load(Ordering::Relaxed)),
            reason: Some(format!(
                "{} instances in a row failed, the last: {last}",
                self.failures_max
            )),
        }
    }

    fn pause_at(&self, level: u64) -> u64 {
        self.pause_ms.saturating_mul(1 << level.min(LEVEL_MAX))
    }

    /// Changes the word in one step, if `next` says so.
    fn change(&self, mut next: impl FnMut(Word) -> Option<Word>) -> bool {
        let next = |word| next(Word::unfold(word)).map(Word::fold);
        self.word
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, next)
            .is_ok()
    }
}

impl Word {
    fn unfold(word: u64) -> Self {
        let level = (word >> NUMBER_BITS) & 63;
        let number = word & NUMBER_MAX;
        match word >> STATE_SHIFT {
            0 => Self::Closed { failures: number },
            1 => Self::Open {
                level,
                until_ms: number,
            },
            _ => Self::Trying {
                level,
                until_ms: number,
            },
        }
    }

    fn fold(self) -> u64 {
        let (state, level, number) = match self {
            Self::Closed { failures } => (0, 0, failures),
            Self::Open { level, until_ms } => (1, level, until_ms),
            Self::Trying { level, until_ms } => (2, level, until_ms),
        };
        state << STATE_SHIFT | level << NUMBER_BITS | number.min(NUMBER_MAX)
    }
}
