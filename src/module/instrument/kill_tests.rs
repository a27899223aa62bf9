//! Guests that never return, stopped by taking the watch page away while they run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::mm::{MprotectFlags, mprotect};
use wasmtime::{Config, Engine, Func, Instance, Module, OptLevel, Store, Trap, Val};

use super::*;
use crate::module::fixture::{INTERFACE, binary, noise, random};

const PAGE_BYTES: usize = 1 << 16;

/// How long a guest may live on without its page. It takes some thirty microseconds; the rest is for a busy machine.
const AGONY_MAX: Duration = Duration::from_secs(1);

fn engine() -> Engine {
    let mut config = Config::new();
    config
        .cranelift_opt_level(OptLevel::Speed)
        .wasm_multi_memory(true)
        .signals_based_traps(true);
    Engine::new(&config).unwrap()
}

/// What a call came to, and how long it took from the moment that the page was gone.
struct Outcome {
    result: wasmtime::Result<()>,
    after_kill: Duration,
}

/// Calls `function` and takes the page away from it after `patience`.
fn run_and_kill(
    store: &mut Store<()>,
    instance: Instance,
    function: Func,
    patience: Duration,
) -> Outcome {
    let page = instance
        .get_memory(&mut *store, WATCH_EXPORT)
        .expect("the watch page")
        .data_ptr(&mut *store) as usize;
    let returned = Arc::new(AtomicBool::new(false));
    let watchdog = thread::spawn({
        let returned = Arc::clone(&returned);
        move || {
            let end = Instant::now() + patience;
            while Instant::now() < end && !returned.load(Ordering::Acquire) {
                thread::sleep(Duration::from_micros(200));
            }
            // SAFETY: the page is the instance's second memory, which the store keeps alive until after this thread was joined. Nobody on
            // the host holds a reference into it, and a guest that reads it traps.
            unsafe { mprotect(page as *mut _, PAGE_BYTES, MprotectFlags::empty()) }.unwrap();
            let killed = Instant::now();
            while !returned.load(Ordering::Acquire) {
                if killed.elapsed() > 10 * AGONY_MAX {
                    eprintln!("the guest goes on without its page: a probe is missing");
                    std::process::abort();
                }
                thread::sleep(Duration::from_micros(200));
            }
            killed
        }
    });
    let ty = function.ty(&mut *store);
    let params: Vec<Val> = ty
        .params()
        .map(|ty| Val::default_for_ty(&ty).unwrap_or(Val::I32(0)))
        .collect();
    let mut results: Vec<Val> = ty.results().map(|_| Val::I32(0)).collect();
    let result = function.call(&mut *store, &params, &mut results);
    returned.store(true, Ordering::Release);
    let end = Instant::now();
    let killed = watchdog.join().unwrap();
    // SAFETY: as above; the engine expects the page to be accessible when it reuses it.
    unsafe {
        mprotect(
            page as *mut _,
            PAGE_BYTES,
            MprotectFlags::READ | MprotectFlags::WRITE,
        )
    }
    .unwrap();
    let after_kill = end.saturating_duration_since(killed);
    Outcome { result, after_kill }
}

fn kill(fields: &str) {
    let engine = engine();
    let bytes = instrument(
        &binary(&format!("(module {INTERFACE} {fields})")),
        Probes::On,
    )
    .unwrap();
    let module = Module::new(&engine, bytes).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let function = instance.get_func(&mut store, "f").unwrap();
    for _ in 0..3 {
        let outcome = run_and_kill(&mut store, instance, function, Duration::from_millis(5));
        let error = outcome
            .result
            .expect_err("the guest never returns by itself");
        assert_eq!(
            error.downcast_ref::<Trap>(),
            Some(&Trap::MemoryOutOfBounds),
            "{error:?}"
        );
        assert!(outcome.after_kill < AGONY_MAX, "{:?}", outcome.after_kill);
    }
}

#[test]
fn a_loop_dies() {
    kill(r#"(func (export "f") loop br 0 end)"#);
}

#[test]
fn nested_loops_die_in_the_inner_one() {
    kill(r#"(func (export "f") loop loop loop br 0 end br 0 end br 0 end)"#);
}

#[test]
fn the_second_of_two_loops_dies() {
    kill(
        r#"(func (export "f") (local i32)
            loop (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 10))) end
            loop (local.set 0 (i32.mul (local.get 0) (i32.const 3))) br 0 end)"#,
    );
}

#[test]
fn a_loop_that_works_on_memory_dies() {
    kill(
        r#"(func (export "f") (local i32)
            loop (i32.store (i32.and (local.get 0) (i32.const 0xfff0)) (i32.load (i32.const 64)))
                 (local.set 0 (i32.add (local.get 0) (i32.const 16))) br 0 end)"#,
    );
}

#[test]
fn calls_without_end_die() {
    // A tree of calls of depth 64, too shallow for the stack and too wide to be finished.
    kill(
        r#"(func $tree (param i32)
            (if (local.get 0) (then
                (call $tree (i32.sub (local.get 0) (i32.const 1)))
                (call $tree (i32.sub (local.get 0) (i32.const 1))))))
           (func (export "f") (call $tree (i32.const 64)))"#,
    );
}

#[test]
fn indirect_calls_without_end_die() {
    kill(
        r#"(type $t (func (param i32)))
           (table funcref (elem $tree))
           (func $tree (param i32)
            (if (local.get 0) (then
                (call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0))
                (call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0)))))
           (func (export "f") (call $tree (i32.const 64)))"#,
    );
}

#[test]
fn a_loop_entered_by_a_branch_table_dies() {
    kill(r#"(func (export "f") (local i32) loop loop (br_table 0 1 0 (local.get 0)) end end)"#);
}

/// Torture: whatever a random module does, it is over shortly after its page was taken.
#[test]
fn random_modules_die() {
    let engine = engine();
    let (mut calls, mut killed) = (0, 0);
    for seed in 0..600 {
        let Some(original) = random(&noise(seed, 4096)) else {
            continue;
        };
        let Ok(bytes) = instrument(&original, Probes::On) else {
            continue;
        };
        let module = Module::new(&engine, bytes).unwrap();
        let mut store = Store::new(&engine, ());
        let Ok(instance) = Instance::new(&mut store, &module, &[]) else {
            continue;
        };
        let functions: Vec<Func> = instance
            .exports(&mut store)
            .filter_map(|export| export.into_func())
            .collect();
        if instance.get_memory(&mut store, WATCH_EXPORT).is_none() {
            continue;
        }
        for function in functions.into_iter().take(5) {
            let outcome = run_and_kill(&mut store, instance, function, Duration::from_millis(3));
            calls += 1;
            killed += usize::from(outcome.after_kill > Duration::ZERO && outcome.result.is_err());
            assert!(
                outcome.after_kill < AGONY_MAX,
                "seed {seed}: {:?}",
                outcome.after_kill
            );
        }
    }
    assert!(
        calls > 300 && killed > 10,
        "the test made {calls} calls and killed {killed}"
    );
}
