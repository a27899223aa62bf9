//! Why a module is refused.
//!
//! Every message says what was found, what was expected and what to do. None names the file or the plugin: the
//! caller, which knows it, puts it in front. Text that comes from the module was escaped when the error was made.

use super::manifest::ManifestError;

/// Why a module is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModuleError {
    /// There is no such file.
    #[error("the file does not exist; check the path")]
    FileMissing,
    /// The path names a directory.
    #[error("this is a directory, expected a file; name one .wasm or .wat file in it")]
    FileIsDirectory,
    /// The path names a pipe, a device or a socket.
    #[error(
        "this is a pipe, a device or a socket, expected a regular file; copy the module into one"
    )]
    FileIsSpecial,
    /// The file is there but could not be read.
    #[error("the file cannot be read: {0}; check its permissions")]
    FileUnreadable(std::io::Error),
    /// The bytes in a `data:` URL cannot be read.
    #[error("{0}; write 'data:application/wasm;base64,…', with the module as base64")]
    Data(String),
    /// There are no bytes.
    #[error("the module is empty; check that the build or the copy of the file was finished")]
    Empty,
    /// The bytes do not start as a WebAssembly binary of version 1.
    #[error(
        "this is not a WebAssembly module: it starts with the bytes {found}, expected 00 61 73 6d 01 00 00 00; \
         give a .wasm or .wat file"
    )]
    NotWasm {
        /// The first bytes, in hexadecimal.
        found: String,
    },
    /// The bytes are a component.
    #[error(
        "this is a component; Wasmfusion takes core modules: build with `--target wasm32-unknown-unknown` \
         and without `wasm-tools component new` or `cargo component`"
    )]
    Component,
    /// More bytes than a module may have.
    #[error(
        "the module has {bytes} bytes, more than the {max} that `module_bytes_max` allows; build it in a release profile \
         with `strip = true`, or raise the limit"
    )]
    TooLarge {
        /// Size of the module.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// The text form does not parse.
    #[error("the WebAssembly text does not parse: {message}")]
    Text {
        /// The parser's message with the place.
        message: String,
    },
    /// The binary is damaged.
    #[error(
        "malformed module: {message} (at byte {offset}); build it again, or check that the copy is complete"
    )]
    Malformed {
        /// What is wrong.
        message: String,
        /// Where in the module, in bytes from its start.
        offset: usize,
    },
    /// The module needs proposals that are off.
    #[error("the module {}", super::proposals::refusal(.proposals))]
    Proposals {
        /// Names of the proposals.
        proposals: Vec<&'static str>,
    },
    /// The module imports what the host does not have.
    #[error("{}", super::info::missing_imports_text(.missing))]
    Imports {
        /// Every import that is not offered, in the module's order.
        missing: Vec<super::info::Import>,
    },
    /// The module imports a host function as something else than it is.
    #[error(
        "the import `{name}` is {found}, the host's is {expected}; see docs/abi.md, \"Host functions\""
    )]
    ImportType {
        /// Name of the import.
        name: String,
        /// What it is imported as.
        found: String,
        /// What it is.
        expected: String,
    },
    /// The module imports a host function without asking for the capability.
    #[error(
        "the module imports the host function `{name}`, but its manifest asks for none of the capabilities that it needs: {needed}; ask for it \
         in `plugin!`, or do not call the function"
    )]
    NotRequested {
        /// Name of the import.
        name: String,
        /// The capabilities, any of which would do.
        needed: String,
    },
    /// The plugin asks for capabilities that the operator has not granted.
    #[error("{}", not_granted_text(.missing, .file))]
    NotGranted {
        /// The capabilities.
        missing: Vec<String>,
        /// The file where they can be granted, if the module comes from a file.
        file: Option<String>,
    },
    /// What the operator says of the plugin is wrong or does not fit it.
    #[error("{0}")]
    Settings(String),
    /// The module is not the one that was pinned.
    #[error(
        "the module has the digest sha256:{found}, but sha256:{expected} is pinned {place}; if the new module is to be trusted, pin its digest"
    )]
    Digest {
        /// The module's.
        found: super::Digest,
        /// The one that was pinned.
        expected: super::Digest,
        /// Where it was pinned.
        place: String,
    },
    /// The module is not signed by somebody who is trusted.
    #[error("{0}")]
    Signature(String),
    /// Compiling took too long.
    #[error(
        "compiling the module took longer than {timeout_ms} ms; make the module smaller, or raise `compile_timeout_ms`"
    )]
    CompileTimeout {
        /// The limit.
        timeout_ms: u64,
    },
    /// The module would have to be compiled, and this host cannot do that.
    #[error(
        "the module is not compiled for this host and these limits, and this host has no compiler; run `wasmfusion compile` with the same \
         limits on one that has, and start this one with the directory of compiled modules that it filled"
    )]
    NotCompiled,
    /// The number of memories is not one.
    #[error("the module has {found} memories, expected exactly one, exported as `memory`")]
    MemoryCount {
        /// Number of memories.
        found: u32,
    },
    /// The memory is larger at the start than it may ever become.
    #[error(
        "the memory starts with {bytes} bytes, more than the {max} that `memory_bytes_max` allows; make static data or the stack of the \
         module smaller, or raise the limit"
    )]
    MemoryTooLarge {
        /// Initial size of the memory.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// The tables have more elements at the start than they may ever have.
    #[error(
        "the tables start with {elements} elements, more than the {max} that `table_elements_max` allows; raise the limit if the module \
         really has so many functions that are called through pointers"
    )]
    TablesTooLarge {
        /// Initial size of all tables.
        elements: u64,
        /// The limit.
        max: u64,
    },
    /// More functions than a module may have.
    #[error(
        "the module has {found} functions, more than the {max} that `module_functions_max` allows; build it in a release \
         profile with `lto = true`, or raise the limit"
    )]
    TooManyFunctions {
        /// Number of functions.
        found: u32,
        /// The limit.
        max: u32,
    },
    /// A function is larger than a function may be.
    #[error(
        "function {function} has {bytes} bytes of code, more than the {max} that `module_function_bytes_max` allows; split it, forbid \
         inlining into it, or raise the limit"
    )]
    FunctionTooLarge {
        /// Index of the function.
        function: u32,
        /// Size of its body.
        bytes: u64,
        /// The limit.
        max: u32,
    },
    /// A function has more loops than can be watched.
    #[error(
        "function {function} has {found} loops, more than the {max} that can be watched in one function; split it"
    )]
    TooManyLoops {
        /// Index of the function.
        function: u32,
        /// Number of its loops.
        found: usize,
        /// How many there can be.
        max: usize,
    },
    /// An export of the interface is not there.
    #[error("the module does not export `{name}`, expected {expected}; {advice}")]
    ExportMissing {
        /// Name of the export.
        name: String,
        /// What it should be.
        expected: String,
        /// What to do.
        advice: &'static str,
    },
    /// An export of the interface is something else.
    #[error(
        "the export `{name}` is {found}, expected {expected}; see docs/abi.md for what a module exports"
    )]
    ExportType {
        /// Name of the export.
        name: String,
        /// What it is.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// The module exports a name that belongs to the host.
    #[error(
        "the module exports `{name}`, a name that the host keeps for itself; rename the export"
    )]
    ReservedExport {
        /// Name of the export.
        name: String,
    },
    /// The module does not say which version of the interface it speaks, or speaks another one.
    #[error("{0}")]
    AbiVersion(super::info::AbiVersion),
    /// The manifest is wrong.
    #[error("the manifest is refused: {0}")]
    Manifest(#[from] ManifestError),
}

/// The message for capabilities that were not granted, with the line that grants them.
fn not_granted_text(missing: &[String], file: &Option<String>) -> String {
    let list = missing.join(", ");
    let quoted: Vec<String> = missing.iter().map(|text| format!("\"{text}\"")).collect();
    let line = format!("grants = [{}]", quoted.join(", "));
    match file {
        Some(file) => format!(
            "it asks for what it was not granted: {list}; if you trust it with that, add this to {file}:\n    {line}"
        ),
        None => format!(
            "it asks for what it was not granted: {list}; if you trust it with that, load it with `PluginSettings` that have\n    {line}"
        ),
    }
}

impl From<wasmparser::Error> for ModuleError {
    fn from(error: wasmparser::Error) -> Self {
        Self::Malformed {
            message: super::text::escape_cut(error.message(), 500),
            offset: error.offset(),
        }
    }
}
