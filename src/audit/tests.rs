//! The log under one thread and under several.

use super::*;
use crate::capability::CapabilityKind;
use crate::host::Status;

fn log(queue: usize, history: usize) -> AuditLog {
    let options = AuditOptions {
        queue_records_max: queue,
        history_records_max: history,
        ..AuditOptions::default()
    };
    AuditLog::new(&options, Observers::default()).expect("a log without a file")
}

fn register(log: &AuditLog, plugin: &str) -> CallerId {
    log.register(plugin, Digest::of(plugin.as_bytes()), ["locate"].iter())
}

fn entry(log: &AuditLog, caller: CallerId, query: u64) -> Entry {
    Entry {
        started: log.now(),
        ended: log.now(),
        caller,
        function: 0,
        query,
        of_observer: false,
        operation: "clock_realtime",
        capability: Some(CapabilityKind::Clock),
        target: "".into(),
        calls: 1,
        bytes: 8,
        outcome: Outcome::Ok,
    }
}

#[test]
fn a_record_says_who_and_what() {
    let log = log(10, 10);
    let caller = register(&log, "geo");
    log.push_inside(entry(&log, caller, 7));
    let mut denied = entry(&log, caller, 8);
    denied.outcome = Outcome::Refused(Status::Denied);
    denied.function = NO_FUNCTION;
    log.push_inside(denied);
    let records = log.records();
    let [first, second] = records.as_slice() else {
        panic!("two records: {records:?}");
    };
    assert_eq!(
        (&*first.plugin, &*first.function, first.query),
        ("geo", "locate", 7)
    );
    assert!(first.time <= second.time && first.time.elapsed().is_ok_and(|age| age.as_secs() < 60));
    assert_eq!((&*second.function, second.outcome.name()), ("", "denied"));
}

#[test]
fn numbers_of_plugins_that_are_gone_are_used_again() {
    let log = log(10_000, 10_000);
    let lasting = register(&log, "lasting");
    for turn in 0..1_000 {
        let name = format!("passing{turn}");
        let caller = register(&log, &name);
        // One that is loaded twice at a time keeps its number until both are gone.
        assert_eq!(register(&log, &name), caller);
        log.push_inside(entry(&log, caller, turn));
        log.push_inside(entry(&log, lasting, turn));
        log.release(caller);
        log.release(caller);
    }
    assert!(log.0.callers.read().len() <= 2);
    for record in log.records() {
        let passing = format!("passing{}", record.query);
        assert!(*record.plugin == *passing || &*record.plugin == "lasting");
    }
}

#[test]
fn the_history_forgets_the_oldest() {
    let log = log(100, 3);
    let caller = register(&log, "geo");
    for query in 0..10 {
        log.push_inside(entry(&log, caller, query));
    }
    let queries: Vec<u64> = log.records().iter().map(|record| record.query).collect();
    assert_eq!(queries, [7, 8, 9]);
    assert_eq!(log.lost(), 0);
}

#[test]
fn what_is_lost_is_counted() {
    let log = log(4, 1_000_000);
    let caller = register(&log, "geo");
    // The lock keeps the draining thread away.
    let drained = log.0.drained.lock();
    for query in 0..10 {
        log.push_inside(entry(&log, caller, query));
    }
    drop(drained);
    let records = log.records();
    let lost = records
        .iter()
        .find(|record| record.outcome == Outcome::Lost);
    assert!(
        lost.is_some_and(|lost| lost.target == "6 records" && &*lost.plugin == "geo"),
        "{records:?}"
    );
    assert_eq!(log.lost(), 6);
}

