//! Says where in a guest something happened: function, and file and line if the module carries debug information.
//!
//! Nothing is kept in memory for it but the module's own bytes. When a guest traps, the bytes are read again, and the
//! position in the instrumented code is mapped back by finding anew where probes went in that one function.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use wasmparser::{
    ExternalKind, FunctionBody, KnownCustom, Name, NameSectionReader, Parser, Payload,
};

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
    /// Name of the function, demangled; if it has none, the name of its export; else its index.
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
        let module = Sections::read(&self.original, |function| function == func_index);
        let location = func_offset.and_then(|offset| self.locate(&module, func_index, offset));
        frame(
            func_index,
            module
                .name(func_index)
                .or_else(|| module.export(func_index)),
            location,
        )
    }

    /// As [`Self::resolve`], for many places in one go over the module, with the functions that were compiled into others there: outermost
    /// first. What is in the debug information is looked up until `until`.
    pub(crate) fn resolve_all(
        &self,
        places: &[(u32, Option<usize>)],
        until: Instant,
    ) -> Vec<Vec<Frame>> {
        let wanted: HashSet<u32> = places.iter().map(|(function, _)| *function).collect();
        let module = Sections::read(&self.original, |function| wanted.contains(&function));
        let names = module.names(&wanted);
        let address =
            |&(function, offset): &(u32, Option<usize>)| self.address(&module, function, offset?);
        let addresses: Vec<Option<u64>> = places.iter().map(address).collect();
        let mut sorted: Vec<u64> = addresses.iter().copied().flatten().collect();
        sorted.sort_unstable();
        sorted.dedup();
        let positions = match module.custom(".debug_info") {
            Some(_) => dwarf::find_many(|name| module.custom(name), &sorted, until),
            None => Vec::new(),
        };
        let resolve = |(&(function, _), address): (&(u32, Option<usize>), &Option<u64>)| {
            let place = address.and_then(|address| sorted.binary_search(&address).ok());
            let position = place.and_then(|place| positions.get(place));
            let name = names.get(&function).copied();
            let name = name.or_else(|| module.export(function));
            let Some(position) = position else {
                return vec![frame(function, name, None)];
            };
            // Each function is where it calls the next one.
            let inlined = position.inlined.iter();
            let mut places = inlined.clone().map(|inlined| Some(&inlined.call));
            let mut place = || places.next().unwrap_or(position.location.as_ref()).cloned();
            let mut frames = vec![frame(function, name, place())];
            frames.extend(inlined.map(|inlined| frame(function, Some(&inlined.name), place())));
            frames
        };
        places.iter().zip(&addresses).map(resolve).collect()
    }

    fn locate(
        &self,
        module: &Sections<'_>,
        func_index: u32,
        func_offset: usize,
    ) -> Option<Location> {
        module.custom(".debug_info")?;
        let address = self.address(module, func_index, func_offset)?;
        dwarf::find(|name| module.custom(name), address)
    }

    /// The address of a place as debug information has it.
    fn address(&self, module: &Sections<'_>, func_index: u32, func_offset: usize) -> Option<u64> {
        let body = module.bodies.get(&func_index)?;
        let offset = match self.probes {
            Probes::On => ProbePoints::find(body).ok()?.original_offset(func_offset),
            Probes::Off => func_offset,
        };
        let position = body.range().start.checked_add(offset)?;
        let address = position.checked_sub(module.code.start)?;
        Some(address as u64)
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
    /// The bodies of the functions that were asked for.
    bodies: HashMap<u32, FunctionBody<'a>>,
    /// The names under which these functions are exported.
    exports: HashMap<u32, &'a str>,
    customs: Vec<(&'a str, &'a [u8])>,
    names: Option<NameSectionReader<'a>>,
}

impl<'a> Sections<'a> {
    /// Reads as much as can be read.
    fn read(bytes: &'a [u8], wanted: impl Fn(u32) -> bool) -> Self {
        let mut sections = Self::default();
        let mut next = 0;
        for payload in Parser::new(0).parse_all(bytes).map_while(Result::ok) {
            match payload {
                Payload::ImportSection(section) => next = imported_functions(section).unwrap_or(0),
                Payload::ExportSection(section) => {
                    let exports = section.into_iter().map_while(Result::ok);
                    for export in exports.filter(|export| export.kind == ExternalKind::Func) {
                        if wanted(export.index) {
                            sections.exports.entry(export.index).or_insert(export.name);
                        }
                    }
                }
                Payload::CodeSectionStart { range, .. } => sections.code = range,
                Payload::CodeSectionEntry(body) => {
                    if wanted(next) {
                        sections.bodies.insert(next, body);
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

    fn export(&self, func_index: u32) -> Option<&'a str> {
        self.exports.get(&func_index).copied()
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

    /// The names of these functions, as far as they have some. Of two for one function, the first counts.
    fn names(&self, wanted: &HashSet<u32>) -> HashMap<u32, &'a str> {
        let mut found = HashMap::new();
        for subsection in self
            .names
            .clone()
            .into_iter()
            .flatten()
            .map_while(Result::ok)
        {
            if let Name::Function(names) = subsection {
                for name in names.into_iter().map_while(Result::ok) {
                    if wanted.contains(&name.index) {
                        found.entry(name.index).or_insert(name.name);
                    }
                }
                break;
            }
        }
        found
    }
}

fn frame(func_index: u32, name: Option<&str>, location: Option<Location>) -> Frame {
    let function = match name {
        Some(name) if !name.is_empty() => demangle(name),
        _ => format!("<function {func_index}>"),
    };
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
