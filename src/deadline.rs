//! Stops guests that run too long or whose query is gone.
//!
//! One thread for the process, the watchdog, looks at every live instance once a millisecond. An instance whose
//! call is past its deadline, or whose query was cancelled, is stopped in one of two ways ([`Interruption`]). On the
//! path of a call this costs one store before and one swap after; the clock is a number that the watchdog advances.
//!
//! The watch page: `module/instrument.rs` gave the module a second memory of one page and a load from it in each loop. Taking
//! the page away makes the next such load trap. The watchdog takes it while it holds the lock on the list of instances;
//! `Watch::drop` leaves that list first and then gives the page back, before the memory's slot can be reused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rustix::mm::{MprotectFlags, mprotect};
use wasmtime::EngineWeak;

use crate::error::{Error, Result};

/// How a running guest is stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Interruption {
    /// A page that the guest reads in each loop is taken away. Costs a few per cent in tight loops.
    #[default]
    WatchPage,
    /// wasmtime's epochs: a counter is compared in each loop and each function. Needs no `mprotect`; tight loops become up to four times
    /// slower, and a long row of bulk memory instructions without a loop cannot be stopped in its middle.
    Epoch,
}

/// How often the watchdog looks, and the unit of its clock.
const TICK: Duration = Duration::from_millis(1);
/// Most ticks that the clock advances at one look.
const TICKS_AT_ONCE_MAX: u64 = 5;
/// No call is running.
const IDLE: u64 = 0;
/// The watchdog has stopped the call.
const STOPPED: u64 = u64::MAX;

/// Cancels the calls of a query. Clones are the same switch.
#[derive(Clone, Debug, Default)]
pub struct Cancellation(Arc<Query>);

/// A query, or a call outside of one.
#[derive(Debug)]
struct Query {
    cancelled: AtomicBool,
    /// Its number in this process.
    id: u64,
    started: Instant,
}

impl Default for Query {
    fn default() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            cancelled: AtomicBool::new(false),
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            started: Instant::now(),
        }
    }
}

impl Cancellation {
    /// Stops the guests that run for this query, within some milliseconds, and those that would start.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Release);
    }

    /// Whether [`Self::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
    }

    /// The query's number in this process, as audit records have it.
    pub fn query(&self) -> u64 {
        self.0.id
    }

    /// When the query has run for so long.
    pub(crate) fn deadline(&self, timeout_ms: u64) -> Instant {
        let never = Duration::from_hours(24 * 365);
        self.0.started + Duration::from_millis(timeout_ms).min(never)
    }
}

/// Why a call was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It ran longer than it may.
    Deadline,
    /// Its query ran longer than it may.
    QueryDeadline,
    /// Its query was cancelled.
    Cancelled,
}

/// What the watchdog does to stop a guest.
pub(crate) enum Brake {
    /// Takes this page away.
    Page(WatchPage),
    /// Advances this engine's epoch, so that all its guests ask [`WatchHandle::is_stopped`].
    Epoch(EngineWeak),
}

/// The page of a guest's second memory.
#[derive(Debug)]
pub(crate) struct WatchPage {
    address: *mut u8,
    length: usize,
}

// SAFETY: the address is only ever handed to `mprotect`, which any thread may call.
unsafe impl Send for WatchPage {}
// SAFETY: as above.
unsafe impl Sync for WatchPage {}

impl WatchPage {
    /// # Safety
    ///
    /// `address` and `length` must be whole pages of the host that belong to the second memory of one instance, which nobody
    /// but that instance's code reads, and which must outlive the [`Watch`] that is made with this value.
    pub(crate) unsafe fn new(address: *mut u8, length: usize) -> Self {
        Self { address, length }
    }

    fn protect(&self, flags: MprotectFlags) {
        // SAFETY: whole pages that are mapped (the contract of `new`), and no Rust reference to them exists.
        if let Err(error) = unsafe { mprotect(self.address.cast(), self.length, flags) } {
            tracing::error!(error.message = %error, "the watch page of a guest could not be protected");
        }
    }
}

