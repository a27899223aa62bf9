//! Rewrites a module, before it is compiled, so that a watchdog can stop it.
//!
//! A second memory of one page is appended and exported as [`WATCH_EXPORT`]. Loads from it, called probes, go into the code. While the
//! page is there they cost next to nothing; once the watchdog takes its access rights away, the next probe traps.
//!
//! A `start` function becomes an export, [`START_EXPORT`], for the host to call: instantiation would run it before the
//! host knows where the watch page is, when nothing could stop it.
//!
//! The code is spliced, not decoded and encoded again: apart from the probes, every byte of a function stays as it was,
//! and because the memory comes last, no index changes.

use std::ops::Range;

use wasm_encoder::{CodeSection, CustomSection, Encode, ExportKind, Module, RawSection, SectionId};
use wasmparser::{BinaryReader, FunctionBody, Parser, Payload};

use super::error::ModuleError;
use super::probes::{PROBES_MAX, ProbePoints, WATCH_MEMORY};
use super::proposals;

/// The name under which the rewritten module exports the memory that holds the watch page.
pub const WATCH_EXPORT: &str = "wasmfusion_watch";

/// The name under which the rewritten module exports what was its `start` function, if it had one: `() -> ()`.
pub const START_EXPORT: &str = "wasmfusion_start";

/// Raised whenever the rewritten module of some module becomes another one: code that was compiled before is of no use then.
pub(crate) const INSTRUMENT_REVISION: u32 = 1;

/// Whether a module gets probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Probes {
    /// It does, and can be stopped through the watch page.
    On,
    /// It does not: something else stops it, or nothing does.
    Off,
}

/// Rewrites a module that passed [`validate`](super::validate) to what is compiled.
///
/// Custom sections are left out, except for names: the others are of no use to the compiler, and what they say
/// about positions in the code would no longer be true.
///
/// # Errors
///
/// If a function has more loops than the watch page has words, or if the module did not pass `validate` after all.
pub fn instrument(bytes: &[u8], probes: Probes) -> Result<Vec<u8>, ModuleError> {
    let mut parser = Parser::new(0);
    parser.set_features(proposals::ALLOWED);
    let mut rewrite = Rewrite {
        bytes,
        probes,
        start: start_function(bytes)?,
        module: Module::new(),
        code: CodeSection::new(),
        bodies_left: 0,
        imported_functions: 0,
        body: Vec::new(),
    };
    for payload in parser.parse_all(bytes) {
        rewrite.payload(&payload?)?;
    }
    Ok(rewrite.module.finish())
}

struct Rewrite<'a> {
    bytes: &'a [u8],
    probes: Probes,
    start: Option<u32>,
    module: Module,
    code: CodeSection,
    bodies_left: u32,
    imported_functions: u32,
    /// The body at work; kept for its space.
    body: Vec<u8>,
}

impl Rewrite<'_> {
    fn payload(&mut self, payload: &Payload<'_>) -> Result<(), ModuleError> {
        match payload {
            Payload::ImportSection(section) => {
                self.imported_functions = imported_functions(section.clone())?;
                self.copy(SectionId::Import.into(), section.range());
            }
            Payload::MemorySection(section) if self.probes == Probes::On => {
                if section.count() != 1 {
                    return Err(ModuleError::MemoryCount {
                        found: section.count(),
                    });
                }
                let mut memory = Vec::new();
                watch_memory().encode(&mut memory);
                self.append(SectionId::Memory, section.range(), 1, &memory)?;
            }
            Payload::ExportSection(section) => self.exports(section.range())?,
            Payload::StartSection { .. } => {}
            Payload::CodeSectionStart { count, .. } => {
                self.bodies_left = *count;
                self.finish_code();
            }
            Payload::CodeSectionEntry(body) => {
                self.function(body)?;
                self.bodies_left -= 1;
                self.finish_code();
            }
            Payload::CustomSection(section) => {
                if section.name() == "name" {
                    self.module.section(&CustomSection {
                        name: section.name().into(),
                        data: section.data().into(),
                    });
                }
            }
            other => {
                if let Some((id, range)) = other.as_section() {
                    self.copy(id, range);
                }
            }
        }
        Ok(())
    }

    fn copy(&mut self, id: u8, range: Range<usize>) {
        let data = &self.bytes[range];
        self.module.section(&RawSection { id, data });
    }

    /// Copies a section that is a vector, with more items at its end.
    fn append(
        &mut self,
        id: SectionId,
        range: Range<usize>,
        count: u32,
        items: &[u8],
    ) -> Result<(), ModuleError> {
        let mut reader = BinaryReader::new(&self.bytes[range.clone()], range.start);
        let count = reader.read_var_u32()?.saturating_add(count);
        let mut data = Vec::with_capacity(range.len() + items.len() + 1);
        count.encode(&mut data);
        data.extend_from_slice(&self.bytes[reader.original_position()..range.end]);
        data.extend_from_slice(items);
        self.module.section(&RawSection {
            id: id.into(),
            data: &data,
        });
        Ok(())
    }

    fn exports(&mut self, range: Range<usize>) -> Result<(), ModuleError> {
        let mut items = Vec::new();
        let mut count = 0;
        let mut export = |name: &str, kind: ExportKind, index: u32| {
            name.encode(&mut items);
            kind.encode(&mut items);
            index.encode(&mut items);
            count += 1;
        };
        if self.probes == Probes::On {
            export(WATCH_EXPORT, ExportKind::Memory, WATCH_MEMORY);
        }
        if let Some(function) = self.start {
            export(START_EXPORT, ExportKind::Func, function);
        }
        self.append(SectionId::Export, range, count, &items)
    }

    fn function(&mut self, body: &FunctionBody<'_>) -> Result<(), ModuleError> {
        if self.probes == Probes::Off {
            self.code.raw(body.as_bytes());
            return Ok(());
        }
        let points = ProbePoints::find(body)?;
        if points.len() > PROBES_MAX {
            return Err(ModuleError::TooManyLoops {
                function: self.imported_functions + self.code.len(),
                found: points.len() - 1,
                max: PROBES_MAX - 1,
            });
        }
        self.body.clear();
        points.splice(body.as_bytes(), &mut self.body);
        self.code.raw(&self.body);
        Ok(())
    }

    fn finish_code(&mut self) {
        if self.bodies_left == 0 {
            self.module.section(&self.code);
        }
    }
}

/// The function that would run at instantiation. Its section comes after the one that exports it.
fn start_function(bytes: &[u8]) -> Result<Option<u32>, wasmparser::Error> {
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::StartSection { func, .. } => return Ok(Some(func)),
            Payload::CodeSectionStart { .. } => break,
            _ => {}
        }
    }
    Ok(None)
}

/// One page that never grows.
fn watch_memory() -> wasm_encoder::MemoryType {
    wasm_encoder::MemoryType {
        minimum: 1,
        maximum: Some(1),
        memory64: false,
        shared: false,
        page_size_log2: None,
    }
}

/// Functions that a module imports: they come first in its index space.
pub(crate) fn imported_functions(
    section: wasmparser::ImportSectionReader<'_>,
) -> Result<u32, wasmparser::Error> {
    let mut functions = 0;
    for import in section.into_imports() {
        if let wasmparser::TypeRef::Func(_) = import?.ty {
            functions += 1;
        }
    }
    Ok(functions)
}

#[cfg(all(test, feature = "compiler"))]
mod differential_tests;
#[cfg(all(test, unix, feature = "compiler"))]
mod kill_tests;
#[cfg(test)]
mod tests;
