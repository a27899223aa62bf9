//! A profile in the format of profiler.firefox.com, which shows it as a timeline for each thread, a call tree and a flame graph.

use std::io::{self, Write};
use std::time::Duration;

use fxprof_processed_profile::{
    CategoryColor, CategoryHandle, CpuDelta, Frame, FrameFlags, FrameInfo, Profile as Written,
    ReferenceTimestamp, SamplingInterval, StackHandle, ThreadHandle, Timestamp, WeightType,
};
use wasmfusion::{FrameKind, Profile, ProfileFrame, ProfileStack};

/// Writes the timeline of a profile.
pub fn write(profile: &Profile, out: impl Write) -> io::Result<()> {
    let nanos = u64::try_from(profile.interval.as_nanos()).unwrap_or(u64::MAX);
    let mut written = Written::new(
        "wasmfusion",
        ReferenceTimestamp::from_system_time(profile.started),
        SamplingInterval::from_nanos(nanos),
    );
    written.set_symbolicated(true);
    let start = timestamp(Duration::ZERO);
    let process = written.add_process("wasmfusion", std::process::id(), start);
    let categories = Categories::new(&mut written);
    let mut threads: Vec<Thread> = Vec::new();
    for (place, name) in profile.threads.iter().enumerate() {
        let handle = written.add_thread(process, place as u32, start, place == 0);
        written.set_thread_name(handle, name);
        written.set_thread_samples_weight_type(handle, WeightType::Samples);
        threads.push(Thread {
            handle,
            stacks: vec![None; profile.stacks.len()],
            rest: Duration::ZERO,
        });
    }
    for sample in &profile.timeline {
        let (Some(thread), Some(stack)) = (
            threads.get_mut(sample.thread),
            profile.stacks.get(sample.stack),
        ) else {
            continue;
        };
        let known = thread.stacks.get(sample.stack).copied().flatten();
        let handle = known.or_else(|| intern(&mut written, thread.handle, &categories, stack));
        if let Some(slot) = thread.stacks.get_mut(sample.stack) {
            *slot = handle;
        }
        let weight = thread.weigh(sample.time, profile.interval);
        let cpu = u64::try_from(sample.time.as_nanos()).unwrap_or(u64::MAX);
        let at = timestamp(sample.at);
        written.add_sample(thread.handle, at, handle, CpuDelta::from_nanos(cpu), weight);
    }
    serde_json::to_writer(out, &written).map_err(io::Error::from)
}

struct Thread {
    handle: ThreadHandle,
    /// By place in the profile, as far as they were needed.
    stacks: Vec<Option<StackHandle>>,
    /// Time that no sample was written for yet: less than an interval.
    rest: Duration,
}

impl Thread {
    /// How many intervals a sample stands for. What is left over is for the next.
    fn weigh(&mut self, time: Duration, interval: Duration) -> i32 {
        self.rest += time;
        let weight = self.rest.as_nanos() / interval.as_nanos().max(1);
        let weight = i32::try_from(weight).unwrap_or(i32::MAX);
        self.rest -= interval
            .saturating_mul(weight.unsigned_abs())
            .min(self.rest);
        weight
    }
}

/// What tells kinds of frames apart by colour.
struct Categories {
    entry: CategoryHandle,
    guest: CategoryHandle,
    host: CategoryHandle,
}

impl Categories {
    fn new(written: &mut Written) -> Self {
        Self {
            entry: written.add_category("SQL function", CategoryColor::Blue),
            guest: written.add_category("Plugin", CategoryColor::Yellow),
            host: written.add_category("Host call", CategoryColor::Green),
        }
    }

    fn of(&self, frame: &ProfileFrame) -> CategoryHandle {
        match frame.kind {
            FrameKind::Entry => self.entry,
            FrameKind::Host => self.host,
            _ => self.guest,
        }
    }
}

fn intern(
    written: &mut Written,
    thread: ThreadHandle,
    categories: &Categories,
    stack: &ProfileStack,
) -> Option<StackHandle> {
    let frames: Vec<FrameInfo> = stack
        .frames
        .iter()
        .map(|frame| FrameInfo {
            frame: Frame::Label(written.intern_string(&label(frame))),
            category_pair: categories.of(frame).into(),
            flags: FrameFlags::empty(),
        })
        .collect();
    written.intern_stack_frames(thread, frames.into_iter())
}

/// A function with its file, where that is known. Lines would make a function many.
fn label(frame: &ProfileFrame) -> String {
    match &frame.file {
        Some(file) => format!("{} ({file})", frame.name),
        None => frame.name.clone(),
    }
}

fn timestamp(since_start: Duration) -> Timestamp {
    let nanos = u64::try_from(since_start.as_nanos()).unwrap_or(u64::MAX);
    Timestamp::from_nanos_since_reference(nanos)
}
