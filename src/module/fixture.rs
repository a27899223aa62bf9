//! Modules for the tests of this folder.

/// The exports that every guest must have, in text form, with a memory of one page.
pub(crate) const INTERFACE: &str = r#"
    (memory (export "memory") 1)
    (func (export "wasmfusion_abi_version") (result i32) i32.const 1)
    (func (export "wasmfusion_describe") (result i32) i32.const 0)
    (func (export "wasmfusion_alloc") (param i32 i32) (result i32) i32.const 0)
"#;

/// A guest that has the interface and `fields`.
pub(crate) fn guest(fields: &str) -> Vec<u8> {
    binary(&format!("(module {INTERFACE} {fields})"))
}

/// The binary form of `text`.
pub(crate) fn binary(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the test's text parses")
}

/// A random module within what guests may use, with a memory, everything exported and many loops; `None` if `seed` makes none.
pub(crate) fn random(seed: &[u8]) -> Option<Vec<u8>> {
    generate(seed, config(seed), None)
}

/// As [`random`], with numbers that no two engines see differently, and an end to every loop and recursion after `fuel` turns.
pub(crate) fn terminating(seed: &[u8], fuel: u32) -> Option<Vec<u8>> {
    let config = wasm_smith::Config {
        canonicalize_nans: true,
        reference_types_enabled: false,
        ..config(seed)
    };
    generate(seed, config, Some(fuel))
}

fn generate(seed: &[u8], config: wasm_smith::Config, fuel: Option<u32>) -> Option<Vec<u8>> {
    let mut input = arbitrary::Unstructured::new(seed);
    let mut module = wasm_smith::Module::new(config, &mut input).ok()?;
    if let Some(fuel) = fuel {
        module.ensure_termination(fuel).ok()?;
    }
    let bytes = module.to_bytes();
    let mut validator = wasmparser::Validator::new_with_features(super::proposals::ALLOWED);
    validator.validate_all(&bytes).is_ok().then_some(bytes)
}

fn config(seed: &[u8]) -> wasm_smith::Config {
    wasm_smith::Config {
        allow_start_export: true,
        custom_page_sizes_enabled: false,
        exceptions_enabled: false,
        export_everything: true,
        gc_enabled: false,
        generate_custom_sections: true,
        max_imports: 0,
        max_instructions: 400,
        max_memories: 1,
        max_memory32_bytes: 1 << 20,
        max_table_elements: 1_000,
        memory64_enabled: false,
        memory_max_size_required: true,
        min_funcs: 1,
        min_memories: 1,
        // The generator knows no reference types without `externref`, which guests may not use.
        reference_types_enabled: seed.first().is_some_and(|byte| byte % 4 == 0),
        relaxed_simd_enabled: false,
        tail_call_enabled: false,
        threads_enabled: false,
        wide_arithmetic_enabled: false,
        ..Default::default()
    }
}

/// Bytes that look random and are the same in every run.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(|_| next()).collect()
}
