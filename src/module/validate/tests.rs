use wasmparser::ValType;

use super::*;
use crate::module::Inspection;
use crate::module::fixture::{INTERFACE, binary, guest, noise, random};
use crate::module::instrument::{Probes, instrument};
use crate::module::symbols::Symbolizer;

fn check(bytes: &[u8]) -> Result<ModuleInfo, ModuleError> {
    validate(bytes, &Limits::default(), |_, _| None)
}

fn refusal(bytes: &[u8]) -> String {
    check(bytes).expect_err("the module is refused").to_string()
}

#[test]
fn a_guest_is_described() {
    let info = check(&guest(
        r#"(table 7 funcref) (func (export "f") (param i32) (result i32) i32.const 0)"#,
    ))
    .unwrap();
    assert_eq!(info.functions, 4);
    assert_eq!(info.memory_bytes, 1 << 16);
    assert_eq!(info.memory_bytes_max, None);
    assert_eq!(info.table_elements, 7);
    assert_eq!(info.exports["f"].to_string(), "func (i32) -> i32");
    assert!(info.imports.is_empty() && !info.has_bind());
}

#[test]
fn every_allowed_proposal_is_allowed() {
    let fields = r#"
        (global (export "g") (mut i32) (i32.add (i32.const 1) (i32.const 2)))
        (func (param f32) (result i32 i32) local.get 0 i32.trunc_sat_f32_s i32.extend8_s i32.const 1)
        (func (param funcref v128) (result v128) i32.const 0 i32.const 0 i32.const 0 memory.fill local.get 1 i32x4.neg)
    "#;
    check(&guest(fields)).unwrap();
}

