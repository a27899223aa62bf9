//! A profiler over queries: the shares are right, deadlines hold, nothing is sampled that is not asked for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmfusion::{
    FrameKind, Interruption, PluginSettings, Profile, Profiler, ProfilerOptions, Registry,
    RegistryOptions,
};
use wasmfusion_sql_tests::{Guest, Server, built_plugins, new_session};

fn options(interval_us: u64) -> (Profiler, RegistryOptions) {
    let mut sampling = ProfilerOptions::default();
    sampling.interval = Duration::from_micros(interval_us);
    let profiler = Profiler::start(sampling).expect("a thread");
    let mut options = RegistryOptions::default();
    options.profiler = Some(profiler.clone());
    (profiler, options)
}

async fn query(registry: &Registry, sql: &str) -> Result<(), String> {
    let ctx = new_session(registry, Arc::default()).expect("a session");
    let frame = ctx
        .sql(sql)
        .await
        .map_err(|error| error.strip_backtrace())?;
    let rows = frame.collect().await;
    rows.map(drop).map_err(|error| error.strip_backtrace())
}

/// A guest that counts three times as far in `$hot` as in `$cold`, a row.
fn spinning() -> String {
    let body = "(call $cold (i64.const 300000)) (call $hot (i64.const 900000)) (local.get $x)";
    let count = |name: &str| {
        format!(
            "(func ${name} (param $n i64) (loop $again
               (local.set $n (i64.sub (local.get $n) (i64.const 1)))
               (br_if $again (i64.gt_s (local.get $n) (i64.const 0)))))"
        )
    };
    let functions = format!("{} {} (func $body", count("cold"), count("hot"));
    let guest = Guest::new("spin", &[], body).text();
    guest.replace("(func $body", &functions)
}

