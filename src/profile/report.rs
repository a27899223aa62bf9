//! What was sampled, with names: for tables, flame graphs and timelines.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant, SystemTime};

use super::{Entry, Gathered, Inner, Place, ProfiledPlugin};
use crate::module::Frame;

/// Longest time that is spent on looking up files and lines. Names of functions are there in any case.
const LINES_TIME_MAX: Duration = Duration::from_secs(10);

/// Where guests spent their time, up to one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Profile {
    /// When the profiler was started.
    pub started: SystemTime,
    /// Since then.
    pub elapsed: Duration,
    /// Time between two samples of a guest that runs.
    pub interval: Duration,
    /// Every stack that was seen, and how long guests were there. The sum is the time that guests ran, host calls included.
    pub stacks: Vec<ProfileStack>,
    /// The samples in the order of their time, as far as [`ProfilerOptions::samples_max`](crate::ProfilerOptions::samples_max) of them.
    pub timeline: Vec<ProfileSample>,
    /// Names of the threads that the samples of the timeline refer to.
    pub threads: Vec<String>,
    /// Samples that count for their SQL function alone, because there were too many different stacks.
    pub stacks_cut: u64,
    /// Samples that are not in the timeline, because there were too many.
    pub timeline_cut: u64,
}

/// A stack, and how long guests were there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProfileStack {
    /// The plugin.
    pub plugin: String,
    /// Outermost first. The first one is the function that SQL calls, as `plugin::function`. Where it is the only one, it is not known where
    /// in it.
    pub frames: Vec<ProfileFrame>,
    /// How long.
    pub time: Duration,
    /// How many samples say so.
    pub samples: u64,
}

/// A function of a stack. All of it is fit to be shown: what the guest wrote is escaped.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ProfileFrame {
    /// What it is.
    pub kind: FrameKind,
    /// Its name, demangled.
    pub name: String,
    /// Source file, as the guest's compiler recorded it.
    pub file: Option<String>,
    /// Line in the file, counted from 1: of the call of the next frame, or where the guest was.
    pub line: Option<u32>,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FrameKind {
    /// The function that SQL calls, or another export that the host calls.
    Entry,
    /// A function of the guest.
    Guest,
    /// A host function that the guest waits for.
    Host,
}

/// One sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProfileSample {
    /// When, since the profiler was started.
    pub at: Duration,
    /// The time that it stands for.
    pub time: Duration,
    /// Place of its stack in [`Profile::stacks`].
    pub stack: usize,
    /// Place of its thread in [`Profile::threads`].
    pub thread: usize,
}

/// A function, and its share.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HotFunction {
    /// The plugin.
    pub plugin: String,
    /// What it is.
    pub kind: FrameKind,
    /// Its name.
    pub name: String,
    /// Time in the function itself.
    pub own: Duration,
    /// Time in it and in what it calls.
    pub total: Duration,
    /// Samples in the function itself.
    pub samples: u64,
}

impl Profile {
    /// How long guests ran, all threads together.
    pub fn guest_time(&self) -> Duration {
        self.stacks.iter().map(|stack| stack.time).sum()
    }

    /// How many samples there are.
    pub fn samples(&self) -> u64 {
        self.stacks.iter().map(|stack| stack.samples).sum()
    }

    /// A line for each stack, as tools for flame graphs take them: `entry;function;function 123`, in microseconds.
    pub fn folded(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for stack in &self.stacks {
            let mut line = String::new();
            for frame in &stack.frames {
                if !line.is_empty() {
                    line.push(';');
                }
                // The separator cannot be in a name.
                line.extend(frame.name.chars().map(|c| if c == ';' { ':' } else { c }));
            }
            let micros = stack.time.as_micros();
            if micros > 0 {
                lines.push(format!("{line} {micros}"));
            }
        }
        lines.sort();
        lines
    }

    /// All functions, those first that take the most time themselves.
    pub fn hottest(&self) -> Vec<HotFunction> {
        let mut functions: HashMap<(&str, FrameKind, &str), HotFunction> = HashMap::new();
        for stack in &self.stacks {
            let mut seen = HashSet::new();
            for (depth, frame) in stack.frames.iter().enumerate() {
                let key = (stack.plugin.as_str(), frame.kind, frame.name.as_str());
                let function = functions.entry(key).or_insert_with(|| HotFunction {
                    plugin: stack.plugin.clone(),
                    kind: frame.kind,
                    name: frame.name.clone(),
                    own: Duration::ZERO,
                    total: Duration::ZERO,
                    samples: 0,
                });
                // Once, also if it calls itself.
                if seen.insert(key) {
                    function.total += stack.time;
                }
                if depth + 1 == stack.frames.len() {
                    function.own += stack.time;
                    function.samples += stack.samples;
                }
            }
        }
        let mut functions: Vec<HotFunction> = functions.into_values().collect();
        functions.sort_by(|a, b| {
            let by_time = (b.own, b.total).cmp(&(a.own, a.total));
            by_time.then_with(|| (&a.plugin, &a.name).cmp(&(&b.plugin, &b.name)))
        });
        functions
    }
}