#[test]
fn every_other_proposal_is_refused_by_name() {
    let cases = [
        ("tail-call", "(func $f return_call $f)"),
        ("threads", "(func (drop (i32.atomic.load (i32.const 0))))"),
        ("memory64", "(memory i64 1)"),
        ("memory64", "(table i64 1 funcref)"),
        ("multi-memory", "(memory 1)"),
        (
            "multi-memory",
            "(memory $m 1) (func (drop (i32.load $m (i32.const 0))))",
        ),
        ("exception-handling", "(tag $e) (func throw $e)"),
        (
            "relaxed-simd",
            "(func (param v128 v128) (result v128) local.get 0 local.get 1 i8x16.relaxed_swizzle)",
        ),
        (
            "function-references",
            "(type $t (func)) (func (param (ref $t)) local.get 0 call_ref $t)",
        ),
        ("reference-types' externref", "(func (param externref))"),
        ("reference-types' externref", "(table 1 externref)"),
        (
            "gc",
            "(type $s (struct (field i32))) (func (drop (struct.new_default $s)))",
        ),
        (
            "wide-arithmetic",
            "(func (param i64 i64 i64 i64) (result i64 i64) local.get 0 local.get 1 local.get 2 local.get 3 i64.add128)",
        ),
        ("custom-page-sizes", "(memory 1 (pagesize 1))"),
        (
            "stack-switching",
            "(type $f (func)) (type $c (cont $f)) (func (param (ref null $c)))",
        ),
        (
            "legacy-exception-handling",
            "(tag $e) (func try catch $e end)",
        ),
    ];
    for (name, fields) in cases {
        match check(&guest(fields)) {
            Err(ModuleError::Proposals { proposals }) => {
                assert!(proposals.contains(&name), "{name}: {proposals:?}")
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    let shared = binary(&format!(
        "(module {} (memory (export \"m\") 1 1 shared))",
        INTERFACE.replace("(memory (export \"memory\") 1)", "")
    ));
    assert!(refusal(&shared).contains("threads"));
}

#[test]
fn a_refused_proposal_says_what_to_do() {
    assert_eq!(
        refusal(&guest("(func $f return_call $f)")),
        "the module uses the proposal tail-call, which Wasmfusion does not allow; build without `-C target-feature=+tail-call`"
    );
    let several = refusal(&guest("(func $f return_call $f) (memory 1)"));
    assert!(
        several.starts_with("the module uses the proposals tail-call, multi-memory, none of which"),
        "{several}"
    );
}

#[test]
fn imports_are_listed_with_advice() {
    let text = format!(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
            (import "env" "cos\1b[2J" (func (param f64) (result f64)))
            (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
            (import "__wbindgen_placeholder__" "__wbindgen_throw" (func))
            {INTERFACE})"#
    );
    let message = refusal(&binary(&text));
    assert!(
        message.starts_with("the module imports 4 things that the host does not have:"),
        "{message}"
    );
    assert!(
        message
            .contains("fd_write (func (i32, i32, i32, i32) -> i32), proc_exit (func (i32) -> ())"),
        "{message}"
    );
    assert!(
        message.contains("built for WASI; build it for `wasm32-unknown-unknown`"),
        "{message}"
    );
    assert!(message.contains("wasm-bindgen"), "{message}");
    assert!(
        message.contains("cos\\u{1b}[2J") && !message.contains('\u{1b}'),
        "{message}"
    );

    let offered = |module: &str, name: &str| {
        let params: &[ValType] = match name {
            "fd_write" => &[ValType::I32; 4],
            "proc_exit" => &[ValType::I32],
            _ => &[],
        };
        let results: &[ValType] = match name {
            "fd_write" => &[ValType::I32],
            _ => &[],
        };
        (module != "env").then(|| Signature {
            params: params.into(),
            results: results.into(),
        })
    };
    let some = validate(&binary(&text), &Limits::default(), offered).unwrap_err();
    assert!(matches!(some, ModuleError::Imports { missing } if missing.len() == 1));
    let text = text.replace("\"env\"", "\"host\"");
    let other = validate(&binary(&text), &Limits::default(), offered).unwrap_err();
    assert!(matches!(&other, ModuleError::ImportType { .. }), "{other}");
    assert!(
        other
            .to_string()
            .contains("is a func (f64) -> f64, the host's is a func () -> ()"),
        "{other}"
    );
    let text = text.replace("(param f64) (result f64)", "");
    let granted = validate(&binary(&text), &Limits::default(), offered).unwrap();
    assert_eq!(granted.imports.len(), 4);
}

#[test]
fn an_imported_memory_is_refused_whatever_is_granted() {
    let text = format!(
        "(module (import \"env\" \"memory\" (memory 1)) {})",
        INTERFACE.replace("(memory (export \"memory\") 1)", "")
    );
    let all = |_: &str, _: &str| Some(Signature::i32(0));
    let error = validate(&binary(&text), &Limits::default(), all).unwrap_err();
    assert!(error.to_string().contains("--import-memory"), "{error}");
}

#[test]
fn exports_are_checked_by_name_kind_and_type() {
    let without = |export: &str| INTERFACE.replace(&format!("(export \"{export}\")"), "");
    let module = |fields: &str| refusal(&binary(&format!("(module {fields})")));
    assert!(module(&without("memory")).contains("does not export `memory`, expected a memory"));
    assert!(
        module(&without("wasmfusion_alloc"))
            .contains("`wasmfusion_alloc`, expected a func (i32, i32) -> i32")
    );
    assert!(module(&without("wasmfusion_abi_version")).contains("this host speaks version 1"));
    let wrong = module(&INTERFACE.replace("(param i32 i32)", "(param i32)"));
    assert!(
        wrong.contains(
            "`wasmfusion_alloc` is a func (i32) -> i32, expected a func (i32, i32) -> i32"
        ),
        "{wrong}"
    );
    let kind = module(
        &(without("wasmfusion_describe")
            + "(global (export \"wasmfusion_describe\") i32 (i32.const 1))"),
    );
    assert!(
        kind.contains("`wasmfusion_describe` is a global, expected a func () -> i32"),
        "{kind}"
    );
    assert!(
        refusal(&guest(r#"(func (export "wasmfusion_bind"))"#))
            .contains("expected a func (i32) -> i32")
    );
    for name in [WATCH_EXPORT, START_EXPORT] {
        let taken = refusal(&guest(&format!("(func (export \"{name}\"))")));
        assert!(taken.contains("the host keeps for itself"), "{taken}");
    }
    let none = module(&without("memory").replace("(memory  1)", ""));
    assert!(none.contains("0 memories"), "{none}");
}

#[test]
fn abi_versions_have_three_outcomes() {
    assert!(AbiVersion::of(Some(1)).check().is_ok());
    assert!(
        AbiVersion::of(None)
            .check()
            .unwrap_err()
            .to_string()
            .contains("does not export")
    );
    let other = AbiVersion::of(Some(7)).check().unwrap_err().to_string();
    assert!(
        other.contains("speaks version 7") && other.contains("speaks version 1"),
        "{other}"
    );
}

#[test]
fn every_limit_has_an_effect() {
    let bytes = guest("(table 7 funcref) (func nop nop nop nop nop nop nop nop)");
    let refused = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        validate(&bytes, &limits, |_, _| None)
            .unwrap_err()
            .to_string()
    };
    assert!(refused(|l| l.module_bytes_max = 100).contains("`module_bytes_max`"));
    assert!(
        refused(|l| l.module_functions_max = 3)
            .contains("4 functions, more than the 3 that `module_functions_max`")
    );
    assert!(refused(|l| l.module_function_bytes_max = 8).contains("function 3 has 10 bytes"));
    assert!(refused(|l| l.memory_bytes_max = 65_535).contains("`memory_bytes_max`"));
    assert!(
        refused(|l| l.table_elements_max = 6)
            .contains("7 elements, more than the 6 that `table_elements_max`")
    );
}

#[test]
fn damage_is_told_with_its_place() {
    let bytes = guest("");
    let message = refusal(&bytes[..bytes.len() - 3]);
    assert!(
        message.starts_with("malformed module: ") && message.contains("(at byte "),
        "{message}"
    );
    assert!(refusal(b"\0asm\x0d\0\x01\0").starts_with("this is a component"));
    assert!(refusal(b"PK\x03\x04").contains("starts with the bytes 50 4b 03 04"));
    let invalid = refusal(&guest("(func (result i32))"));
    assert!(invalid.contains("type mismatch"), "{invalid}");
}

/// Everything that reads a module, on bytes that may be anything.
fn read_all(bytes: &[u8]) {
    let valid = check(bytes).is_ok();
    let rewritten = instrument(bytes, Probes::On);
    assert!(!valid || rewritten.is_ok());
    let _ = instrument(bytes, Probes::Off);
    let _ = Inspection::new(bytes, None);
    for function in [0, 1, u32::MAX] {
        Symbolizer::new(bytes.into(), Probes::On).resolve(function, Some(function as usize));
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_cause_a_panic(tail in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        read_all(&tail);
        read_all(&[b"\0asm\x01\0\0\0".as_slice(), &tail].concat());
    }

    #[test]
    fn no_damage_causes_a_panic(
        seed in 0_u64..1000,
        damage in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), proptest::prelude::any::<u8>()), 1..6),
        cut in proptest::prelude::any::<proptest::sample::Index>(),
    ) {
        for mut bytes in [guest("(func $f (loop br 0) call $f)"), random(&noise(seed, 2048)).unwrap_or_default()] {
            if bytes.is_empty() { continue; }
            for (index, value) in &damage {
                let at = index.index(bytes.len());
                bytes[at] = *value;
            }
            read_all(&bytes);
            bytes.truncate(cut.index(bytes.len()));
            read_all(&bytes);
        }
    }
}