fn share(profile: &Profile, name: &str) -> f64 {
    let functions = profile.hottest();
    let function = functions.iter().find(|function| function.name == name);
    let own = function.map_or(Duration::ZERO, |function| function.own);
    own.as_secs_f64() / profile.guest_time().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread")]
async fn time_is_where_it_is_spent() {
    let (profiler, options) = options(500);
    let registry = Registry::new(options);
    let plugin = registry.load_bytes("spin.wat", spinning().as_bytes());
    let plugin = plugin.expect("it loads");
    assert_eq!(plugin.interruption(), Interruption::Epoch);
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(600) {
        let sql = "SELECT sum(spin(value)) FROM range(0, 100)";
        query(&registry, sql).await.expect("it answers");
    }
    let profile = profiler.profile();
    let (hot, cold) = (share(&profile, "hot"), share(&profile, "cold"));
    assert!((0.6..0.9).contains(&hot), "{hot}: {:?}", profile.folded());
    assert!((0.1..0.4).contains(&cold), "{cold}: {:?}", profile.folded());
    // All of a guest's time is there, and each stack begins with what SQL calls.
    let guest_time = profile.guest_time();
    assert!(guest_time > Duration::from_millis(300), "{guest_time:?}");
    assert!(profile.samples() > 100, "{}", profile.samples());
    for stack in &profile.stacks {
        let names: Vec<&str> = stack.frames.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(stack.frames[0].kind, FrameKind::Entry, "{names:?}");
        assert_eq!(stack.plugin, "spin");
        if names[0] == "spin::spin" && names.len() > 2 {
            assert_eq!(names[1..3], ["ask", "body"], "{names:?}");
        }
    }
    // The timeline is in order, and its samples refer to what there is.
    let timeline = &profile.timeline;
    assert!(timeline.is_sorted_by_key(|sample| sample.at));
    assert_eq!(timeline.len() as u64, profile.samples());
    let there = |place: usize| place < profile.stacks.len();
    assert!(timeline.iter().all(|sample| there(sample.stack)));
    assert!(timeline.iter().all(|s| s.thread < profile.threads.len()));
}

/// The distance of two cities takes some hundred nanoseconds a row: calls are shorter than the interval.
#[tokio::test(flavor = "multi_thread")]
async fn short_calls_lose_no_time() {
    let (profiler, options) = options(2_000);
    let registry = Registry::new(options);
    registry
        .load_file(built_plugins().join("geo.wasm"))
        .expect("it loads");
    let sql = "SELECT sum(great_circle_km(CAST(value % 90 AS DOUBLE), 13.4, 48.9, 2.4)) FROM range(0, 2000000)";
    query(&registry, sql).await.expect("it answers");
    let profile = profiler.profile();
    let functions = profile.hottest();
    let entry = functions
        .iter()
        .find(|function| function.name == "geo::great_circle_km")
        .expect("it was called");
    assert!(entry.total > Duration::from_millis(20), "{entry:?}");
    assert!(profile.folded().iter().all(|line| !line.contains("_ZN")));
}

#[tokio::test(flavor = "multi_thread")]
async fn deadlines_hold() {
    let (profiler, mut options) = options(100);
    options.limits.call_timeout_ms = 300;
    let registry = Registry::new(options);
    let body = "(loop $again (br $again)) (local.get $x)";
    registry
        .load_bytes(
            "endless.wat",
            Guest::new("endless", &[], body).text().as_bytes(),
        )
        .expect("it loads");
    let began = Instant::now();
    let message = query(&registry, "SELECT endless(1)").await.unwrap_err();
    assert!(message.contains("300 ms"), "{message}");
    let elapsed = began.elapsed();
    assert!(elapsed > Duration::from_millis(250), "{elapsed:?}");
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
    let seen = share(&profiler.profile(), "body");
    assert!(seen > 0.9, "{seen}");
}

/// Whatever a guest waits for in the host is a frame of its own.
#[tokio::test(flavor = "multi_thread")]
async fn host_calls_are_seen() {
    let (profiler, options) = options(1_000);
    let registry = Registry::new(options);
    let server = Server::start(Duration::from_millis(200));
    let settings = PluginSettings::default()
        .grant("net:http:*:443")
        .and_then(|settings| settings.grant("net:http:127.0.0.1:*"))
        .and_then(|settings| settings.grant("net:connect:127.0.0.1:*"))
        .expect("capabilities");
    registry
        .load_file_with(built_plugins().join("fetch.wasm"), &settings)
        .expect("it loads");
    let sql = format!("SELECT http_get('{}')", server.url());
    query(&registry, &sql).await.expect("it answers");
    let profile = profiler.profile();
    let waited: Duration = profile
        .hottest()
        .iter()
        .filter(|function| function.kind == FrameKind::Host)
        .map(|function| function.own)
        .sum();
    assert!(
        waited > Duration::from_millis(190),
        "{waited:?} {:?}",
        profile.folded()
    );
    let lines = profile.folded();
    let call = lines.iter().find(|line| line.contains(";host::http"));
    let call = call.unwrap_or_else(|| panic!("no host call in {lines:?}"));
    assert!(call.starts_with("fetch::http_get;"), "{call}");
}

/// An instance that waits for its next stream has said what its last one took, also if no sample was taken.
#[tokio::test(flavor = "multi_thread")]
async fn instances_that_wait_are_counted() {
    let (profiler, mut options) = options(10_000_000);
    options.pool.set("isolation", "shared").expect("an option");
    let registry = Registry::new(options);
    registry
        .load_bytes("spin.wat", spinning().as_bytes())
        .expect("it loads");
    query(&registry, "SELECT sum(spin(value)) FROM range(0, 100)")
        .await
        .expect("it answers");
    let began = Instant::now();
    while profiler.profile().guest_time().is_zero() {
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "nothing was counted"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let profile = profiler.profile();
    assert_eq!(profile.samples(), 0);
    assert!(
        profile
            .hottest()
            .iter()
            .any(|f| f.name == "spin::spin" && !f.total.is_zero())
    );
}

/// Other registries keep what they have, and their guests are not sampled.
#[tokio::test(flavor = "multi_thread")]
async fn others_are_left_alone() {
    let (profiler, _) = options(1_000);
    let registry = Registry::default();
    let plugin = registry.load_bytes("spin.wat", spinning().as_bytes());
    assert_eq!(
        plugin.expect("it loads").interruption(),
        Interruption::WatchPage
    );
    query(&registry, "SELECT spin(1)")
        .await
        .expect("it answers");
    let profile = profiler.profile();
    assert!(profile.stacks.is_empty() && profile.timeline.is_empty());
}
