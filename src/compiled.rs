//! A module, compiled and ready to be instantiated, before anybody asked it what it contains.

use std::sync::Arc;

use wasmfusion_abi::export;
use wasmtime::{Engine, InstancePre, Linker, Module, ModuleExport};

use crate::deadline::Interruption;
use crate::engine::EngineSettings;
use crate::error::{Error, Result};
use crate::instance::HostState;
use crate::limits::Limits;
use crate::module::{self, Digest, ModuleInfo, ModuleSource, Probes, Symbolizer};

/// A compiled module.
pub(crate) struct CompiledModule {
    engine: Engine,
    pre: InstancePre<HostState>,
    exports: Exports,
    info: ModuleInfo,
    digest: Digest,
    symbols: Symbolizer,
    limits: Limits,
    interruption: Interruption,
}

/// The module's exports that are called, by position, so that no instance looks a name up.
pub(crate) struct Exports {
    pub(crate) memory: Option<ModuleExport>,
    pub(crate) alloc: Option<ModuleExport>,
    pub(crate) abi_version: Option<ModuleExport>,
    pub(crate) describe: Option<ModuleExport>,
    pub(crate) bind: Option<ModuleExport>,
    /// The memory with the watch page.
    pub(crate) watch: Option<ModuleExport>,
    /// What the module wanted to run on instantiation.
    pub(crate) start: Option<ModuleExport>,
    /// By place in the manifest; empty until the manifest is known.
    pub(crate) functions: Vec<Option<ModuleExport>>,
}

impl CompiledModule {
    /// Checks, rewrites and compiles a module. `name` is the file, or whatever the user knows it by. This takes milliseconds to
    /// seconds: keep it off the threads that run queries.
    ///
    /// # Errors
    ///
    /// If the module is refused, for which the error says why, or cannot be compiled.
    pub(crate) fn new(
        name: &str,
        source: &ModuleSource,
        limits: &Limits,
        interruption: Interruption,
    ) -> Result<Self> {
        let refused = |reason| Error::Module {
            plugin: name.to_owned(),
            reason: Box::new(reason),
        };
        let info = module::validate(source.bytes(), limits, |_, _| false).map_err(refused)?;
        let probes = match interruption {
            Interruption::WatchPage => Probes::On,
            Interruption::Epoch => Probes::Off,
        };
        let bytes = module::instrument(source.bytes(), probes).map_err(refused)?;
        let engine = EngineSettings::new(limits, interruption).engine()?;
        let host = |error: wasmtime::Error| Error::Host {
            what: format!("plugin {name} could not be compiled"),
            reason: module::escape(&format!("{error:#}")),
        };
        let compiled = Module::new(&engine, bytes).map_err(host)?;
        let pre = Linker::new(&engine)
            .instantiate_pre(&compiled)
            .map_err(host)?;
        let find = |name| compiled.get_export_index(name);
        let exports = Exports {
            memory: find(export::MEMORY),
            alloc: find(export::ALLOC),
            abi_version: find(export::ABI_VERSION),
            describe: find(export::DESCRIBE),
            bind: find(export::BIND),
            watch: find(module::WATCH_EXPORT),
            start: find(module::START_EXPORT),
            functions: Vec::new(),
        };
        Ok(Self {
            engine,
            pre,
            exports,
            info,
            digest: source.digest(),
            symbols: Symbolizer::new(Arc::clone(source.bytes()), probes),
            limits: limits.clone(),
            interruption,
        })
    }

    /// Makes the exports of these names callable, in this order.
    pub(crate) fn resolve_functions<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        let module = self.pre.module();
        self.exports.functions = names.map(|name| module.get_export_index(name)).collect();
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn pre(&self) -> &InstancePre<HostState> {
        &self.pre
    }

    pub(crate) fn exports(&self) -> &Exports {
        &self.exports
    }

    pub(crate) fn info(&self) -> &ModuleInfo {
        &self.info
    }

    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn interruption(&self) -> Interruption {
        self.interruption
    }

    /// The function of a frame of a backtrace, with file and line where the module says so.
    #[cold]
    pub(crate) fn symbol(&self, function: u32, func_offset: Option<usize>) -> String {
        self.symbols.resolve(function, func_offset).to_string()
    }
}
