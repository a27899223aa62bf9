//! What Wasmfusion reads from strangers, as plain functions of bytes: one for each fuzz target.
//!
//! Each takes any bytes, and says whether they were accepted. It panics where a promise is broken: that is what a fuzzer looks for. libFuzzer's
//! entries are in `fuzz_targets/`; `sql-tests/tests/fuzz_corpus.rs` includes this file, and runs the corpus through it without a fuzzer.
//!
//! A new target is a function here with its line in [`TARGETS`], a file in `fuzz_targets/` with its `[[bin]]` in `Cargo.toml`, and a
//! folder in `corpus/`.

mod hostcall;
mod input;
mod oracle;

use arrow::datatypes::DataType;
use wasmfusion::columns::{
    Arena, ReadLimits, SchemaLimits, check_type, measure, measure_schema, read, read_schema, write,
    write_schema,
};
use wasmfusion::memory::GuestMemory;
use wasmfusion::module::{
    Inspection, Manifest, ModuleSource, Probes, START_EXPORT, Symbolizer, WATCH_EXPORT, instrument,
    signature_text, validate,
};
use wasmfusion::{Capability, Limits, PluginSettings};
use wasmparser::{Validator, WasmFeatures};

pub use hostcall::{hostcall, hostcall_seeds};
pub use input::Input;
pub use oracle::assert_valid;

/// Runs one target, and says whether the bytes were accepted.
pub type Target = fn(&[u8]) -> bool;

/// Every target by name, which is that of its folder in `corpus/`.
pub const TARGETS: [(&str, Target); 6] = [
    ("hostcall", hostcall),
    ("manifest", manifest),
    ("module", module),
    ("result", result),
    ("schema", schema),
    ("settings", settings),
];

/// Where in guest memory a struct lies that [`result`] and [`schema`] read. The bytes before it are 0, and are no part of the input.
pub const AT: u32 = 8;

/// Largest module that is tried: the larger, the slower.
const MODULE_BYTES_MAX: usize = 64 << 10;
/// Rows that a result has, at most.
const ROWS_MAX: usize = 70;
/// Most bytes of a result.
const RESULT_BYTES_MAX: usize = 1 << 20;
/// Deepest type.
const DEPTH_MAX: usize = 16;
/// Zeros behind the input in guest memory are a multiple of this.
const ROOM: usize = 16;
/// Functions of a module of which positions are explained.
const FUNCTIONS: u32 = 2;

/// A manifest. One that is accepted is accepted again as it is shown, and then is the same.
pub fn manifest(data: &[u8]) -> bool {
    let mut limits = Limits::default();
    let manifest = match Manifest::parse(data, &limits) {
        Ok(manifest) => manifest,
        Err(error) => {
            assert_printable(&error.to_string());
            return false;
        }
    };
    for function in &manifest.functions {
        assert_printable(&signature_text(function));
    }
    limits.manifest_bytes_max = usize::MAX;
    let shown = serde_json::to_vec(&manifest).expect("it can be written");
    let again = Manifest::parse(&shown, &limits).unwrap_or_else(|error| panic!("{error}"));
    // The schema is the plugin's own, with numbers that need not come back to the last digit.
    let config_schema = manifest.config_schema.clone();
    assert_eq!(
        manifest,
        Manifest {
            config_schema,
            ..again
        }
    );
    true
}

/// A module. One that is accepted is still valid with its probes, and every position in it has an explanation.
pub fn module(data: &[u8]) -> bool {
    let mut limits = Limits::default();
    limits.module_bytes_max = MODULE_BYTES_MAX;
    let source = match ModuleSource::from_bytes(data, &limits) {
        Ok(source) => source,
        Err(error) => {
            assert_printable(&error.to_string());
            return false;
        }
    };
    match Inspection::new(source.bytes(), None) {
        Ok(inspection) => {
            let text = serde_json::to_string(&inspection).expect("it can be written");
            assert_printable(&text);
        }
        Err(error) => assert_printable(&error.to_string()),
    }
    let info = match validate(source.bytes(), &limits, |_, _| None) {
        Ok(info) => info,
        Err(error) => {
            assert_printable(&error.to_string());
            return false;
        }
    };
    for probes in [Probes::On, Probes::Off] {
        let Ok(rewritten) = instrument(source.bytes(), probes) else {
            continue;
        };
        let types = Validator::new_with_features(WasmFeatures::all())
            .validate_all(&rewritten)
            .unwrap_or_else(|error| panic!("{probes:?}: {error}"));
        assert_eq!(types.as_ref().function_count(), info.functions);
        let added = types
            .as_ref()
            .core_exports()
            .into_iter()
            .flatten()
            .filter(|(name, _)| !info.exports.contains_key(*name))
            .all(|(name, _)| [WATCH_EXPORT, START_EXPORT].contains(&name));
        assert!(
            added,
            "an export that is neither the guest's nor the host's"
        );
        let symbolizer = Symbolizer::new(source.bytes().clone(), probes);
        for function in (0..info.functions.saturating_add(1).min(FUNCTIONS)).chain([u32::MAX]) {
            for offset in [None, Some(0), Some(9), Some(usize::MAX)] {
                assert_printable(&symbolizer.resolve(function, offset).to_string());
            }
        }
    }
    true
}

