//! Makes a plugin of any module: adds the exports of the interface, and one function around each of the module's own.
//!
//! The sections are copied as they are. What is added comes last in each of them, so that no index changes.

use std::ops::Range;

use wasm_encoder::{
    CodeSection, Encode, ExportKind, ExportSection, Function, InstructionSink, MemArg, RawSection,
    SectionId, ValType,
};
use wasmparser::{BinaryReader, FuncType, Parser, Payload, ValType as Found};

use crate::random::Numbers;

/// Functions of a module that are called, at most.
const FUNCTIONS_MAX: usize = 12;
const PAGE: u64 = 1 << 16;
/// Where in the page that is added the manifest lies; its address and length are in front of it.
const MANIFEST_OFFSET: u64 = 64;
/// Where in the page that is added the host's region lies, up to the page's end.
const REGION_OFFSET: u64 = PAGE / 2;

/// A plugin.
pub struct Guest {
    /// The module.
    pub bytes: Vec<u8>,
    /// Whether it has a start function, which may trap or run on.
    pub has_start: bool,
}

/// What is known of the module.
#[derive(Default)]
struct Parts {
    types: Vec<FuncType>,
    /// The type of each function.
    functions: Vec<u32>,
    memory_pages: u64,
    memory_pages_max: Option<u64>,
    sections: Vec<(u8, Range<usize>)>,
    bodies: Vec<Range<usize>>,
}

/// Makes a plugin called `name` of a module without imports that has one memory. `seed` chooses what its functions are called with.
pub fn wrap(name: &str, module: &[u8], seed: u64) -> Guest {
    let parts = Parts::of(module);
    let base = parts.memory_pages * PAGE;
    let called: Vec<u32> = (0..parts.functions.len().min(FUNCTIONS_MAX))
        .map(|index| index as u32)
        .collect();
    let manifest = manifest(name, called.len());
    assert!(
        MANIFEST_OFFSET + (manifest.len() as u64) < REGION_OFFSET,
        "the manifest does not fit"
    );

    let mut numbers = Numbers(!seed);
    let mut bodies = vec![constant(1), describe(base, &manifest), alloc(base)];
    bodies.extend(called.iter().map(|function| {
        let ty = &parts.types[parts.functions[*function as usize] as usize];
        around(*function, ty, &mut numbers)
    }));
    let has_start = parts
        .sections
        .iter()
        .any(|(id, _)| *id == u8::from(SectionId::Start));
    Guest {
        bytes: parts.encode(module, &bodies),
        has_start,
    }
}

impl Parts {
    fn of(module: &[u8]) -> Self {
        let mut parts = Self::default();
        for payload in Parser::new(0).parse_all(module) {
            let payload = payload.expect("wasm-smith makes valid modules");
            match &payload {
                Payload::TypeSection(types) => {
                    parts.types = types
                        .clone()
                        .into_iter_err_on_gc_types()
                        .collect::<Result<_, _>>()
                        .expect("function types only");
                }
                Payload::FunctionSection(functions) => {
                    parts.functions = functions
                        .clone()
                        .into_iter()
                        .collect::<Result<_, _>>()
                        .expect("valid");
                }
                Payload::MemorySection(memories) => {
                    let memory = memories
                        .clone()
                        .into_iter()
                        .next()
                        .expect("one memory")
                        .expect("valid");
                    (parts.memory_pages, parts.memory_pages_max) = (memory.initial, memory.maximum);
                }
                Payload::CodeSectionEntry(body) => parts.bodies.push(body.range()),
                _ => {}
            }
            if let Some((id, range)) = payload.as_section()
                && id != u8::from(SectionId::Custom)
            {
                parts.sections.push((id, range));
            }
        }
        parts
    }

    fn encode(&self, module: &[u8], bodies: &[Function]) -> Vec<u8> {
        let mut out = wasm_encoder::Module::new();
        let first_type = self.types.len() as u32;
        let first_function = self.functions.len() as u32;
        let mut exported = false;
        for (id, range) in &self.sections {
            let data = &module[range.clone()];
            let is = |section: SectionId| *id == u8::from(section);
            // The first section behind the exports, or their own place.
            let behind = [
                SectionId::Export,
                SectionId::Start,
                SectionId::Element,
                SectionId::DataCount,
                SectionId::Code,
            ];
            if !exported && behind.into_iter().any(is) {
                out.section(&exports(first_function, bodies.len()));
                exported = true;
            }
            if is(SectionId::Export) {
                continue;
            }
            if is(SectionId::Code) {
                let mut code = CodeSection::new();
                for body in &self.bodies {
                    code.raw(&module[body.clone()]);
                }
                for body in bodies {
                    code.function(body);
                }
                out.section(&code);
                continue;
            }
            let added = if is(SectionId::Type) {
                extended(data, 3, &types())
            } else if is(SectionId::Function) {
                let mut added = Vec::new();
                for body in 0..bodies.len() as u32 {
                    // Version and manifest, region, functions.
                    (first_type + [0, 0, 1, 2][body.min(3) as usize]).encode(&mut added);
                }
                extended(data, bodies.len() as u32, &added)
            } else if is(SectionId::Memory) {
                let mut memory = Vec::new();
                wasm_encoder::MemoryType {
                    minimum: self.memory_pages + 1,
                    maximum: self.memory_pages_max.map(|pages| pages + 1),
                    memory64: false,
                    shared: false,
                    page_size_log2: None,
                }
                .encode(&mut memory);
                [vec![1], memory].concat()
            } else {
                data.to_vec()
            };
            out.section(&RawSection {
                id: *id,
                data: &added,
            });
        }
        out.finish()
    }
}