/// Puts names to numbers.
pub(super) fn profile(inner: &Inner) -> Profile {
    // A copy, so that nobody who takes a sample waits for names.
    let (plugins, stacks, timeline, threads, cut) = {
        let gathered = inner.gathered.lock();
        let Gathered {
            plugins,
            places,
            totals,
            threads,
            timeline,
            stacks_cut,
            timeline_cut,
        } = &*gathered;
        let mut stacks: Vec<_> = places
            .iter()
            .map(|(s, place)| (*place, s.clone()))
            .collect();
        stacks.sort_by_key(|(place, _)| *place);
        let stacks: Vec<_> = stacks
            .into_iter()
            .zip(totals)
            .map(|((_, stack), total)| (stack, *total))
            .collect();
        let threads: Vec<String> = threads.iter().map(|(_, name)| name.clone()).collect();
        let cut = (*stacks_cut, *timeline_cut);
        (plugins.clone(), stacks, timeline.clone(), threads, cut)
    };
    let until = Instant::now() + LINES_TIME_MAX;
    let mut wanted: Vec<HashSet<Place>> = vec![HashSet::new(); plugins.len()];
    for (stack, _) in &stacks {
        if let Some(wanted) = wanted.get_mut(stack.plugin as usize) {
            wanted.extend(stack.frames.iter());
        }
    }
    let names: Vec<_> = plugins
        .iter()
        .zip(wanted)
        .map(|(plugin, wanted)| resolve(plugin, wanted, until))
        .collect();
    let stacks = stacks.into_iter().filter_map(|(stack, total)| {
        let plugin = plugins.get(stack.plugin as usize)?;
        let names = names.get(stack.plugin as usize)?;
        let mut frames = vec![entry(plugin, stack.entry)];
        let guests = stack.frames.iter().rev().filter_map(|at| names.get(at));
        frames.extend(guests.flatten().cloned());
        frames.extend(stack.host.map(|name| ProfileFrame {
            kind: FrameKind::Host,
            name: format!("host::{name}"),
            file: None,
            line: None,
        }));
        Some(ProfileStack {
            plugin: plugin.names.plugin.clone(),
            frames,
            time: total.time,
            samples: total.samples,
        })
    });
    let timeline = timeline.iter().map(|moment| ProfileSample {
        at: moment.at,
        time: moment.time,
        stack: moment.stack as usize,
        thread: moment.thread as usize,
    });
    let mut timeline: Vec<ProfileSample> = timeline.collect();
    timeline.sort_by_key(|sample| sample.at);
    Profile {
        started: inner.started_at,
        elapsed: inner.started.elapsed(),
        interval: inner.options.interval,
        stacks: stacks.collect(),
        timeline,
        threads,
        stacks_cut: cut.0,
        timeline_cut: cut.1,
    }
}

fn entry(plugin: &ProfiledPlugin, entry: Entry) -> ProfileFrame {
    let function = match entry {
        Entry::Function(place) => plugin.names.function(place as usize),
        Entry::Export(name) => name,
    };
    ProfileFrame {
        kind: FrameKind::Entry,
        name: format!("{}::{function}", plugin.names.plugin),
        file: None,
        line: None,
    }
}

/// The functions at these places, outermost first where one was compiled into another.
fn resolve(
    plugin: &ProfiledPlugin,
    wanted: HashSet<Place>,
    until: Instant,
) -> HashMap<Place, Vec<ProfileFrame>> {
    let mut wanted: Vec<Place> = wanted.into_iter().collect();
    wanted.sort_by_key(|place| (place.function, place.offset));
    let places: Vec<_> = wanted
        .iter()
        .map(|place| (place.function, place.offset.map(|offset| offset as usize)))
        .collect();
    let frame = |frame: Frame| ProfileFrame {
        kind: FrameKind::Guest,
        name: frame.function,
        file: frame.file,
        line: frame.line,
    };
    let frames = plugin.symbols.resolve_all(&places, until).into_iter();
    let frames = frames.map(|frames| frames.into_iter().map(frame).collect());
    wanted.into_iter().zip(frames).collect()
}
