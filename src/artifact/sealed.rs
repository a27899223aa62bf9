//! A copy of machine code that nobody can change: what was checked is what is executed.

use std::fs::File;
use std::io::{self, Read};

use wasmtime::{Engine, Module};

use super::unusable::Unusable;

/// What could not be done when an error is of the file or of the memory.
const COPYING: &str = "it cannot be copied into memory";

/// Machine code in memory that can only be read. On Linux it is a sealed file in memory, which wasmtime maps.
pub(super) struct SealedCode {
    #[cfg(target_os = "linux")]
    file: File,
    #[cfg(target_os = "linux")]
    bytes: memmap2::Mmap,
    #[cfg(not(target_os = "linux"))]
    bytes: Vec<u8>,
}

#[cfg(target_os = "linux")]
impl SealedCode {
    /// Copies the next `length` bytes of `file`.
    pub(super) fn copy(file: &mut File, length: u64) -> Result<Self, Unusable> {
        use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

        // Whatever the system has against such memory, it has nothing against the file.
        let refused = |error: io::Error| Unusable::Passing(format!("{COPYING}: {error}"));
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let memory = memfd_create("wasmfusion-code", flags | MemfdFlags::EXEC)
            // Linux before 6.3 does not know that flag, and needs none.
            .or_else(|_| memfd_create("wasmfusion-code", flags))
            .map_err(|error| refused(error.into()))?;
        let mut memory = File::from(memory);
        let copied = io::copy(&mut file.take(length), &mut memory)
            .map_err(|error| Unusable::reading(COPYING, &error))?;
        if copied != length {
            return Err(Unusable::Bad("it was cut off".into()));
        }
        let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        fcntl_add_seals(&memory, seals).map_err(|error| refused(error.into()))?;
        // SAFETY: no process can write to the file or change its size any more.
        let bytes = unsafe { memmap2::Mmap::map(&memory) }.map_err(refused)?;
        Ok(Self {
            file: memory,
            bytes,
        })
    }

    /// The code as a module.
    ///
    /// # Errors
    ///
    /// If the code is for another engine: another version of wasmtime, other settings, another processor.
    pub(super) fn into_module(self, engine: &Engine) -> Result<Module, Unusable> {
        // SAFETY: the caller has checked the hash, so that wasmtime has made the code; the file is sealed.
        unsafe { Module::deserialize_open_file(engine, self.file) }
            .map_err(|error| Unusable::mapping(&error))
    }
}

#[cfg(not(target_os = "linux"))]
impl SealedCode {
    pub(super) fn copy(file: &mut File, length: u64) -> Result<Self, Unusable> {
        let mut bytes = Vec::new();
        file.take(length)
            .read_to_end(&mut bytes)
            .map_err(|error| Unusable::reading(COPYING, &error))?;
        if bytes.len() as u64 != length {
            return Err(Unusable::Bad("it was cut off".into()));
        }
        Ok(Self { bytes })
    }

    pub(super) fn into_module(self, engine: &Engine) -> Result<Module, Unusable> {
        // SAFETY: the caller has checked the hash of these bytes, so that wasmtime has made the code.
        unsafe { Module::deserialize(engine, &self.bytes) }
            .map_err(|error| Unusable::mapping(&error))
    }
}

impl SealedCode {
    /// The code.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
