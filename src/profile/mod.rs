//! Where guests spend their time: samples of their stacks while queries run.
//!
//! ```text
//! ticker thread ──▶ the engine's epoch ──▶ a guest sees it in its next loop or call ──▶ sampler.rs: its stack, as numbers
//!                                                                                              │ folded: stack ─▶ time
//! Profiler::profile ◀── names, files and lines from the module, now that nobody waits ◀────────┘         report.rs
//! ```
//!
//! A tick that falls into a host call is a sample of that call. What happens around a guest's call (columns are copied in and out) is
//! the query's time and not in a profile. Without a profiler nothing of this is there but a branch a call.

mod report;
mod sampler;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::ThreadId;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use wasmtime::{Engine, EngineWeak};

pub use report::{FrameKind, HotFunction, Profile, ProfileFrame, ProfileSample, ProfileStack};
pub(crate) use sampler::{Entry, Sampler};

use crate::compiled::Names;
use crate::error::{Error, Result};
use crate::module::Symbolizer;

/// Shortest time between two samples of a guest.
const INTERVAL_MIN: Duration = Duration::from_micros(100);
/// Threads that a timeline tells apart. More than that share the last one.
const THREADS_MAX: usize = 1024;

/// How a [`Profiler`] samples, and how much it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProfilerOptions {
    /// Time between two samples of a guest that runs: 1 ms by default, 100 µs at least.
    pub interval: Duration,
    /// Most different stacks that are kept, some hundred bytes each: 65,536 by default. The time of one more counts for the SQL function alone.
    pub stacks_max: usize,
    /// Most samples that are kept with their time, for a timeline, 32 bytes each: 1,000,000 by default. Those that come later count in the sums
    /// alone.
    pub samples_max: usize,
}

impl Default for ProfilerOptions {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(1),
            stacks_max: 1 << 16,
            samples_max: 1_000_000,
        }
    }
}

/// Samples the stacks of guests. Clones are the same profiler.
///
/// ```no_run
/// # async fn example() -> datafusion::error::Result<()> {
/// use wasmfusion::{Profiler, ProfilerOptions, Registry, RegistryOptions};
///
/// let profiler = Profiler::start(ProfilerOptions::default())?;
/// let mut options = RegistryOptions::default();
/// options.profiler = Some(profiler.clone());
/// let registry = Registry::new(options);
/// // Load plugins, run queries.
/// for function in profiler.profile().hottest() {
///     println!("{:?} {}", function.own, function.name);
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Profiler(Arc<Inner>);

struct Inner {
    options: ProfilerOptions,
    started: Instant,
    started_at: SystemTime,
    /// How often the interval has passed.
    ticks: AtomicU64,
    engines: Mutex<Vec<EngineWeak>>,
    gathered: Mutex<Gathered>,
}

/// What was sampled, as numbers.
#[derive(Default)]
struct Gathered {
    plugins: Vec<Arc<ProfiledPlugin>>,
    places: HashMap<Stack, u32>,
    /// Time and samples of each stack, by its place.
    totals: Vec<Total>,
    threads: Vec<(ThreadId, String)>,
    timeline: Vec<Moment>,
    /// Samples whose stack there was no room for.
    stacks_cut: u64,
    /// Samples that are not in the timeline.
    timeline_cut: u64,
}

/// A guest's stack. What its numbers mean is for the plugin's module to say.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Stack {
    plugin: u32,
    entry: Entry,
    /// Functions of the module, innermost first.
    frames: Box<[Place]>,
    /// The host call that the guest waited for.
    host: Option<&'static str>,
}

/// A place in the code of a module, as wasmtime's `FrameInfo` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Place {
    function: u32,
    offset: Option<u32>,
}

#[derive(Clone, Copy, Default)]
struct Total {
    time: Duration,
    samples: u64,
}

/// One sample in its place in time.
#[derive(Clone, Copy)]
struct Moment {
    at: Duration,
    time: Duration,
    stack: u32,
    thread: u32,
}

/// A plugin whose instances are sampled.
pub(crate) struct ProfiledPlugin {
    profiler: Profiler,
    names: Names,
    symbols: Symbolizer,
}

