//! Random modules, rewritten and compiled, against the same modules as they came, in an interpreter: whatever a rewritten guest computes, its
//! author's module computes too.

use super::*;
use crate::module::fixture::{noise, terminating};

/// Modules that are tried.
const SEEDS: u64 = 1_000;
/// Loops and calls that a module may make before it traps.
const FUEL: u32 = 2_000;

/// How a call ended. Traps are not told apart: the two engines have different words for them.
#[derive(Debug, PartialEq)]
enum Outcome {
    Values(Vec<u128>),
    Trap,
    /// The engines have stacks of different depth.
    StackOverflow,
}

/// All that can be seen of a module after a call.
#[derive(Debug, PartialEq)]
struct State {
    outcome: Outcome,
    memory: u64,
}

/// Arguments of a type: none is too strange to be tried.
fn argument(seed: u64, place: usize) -> u64 {
    const STRANGE: [u64; 6] = [0, 1, u64::MAX, 1 << 31, 1 << 63, 0x4009_21fb_5444_2d18];
    STRANGE[(seed as usize + place) % STRANGE.len()]
}

/// A checksum of a memory.
fn sum(bytes: &[u8]) -> u64 {
    let (chunks, rest) = bytes.as_chunks::<8>();
    let step = |hash: u64, value: u64| (hash ^ value).wrapping_mul(0x0100_0000_01b3);
    let hash = chunks
        .iter()
        .fold(7, |hash, chunk| step(hash, u64::from_le_bytes(*chunk)));
    rest.iter()
        .fold(hash, |hash, byte| step(hash, u64::from(*byte)))
}

/// The names of the functions that a module exports, and of its memory.
fn exports(bytes: &[u8]) -> (Vec<String>, String) {
    let (mut functions, mut memory) = (Vec::new(), String::new());
    for payload in Parser::new(0).parse_all(bytes) {
        if let Payload::ExportSection(section) = payload.unwrap() {
            for export in section {
                let export = export.unwrap();
                match export.kind {
                    wasmparser::ExternalKind::Func => functions.push(export.name.to_owned()),
                    wasmparser::ExternalKind::Memory => export.name.clone_into(&mut memory),
                    _ => {}
                }
            }
        }
    }
    (functions, memory)
}

fn compiled(bytes: &[u8], seed: u64) -> Option<Vec<State>> {
    use wasmtime::{Config, Engine, Instance, Module, Store, Trap, Val};
    let (functions, memory) = exports(bytes);
    let mut config = Config::new();
    config.wasm_multi_memory(true);
    let engine = Engine::new(&config).unwrap();
    let module = Module::new(&engine, instrument(bytes, Probes::On).unwrap()).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).ok()?;
    let mut states = Vec::new();
    for (place, name) in functions.iter().enumerate() {
        let function = instance.get_func(&mut store, name).unwrap();
        let ty = function.ty(&store);
        let value = |(place, ty): (usize, wasmtime::ValType)| {
            let bits = argument(seed, place);
            Some(match ty {
                wasmtime::ValType::I32 => Val::I32(bits as i32),
                wasmtime::ValType::I64 => Val::I64(bits as i64),
                wasmtime::ValType::F32 => Val::F32(bits as u32),
                wasmtime::ValType::F64 => Val::F64(bits),
                wasmtime::ValType::V128 => Val::V128(u128::from(bits).into()),
                wasmtime::ValType::Ref(_) => return None,
            })
        };
        let inputs: Option<Vec<Val>> = ty.params().enumerate().map(value).collect();
        let Some(inputs) = inputs else { continue };
        let mut outputs = vec![Val::I32(0); ty.results().len()];
        let outcome = match function.call(&mut store, &inputs, &mut outputs) {
            Ok(()) => {
                let bits = |value: &Val| match value {
                    Val::I32(value) => u128::from(value.cast_unsigned()),
                    Val::I64(value) => u128::from(value.cast_unsigned()),
                    Val::F32(bits) => u128::from(*bits),
                    Val::F64(bits) => u128::from(*bits),
                    Val::V128(value) => value.as_u128(),
                    other => u128::from(other.ref_().is_some_and(|value| !value.is_null())),
                };
                Outcome::Values(outputs.iter().map(bits).collect())
            }
            Err(error) => match error.downcast_ref::<Trap>() {
                Some(Trap::StackOverflow) => Outcome::StackOverflow,
                _ => Outcome::Trap,
            },
        };
        let memory = instance.get_memory(&mut store, &memory).unwrap();
        let state = State {
            outcome,
            memory: sum(memory.data(&store)),
        };
        let ends = state.outcome == Outcome::StackOverflow;
        states.push(state);
        if ends || place > 8 {
            break;
        }
    }
    Some(states)
}

