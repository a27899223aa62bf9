//! A module, compiled and ready to be instantiated, before anybody asked it what it contains.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use wasmfusion_abi::export;
use wasmtime::{Engine, InstancePre, Linker, Module, ModuleExport};

use crate::artifact::ArtifactId;
use crate::deadline::Interruption;
use crate::engine::EngineSettings;
use crate::error::{Error, Result};
use crate::host::{self, HostFunction, PluginHost};
use crate::instance::{HostState, InstancePool, PoolOptions};
use crate::limits::Limits;
use crate::module::{self, Digest, ModuleError, ModuleInfo, ModuleSource, Probes, Symbolizer};
use crate::observe::{FunctionCounters, PluginCounters};
use crate::redact::Redactor;

/// A compiled module.
pub(crate) struct CompiledModule {
    engine: Engine,
    pre: InstancePre<HostState>,
    exports: Exports,
    /// The host functions that it imports, by name.
    imports: Vec<String>,
    digest: Digest,
    symbols: Symbolizer,
    limits: Arc<Limits>,
    counters: Arc<PluginCounters>,
    pool: InstancePool,
    /// By place in the manifest; empty until the manifest is known, and if calls are not counted.
    function_counters: Vec<Arc<FunctionCounters>>,
    /// For everything that the guest says and people read.
    redactor: Arc<Redactor>,
    /// There from when it is known what the plugin may ask the host for, if it imports anything.
    host: Option<Arc<PluginHost>>,
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

/// How a module is compiled, and what its instances may use.
#[derive(Clone, Copy)]
pub(crate) struct CompileOptions<'a> {
    /// The file, or whatever the user knows the module by.
    pub(crate) name: &'a str,
    pub(crate) limits: &'a Limits,
    pub(crate) pool: &'a PoolOptions,
    pub(crate) interruption: Interruption,
}

impl CompileOptions<'_> {
    fn probes(&self) -> Probes {
        match self.interruption {
            Interruption::WatchPage => Probes::On,
            Interruption::Epoch => Probes::Off,
        }
    }

    pub(crate) fn engine(&self) -> Result<Engine> {
        EngineSettings::new(self.limits, self.pool, self.interruption).engine()
    }

    fn failed(&self, error: &wasmtime::Error) -> Error {
        Error::Host {
            what: format!("plugin {} could not be compiled", self.name),
            reason: module::escape(&format!("{error:#}")),
        }
    }

    /// What the artifact of a module is for that is compiled so.
    pub(crate) fn artifact(&self, module: Digest) -> ArtifactId {
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
            std::env::consts::ARCH,
            std::env::consts::OS,
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
}

impl CompiledModule {
    /// Checks, rewrites and compiles a module, and says what it is. This takes milliseconds to seconds: keep it off the threads that run queries.
    ///
    /// # Errors
    ///
    /// If the module is refused, for which the error says why, or cannot be compiled.
    pub(crate) fn compile(
        source: &ModuleSource,
        options: CompileOptions<'_>,
        engine: &Engine,
    ) -> Result<(Self, ModuleInfo)> {
        let CompileOptions { name, limits, .. } = options;
        let refused = |reason| Error::Module {
            plugin: name.to_owned(),
            reason: Box::new(reason),
        };
        let offered = |module: &str, name: &str| {
            HostFunction::find(module, name).map(HostFunction::signature)
        };
        let info = module::validate(source.bytes(), limits, offered).map_err(refused)?;
        let bytes = module::instrument(source.bytes(), options.probes()).map_err(refused)?;
        let compiled = compile(engine, bytes, limits.compile_timeout_ms)
            .map_err(refused)?
            .map_err(|error| options.failed(&error))?;
        let imports = info.imports.iter().map(|import| import.name.clone());
        let module = Self::link(source, options, engine, &compiled, imports.collect())?;
        Ok((module, info))
    }

    /// A module that is compiled already.
    ///
    /// # Errors
    ///
    /// If it imports what the host does not have.
    pub(crate) fn link(
        source: &ModuleSource,
        options: CompileOptions<'_>,
        engine: &Engine,
        compiled: &Module,
        imports: Vec<String>,
    ) -> Result<Self> {
        let failed = |error: wasmtime::Error| options.failed(&error);
        let mut linker = Linker::new(engine);
        for import in &imports {
            host::link(&mut linker, import).map_err(failed)?;
        }
        let pre = linker.instantiate_pre(compiled).map_err(failed)?;
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
            engine: engine.clone(),
            pre,
            exports,
            imports,
            digest: source.digest(),
            symbols: Symbolizer::new(Arc::clone(source.bytes()), options.probes()),
            limits: Arc::new(options.limits.clone()),
            counters: Arc::default(),
            pool: InstancePool::new(options.pool.clone()),
            function_counters: Vec::new(),
            redactor: Arc::default(),
            host: None,
            interruption: options.interruption,
        })
    }

    /// Gives the module's host functions what they work with. Before that, calling one is a trap.
    pub(crate) fn set_host(&mut self, host: Arc<PluginHost>) {
        self.host = Some(host);
    }

    /// Sets what is redacted in what the guest says.
    pub(crate) fn set_redactor(&mut self, redactor: Arc<Redactor>) {
        self.redactor = redactor;
    }

    pub(crate) fn redactor(&self) -> &Arc<Redactor> {
        &self.redactor
    }

    pub(crate) fn host(&self) -> Option<&Arc<PluginHost>> {
        self.host.as_ref()
    }

    pub(crate) fn pool(&self) -> &InstancePool {
        &self.pool
    }

    pub(crate) fn counters(&self) -> &Arc<PluginCounters> {
        &self.counters
    }

    /// What counts the calls of the function at `place` in the manifest.
    pub(crate) fn function_counters(&self, place: usize) -> Option<&Arc<FunctionCounters>> {
        self.function_counters.get(place)
    }

    /// Makes the exports of these names callable, in this order.
    pub(crate) fn resolve_functions<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        let module = self.pre.module();
        self.exports.functions = names.map(|name| module.get_export_index(name)).collect();
    }

    /// Has the calls of the functions counted by these, in the order of the manifest.
    pub(crate) fn set_counters(&mut self, counters: Vec<Arc<FunctionCounters>>) {
        self.function_counters = counters;
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

    pub(crate) fn imports(&self) -> &[String] {
        &self.imports
    }

    /// The code, to be kept.
    ///
    /// # Errors
    ///
    /// If there is no memory for it.
    pub(crate) fn code(&self) -> wasmtime::Result<Vec<u8>> {
        self.pre.module().serialize()
    }

    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn shared_limits(&self) -> &Arc<Limits> {
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

/// Compiles a module in a thread of its own, and waits for it for so long. Nothing can stop a compilation: one that takes longer goes on
/// until it ends, within the limits on the module's size.
fn compile(
    engine: &Engine,
    bytes: Vec<u8>,
    timeout_ms: u64,
) -> Result<wasmtime::Result<Module>, ModuleError> {
    let (sender, receiver) = sync_channel(1);
    let engine = engine.clone();
    let thread = std::thread::Builder::new().name("wasmfusion-compile".into());
    let spawned = thread.spawn(move || {
        // Nobody may be there any more.
        let _ = sender.send(Module::new(&engine, bytes));
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
