//! What a module is, as far as the rest of the host needs to know it.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use serde::{Serialize, Serializer};
use wasmfusion_abi::export;
use wasmparser::ValType;
use wasmparser::types::{EntityType, TypesRef};

use super::error::ModuleError;
use super::text;

/// What a module that passed [`validate`](super::validate) is.
#[derive(Clone, Debug)]
pub struct ModuleInfo {
    /// Functions, imported ones included.
    pub functions: u32,
    /// What the module imports: all of it is offered by the host.
    pub imports: Vec<Import>,
    /// What the module exports, by name.
    pub exports: BTreeMap<String, ExternType>,
    /// Size that the memory starts with, in bytes.
    pub memory_bytes: u64,
    /// Size that the module itself says the memory never exceeds, in bytes.
    pub memory_bytes_max: Option<u64>,
    /// Elements that all tables start with.
    pub table_elements: u64,
}

impl ModuleInfo {
    /// Whether the module exports `wasmfusion_bind`.
    pub fn has_bind(&self) -> bool {
        self.exports.contains_key(export::BIND)
    }
}

/// One import of a module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Import {
    /// Name of the module to import from.
    pub module: String,
    /// Name of the thing to import.
    pub name: String,
    /// What it is.
    #[serde(rename = "type")]
    pub ty: ExternType,
}

/// What an import or an export is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternType {
    /// A function.
    Func(Signature),
    /// A linear memory.
    Memory,
    /// A table.
    Table,
    /// A global.
    Global,
    /// An exception's tag.
    Tag,
}

impl ExternType {
    pub(crate) fn new(entity: EntityType, types: TypesRef<'_>) -> Self {
        match entity {
            EntityType::Func(id) | EntityType::FuncExact(id) => {
                let ty = types[id].unwrap_func();
                Self::Func(Signature {
                    params: ty.params().into(),
                    results: ty.results().into(),
                })
            }
            EntityType::Memory(_) => Self::Memory,
            EntityType::Table(_) => Self::Table,
            EntityType::Global(_) => Self::Global,
            EntityType::Tag(_) => Self::Tag,
        }
    }
}

impl fmt::Display for ExternType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Func(signature) => write!(f, "func {signature}"),
            Self::Memory => f.write_str("memory"),
            Self::Table => f.write_str("table"),
            Self::Global => f.write_str("global"),
            Self::Tag => f.write_str("tag"),
        }
    }
}

impl Serialize for ExternType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The type of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Types of the parameters.
    pub params: Box<[ValType]>,
    /// Types of the results.
    pub results: Box<[ValType]>,
}

impl Signature {
    /// A function from `params` numbers of type `i32` to one: the form of every export of the interface.
    pub fn i32(params: usize) -> Self {
        Self {
            params: vec![ValType::I32; params].into(),
            results: [ValType::I32].into(),
        }
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_types(f, &self.params)?;
        f.write_str(" -> ")?;
        match &*self.results {
            [one] => write!(f, "{one}"),
            results => write_types(f, results),
        }
    }
}

/// Signatures have up to a thousand types: a message shows the first few.
fn write_types(f: &mut fmt::Formatter<'_>, types: &[ValType]) -> fmt::Result {
    const SHOWN: usize = 12;
    f.write_str("(")?;
    for (i, ty) in types.iter().take(SHOWN).enumerate() {
        write!(f, "{}{ty}", if i == 0 { "" } else { ", " })?;
    }
    if types.len() > SHOWN {
        write!(f, ", … {} in all", types.len())?;
    }
    f.write_str(")")
}

/// How the version that a guest speaks compares with the one that this host speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbiVersion {
    /// The same.
    Match,
    /// The guest does not say.
    Missing,
    /// Another one.
    Mismatch {
        /// What the guest speaks.
        found: i32,
    },
}

impl AbiVersion {
    /// Compares what `wasmfusion_abi_version` returned; `None` if the module has no such export.
    pub fn of(found: Option<i32>) -> Self {
        match found {
            Some(wasmfusion_abi::ABI_VERSION) => Self::Match,
            Some(found) => Self::Mismatch { found },
            None => Self::Missing,
        }
    }

    /// An error unless the versions match.
    ///
    /// # Errors
    ///
    /// [`ModuleError::AbiVersion`], saying what was found and what is spoken.
    pub fn check(self) -> Result<(), ModuleError> {
        match self {
            Self::Match => Ok(()),
            other => Err(ModuleError::AbiVersion(other)),
        }
    }
}

impl fmt::Display for AbiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spoken = wasmfusion_abi::ABI_VERSION;
        let export = export::ABI_VERSION;
        match self {
            Self::Match => write!(
                f,
                "the module speaks version {spoken} of the binary interface"
            ),
            Self::Missing => write!(
                f,
                "the module does not export `{export}`, so it does not say which version of the binary interface it speaks; this host \
                 speaks version {spoken}: build the module with the crate `wasmfusion-udf`, or export what docs/abi.md lists"
            ),
            Self::Mismatch { found } => write!(
                f,
                "the module speaks version {found} of the binary interface, this host speaks version {spoken}; build the module \
                 with an SDK for version {spoken}, or use a host that speaks version {found}"
            ),
        }
    }
}

/// The message for imports that were not granted: grouped by module, with what usually brings them in.
pub(crate) fn missing_imports_text(missing: &[Import]) -> String {
    const SHOWN: usize = 100;
    let mut groups: BTreeMap<&str, Vec<&Import>> = BTreeMap::new();
    for import in missing.iter().take(SHOWN) {
        groups.entry(&import.module).or_default().push(import);
    }
    let mut message = format!(
        "the module imports {} that the host does not have:",
        count(missing.len())
    );
    for (module, imports) in groups {
        let names: Vec<String> = imports
            .iter()
            .map(|i| format!("{} ({})", text::name(&i.name), i.ty))
            .collect();
        write!(
            message,
            "\n  from `{}`: {}",
            text::name(module),
            names.join(", ")
        )
        .and_then(|()| write!(message, "\n    {}", advice(module, &imports)))
        .expect("writing to a String cannot fail");
    }
    if let Some(rest @ 1..) = missing.len().checked_sub(SHOWN) {
        write!(message, "\n  and {rest} more").expect("writing to a String cannot fail");
    }
    message
}

fn count(imports: usize) -> String {
    match imports {
        1 => "1 thing".to_owned(),
        n => format!("{n} things"),
    }
}

fn advice(module: &str, imports: &[&Import]) -> &'static str {
    match module {
        "wasi_snapshot_preview1" | "wasi_unstable" => {
            "the module was built for WASI; build it for `wasm32-unknown-unknown`, without files, clocks, random numbers and standard output"
        }
        module if module.starts_with("__wbindgen") || module == "wbg" => {
            "this comes from wasm-bindgen, which needs a JavaScript host; turn off the feature that brings it in (often `js` of getrandom or \
             `wasmbind` of chrono)"
        }
        "env" if imports.iter().any(|i| i.ty == ExternType::Memory) => {
            "the module wants its memory from the host; build it without the linker's `--import-memory`"
        }
        "env" => {
            "these are symbols that the linker did not find (an `extern` block, a C library, Emscripten); link what defines them"
        }
        "__linear_memory" | "GOT.mem" | "GOT.func" => {
            "the module is a shared library; link it as a final module"
        }
        _ => {
            "docs/abi.md, \"Host functions\", lists what the host offers; link or leave out what is something else"
        }
    }
}