/// When a call must be over, in ticks of the watchdog's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(u64);

impl Deadline {
    /// So many milliseconds from now.
    #[inline]
    pub(crate) fn after(timeout_ms: u64) -> Self {
        // The running tick counts as over, so that a call gets all of its time, unless the watchdog looks late: then it may lose some ticks.
        let deadline = NOW
            .load(Ordering::Relaxed)
            .saturating_add(timeout_ms)
            .saturating_add(1);
        Self(deadline.min(STOPPED - 1))
    }
}

/// An instance under watch, for as long as this value lives.
pub(crate) struct Watch(Arc<Cell>);

/// Asks for a guest whether it was stopped.
#[derive(Clone)]
pub(crate) struct WatchHandle(Arc<Cell>);

struct Cell {
    /// [`IDLE`], [`STOPPED`], or the tick at which the running call must be over.
    state: AtomicU64,
    /// Whether the page was taken; written under the watchdog's lock.
    page_taken: AtomicBool,
    brake: Brake,
    cancellation: Cancellation,
    /// When the query must be over.
    query_deadline: Option<Instant>,
    /// Whether the watchdog has seen that the query must be over.
    query_over: AtomicBool,
}

impl Watch {
    /// Puts an instance under watch.
    pub(crate) fn new(
        brake: Brake,
        cancellation: Cancellation,
        query_deadline: Option<Instant>,
    ) -> Self {
        let query_over = query_deadline.is_some_and(|deadline| deadline <= Instant::now());
        let cell = Arc::new(Cell {
            state: AtomicU64::new(IDLE),
            page_taken: AtomicBool::new(false),
            brake,
            cancellation,
            query_deadline,
            query_over: AtomicBool::new(query_over),
        });
        WATCHDOG.add(Arc::clone(&cell));
        Self(cell)
    }

    /// Starts the clock of a call that must be over at a moment.
    #[inline]
    pub(crate) fn start(&self, deadline: Deadline) {
        self.0.state.store(deadline.0, Ordering::Relaxed);
    }

    /// Why no call should start.
    #[inline]
    pub(crate) fn is_over(&self) -> Option<Stop> {
        if self.0.cancellation.is_cancelled() {
            Some(Stop::Cancelled)
        } else if self.0.query_over.load(Ordering::Relaxed) {
            Some(Stop::QueryDeadline)
        } else {
            None
        }
    }

    /// Ends the call that [`Self::start`] began. If the watchdog was faster, says why it stopped the call: the instance must then not be
    /// called again.
    #[inline]
    pub(crate) fn finish(&self) -> Option<Stop> {
        // A swap, not a store: the watchdog's compare-and-swap either came first, and we see it, or fails.
        if self.0.state.swap(IDLE, Ordering::AcqRel) != STOPPED {
            None
        } else {
            Some(self.is_over().unwrap_or(Stop::Deadline))
        }
    }

    pub(crate) fn handle(&self) -> WatchHandle {
        WatchHandle(Arc::clone(&self.0))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        WATCHDOG.remove(&self.0);
        // The watchdog no longer has the cell, so nobody takes the page from here on.
        if let Brake::Page(page) = &self.0.brake
            && self.0.page_taken.load(Ordering::Acquire)
        {
            page.protect(MprotectFlags::READ | MprotectFlags::WRITE);
        }
    }
}

impl WatchHandle {
    pub(crate) fn is_stopped(&self) -> bool {
        self.0.state.load(Ordering::Acquire) == STOPPED
    }

    /// Whether nobody waits any more for what the call does.
    pub(crate) fn is_over(&self) -> bool {
        self.is_stopped() || self.0.cancellation.is_cancelled()
    }

    /// Milliseconds that the running call has left.
    pub(crate) fn remaining_ms(&self) -> u64 {
        match self.0.state.load(Ordering::Relaxed) {
            IDLE | STOPPED => 0,
            deadline => deadline.saturating_sub(NOW.load(Ordering::Relaxed)),
        }
    }
}

