use serde_json::json;

use super::*;
use crate::module::fixture::{INTERFACE, binary, guest};

fn names(inspection: &Inspection, allowed: bool) -> Vec<&str> {
    let proposals = inspection.proposals.iter().filter(|p| p.allowed == allowed);
    proposals.map(|p| p.name).collect()
}

#[test]
fn a_guest_is_inspected() {
    let bytes = binary(&format!(
        r#"(module
            (import "env" "now\1b" (func (result i64)))
            {INTERFACE}
            (table 3 9 funcref) (global (mut i32) (i32.const 0)) (data (i32.const 8) "hello")
            (func (param v128) (result i32 i32) i32.const 1 i32.const 2) (func $s) (start $s)
            (@custom "notes" "xyz")
            (@producers (language "Rust" "2024") (processed-by "rustc" "1.95.0")))"#
    ));
    let inspection = Inspection::new(&bytes, None).unwrap();
    let json = serde_json::to_value(&inspection).unwrap();
    assert_eq!(json["bytes"], json!(bytes.len()));
    assert_eq!(json["digest"], json!(Digest::of(&bytes).to_string()));
    assert_eq!(
        json["imports"],
        json!([{"module": "env", "name": "now\\u{1b}", "type": "func () -> i64"}])
    );
    assert_eq!(
        json["exports"][3],
        json!({"name": "wasmfusion_alloc", "type": "func (i32, i32) -> i32"})
    );
    assert_eq!(json["functions"], json!(5));
    assert_eq!(
        json["memories"],
        json!([{"initial_bytes": 65536, "max_bytes": null, "shared": false}])
    );
    assert_eq!(
        json["tables"],
        json!([{"element": "funcref", "initial": 3, "max": 9}])
    );
    assert_eq!(
        (
            inspection.globals,
            inspection.data_segments,
            inspection.data_bytes
        ),
        (1, 1, 5)
    );
    assert!(inspection.start && inspection.code_bytes > 0);
    assert!(
        inspection
            .custom_sections
            .iter()
            .any(|s| s.name == "notes" && s.bytes == 3)
    );
    let rustc = Producer {
        role: "processed-by".into(),
        name: "rustc".into(),
        version: "1.95.0".into(),
    };
    assert!(
        inspection.producers.contains(&rustc),
        "{:?}",
        inspection.producers
    );
    assert_eq!(names(&inspection, true), ["multi-value", "simd"]);
    assert!(names(&inspection, false).is_empty());
}

#[test]
fn a_refused_module_is_inspected_too() {
    let bytes = guest(
        "(memory 1 2 shared) (func $f (param externref) (drop (i32.atomic.load (i32.const 0))) unreachable)",
    );
    let inspection = Inspection::new(&bytes, None).unwrap();
    let refused = names(&inspection, false);
    assert_eq!(
        refused,
        ["threads", "multi-memory", "reference-types' externref"]
    );
    assert_eq!(inspection.memories[1].max_bytes, Some(2 << 16));
    assert!(inspection.memories[1].shared);
}

#[test]
fn every_proposal_has_a_name() {
    use wasmparser::WasmFeatures;
    // What the parser knows beyond core modules, and the two halves of proposals that have names as a whole.
    let other = WasmFeatures::FLOATS
        | WasmFeatures::COMPONENT_MODEL
        | WasmFeatures::CM_VALUES
        | WasmFeatures::CM_NESTED_NAMES
        | WasmFeatures::CM_ASYNC
        | WasmFeatures::CM_ASYNC_STACKFUL
        | WasmFeatures::CM_MORE_ASYNC_BUILTINS
        | WasmFeatures::CM_THREADING
        | WasmFeatures::CM_ERROR_CONTEXT
        | WasmFeatures::CM_FIXED_LENGTH_LISTS
        | WasmFeatures::CM_GC
        | WasmFeatures::CM_MAP
        | WasmFeatures::CM64
        | WasmFeatures::CM_IMPLEMENTS
        | WasmFeatures::CM_CANON_NAMES;
    assert_eq!(proposals::all() | other, WasmFeatures::all());
}
