//! The corpus of the fuzz targets, without a fuzzer: every input that ever reached something new, or broke something, once.
//!
//! `WASMFUSION_FUZZ_SEEDS=DIR cargo test --workspace --test fuzz_corpus -- --ignored` writes the inputs from which fuzzing starts: real manifests,
//! modules, arrays and types.

#[path = "../../src/columns/tests/arbitrary/arrays.rs"]
mod arrays;
#[path = "../../fuzz/src/lib.rs"]
mod targets;

use std::error::Error;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use arrays::Random;
use arrow::datatypes::Field;
use wasmfusion::columns::{Arena, measure, measure_schema, write, write_schema};
use wasmfusion::memory::GuestMemory;
use wasmfusion::module::ModuleSource;
use wasmfusion::{Limits, Registry};
use wasmfusion_abi::{ArrowArray, ArrowSchema};
use wasmfusion_sql_tests::{built_plugins, evil_guests, test_plugins};
use wasmparser::{DataKind, Parser, Payload};

use crate::targets::{AT, Input, TARGETS};

/// Arrays and types among the seeds, before what fuzzing does not need is left out.
const SEEDS: u64 = 600;
/// Largest array or type among the seeds, in bytes.
const SEED_BYTES_MAX: usize = 2 << 10;
/// Every so many modules among the seeds have debug information.
const DEBUG_INFORMATION_EVERY: usize = 16;
/// Rows of the arrays among the seeds, less one.
const SEED_ROWS: usize = 9;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus")
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap_or_else(|e| panic!("{directory:?}: {e}"));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn the_corpus_runs_through_every_target() {
    for (name, target) in TARGETS {
        let (mut accepted, mut refused) = (0, 0);
        for file in files(&corpus().join(name)) {
            let data = fs::read(&file).unwrap();
            match catch_unwind(|| target(&data)) {
                Ok(true) => accepted += 1,
                Ok(false) => refused += 1,
                Err(_) => panic!("{name}: {} breaks it", file.display()),
            }
        }
        println!("{name}: {accepted} inputs accepted, {refused} refused");
        assert!(
            accepted > 0 && refused > 0,
            "{name}: {accepted} inputs accepted, {refused} refused"
        );
    }
}

#[test]
fn every_target_has_its_corpus() {
    let names: Vec<_> = files(&corpus())
        .iter()
        .filter_map(|file| file.file_name()?.to_str().map(str::to_owned))
        .collect();
    assert_eq!(names, TARGETS.map(|(name, _)| name));
}

#[test]
#[ignore = "writes files, for a fuzzer to start from"]
fn seeds() -> Result<(), Box<dyn Error>> {
    let directory = PathBuf::from(std::env::var("WASMFUSION_FUZZ_SEEDS")?);
    for (name, seeds) in [
        ("hostcall", targets::hostcall_seeds()),
        ("manifest", manifests()?),
        ("module", modules()?),
        ("result", (0..SEEDS).filter_map(result).collect()),
        ("schema", (0..SEEDS).filter_map(schema).collect()),
        ("settings", settings()?),
    ] {
        let directory = directory.join(name);
        fs::create_dir_all(&directory)?;
        for (index, seed) in seeds.iter().enumerate() {
            fs::write(directory.join(format!("seed_{index:04}")), seed)?;
        }
    }
    Ok(())
}

/// The settings of the built plugins and of the hostile guests.
fn settings() -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let files = [files(&built_plugins()), files(&evil_guests())].concat();
    let toml = files
        .iter()
        .filter(|file| file.extension().is_some_and(|e| e == "toml"));
    Ok(toml.map(fs::read).collect::<Result<_, _>>()?)
}

