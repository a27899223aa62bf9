use std::time::Duration;

use super::*;

fn stack(offset: u32) -> Stack {
    Stack {
        plugin: 0,
        entry: Entry::Function(0),
        frames: Box::new([Place {
            function: 1,
            offset: Some(offset),
        }]),
        host: None,
    }
}

fn total(millis: u64) -> Total {
    Total {
        time: Duration::from_millis(millis),
        samples: 1,
    }
}

#[test]
fn stacks_are_bounded_and_no_time_is_lost() {
    let options = ProfilerOptions {
        stacks_max: 3,
        ..ProfilerOptions::default()
    };
    let mut gathered = Gathered::default();
    for offset in 0..100 {
        gathered.add(&options, stack(offset), total(2));
        gathered.add(&options, stack(offset), total(1));
    }
    // Three, and one for what is more.
    assert_eq!((gathered.places.len(), gathered.totals.len()), (4, 4));
    assert_eq!(gathered.stacks_cut, 2 * 97);
    let time: Duration = gathered.totals.iter().map(|total| total.time).sum();
    assert_eq!(time, Duration::from_millis(300));
}

#[test]
fn the_timeline_is_bounded() {
    let options = ProfilerOptions {
        samples_max: 5,
        ..ProfilerOptions::default()
    };
    let mut gathered = Gathered::default();
    let thread = gathered.thread();
    for _ in 0..8 {
        let moment = Moment {
            at: Duration::ZERO,
            time: Duration::ZERO,
            stack: 0,
            thread,
        };
        gathered.add_moment(&options, moment);
    }
    assert_eq!((gathered.timeline.len(), gathered.timeline_cut), (5, 3));
    assert_eq!((thread, gathered.thread()), (0, 0));
}

fn frame(name: &str) -> ProfileFrame {
    ProfileFrame {
        kind: FrameKind::Guest,
        name: name.to_owned(),
        file: None,
        line: None,
    }
}

fn profile(stacks: &[(&[&str], u64)]) -> Profile {
    let stacks = stacks.iter().map(|(names, millis)| ProfileStack {
        plugin: "geo".to_owned(),
        frames: names.iter().map(|name| frame(name)).collect(),
        time: Duration::from_millis(*millis),
        samples: 1,
    });
    Profile {
        started: SystemTime::now(),
        elapsed: Duration::ZERO,
        interval: Duration::from_millis(1),
        stacks: stacks.collect(),
        timeline: Vec::new(),
        threads: Vec::new(),
        stacks_cut: 0,
        timeline_cut: 0,
    }
}

#[test]
fn functions_that_call_themselves_count_once() {
    let profile = profile(&[(&["f", "g", "g", "g"], 6), (&["f"], 1), (&["f", "h"], 2)]);
    let functions: Vec<_> = profile
        .hottest()
        .into_iter()
        .map(|f| (f.name, f.own.as_millis(), f.total.as_millis()))
        .collect();
    let expected = [("g", 6, 6), ("h", 2, 2), ("f", 1, 9)];
    let expected = expected.map(|(name, own, total)| (name.to_owned(), own, total));
    assert_eq!(functions, expected);
    assert_eq!(profile.guest_time(), Duration::from_millis(9));
}

#[test]
fn names_cannot_forge_stacks() {
    let profile = profile(&[(&["f;g", "h"], 1), (&["f"], 0)]);
    assert_eq!(profile.folded(), ["f:g;h 1000"]);
}

#[test]
fn the_interval_has_a_least() {
    let profiler = Profiler::start(ProfilerOptions {
        interval: Duration::ZERO,
        ..ProfilerOptions::default()
    });
    let profiler = profiler.expect("a thread");
    assert_eq!(profiler.options().interval, INTERVAL_MIN);
    assert!(profiler.profile().stacks.is_empty());
}
