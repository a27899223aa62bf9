//! A host with the compiler.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use wasmtime::{Config, Engine, Module, OptLevel};

use crate::module::ModuleError;

/// Sets how an engine compiles.
pub(crate) fn configure(config: &mut Config) {
    config.cranelift_opt_level(OptLevel::Speed);
}

/// Makes an engine compile for another target, and for any processor of its kind.
pub(crate) fn configure_for(config: &mut Config, triple: &str) -> wasmtime::Result<()> {
    config.target(triple)?;
    Ok(())
}

/// Compiles a module, to be run here.
pub(crate) fn compile(
    engine: &Engine,
    bytes: Vec<u8>,
    timeout_ms: u64,
) -> Result<wasmtime::Result<Module>, ModuleError> {
    let engine = engine.clone();
    within(timeout_ms, move || Module::new(&engine, bytes))
}

/// Compiles a module, to be run elsewhere.
pub(crate) fn precompile(
    engine: &Engine,
    bytes: Vec<u8>,
    timeout_ms: u64,
) -> Result<wasmtime::Result<Vec<u8>>, ModuleError> {
    let engine = engine.clone();
    within(timeout_ms, move || engine.precompile_module(&bytes))
}

/// The code of a module, to be kept.
pub(crate) fn serialize(module: &Module) -> wasmtime::Result<Vec<u8>> {
    module.serialize()
}

/// Runs the compiler in a thread of its own, and waits for it for so long. Nothing can stop a compilation: one that takes longer goes on
/// until it ends, within the limits on the module's size.
fn within<T: Send + 'static>(
    timeout_ms: u64,
    compile: impl FnOnce() -> wasmtime::Result<T> + Send + 'static,
) -> Result<wasmtime::Result<T>, ModuleError> {
    let (sender, receiver) = sync_channel(1);
    let thread = std::thread::Builder::new().name("wasmfusion-compile".into());
    let spawned = thread.spawn(move || {
        // Nobody may be there any more.
        let _ = sender.send(compile());
    });
    if let Err(error) = spawned {
        return Ok(Err(error.into()));
    }
    match receiver.recv_timeout(Duration::from_millis(timeout_ms)) {
        Ok(compiled) => Ok(compiled),
        Err(RecvTimeoutError::Timeout) => Err(ModuleError::CompileTimeout { timeout_ms }),
        Err(RecvTimeoutError::Disconnected) => Ok(Err(wasmtime::Error::msg(
            "the compiler gave up without saying why",
        ))),
    }
}
