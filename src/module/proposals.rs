//! The proposals of WebAssembly: which ones a module may use, and which ones it does.

use wasmparser::{Validator, WasmFeatures};

/// What a module may use.
pub const ALLOWED: WasmFeatures = BASE
    .union(WasmFeatures::MUTABLE_GLOBAL)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::EXTENDED_CONST);

/// WebAssembly as it first came out. The parser's switch for floats counts as part of it.
const BASE: WasmFeatures = WasmFeatures::FLOATS;

/// One proposal and how to live without it.
pub(crate) struct Proposal {
    /// Its name in the WebAssembly project.
    pub name: &'static str,
    pub features: WasmFeatures,
    /// What a refusal advises. Empty for what is allowed.
    advice: &'static str,
}

const fn proposal(name: &'static str, features: WasmFeatures, advice: &'static str) -> Proposal {
    Proposal {
        name,
        features,
        advice,
    }
}

const GC_ADVICE: &str = "build with a compiler that targets linear memory";

/// Every proposal for core modules that the parser knows. Where one includes another, the smaller one comes first.
pub(crate) const PROPOSALS: &[Proposal] = &[
    proposal("mutable-global", WasmFeatures::MUTABLE_GLOBAL, ""),
    proposal("sign-extension-ops", WasmFeatures::SIGN_EXTENSION, ""),
    proposal(
        "nontrapping-float-to-int-conversions",
        WasmFeatures::SATURATING_FLOAT_TO_INT,
        "",
    ),
    proposal("multi-value", WasmFeatures::MULTI_VALUE, ""),
    proposal("bulk-memory-operations", WasmFeatures::BULK_MEMORY, ""),
    proposal("reference-types", WasmFeatures::REFERENCE_TYPES, ""),
    proposal("simd", WasmFeatures::SIMD, ""),
    proposal("extended-const", WasmFeatures::EXTENDED_CONST, ""),
    proposal(
        "relaxed-simd",
        WasmFeatures::RELAXED_SIMD,
        "build without `-C target-feature=+relaxed-simd`",
    ),
    proposal(
        "tail-call",
        WasmFeatures::TAIL_CALL,
        "build without `-C target-feature=+tail-call`",
    ),
    proposal(
        "threads",
        WasmFeatures::THREADS,
        "build without `-C target-feature=+atomics` and without shared memory",
    ),
    proposal(
        "shared-everything-threads",
        WasmFeatures::SHARED_EVERYTHING_THREADS,
        "build without threads",
    ),
    proposal(
        "multi-memory",
        WasmFeatures::MULTI_MEMORY,
        "build with a single memory",
    ),
    proposal(
        "memory64",
        WasmFeatures::MEMORY64,
        "build for `wasm32-unknown-unknown`, not for wasm64",
    ),
    proposal(
        "exception-handling",
        WasmFeatures::EXCEPTIONS,
        "build with `panic = \"abort\"` and without `-C target-feature=+exception-handling`",
    ),
    proposal(
        "legacy-exception-handling",
        WasmFeatures::LEGACY_EXCEPTIONS,
        "build with `panic = \"abort\"` and without `-C target-feature=+exception-handling`",
    ),
    // A part of reference-types that the parser can switch off by itself. The engine is built without what it needs.
    proposal(
        "reference-types' externref",
        WasmFeatures::GC_TYPES,
        "build without references to host objects (`externref`, often from wasm-bindgen)",
    ),
    proposal(
        "function-references",
        WasmFeatures::FUNCTION_REFERENCES,
        GC_ADVICE,
    ),
    proposal("gc", WasmFeatures::GC, GC_ADVICE),
    proposal(
        "custom-descriptors",
        WasmFeatures::CUSTOM_DESCRIPTORS,
        GC_ADVICE,
    ),
    proposal(
        "stack-switching",
        WasmFeatures::STACK_SWITCHING,
        "build without coroutines on WebAssembly stacks",
    ),
    proposal(
        "wide-arithmetic",
        WasmFeatures::WIDE_ARITHMETIC,
        "build without `-C target-feature=+wide-arithmetic`",
    ),
    proposal(
        "custom-page-sizes",
        WasmFeatures::CUSTOM_PAGE_SIZES,
        "build with pages of 64 KiB",
    ),
    proposal(
        "memory-control",
        WasmFeatures::MEMORY_CONTROL,
        "build without `memory.discard`",
    ),
    proposal(
        "compact-import-section",
        WasmFeatures::COMPACT_IMPORTS,
        "build without a compact import section",
    ),
];

/// The proposals that `bytes` need beyond WebAssembly as it first came out, whether allowed or not.
///
/// # Errors
///
/// If the module is not valid with all of them.
pub(crate) fn used(bytes: &[u8]) -> Result<Vec<&'static Proposal>, wasmparser::Error> {
    Ok(named(needed(bytes, BASE)?))
}

/// The proposals that `bytes` need and that are not allowed. None: the module is not valid with any.
pub(crate) fn refused(bytes: &[u8]) -> Vec<&'static Proposal> {
    match needed(bytes, ALLOWED) {
        Ok(features) => named(features.difference(ALLOWED)),
        Err(_) => Vec::new(),
    }
}

fn named(features: WasmFeatures) -> Vec<&'static Proposal> {
    let features = features.difference(BASE);
    PROPOSALS
        .iter()
        .filter(|p| p.features.intersects(features))
        .collect()
}

/// The features beyond `base` with which `bytes` are valid: no more than needed.
///
/// An error mostly says which feature would have avoided it, and each round adds one, so there are at most as many rounds as
/// features. Where an error does not say, features are taken away from all of them for as long as the module stays valid.
fn needed(bytes: &[u8], base: WasmFeatures) -> Result<WasmFeatures, wasmparser::Error> {
    let mut features = base;
    loop {
        let Err(error) = validate(bytes, features) else {
            return Ok(features);
        };
        match error.missing_wasm_feature() {
            Some(missing) if !features.contains(missing) => features |= missing,
            _ => break,
        }
    }

    let mut enough = all();
    validate(bytes, enough)?;
    for proposal in PROPOSALS.iter().rev() {
        let fewer = enough.difference(proposal.features) | base;
        if fewer != enough && validate(bytes, fewer).is_ok() {
            enough = fewer;
        }
    }
    Ok(enough)
}

/// Every proposal.
pub(crate) fn all() -> WasmFeatures {
    PROPOSALS.iter().fold(BASE, |all, p| all | p.features)
}

fn validate(bytes: &[u8], features: WasmFeatures) -> Result<(), wasmparser::Error> {
    Validator::new_with_features(features)
        .validate_all(bytes)
        .map(|_| ())
}

/// "uses … (proposal …), which …": the end of a message that starts with "the module".
pub(crate) fn refusal(names: &[&str]) -> String {
    let mut advice: Vec<&str> = PROPOSALS
        .iter()
        .filter(|p| names.contains(&p.name))
        .map(|p| p.advice)
        .collect();
    advice.dedup();
    let (noun, verb) = match names.len() {
        1 => ("the proposal", "which Wasmfusion does not allow"),
        _ => ("the proposals", "none of which Wasmfusion allows"),
    };
    format!(
        "uses {noun} {}, {verb}; {}",
        names.join(", "),
        advice.join("; ")
    )
}
