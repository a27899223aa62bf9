//! Says where in a guest something happened: function, and file and line if the module carries debug information.
//!
//! Nothing is kept in memory for it but the module's own bytes. When a guest traps, the bytes are read again, and the
//! position in the instrumented code is mapped back by finding anew where probes went in that one function.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;
use wasmparser::{FunctionBody, KnownCustom, Name, NameSectionReader, Parser, Payload};

use super::dwarf::{self, Location};
use super::instrument::{Probes, imported_functions};
use super::probes::ProbePoints;
use super::text;

/// Longest mangled name that is worth decoding, in bytes.
const MANGLED_BYTES_MAX: usize = 4 << 10;
/// Longest path that is shown whole, in bytes.
const PATH_BYTES_MAX: usize = 400;

/// Explains positions in the code of one module.
#[derive(Clone, Debug)]
pub struct Symbolizer {
    original: Arc<[u8]>,
    probes: Probes,
}

/// A place in a guest, fit to be shown: what the guest wrote is escaped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Frame {
    /// Name of the function, demangled; its index if it has no name.
    pub function: String,
    /// Source file, as the guest's compiler recorded it.
    pub file: Option<String>,
    /// Line in the file, counted from 1.
    pub line: Option<u32>,
}

impl Symbolizer {
    /// For the module whose original bytes are `original` and that was compiled after [`instrument`](super::instrument)
    /// with `probes`.
    pub fn new(original: Arc<[u8]>, probes: Probes) -> Self {
        Self { original, probes }
    }

    /// The place at `func_offset` bytes from the start of the body of function `func_index`, in the instrumented module: what
    /// wasmtime's `FrameInfo::func_index` and `func_offset` return.
    ///
    /// Never fails: what is not known is left out. Takes time (a module with debug information: up to a few hundred
    /// milliseconds), so it is for errors only.
    pub fn resolve(&self, func_index: u32, func_offset: Option<usize>) -> Frame {
        let module = Sections::read(&self.original, func_index);
        let function = match module.name(func_index) {
            Some(name) if !name.is_empty() => demangle(name),
            _ => format!("<function {func_index}>"),
        };
        let location = func_offset.and_then(|offset| self.locate(&module, offset));
        let (file, line) = match location {
            Some(Location { file, line }) => (Some(text::escape_cut(&file, PATH_BYTES_MAX)), line),
            None => (None, None),
        };
        Frame {
            function,
            file,
            line,
        }
    }

    fn locate(&self, module: &Sections<'_>, func_offset: usize) -> Option<Location> {
        module.custom(".debug_info")?;
        let body = module.body.as_ref()?;
        let offset = match self.probes {
            Probes::On => ProbePoints::find(body).ok()?.original_offset(func_offset),
            Probes::Off => func_offset,
        };
        let position = body.range().start.checked_add(offset)?;
        let address = position.checked_sub(module.code.start)?;
        dwarf::find(|name| module.custom(name), address as u64)
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.function)?;
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, " ({file}:{line})"),
            (Some(file), None) => write!(f, " ({file})"),
            _ => Ok(()),
        }
    }
}

/// What of a module is needed to explain a position.
#[derive(Default)]
struct Sections<'a> {
    /// Where the contents of the code section are.
    code: Range<usize>,
    /// The function's body.
    body: Option<FunctionBody<'a>>,
    customs: Vec<(&'a str, &'a [u8])>,
    names: Option<NameSectionReader<'a>>,
}

impl<'a> Sections<'a> {
    /// Reads as much as can be read.
    fn read(bytes: &'a [u8], func_index: u32) -> Self {
        let mut sections = Self::default();
        let mut next = 0;
        for payload in Parser::new(0).parse_all(bytes).map_while(Result::ok) {
            match payload {
                Payload::ImportSection(section) => next = imported_functions(section).unwrap_or(0),
                Payload::CodeSectionStart { range, .. } => sections.code = range,
                Payload::CodeSectionEntry(body) => {
                    if next == func_index {
                        sections.body = Some(body);
                    }
                    next += 1;
                }
                Payload::CustomSection(section) => {
                    if let KnownCustom::Name(names) = section.as_known() {
                        sections.names = Some(names);
                    }
                    sections.customs.push((section.name(), section.data()));
                }
                _ => {}
            }
        }
        sections
    }

    fn custom(&self, name: &str) -> Option<&'a [u8]> {
        let (_, data) = self.customs.iter().find(|(of, _)| *of == name)?;
        Some(data)
    }

    fn name(&self, func_index: u32) -> Option<&'a str> {
        for subsection in self.names.clone()?.map_while(Result::ok) {
            if let Name::Function(names) = subsection {
                let mut names = names.into_iter().map_while(Result::ok);
                return names.find(|n| n.index == func_index).map(|n| n.name);
            }
        }
        None
    }
}

fn demangle(name: &str) -> String {
    if name.len() <= MANGLED_BYTES_MAX
        && let Ok(demangled) = rustc_demangle::try_demangle(name)
    {
        return text::name(&format!("{demangled:#}"));
    }
    text::name(name)
}

#[cfg(all(test, feature = "compiler"))]
mod tests;