fn interpreted(bytes: &[u8], seed: u64) -> Option<Vec<State>> {
    use wasmi::{Config, Engine, Linker, Module, Store, TrapCode, V128, Val, ValType};
    let (functions, memory) = exports(bytes);
    let mut config = Config::default();
    config.wasm_simd(true);
    let engine = Engine::new(&config);
    let module = Module::new(&engine, bytes).unwrap();
    let mut store = Store::new(&engine, ());
    let linker = Linker::<()>::new(&engine);
    let instance = linker.instantiate_and_start(&mut store, &module).ok()?;
    let mut states = Vec::new();
    for (place, name) in functions.iter().enumerate() {
        let function = instance.get_func(&store, name).unwrap();
        let ty = function.ty(&store);
        let value = |(place, ty): (usize, &ValType)| {
            let bits = argument(seed, place);
            Some(match ty {
                ValType::I32 => Val::I32(bits as i32),
                ValType::I64 => Val::I64(bits as i64),
                ValType::F32 => Val::F32(wasmi::F32::from_bits(bits as u32)),
                ValType::F64 => Val::F64(wasmi::F64::from_bits(bits)),
                ValType::V128 => Val::V128(V128::from(u128::from(bits))),
                _ => return None,
            })
        };
        let inputs: Option<Vec<Val>> = ty.params().iter().enumerate().map(value).collect();
        let Some(inputs) = inputs else { continue };
        let mut outputs = vec![Val::I32(0); ty.results().len()];
        let outcome = match function.call(&mut store, &inputs, &mut outputs) {
            Ok(()) => {
                let bits = |value: &Val| match value {
                    Val::I32(value) => u128::from(value.cast_unsigned()),
                    Val::I64(value) => u128::from(value.cast_unsigned()),
                    Val::F32(value) => u128::from(value.to_bits()),
                    Val::F64(value) => u128::from(value.to_bits()),
                    Val::V128(value) => value.as_u128(),
                    Val::FuncRef(value) => u128::from(!value.is_null()),
                    Val::ExternRef(value) => u128::from(!value.is_null()),
                };
                Outcome::Values(outputs.iter().map(bits).collect())
            }
            Err(error) => match error.as_trap_code() {
                Some(TrapCode::StackOverflow) => Outcome::StackOverflow,
                _ => Outcome::Trap,
            },
        };
        let memory = instance.get_memory(&store, &memory).unwrap();
        let state = State {
            outcome,
            memory: sum(memory.data(&store)),
        };
        let ends = state.outcome == Outcome::StackOverflow;
        states.push(state);
        if ends || place > 8 {
            break;
        }
    }
    Some(states)
}

#[test]
fn rewritten_and_compiled_modules_compute_what_an_interpreter_does() {
    let (mut modules, mut calls, mut values) = (0, 0, 0);
    for seed in 0..SEEDS {
        let Some(bytes) = terminating(&noise(seed, 4096), FUEL) else {
            continue;
        };
        let (Some(ours), Some(theirs)) = (compiled(&bytes, seed), interpreted(&bytes, seed)) else {
            continue;
        };
        modules += 1;
        for (ours, theirs) in std::iter::zip(ours, theirs) {
            if [&ours.outcome, &theirs.outcome].contains(&&Outcome::StackOverflow) {
                break;
            }
            calls += 1;
            values += usize::from(matches!(ours.outcome, Outcome::Values(_)));
            assert_eq!(ours, theirs, "module of seed {seed}");
        }
    }
    println!("{modules} modules, {calls} calls, {values} of them returned");
    assert!(
        modules > 700 && calls > 600 && values > 200,
        "{modules} modules, {calls} calls, {values} of them returned"
    );
}
