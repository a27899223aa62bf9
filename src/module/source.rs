//! Where a module's bytes come from: memory or a file, binary or text.
//!
//! The outcome is always the binary form, within the size limit, and no component. Whether it is a valid module is for
//! [`validate`](super::validate) to say.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;

use wasmparser::Parser;

use super::error::ModuleError;
use super::{Digest, text};
use crate::limits::Limits;

/// The binary form of a module, and its digest.
#[derive(Clone, Debug)]
pub struct ModuleSource {
    bytes: Arc<[u8]>,
    /// What the binary form was made of, if it came as text.
    text: Option<Arc<[u8]>>,
    digest: Digest,
}

impl ModuleSource {
    /// Takes a module from memory: binary, or WebAssembly text.
    ///
    /// # Errors
    ///
    /// If `bytes` are empty, too many, a component, or neither a WebAssembly binary nor text that parses.
    pub fn from_bytes(bytes: &[u8], limits: &Limits) -> Result<Self, ModuleError> {
        if !looks_like_text(bytes) {
            return Self::from_binary(bytes.into(), limits);
        }
        check_size(bytes.len() as u64, limits)?;
        let binary = from_text(bytes)?;
        check_size(binary.len() as u64, limits)?;
        let mut source = Self::new(binary.into());
        source.text = Some(bytes.into());
        Ok(source)
    }

    /// Takes a module from a file; its content, not its extension, says whether it is binary or text.
    ///
    /// No more than the size limit is read, even if the file grows meanwhile.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, and as in [`Self::from_bytes`].
    pub fn from_file(path: &Path, limits: &Limits) -> Result<Self, ModuleError> {
        // The kind is looked at before the file is opened: opening a pipe would wait for a writer.
        let metadata = path.metadata().map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(ModuleError::FileIsDirectory);
        }
        if !metadata.is_file() {
            return Err(ModuleError::FileIsSpecial);
        }
        check_size(metadata.len(), limits)?;

        let file = File::open(path).map_err(unreadable)?;
        let bytes = read_whole(file, metadata.len() as usize, limits).map_err(unreadable)?;
        match looks_like_text(&bytes) {
            true => Self::from_bytes(&bytes, limits),
            false => Self::from_binary(bytes, limits),
        }
    }

    /// Takes a module that is no text, and keeps the very bytes.
    fn from_binary(bytes: Arc<[u8]>, limits: &Limits) -> Result<Self, ModuleError> {
        check_size(bytes.len() as u64, limits)?;
        if bytes.is_empty() {
            return Err(ModuleError::Empty);
        }
        check_header(&bytes)?;
        Ok(Self::new(bytes))
    }

    /// The binary form.
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    /// The bytes as they came, which a signature is made of.
    pub(crate) fn given_bytes(&self) -> &[u8] {
        self.text.as_ref().unwrap_or(&self.bytes)
    }

    /// The identity of the module.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    fn new(bytes: Arc<[u8]>) -> Self {
        Self {
            digest: Digest::of(&bytes),
            bytes,
            text: None,
        }
    }
}

/// Reads a file that had `length` bytes a moment ago, but no more than one byte beyond the size limit, to where the bytes stay: they are not copied
/// unless the file changes meanwhile.
fn read_whole(mut file: File, length: usize, limits: &Limits) -> std::io::Result<Arc<[u8]>> {
    let mut bytes: Arc<[u8]> = std::iter::repeat_n(0, length).collect();
    let mut filled = 0;
    // Nobody else has it yet.
    let space = Arc::get_mut(&mut bytes).unwrap_or_default();
    while filled < space.len() {
        match file.read(&mut space[filled..]) {
            Ok(0) => return Ok(space[..filled].into()),
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let rest = (limits.module_bytes_max as u64 + 1).saturating_sub(length as u64);
    let mut more = Vec::new();
    file.take(rest).read_to_end(&mut more)?;
    match more.is_empty() {
        true => Ok(bytes),
        false => Ok([&bytes[..], &more].concat().into()),
    }
}

/// That `bytes` start as a core module does.
pub(crate) fn check_header(bytes: &[u8]) -> Result<(), ModuleError> {
    if Parser::is_core_wasm(bytes) {
        Ok(())
    } else if Parser::is_component(bytes) {
        Err(ModuleError::Component)
    } else {
        let found: Vec<String> = bytes.iter().take(8).map(|b| format!("{b:02x}")).collect();
        Err(ModuleError::NotWasm {
            found: found.join(" "),
        })
    }
}

pub(crate) fn check_size(bytes: u64, limits: &Limits) -> Result<(), ModuleError> {
    let max = limits.module_bytes_max as u64;
    if bytes > max {
        return Err(ModuleError::TooLarge { bytes, max });
    }
    Ok(())
}

/// Whether a module in text form could start like this: with a parenthesis or a comment.
fn looks_like_text(bytes: &[u8]) -> bool {
    let start = bytes.trim_ascii_start();
    start.starts_with(b"(") || start.starts_with(b";;")
}

fn from_text(bytes: &[u8]) -> Result<Vec<u8>, ModuleError> {
    let bad = |message: &str| ModuleError::Text {
        message: text::escape_lines(message, 2 << 10),
    };
    let source = std::str::from_utf8(bytes)
        .map_err(|e| bad(&format!("not UTF-8 after byte {}", e.valid_up_to())))?;
    let binary = wat::parse_str(source).map_err(|e| bad(&e.to_string()))?;
    check_header(&binary)?;
    Ok(binary)
}

fn unreadable(error: std::io::Error) -> ModuleError {
    match error.kind() {
        ErrorKind::NotFound => ModuleError::FileMissing,
        _ => ModuleError::FileUnreadable(error),
    }
}

#[cfg(test)]
mod tests;
