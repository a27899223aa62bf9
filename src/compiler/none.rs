//! A host without the compiler: every module that would have to be compiled is refused.

use wasmtime::{Config, Engine, Module};

use crate::module::ModuleError;

pub(crate) fn configure(_: &mut Config) {}

pub(crate) fn configure_for(_: &mut Config, _: &str) -> wasmtime::Result<()> {
    Ok(())
}

pub(crate) fn compile(
    _: &Engine,
    _: Vec<u8>,
    _: u64,
) -> Result<wasmtime::Result<Module>, ModuleError> {
    Err(ModuleError::NotCompiled)
}

pub(crate) fn precompile(
    _: &Engine,
    _: Vec<u8>,
    _: u64,
) -> Result<wasmtime::Result<Vec<u8>>, ModuleError> {
    Err(ModuleError::NotCompiled)
}

pub(crate) fn serialize(_: &Module) -> wasmtime::Result<Vec<u8>> {
    Err(wasmtime::Error::msg("this host has no compiler"))
}
