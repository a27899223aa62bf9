//! How a module is compiled, and what of that decides over its code.

use std::sync::Arc;

use wasmtime::{Engine, Module};

use crate::artifact::{ArtifactId, Target};
use crate::compiler;
use crate::deadline::Interruption;
use crate::engine::{EngineSettings, Tooling};
use crate::error::{Error, Result};
use crate::host::HostFunction;
use crate::instance::PoolOptions;
use crate::limits::Limits;
use crate::module::{self, Digest, ModuleError, ModuleInfo, Probes};

/// How a module is compiled, and what its instances may use.
#[derive(Clone, Copy)]
pub(crate) struct CompileOptions<'a> {
    /// The file, or whatever the user knows the module by.
    pub(crate) name: &'a str,
    pub(crate) limits: &'a Limits,
    pub(crate) pool: &'a PoolOptions,
    pub(crate) interruption: Interruption,
    pub(crate) tooling: Tooling,
}

impl CompileOptions<'_> {
    pub(super) fn probes(&self) -> Probes {
        match self.interruption {
            Interruption::WatchPage => Probes::On,
            Interruption::Epoch => Probes::Off,
        }
    }

    fn settings(&self) -> EngineSettings {
        EngineSettings::new(self.limits, self.pool, self.interruption, self.tooling)
    }

    pub(crate) fn engine(&self) -> Result<Engine> {
        self.settings().engine()
    }

    pub(super) fn failed(&self, error: &wasmtime::Error) -> Error {
        Error::Host {
            what: format!("plugin {} could not be compiled", self.name),
            reason: module::escape(&format!("{error:#}")),
        }
    }

    fn refused(&self, reason: ModuleError) -> Error {
        Error::Module {
            plugin: self.name.to_owned(),
            reason: Box::new(reason),
        }
    }

    /// What the artifact of a module is for that is compiled so.
    pub(crate) fn artifact(&self, module: Digest, target: &Target) -> ArtifactId {
        let Limits {
            memory_bytes_max,
            table_elements_max,
            stack_bytes_max,
            module_functions_max,
            module_function_bytes_max,
            ref call_fuel_max,
            ..
        } = *self.limits;
        // All that decides whether a module is taken, and what code it becomes. What wasmtime looks at itself is not in it.
        let build = format!(
            "{} {} {} {} {:?} {} {memory_bytes_max} {table_elements_max} {stack_bytes_max} {module_functions_max} {module_function_bytes_max}",
            env!("CARGO_PKG_VERSION"),
            module::INSTRUMENT_REVISION,
            target.arch(),
            target.os(),
            self.interruption,
            call_fuel_max.is_some(),
        );
        let mut short = [0; 16];
        short.copy_from_slice(&blake3::hash(build.as_bytes()).as_bytes()[..16]);
        ArtifactId {
            module,
            build: short,
        }
    }

    /// Checks, rewrites and compiles a module to be run here, and says what it is.
    pub(super) fn compile(
        &self,
        original: &Arc<[u8]>,
        engine: &Engine,
    ) -> Result<(Module, ModuleInfo)> {
        let (bytes, info) = self.rewrite(original)?;
        let compiled = compiler::compile(engine, bytes, self.limits.compile_timeout_ms)
            .map_err(|reason| self.refused(reason))?
            .map_err(|error| self.failed(&error))?;
        Ok((compiled, info))
    }

    /// Checks, rewrites and compiles a module to be run on `target`.
    pub(crate) fn compile_for(&self, original: &Arc<[u8]>, target: &Target) -> Result<Vec<u8>> {
        let failed = |error: wasmtime::Error| Error::Host {
            what: format!("plugin {} could not be compiled for {target}", self.name),
            reason: module::escape(&format!("{error:#}")),
        };
        let (bytes, _) = self.rewrite(original)?;
        let engine = self.settings().engine_for(target).map_err(failed)?;
        compiler::precompile(&engine, bytes, self.limits.compile_timeout_ms)
            .map_err(|reason| self.refused(reason))?
            .map_err(failed)
    }

    fn rewrite(&self, original: &Arc<[u8]>) -> Result<(Vec<u8>, ModuleInfo)> {
        let offered = |module: &str, name: &str| {
            HostFunction::find(module, name).map(HostFunction::signature)
        };
        let refused = |reason| self.refused(reason);
        let info = module::validate(original, self.limits, offered).map_err(refused)?;
        let bytes = module::instrument(original, self.probes()).map_err(refused)?;
        Ok((bytes, info))
    }
}