impl Profiler {
    /// Starts a profiler. Its thread ends when the last clone is dropped.
    ///
    /// # Errors
    ///
    /// If the operating system gives no thread.
    pub fn start(options: ProfilerOptions) -> Result<Self> {
        let options = ProfilerOptions {
            interval: options.interval.max(INTERVAL_MIN),
            ..options
        };
        let inner = Arc::new(Inner {
            options,
            started: Instant::now(),
            started_at: SystemTime::now(),
            ticks: AtomicU64::new(0),
            engines: Mutex::default(),
            gathered: Mutex::default(),
        });
        let weak = Arc::downgrade(&inner);
        let tick = move || {
            while let Some(inner) = weak.upgrade() {
                inner.tick();
                drop(inner);
                std::thread::sleep(options.interval);
            }
        };
        std::thread::Builder::new()
            .name("wasmfusion-profiler".into())
            .spawn(tick)
            .map_err(|error| Error::Host {
                what: "the thread of the profiler could not be started".into(),
                reason: error.to_string(),
            })?;
        Ok(Self(inner))
    }

    /// How it samples.
    pub fn options(&self) -> ProfilerOptions {
        self.0.options
    }

    /// What was sampled up to now, with names. Takes up to some seconds if modules have debug information.
    ///
    /// Of an instance that lives, the time since its last sample is missing: read the profile when the queries are done.
    pub fn profile(&self) -> Profile {
        report::profile(&self.0)
    }

    /// Has the guests of this engine sampled.
    pub(crate) fn watch(&self, engine: &Engine) {
        let mut engines = self.0.engines.lock();
        let same = |other: &EngineWeak| {
            let other = other.upgrade();
            other.is_some_and(|other| Engine::same(&other, engine))
        };
        if !engines.iter().any(same) {
            engines.push(engine.weak());
        }
    }

    /// A plugin whose instances are to be sampled.
    pub(crate) fn plugin(&self, names: Names, symbols: Symbolizer) -> Arc<ProfiledPlugin> {
        Arc::new(ProfiledPlugin {
            profiler: self.clone(),
            names,
            symbols,
        })
    }
}

impl Inner {
    fn tick(&self) {
        self.ticks.fetch_add(1, Ordering::Relaxed);
        for engine in self.engines.lock().iter() {
            if let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
            }
        }
    }
}

impl Gathered {
    /// Counts time for a stack: of a sample now, or what was left over when an instance ended.
    fn add(&mut self, options: &ProfilerOptions, mut stack: Stack, total: Total) -> u32 {
        if !self.places.contains_key(&stack) && self.places.len() >= options.stacks_max {
            self.stacks_cut += total.samples;
            // There are few of these.
            (stack.frames, stack.host) = (Box::default(), None);
        }
        let next = self.totals.len() as u32;
        let place = *self.places.entry(stack).or_insert(next);
        if place == next {
            self.totals.push(Total::default());
        }
        if let Some(sum) = self.totals.get_mut(place as usize) {
            sum.time += total.time;
            sum.samples += total.samples;
        }
        place
    }

    fn add_moment(&mut self, options: &ProfilerOptions, moment: Moment) {
        match self.timeline.len() < options.samples_max {
            true => self.timeline.push(moment),
            false => self.timeline_cut += 1,
        }
    }

    fn plugin(&mut self, plugin: &Arc<ProfiledPlugin>) -> u32 {
        let there = self.plugins.iter().rposition(|p| Arc::ptr_eq(p, plugin));
        let place = there.unwrap_or_else(|| {
            self.plugins.push(Arc::clone(plugin));
            self.plugins.len() - 1
        });
        place as u32
    }

    /// The number of the thread that runs.
    fn thread(&mut self) -> u32 {
        let current = std::thread::current();
        let there = self.threads.iter().position(|(id, _)| *id == current.id());
        let place = there.unwrap_or_else(|| {
            if self.threads.len() < THREADS_MAX {
                let name = current.name().unwrap_or("thread");
                self.threads.push((current.id(), name.to_owned()));
            }
            self.threads.len() - 1
        });
        place as u32
    }
}

impl fmt::Debug for Profiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Profiler").field(&self.0.options).finish()
    }
}

#[cfg(test)]
mod tests;
