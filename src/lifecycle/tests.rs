//! The breaker: it opens, is tried, closes, and lets nobody through meanwhile.

use std::sync::Arc;

use super::breaker::{Admitted, Breaker, Change};
use super::{Events, Limits, PluginEventKind, Standing, SuspendedBy, Suspension, Verdict};

const PAUSE_MS: u64 = 100;

fn fault() -> Verdict {
    Verdict::Fault("trap".into())
}

/// A breaker after so many failures at the moment 0.
fn failed(times: u32) -> Breaker {
    let breaker = Breaker::new(3, PAUSE_MS);
    for _ in 0..times {
        breaker.ended(false, &fault(), 0);
    }
    breaker
}

#[test]
fn failures_in_a_row_open_it() {
    assert_eq!(failed(2).admit(0), Admitted::Yes);
    let breaker = failed(2);
    assert_eq!(breaker.ended(false, &fault(), 0), Change::Opened);
    assert_eq!(breaker.admit(0), Admitted::No(PAUSE_MS));
    assert_eq!(breaker.admit(PAUSE_MS - 1), Admitted::No(1));
    // Instances that were made before change nothing.
    assert_eq!(breaker.ended(false, &fault(), 1), Change::None);
    assert_eq!(breaker.ended(false, &Verdict::Good, 1), Change::None);
    assert!(breaker.is_open());
}

#[test]
fn a_good_end_sets_the_count_back_and_no_end_does_not() {
    let breaker = failed(2);
    breaker.ended(false, &Verdict::Good, 0);
    breaker.ended(false, &fault(), 0);
    breaker.ended(false, &fault(), 0);
    assert!(!breaker.is_open());
    breaker.ended(false, &Verdict::Nothing, 0);
    breaker.ended(false, &fault(), 0);
    assert!(breaker.is_open());
}

#[test]
fn one_instance_tries_it() {
    let breaker = failed(3);
    assert_eq!(breaker.admit(PAUSE_MS), Admitted::Trial);
    assert_eq!(breaker.admit(PAUSE_MS), Admitted::No(PAUSE_MS));
    // It was not called: another may try.
    assert_eq!(
        breaker.ended(true, &Verdict::Nothing, PAUSE_MS),
        Change::None
    );
    assert_eq!(breaker.admit(PAUSE_MS), Admitted::Trial);
    assert_eq!(
        breaker.ended(true, &Verdict::Good, PAUSE_MS),
        Change::Closed
    );
    assert_eq!(breaker.admit(PAUSE_MS), Admitted::Yes);
    // The count begins anew.
    assert_eq!(breaker.ended(false, &fault(), PAUSE_MS), Change::None);
}

#[test]
fn an_instance_that_tries_and_does_not_end_keeps_nobody_out_for_ever() {
    let breaker = failed(3);
    assert_eq!(breaker.admit(PAUSE_MS), Admitted::Trial);
    assert_eq!(breaker.admit(2 * PAUSE_MS), Admitted::Trial);
}

#[test]
fn the_pause_doubles_up_to_32_times() {
    let breaker = failed(3);
    let mut now = 0;
    for times in [1, 2, 4, 8, 16, 32, 32, 32] {
        assert_eq!(breaker.admit(now), Admitted::No(times * PAUSE_MS));
        now += times * PAUSE_MS;
        assert_eq!(breaker.admit(now), Admitted::Trial);
        assert_eq!(breaker.ended(true, &fault(), now), Change::Opened);
    }
    // A hand closes it, and the next pause is the first again.
    assert!(breaker.close());
    for _ in 0..3 {
        breaker.ended(false, &fault(), now);
    }
    assert_eq!(breaker.admit(now), Admitted::No(PAUSE_MS));
}

#[test]
fn without_a_limit_it_never_opens() {
    let breaker = Breaker::new(0, PAUSE_MS);
    for _ in 0..1_000 {
        breaker.ended(false, &fault(), 0);
    }
    assert_eq!(breaker.admit(0), Admitted::Yes);
}

fn standing(events: &Events) -> Arc<Standing> {
    let limits = Limits {
        breaker_failures_max: 1,
        breaker_pause_ms: 60_000,
        ..Limits::default()
    };
    Arc::new(Standing::new("geo", "1.0.0", &limits, events))
}

#[test]
fn who_suspends_is_told_and_what_runs_goes_on() {
    let events = Events::default();
    let standing = standing(&events);
    let suspension = Suspension {
        by: SuspendedBy::Sql,
        since: std::time::UNIX_EPOCH,
        reason: Some("it leaks".into()),
    };
    standing.set_suspended(Some(suspension));
    let refusal = standing.admit(false).expect_err("it is suspended");
    let told = refusal.suspension.to_string();
    assert_eq!(
        told,
        "by a SQL statement since 1970-01-01 00:00:00 UTC (it leaks)"
    );
    standing.admit(true).expect("what runs goes on");
    standing.set_suspended(None);
    standing.admit(false).expect("it was resumed");

    standing
        .admit(false)
        .expect("it may")
        .judge(Verdict::Fault("a trap".into()));
    let refusal = standing.admit(false).expect_err("the breaker is open");
    assert_eq!(refusal.suspension.by, SuspendedBy::Breaker);
    assert!(refusal.tried_in_ms.is_some_and(|ms| ms > 50_000));
    standing.close_breaker();
    standing.admit(false).expect("it was closed");
    let kinds: Vec<PluginEventKind> = events.all().iter().map(|event| event.kind).collect();
    assert_eq!(
        kinds,
        [
            PluginEventKind::BreakerOpened,
            PluginEventKind::BreakerClosed
        ]
    );
}

#[test]
fn the_latest_events_are_kept() {
    let events = Events::new(3);
    for number in 0..10 {
        let detail = Some(number.to_string());
        events.push("geo", None, PluginEventKind::Loaded, detail);
    }
    let kept = events.all();
    let details: Vec<_> = kept.iter().filter_map(|e| e.detail.as_deref()).collect();
    assert_eq!(details, ["7", "8", "9"]);
    let none = Events::new(0);
    none.push("geo", None, PluginEventKind::Loaded, None);
    assert!(none.all().is_empty());
    events.push(
        "\u{1b}[2J",
        None,
        PluginEventKind::Loaded,
        Some("x".repeat(1 << 20)),
    );
    let last = events.all().pop().expect("it is the last");
    assert!(!last.plugin.contains('\u{1b}'), "{last:?}");
    assert!(last.detail.is_some_and(|detail| detail.len() < 4 << 10));
}