impl Cell {
    /// Stops the running call if it must not go on. Called by the watchdog, under its lock.
    fn check(&self, now: u64, at: Instant) {
        let query_over = self.query_deadline.is_some_and(|end| end <= at);
        if query_over {
            self.query_over.store(true, Ordering::Relaxed);
        }
        let state = self.state.load(Ordering::Relaxed);
        let over = state <= now || query_over || self.cancellation.is_cancelled();
        if state == IDLE || (state != STOPPED && !over) {
            return;
        }
        // Fails if the call has just ended: then there is nothing to stop. A call that was stopped before and is still there gets the brake
        // again: it may not have held.
        let stopped =
            self.state
                .compare_exchange(state, STOPPED, Ordering::AcqRel, Ordering::Relaxed);
        if stopped.is_err() {
            return;
        }
        match &self.brake {
            Brake::Page(page) => {
                self.page_taken.store(true, Ordering::Release);
                page.protect(MprotectFlags::empty());
            }
            Brake::Epoch(engine) => {
                if let Some(engine) = engine.upgrade() {
                    engine.increment_epoch();
                }
            }
        }
    }
}

/// Milliseconds that the watchdog has seen pass.
static NOW: AtomicU64 = AtomicU64::new(0);

static WATCHDOG: Watchdog = Watchdog {
    cells: Mutex::new(Vec::new()),
    woken: Condvar::new(),
};

/// Starts the watchdog if it does not run yet. Without it nothing is ever stopped, so an engine is made only after this.
///
/// # Errors
///
/// If the operating system gives no thread.
pub(crate) fn start() -> Result<()> {
    static STARTED: Mutex<bool> = Mutex::new(false);
    let mut started = STARTED.lock();
    if !*started {
        std::thread::Builder::new()
            .name("wasmfusion-watchdog".into())
            .spawn(|| WATCHDOG.run())
            .map_err(|error| Error::Host {
                what: "the thread that stops guests could not be started".into(),
                reason: error.to_string(),
            })?;
        *started = true;
    }
    Ok(())
}

struct Watchdog {
    cells: Mutex<Vec<Arc<Cell>>>,
    /// Signalled when the first cell comes: without cells, the thread sleeps.
    woken: Condvar,
}

impl Watchdog {
    fn run(&self) -> ! {
        let mut last_look = Instant::now();
        loop {
            {
                let mut cells = self.cells.lock();
                while cells.is_empty() {
                    self.woken.wait(&mut cells);
                    // While there was nobody, no time passed for anybody.
                    last_look = Instant::now();
                }
                let now = advance(&mut last_look);
                let at = Instant::now();
                for cell in cells.iter() {
                    cell.check(now, at);
                }
            }
            std::thread::sleep(TICK);
        }
    }

    fn add(&self, cell: Arc<Cell>) {
        let mut cells = self.cells.lock();
        cells.push(cell);
        if cells.len() == 1 {
            self.woken.notify_one();
        }
    }

    fn remove(&self, cell: &Arc<Cell>) {
        let mut cells = self.cells.lock();
        if let Some(place) = cells.iter().rposition(|other| Arc::ptr_eq(other, cell)) {
            cells.swap_remove(place);
        }
    }
}

/// Advances the clock by the time since the last look, but by no more than some ticks: while this thread was kept waiting, on a busy
/// machine, so were the guests.
fn advance(last_look: &mut Instant) -> u64 {
    let now = Instant::now();
    let passed = u64::try_from(now.duration_since(*last_look).as_millis()).unwrap_or(u64::MAX);
    *last_look = if passed > TICKS_AT_ONCE_MAX {
        now
    } else {
        // What is left of a tick counts at the next look.
        *last_look + Duration::from_millis(passed)
    };
    let ticks = passed.min(TICKS_AT_ONCE_MAX);
    NOW.fetch_add(ticks, Ordering::Relaxed) + ticks
}