/// What the built plugins say of themselves, and the hostile guests.
fn manifests() -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let mut seeds = Vec::new();
    let registry = Registry::default();
    for (_, loaded) in registry.load_dir(built_plugins())? {
        // Those that ask for more than a plugin gets by itself are not needed here.
        let Ok(plugin) = loaded else { continue };
        for function in &plugin.manifest().functions {
            let mut manifest = plugin.manifest().clone();
            manifest.functions = vec![function.clone()];
            seeds.push(serde_json::to_vec(&manifest)?);
        }
    }
    for file in files(&evil_guests()) {
        let Ok(source) = ModuleSource::from_bytes(&fs::read(file)?, &Limits::default()) else {
            continue;
        };
        for payload in Parser::new(0).parse_all(source.bytes()) {
            let Ok(Payload::DataSection(section)) = payload else {
                continue;
            };
            for data in section.into_iter().flatten() {
                if matches!(data.kind, DataKind::Active { .. }) && data.data.starts_with(b"{") {
                    seeds.push(data.data.to_vec());
                }
            }
        }
    }
    Ok(seeds)
}

/// Hostile guests and those of the tests, as text, as binaries, and with debug information.
fn modules() -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let mut seeds = vec![fs::read(built_plugins().join("fnv1a.wasm"))?];
    let files = [files(&test_plugins()), files(&evil_guests())].concat();
    for (index, file) in files.iter().enumerate() {
        let text = fs::read(file)?;
        if let Ok(text) = str::from_utf8(&text)
            && index.is_multiple_of(DEBUG_INFORMATION_EVERY)
        {
            let mut parser = wat::Parser::new();
            parser.generate_dwarf(wat::GenerateDwarf::Lines);
            seeds.extend(parser.parse_str(Some(Path::new("a.wat")), text));
        }
        if let Ok(source) = ModuleSource::from_bytes(&text, &Limits::default()) {
            seeds.push(source.bytes().to_vec());
        }
        seeds.push(text);
    }
    Ok(seeds)
}

/// An array as the host would write it, with the choices that make its type in front.
fn result(seed: u64) -> Option<Vec<u8>> {
    let random = &mut Random::new(seed);
    let choices: Vec<u8> = (0..256).map(|_| random.next() as u8).collect();
    let mut input = Input { bytes: &choices };
    let data_type = input.data_type();
    let mut bytes = choices[..choices.len() - input.bytes.len()].to_vec();
    let rows = random.below(SEED_ROWS);
    bytes.extend([rows as u8, 0]);

    let array = arrays::array(&data_type, rows, true, random);
    let start = AT + size_of::<ArrowArray>() as u32;
    let size = measure(&array, &data_type).ok()?;
    let mut memory = vec![0; start as usize + size as usize];
    let mut arena = Arena::new(start, size as u32);
    let memory_of = &mut GuestMemory::new(&mut memory);
    write(memory_of, &mut arena, AT, &array, &data_type).ok()?;
    bytes.extend(&memory[AT as usize..]);
    assert!(targets::result(&bytes), "{data_type}");
    (bytes.len() < SEED_BYTES_MAX).then_some(bytes)
}

/// A type as the host would write it.
fn schema(seed: u64) -> Option<Vec<u8>> {
    let random = &mut Random::new(seed);
    let choices: Vec<u8> = (0..256).map(|_| random.next() as u8).collect();
    let mut field = Field::new("value", Input { bytes: &choices }.data_type(), true);
    if random.below(4) == 0 {
        field = field.with_metadata([("key".to_owned(), "a value".to_owned())].into());
    }
    let start = AT + size_of::<ArrowSchema>() as u32;
    let size = measure_schema(&field).ok()?;
    let mut memory = vec![0; start as usize + size as usize];
    let mut arena = Arena::new(start, size as u32);
    write_schema(&mut GuestMemory::new(&mut memory), &mut arena, AT, &field).ok()?;
    let bytes = memory[AT as usize..].to_vec();
    assert!(targets::schema(&bytes), "{field}");
    (bytes.len() < SEED_BYTES_MAX).then_some(bytes)
}