/// A result: a type, a number of rows, and a guest's memory. What is accepted is a valid array, and comes back the same when it is written
/// into a guest.
pub fn result(data: &[u8]) -> bool {
    let mut input = Input { bytes: data };
    let (data_type, rows, room) = result_header(&mut input);
    let mut bytes = guest_memory(input.bytes, room);
    let memory = GuestMemory::new(&mut bytes);
    let limits = ReadLimits {
        bytes_max: RESULT_BYTES_MAX,
        depth_max: DEPTH_MAX,
    };
    let array = match read(&memory, AT, &data_type, rows, limits) {
        Ok(array) => array,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    assert_valid(&array, &data_type, rows);

    let size = measure(&array, &data_type).expect("its own type fits");
    let start = AT + size_of::<wasmfusion_abi::ArrowArray>() as u32;
    let mut bytes = vec![0xa5; start as usize + size as usize];
    let mut arena = Arena::new(start, size as u32);
    let mut memory = GuestMemory::new(&mut bytes);
    write(&mut memory, &mut arena, AT, &array, &data_type).expect("it was measured");
    let limits = ReadLimits {
        // What rows shared is apart now.
        bytes_max: usize::MAX,
        ..limits
    };
    let again = read(&memory, AT, &data_type, rows, limits).expect("the host wrote it");
    assert_valid(&again, &data_type, rows);
    assert_eq!(array.as_ref(), again.as_ref(), "{data_type}");
    true
}

/// What stands before the memory in the input of [`result`]: the type, the rows, and how many bytes of zeros end the memory.
pub fn result_header(input: &mut Input<'_>) -> (DataType, usize, usize) {
    let data_type = input.data_type();
    check_type(&data_type, DEPTH_MAX).expect("only types that may cross are made");
    (data_type, input.below(ROWS_MAX), ROOM * input.below(256))
}

/// A type that a guest returns. One that is accepted may cross, and comes back the same when it is written into a guest.
pub fn schema(data: &[u8]) -> bool {
    let mut bytes = guest_memory(data, 0);
    let limits = SchemaLimits::default();
    let field = match read_schema(&GuestMemory::new(&mut bytes), AT, limits) {
        Ok(field) => field,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    check_type(field.data_type(), limits.depth_max).expect("it was checked");
    let size = measure_schema(&field).expect("what was read can be written");
    let start = AT + size_of::<wasmfusion_abi::ArrowSchema>() as u32;
    let mut bytes = vec![0xa5; start as usize + size as usize];
    let mut arena = Arena::new(start, size as u32);
    let mut memory = GuestMemory::new(&mut bytes);
    write_schema(&mut memory, &mut arena, AT, &field).expect("it was measured");
    let limits = SchemaLimits {
        // A name that was not there is an empty one now.
        text_bytes_max: usize::MAX,
        ..limits
    };
    let again = read_schema(&memory, AT, limits).expect("the host wrote it");
    assert_eq!(field, again);
    true
}

/// A file beside a module: what the operator says of it. A grant that is accepted is accepted again as it is shown, and is the same.
pub fn settings(data: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(data) else {
        return false;
    };
    let settings = match PluginSettings::parse(text) {
        Ok(settings) => settings,
        Err(error) => {
            assert_printable(&error.to_string());
            return false;
        }
    };
    for grant in settings.grants.capabilities() {
        let shown = grant.to_string();
        assert_printable(&shown);
        let again: Capability = shown.parse().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(*grant, again);
        assert!(
            grant.covers(&again) && settings.grants.covers(&again),
            "{shown}"
        );
    }
    let mut limits = Limits::default();
    for (name, value) in &settings.limits {
        let value = value.as_u64().expect("limits are numbers");
        limits.set(name, value).expect("it was accepted");
    }
    true
}

/// A guest's memory: nothing up to [`AT`], then `content`, then `room` zeros.
fn guest_memory(content: &[u8], room: usize) -> Vec<u8> {
    let mut bytes = vec![0; AT as usize];
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len() + room, 0);
    bytes
}

/// That a text of the host's, with something of the guest's in it, does nothing to a terminal.
fn assert_printable(text: &str) {
    let control = text.chars().find(|c| c.is_control() && *c != '\n');
    assert!(
        !text.is_empty() && control.is_none(),
        "{control:?} in {text:?}"
    );
}
