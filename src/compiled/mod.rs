//! A module, compiled and ready to be instantiated, before anybody asked it what it contains.

mod code;
mod names;
mod options;
#[cfg(all(test, feature = "compiler"))]
mod tests;

use std::sync::Arc;

use wasmtime::{Engine, Module};

use crate::artifact::Artifact;
use crate::deadline::Interruption;
use crate::engine::Tooling;
use crate::error::Result;
use crate::host::PluginHost;
use crate::instance::InstancePool;
use crate::limits::Limits;
use crate::module::{Digest, Manifest, ModuleInfo, ModuleSource, Symbolizer};
use crate::observe::{FunctionCounters, PluginCounters};
use crate::profile::{ProfiledPlugin, Profiler};
use crate::redact::Redactor;
use code::{Code, Kept};
pub(crate) use code::{Exports, Linked};
pub(crate) use names::Names;
pub(crate) use options::CompileOptions;

/// A compiled module.
pub(crate) struct CompiledModule {
    engine: Engine,
    code: Code,
    /// The host functions that it imports, by name.
    imports: Vec<String>,
    /// The exports of its functions, by place in the manifest; empty until the manifest is known.
    functions: Vec<String>,
    digest: Digest,
    /// The module as its author built it.
    original: Arc<[u8]>,
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
    /// Empty until the manifest is known.
    names: Names,
    /// There if instances are to be sampled, from when its functions have names.
    profiled: Option<Arc<ProfiledPlugin>>,
    interruption: Interruption,
    tooling: Tooling,
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
        let (compiled, info) = options.compile(source.bytes(), engine)?;
        let imports = info.imports.iter().map(|import| import.name.clone());
        let imports: Vec<String> = imports.collect();
        let linked = Linked::new(engine, &compiled, &imports, &[])
            .map_err(|error| options.failed(&error))?;
        let module = Self::new(source, options, engine, Code::new(linked), imports);
        Ok((module, info))
    }

    /// A module that was compiled before. Its code is mapped and checked at its first call.
    pub(crate) fn kept(
        source: &ModuleSource,
        options: CompileOptions<'_>,
        engine: &Engine,
        artifact: Artifact,
    ) -> Self {
        let imports = artifact.meta.imports.clone();
        let name = options.name.to_owned();
        let code = Code::kept(Kept { name, artifact });
        Self::new(source, options, engine, code, imports)
    }

    fn new(
        source: &ModuleSource,
        options: CompileOptions<'_>,
        engine: &Engine,
        code: Code,
        imports: Vec<String>,
    ) -> Self {
        Self {
            engine: engine.clone(),
            code,
            imports,
            functions: Vec::new(),
            digest: source.digest(),
            original: Arc::clone(source.bytes()),
            symbols: Symbolizer::new(Arc::clone(source.bytes()), options.probes()),
            limits: Arc::new(options.limits.clone()),
            counters: Arc::default(),
            pool: InstancePool::new(options.pool.clone()),
            function_counters: Vec::new(),
            redactor: Arc::default(),
            host: None,
            names: Names::default(),
            profiled: None,
            interruption: options.interruption,
            tooling: options.tooling,
        }
    }

    /// Its code, ready to be instantiated. The first call maps what is kept on disk, after a check of the very copy that is mapped; what does not pass is
    /// compiled anew, which takes as long as [`Self::compile`].
    ///
    /// # Errors
    ///
    /// If what is kept cannot be used, and cannot be compiled anew.
    #[inline]
    pub(crate) fn linked(&self) -> Result<&Linked> {
        match self.code.get() {
            Some(linked) => Ok(linked),
            None => self.code.link(|kept| self.link(kept)),
        }
    }

    #[cold]
    fn link(&self, kept: &Kept) -> Result<Linked> {
        let Kept { name, artifact } = kept;
        let link =
            |module: &Module| Linked::new(&self.engine, module, &self.imports, &self.functions);
        if let Some(module) = artifact.module(&self.engine) {
            match link(&module) {
                Ok(linked) => return Ok(linked),
                Err(error) => artifact.refuse(format!("it cannot be linked: {error:#}")),
            }
        }
        let options = CompileOptions {
            name,
            limits: &self.limits,
            pool: self.pool.options(),
            interruption: self.interruption,
            tooling: self.tooling,
        };
        let (module, info) = options.compile(&self.original, &self.engine)?;
        let imports = info.imports.into_iter().map(|import| import.name);
        let imports: Vec<String> = imports.collect();
        artifact.renew(&module, &imports);
        Linked::new(&self.engine, &module, &imports, &self.functions)
            .map_err(|error| options.failed(&error))
    }

    /// Gives the module's host functions what they work with. Before that, calling one is a trap.
    pub(crate) fn set_host(&mut self, host: Arc<PluginHost>) {
        self.host = Some(host);
    }

    /// Sets what people know its functions by.
    pub(crate) fn set_names(&mut self, manifest: &Manifest) {
        self.names = Names::new(manifest);
    }

    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    /// Has instances that are made from here on sampled.
    pub(crate) fn set_profiler(&mut self, profiler: &Profiler) {
        profiler.watch(&self.engine);
        self.profiled = Some(profiler.plugin(self.names.clone(), self.symbols.clone()));
    }

    pub(crate) fn profiled(&self) -> Option<&Arc<ProfiledPlugin>> {
        self.profiled.as_ref()
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

    /// Whether one more instance may live, as far as can be told.
    pub(crate) fn has_room(&self) -> bool {
        let (instances, _) = self.counters.now();
        let all = self.engine().pooling_allocator_metrics();
        instances < u64::from(self.limits.plugin_instances_max)
            && all.is_none_or(|all| all.core_instances() < u64::from(self.limits.instances_max))
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
        self.functions = names.map(str::to_owned).collect();
        if let Some(linked) = self.code.get_mut() {
            linked.resolve(&self.functions);
        }
    }

    /// Has the calls of the functions counted by these, in the order of the manifest.
    pub(crate) fn set_counters(&mut self, counters: Vec<Arc<FunctionCounters>>) {
        self.function_counters = counters;
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Its exports. `None` before its code is there, so for an instance of it there are always some.
    pub(crate) fn exports(&self) -> Option<&Exports> {
        self.code.get().map(|linked| &linked.exports)
    }

    pub(crate) fn imports(&self) -> &[String] {
        &self.imports
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
