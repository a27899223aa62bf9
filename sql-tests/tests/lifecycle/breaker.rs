//! The circuit breaker, in queries.

use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::prelude::SessionContext;
use wasmfusion::{Limits, PluginState, Registry, RegistryOptions};
use wasmfusion_sql_tests::{Guest, new_session};

use super::{events_of, value};

/// Longest time until a pause is over, whatever else the machine does.
const OVER_AFTER: Duration = Duration::from_secs(20);

/// A guest that traps where it is given -1, fails with words of its own at -2, loops at -3, and else returns what it was given.
fn guest() -> String {
    let body = "
        (if (i64.eq (local.get $x) (i64.const -1)) (then (unreachable)))
        (if (i64.eq (local.get $x) (i64.const -3)) (then (loop $again (br $again))))
        (local.get $x)";
    Guest::new("moody", &[], body).text()
}

fn session(change: impl FnOnce(&mut Limits)) -> (Registry, SessionContext) {
    let mut options = RegistryOptions::default();
    options.limits.breaker_failures_max = 3;
    options.limits.breaker_pause_ms = 60_000;
    change(&mut options.limits);
    let registry = Registry::new(options);
    registry
        .load_bytes("moody.wat", guest().as_bytes())
        .expect("it loads");
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    (registry, ctx)
}

async fn call(ctx: &SessionContext, number: i64) -> Result<String, String> {
    value(ctx, &format!("SELECT moody({number})")).await
}

fn is_open(error: &Result<String, String>) -> bool {
    error
        .as_ref()
        .is_err_and(|error| error.contains("suspended by its circuit breaker"))
}

/// Calls until the breaker lets one through.
async fn until_tried(ctx: &SessionContext, number: i64) -> Result<String, String> {
    let began = Instant::now();
    loop {
        let answer = call(ctx, number).await;
        if !is_open(&answer) {
            return answer;
        }
        assert!(began.elapsed() < OVER_AFTER, "{answer:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn failures_in_a_row_suspend_a_plugin_and_a_hand_resumes_it() {
    let (registry, ctx) = session(|_| {});
    for _ in 0..3 {
        let error = call(&ctx, -1).await.expect_err("it traps");
        assert!(error.contains("unreachable"), "{error}");
    }
    // Good calls, too, are refused now, and told why.
    let error = call(&ctx, 5).await.expect_err("it is suspended");
    for part in [
        "moody (plugin moody) cannot be called: its plugin is suspended by its circuit breaker since 20",
        "3 instances in a row failed, the last: it trapped",
        "it is tried again in ",
        "wasmfusion_resume('moody')",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert_eq!(registry.state("moody"), Some(PluginState::Suspended));
    assert!(registry.resume("moody").expect("it is there"));
    assert_eq!(call(&ctx, 5).await.as_deref(), Ok("5"));
    assert_eq!(
        events_of(&registry, "moody"),
        ["loaded", "breaker_opened", "breaker_closed", "resumed"]
    );
}

#[tokio::test]
async fn a_success_sets_the_count_back() {
    let (registry, ctx) = session(|_| {});
    for _ in 0..4 {
        for _ in 0..2 {
            call(&ctx, -1).await.expect_err("it traps");
        }
        assert_eq!(call(&ctx, 5).await.as_deref(), Ok("5"));
    }
    assert_eq!(registry.state("moody"), Some(PluginState::Ready));
}

#[tokio::test]
async fn it_is_tried_again_and_the_pause_doubles() {
    let (registry, ctx) = session(|limits| limits.breaker_pause_ms = 300);
    let opened = Instant::now();
    for _ in 0..3 {
        call(&ctx, -1).await.expect_err("it traps");
    }
    // It fails once more: the next pause is longer.
    let error = until_tried(&ctx, -1).await.expect_err("it traps");
    assert!(error.contains("unreachable"), "{error}");
    assert!(opened.elapsed() >= Duration::from_millis(300));
    let opened = Instant::now();
    assert_eq!(until_tried(&ctx, 7).await.as_deref(), Ok("7"));
    assert!(opened.elapsed() >= Duration::from_millis(500));
    assert_eq!(registry.state("moody"), Some(PluginState::Ready));
    assert_eq!(
        events_of(&registry, "moody"),
        [
            "loaded",
            "breaker_opened",
            "breaker_half_open",
            "breaker_opened",
            "breaker_half_open",
            "breaker_closed"
        ]
    );
    let events = registry.events();
    let details: Vec<&str> = events.iter().filter_map(|e| e.detail.as_deref()).collect();
    assert!(
        details.iter().any(|d| d.ends_with("tried again in 300 ms")),
        "{details:?}"
    );
    assert!(
        details.iter().any(|d| d.ends_with("tried again in 600 ms")),
        "{details:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timeout_counts_and_what_a_session_has_lowered_does_not() {
    let (registry, ctx) = session(|limits| limits.call_timeout_ms = 400);
    value(&ctx, "SET wasmfusion.call_timeout_ms = 20")
        .await
        .ok();
    for _ in 0..5 {
        let error = call(&ctx, -3).await.expect_err("it loops");
        assert!(error.contains("ran longer than 20 ms"), "{error}");
    }
    assert_eq!(registry.state("moody"), Some(PluginState::Ready));
    let other = new_session(&registry, Arc::default()).expect("a session");
    for _ in 0..3 {
        let error = call(&other, -3).await.expect_err("it loops");
        assert!(error.contains("ran longer than 400 ms"), "{error}");
    }
    assert_eq!(registry.state("moody"), Some(PluginState::Suspended));
}

#[tokio::test]
async fn what_a_guest_says_of_bad_values_does_not_count() {
    let (registry, ctx) = session(|_| {});
    for _ in 0..5 {
        let error = call(&ctx, -2).await.expect_err("it refuses");
        assert!(!error.contains("suspended"), "{error}");
    }
    assert_eq!(registry.state("moody"), Some(PluginState::Ready));
}

#[tokio::test]
async fn another_version_begins_anew() {
    let (registry, ctx) = session(|_| {});
    for _ in 0..3 {
        call(&ctx, -1).await.expect_err("it traps");
    }
    assert!(is_open(&call(&ctx, 5).await));
    registry.unload("moody").expect("it was loaded");
    let mended = Guest::new("moody", &[], "(i64.const 8)").text();
    registry
        .load_bytes("moody.wat", mended.as_bytes())
        .expect("it loads");
    let other = new_session(&registry, Arc::default()).expect("a session");
    assert_eq!(call(&other, -1).await.as_deref(), Ok("8"));
}
