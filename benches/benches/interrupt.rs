//! What it costs that every loop can be stopped, and how soon a guest that runs too long is.

use std::hint::black_box;
use std::time::{Duration, Instant};

use datafusion::logical_expr::ScalarUDF;
use wasmfusion::module::{Probes, instrument};
use wasmfusion::{Registry, RegistryOptions};
use wasmfusion_benches::guest::{GuestFunction, guest};
use wasmfusion_benches::{Figures, Pairs, Runner, Subject, function_of, is_test};
use wasmtime::{Config, Engine, Instance, Module, Store, TypedFunc};

/// Loops that add 1 to numbers of 64 bits, two at a time: one as LLVM makes it of an iterator in Rust, and a shorter one, written by hand.
/// Each has its figure.
const TIGHT_LOOPS: [(&str, &str); 2] = [
    (
        "loop",
        "(loop $next
          (v128.store align=8 (local.get $to)
            (i64x2.add (v128.load align=8 (local.get $from)) (v128.const i64x2 1 1)))
          (local.set $to (i32.add (local.get $to) (i32.const 16)))
          (local.set $from (i32.add (local.get $from) (i32.const 16)))
          (br_if $next (local.tee $count (i32.add (local.get $count) (i32.const -2)))))",
    ),
    (
        "short_loop",
        "(local $one v128) (local $end i32)
        (local.set $one (v128.const i64x2 1 1))
        (local.set $end (i32.add (local.get $from) (i32.shl (local.get $count) (i32.const 3))))
        (loop $next
          (v128.store (local.get $to) (i64x2.add (v128.load (local.get $from)) (local.get $one)))
          (local.set $to (i32.add (local.get $to) (i32.const 16)))
          (br_if $next
            (i32.lt_u (local.tee $from (i32.add (local.get $from) (i32.const 16))) (local.get $end))))",
    ),
];

/// Stores in front of the loop. Such a loop is one or one and a half cycles long, so where in a line of the cache it happens to start is
/// worth more than a check. The ratio is taken over all these places.
const PADDINGS: std::ops::Range<usize> = 0..8;

/// Loops that never end, as the body of a function.
const ENDLESS: [(&str, &str); 6] = [
    ("empty", "(loop $a (br $a))"),
    (
        "nested",
        "(loop $a (loop $b (br_if $b (i32.eqz (i32.load (i32.const 64))))) (br $a))",
    ),
    (
        "stores",
        "(local $i i32) (loop $a (i32.store (i32.const 1024) (local.tee $i (i32.add (local.get $i) (i32.const 1)))) (br $a))",
    ),
    ("calls", "(loop $a (call $leaf) (br $a))"),
    (
        "simd",
        "(local $v v128) (loop $a (local.set $v (i64x2.add (local.get $v) (v128.const i64x2 1 1))) (v128.store (i32.const 1024) (local.get $v)) (br $a))",
    ),
    (
        "table",
        "(local $i i32) (loop $a (block $b (block $c (br_table $a $b $c (i32.and (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 0)))))  (br $a))",
    ),
];

const TIMEOUT_MS: u64 = 20;
const KILLS_EACH: usize = 50;

fn main() {
    Runner::new().run(|_| (loops(), kills()), figures);
}

fn loops() -> Pairs {
    let mut pairs = Pairs::default();
    for (name, body) in TIGHT_LOOPS {
        for padding in PADDINGS {
            let side = |probes| {
                let (mut store, run) = tight_loop(body, padding, probes);
                move |calls| {
                    for _ in 0..calls {
                        let ran = run.call(&mut store, (black_box(1024), 70_000, 8_192));
                        ran.expect("the loop ends");
                    }
                }
            };
            pairs.measure(
                format!("{name}/{padding}"),
                side(Probes::On),
                side(Probes::Off),
            );
        }
    }
    pairs
}

/// Adds 1 to so many numbers at an address, and writes the sums to another: the count comes last.
type Run = TypedFunc<(i32, i32, i32), ()>;

fn tight_loop(body: &str, padding: usize, probes: Probes) -> (Store<()>, Run) {
    let mut config = Config::new();
    config.wasm_multi_memory(true);
    let engine = Engine::new(&config).expect("an engine");
    // Eight bytes of code each, near enough.
    let padding: String = (0..padding)
        .map(|place| format!("(i32.store8 offset={place} (i32.const 16) (i32.const 1)) "))
        .collect();
    let text = format!(
        r#"(module
          (memory (export "memory") 4)
          (func (export "run") (param $from i32) (param $to i32) (param $count i32)
            {}))"#,
        body.replacen("(loop", &format!("{padding} (loop"), 1),
    );
    let bytes = instrument(&wat::parse_str(text).expect("the text is valid"), probes)
        .expect("the module is valid");
    let module = Module::new(&engine, bytes).expect("the module compiles");
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).expect("the module imports nothing");
    let run = instance
        .get_typed_func(&mut store, "run")
        .expect("it exports run");
    (store, run)
}

/// A plugin whose function `spin` has this body.
fn endless(body: &str) -> ScalarUDF {
    let spin = GuestFunction {
        name: "spin".to_owned(),
        params: Vec::new(),
        returns: "Int64",
        body: format!("{body} (i32.const 0)"),
    };
    let text = guest("endless", "(func $leaf)", &[], &[spin]);
    let mut options = RegistryOptions::default();
    // The same guest fails over and over here.
    options.limits.breaker_failures_max = 0;
    options.limits.call_timeout_ms = TIMEOUT_MS;
    let plugin = Registry::new(options)
        .load_bytes("endless", text.as_bytes())
        .expect("the plugin loads");
    function_of(&plugin, "spin")
}

/// Times from the deadline to the error in the host, in milliseconds, sorted.
fn kills() -> Vec<f64> {
    let kills = if is_test() { 1 } else { KILLS_EACH };
    let mut times = Vec::new();
    for (name, body) in ENDLESS {
        let spin = Subject::new(&endless(body), &[]);
        for _ in 0..kills {
            let started = Instant::now();
            let error = spin.try_call().expect_err("the loop never ends");
            let elapsed = started.elapsed();
            assert!(error.to_string().contains("ran longer"), "{name}: {error}");
            times.push(
                (elapsed.saturating_sub(Duration::from_millis(TIMEOUT_MS))).as_secs_f64() * 1_000.0,
            );
        }
    }
    times.sort_by(f64::total_cmp);
    times
}

fn figures(figures: &Figures, (pairs, kills): (Pairs, Vec<f64>)) {
    for (name, _) in TIGHT_LOOPS {
        let pairs = PADDINGS.map(|padding| pairs[format!("{name}/{padding}").as_str()]);
        let (with, without) = pairs.fold((0.0, 0.0), |(with, without), pair| {
            (with + pair.ours_ns, without + pair.theirs_ns)
        });
        figures.print(&format!("interrupt/{name}_ratio"), with / without);
    }
    figures.print("interrupt/kill_p50_ms", kills[kills.len() / 2]);
    figures.print("interrupt/kill_p99_ms", kills[kills.len() * 99 / 100]);
}