#[test]
fn a_flood_hides_no_call_that_reaches_outside() {
    let log = log(4, 1_000_000);
    let (quiet, loud) = (register(&log, "quiet"), register(&log, "loud"));
    let drained = log.0.drained.lock();
    for query in 0..100 {
        log.push_inside(entry(&log, loud, query));
    }
    log.push_outside(entry(&log, quiet, 100));
    drop(drained);
    // More than its queue holds: it waits.
    for query in 0..100 {
        log.push_outside(entry(&log, loud, 200 + query));
    }
    let records = log.records();
    let of = |plugin: &'static str| records.iter().filter(move |r| &*r.plugin == plugin);
    assert_eq!(of("quiet").count(), 1);
    assert_eq!(of("loud").filter(|r| r.query >= 200).count(), 100);
    assert_eq!(log.lost(), 96);
}

#[test]
fn what_is_the_same_has_one_record() {
    let log = log(100, 100);
    let caller = register(&log, "geo");
    let mut collector = Collector::default();
    let push = |entry| log.push_inside(entry);
    for _ in 0..1_000 {
        collector.add(entry(&log, caller, 7), push);
        let mut other = entry(&log, caller, 7);
        other.operation = "log";
        collector.add(other, push);
    }
    // Nothing that differs is taken for the same, however much of it there is.
    for place in 0..50 {
        let mut other = entry(&log, caller, 7);
        other.target = compact_str::format_compact!("{place}");
        collector.add(other, push);
    }
    collector.flush(push);
    let records = log.records();
    assert_eq!(records.len(), 52, "{records:?}");
    assert_eq!((records[0].calls, records[0].bytes), (1_000, 8_000));
    assert_eq!(
        records.iter().map(|record| record.calls).sum::<u64>(),
        2_050
    );
}

#[test]
fn a_plugin_keeps_its_number() {
    let log = log(1, 1);
    assert_eq!(register(&log, "geo"), register(&log, "geo"));
    let other = log.register("geo", Digest::of(b"another module"), ["locate"].iter());
    assert_ne!(register(&log, "geo"), other);
}

#[test]
fn nothing_is_lost_uncounted_among_threads() {
    const PUSHES: u64 = 50_000;
    let log = log(64, 1_000_000);
    let caller = register(&log, "geo");
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                (0..PUSHES).for_each(|query| log.push_inside(entry(&log, caller, query)))
            });
        }
        scope.spawn(|| (0..100).for_each(|_| log.flush()));
    });
    let kept = log
        .records()
        .iter()
        .filter(|record| record.outcome == Outcome::Ok)
        .count();
    assert_eq!(kept as u64 + log.lost(), 2 * PUSHES);
}

#[test]
fn a_file_gets_a_line_of_json_each() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("audit.jsonl");
    let options = AuditOptions {
        file: Some(path.clone()),
        ..AuditOptions::default()
    };
    let log = AuditLog::new(&options, Observers::default()).expect("the file can be made");
    let caller = register(&log, "geo");
    log.push_inside(entry(&log, caller, 7));
    log.flush();
    let text = std::fs::read_to_string(&path).expect("written");
    let line: serde_json::Value = serde_json::from_str(text.trim_end()).expect("JSON");
    assert_eq!(
        (&line["plugin"], &line["query"]),
        (&"geo".into(), &7.into())
    );
    assert_eq!(
        (&line["capability"], &line["outcome"]),
        (&"clock".into(), &"ok".into())
    );

    let options = AuditOptions {
        file: Some(dir.path().join("no/such/folder")),
        ..AuditOptions::default()
    };
    let error = AuditLog::new(&options, Observers::default())
        .expect_err("no folder")
        .to_string();
    assert!(error.contains("the audit log"), "{error}");
}

#[test]
fn a_full_disk_hurts_nobody() {
    let options = AuditOptions {
        file: Some("/dev/full".into()),
        ..AuditOptions::default()
    };
    let Ok(log) = AuditLog::new(&options, Observers::default()) else {
        return;
    };
    let caller = register(&log, "geo");
    for query in 0..1_000 {
        log.push_inside(entry(&log, caller, query));
        log.flush();
    }
    assert_eq!(log.records().len(), 1_000);
}