/// A section that is a vector, with more items at its end.
fn extended(section: &[u8], count: u32, items: &[u8]) -> Vec<u8> {
    let mut reader = BinaryReader::new(section, 0);
    let mut out = Vec::new();
    (reader.read_var_u32().expect("valid") + count).encode(&mut out);
    out.extend_from_slice(&section[reader.original_position()..]);
    out.extend_from_slice(items);
    out
}

/// `() -> i32`, `(i32, i32) -> i32`, `(i32) -> i32`.
fn types() -> Vec<u8> {
    let mut out = Vec::new();
    for params in [0, 2, 1] {
        out.push(0x60);
        vec![ValType::I32; params].as_slice().encode(&mut out);
        [ValType::I32].as_slice().encode(&mut out);
    }
    out
}

fn exports(first: u32, bodies: usize) -> ExportSection {
    let mut exports = ExportSection::new();
    exports.export("memory", ExportKind::Memory, 0);
    for (index, name) in [
        "wasmfusion_abi_version",
        "wasmfusion_describe",
        "wasmfusion_alloc",
    ]
    .into_iter()
    .enumerate()
    {
        exports.export(name, ExportKind::Func, first + index as u32);
    }
    for index in 3..bodies {
        exports.export(
            &format!("f{}", index - 3),
            ExportKind::Func,
            first + index as u32,
        );
    }
    exports
}

fn manifest(name: &str, functions: usize) -> String {
    let functions: Vec<String> = (0..functions)
        .map(|i| format!(r#"{{"name": "f{i}", "params": [{{"name": "x", "type": "Int64"}}], "returns": {{"type": "Int64"}}}}"#))
        .collect();
    format!(
        r#"{{"name": "{name}", "version": "1", "functions": [{}]}}"#,
        functions.join(", ")
    )
}

fn function(write: impl FnOnce(&mut InstructionSink<'_>)) -> Function {
    let mut function = Function::new([]);
    let mut code = function.instructions();
    write(&mut code);
    code.end();
    function
}

fn constant(value: i32) -> Function {
    function(|code| {
        code.i32_const(value);
    })
}

/// Writes the manifest into the page that was added, when it is asked for: a start function may have written over it before.
fn describe(base: u64, manifest: &str) -> Function {
    let at = base + MANIFEST_OFFSET;
    let mut image = Vec::new();
    image.extend((at as u32).to_le_bytes());
    image.extend((manifest.len() as u32).to_le_bytes());
    image.extend(manifest.bytes());
    image.resize(image.len().next_multiple_of(8), b' ');
    function(|code| {
        for (index, word) in image.as_chunks().0.iter().enumerate() {
            code.i32_const((at - 8) as i32 + 8 * index as i32);
            code.i64_const(i64::from_le_bytes(*word));
            code.i64_store(MemArg {
                offset: 0,
                align: 0,
                memory_index: 0,
            });
        }
        code.i32_const((at - 8) as i32);
    })
}

fn alloc(base: u64) -> Function {
    function(|code| {
        code.i32_const((base + REGION_OFFSET) as i32);
        code.i32_const(0);
        code.local_get(0);
        code.i32_const((PAGE - REGION_OFFSET) as i32);
        code.i32_le_u();
        code.select();
    })
}

/// Calls a function with random arguments, and returns 0 whatever it returns.
fn around(called: u32, ty: &FuncType, numbers: &mut Numbers) -> Function {
    function(|code| {
        for param in ty.params() {
            // Small numbers and large ones: loops count in both.
            let number = match numbers.next() % 3 {
                0 => numbers.next() % 100,
                1 => u64::MAX - numbers.next() % 100,
                _ => numbers.next(),
            };
            match param {
                Found::I32 => code.i32_const(number as i32),
                Found::I64 => code.i64_const(number as i64),
                Found::F32 => code.f32_const((number as f32).into()),
                Found::F64 => code.f64_const((number as f64).into()),
                Found::V128 => code.v128_const(i128::from(number)),
                Found::Ref(_) => unreachable!("reference types are off"),
            };
        }
        code.call(called);
        for _ in ty.results() {
            code.drop();
        }
        code.i32_const(0);
    })
}
