//! The plugins of a process or of a tenant: loading them, finding them, dropping them.

mod ahead;
mod directory;
mod options;
mod versions;

use std::fmt;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use parking_lot::Mutex;

use crate::artifact::{ArtifactCache, ArtifactId, Target};
use crate::audit::AuditLog;
use crate::compiled::CompileOptions;
use crate::error::{Error, Result};
use crate::function::SqlFunction;
use crate::host::HostServices;
use crate::instance::PoolOptions;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::module::{Digest, Manifest, ModuleError, ModuleSource};
use crate::observe::{ObserverCounts, Observers, Usage};
use crate::plugin::{LoadOptions, Plugin};
use crate::settings::{self, PluginSettings, SettingsError, SignatureSource};

pub use ahead::{Precompilation, Precompiled};
pub use directory::{PluginDirectory, PluginFile};
pub use options::{RegistryOptions, SettingsFiles};
pub(crate) use versions::Session;
use versions::Versions;

/// Plugins by name. Clones are the same registry.
///
/// ```no_run
/// # async fn example() -> datafusion::error::Result<()> {
/// use datafusion::prelude::SessionContext;
/// use wasmfusion::{Registry, SessionContextExt};
///
/// let registry = Registry::default();
/// registry.load_file("geo.wasm")?;
/// let ctx = SessionContext::new();
/// ctx.register_plugins(&registry)?;
/// ctx.sql("SELECT great_circle_km(52.5, 13.4, 48.9, 2.4)").await?.show().await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct Registry(Arc<Inner>);

#[derive(Default)]
struct Inner {
    options: RegistryOptions,
    plugins: DashMap<String, Arc<Plugin>>,
    versions: Versions,
    /// Every module that is in use somewhere, so that the same bytes with the same settings are compiled once.
    compiled: DashMap<Digest, Vec<Weak<Plugin>>>,
    /// There from when a plugin that can call the host is loaded.
    audit: Mutex<Option<AuditLog>>,
    /// There from when the first module is loaded, if there is to be one.
    artifacts: Mutex<Option<ArtifactCache>>,
    metrics: Metrics,
    usage: Usage,
    observers: Observers,
}

impl Drop for Inner {
    /// Observers hold their plugins, which hold the observers.
    fn drop(&mut self) {
        self.observers.clear();
    }
}

/// A module that is about to be loaded.
struct Candidate<'a> {
    /// The file, or whatever the user knows it by.
    name: &'a str,
    from: ModuleFrom<'a>,
    settings: SettingsFrom<'a>,
    /// The digest that SQL text pins.
    pinned: Option<Digest>,
}

/// Where a module comes from.
#[derive(Clone, Copy)]
enum ModuleFrom<'a> {
    File(&'a Path),
    Bytes(&'a [u8]),
}

/// Where a module's settings come from.
#[derive(Clone, Copy)]
enum SettingsFrom<'a> {
    /// The caller.
    Given(&'a PluginSettings),
    /// The file beside it, if there is one.
    Beside(&'a Path),
    /// Nobody.
    Nowhere,
}

impl Registry {
    /// An empty registry with these options.
    pub fn new(options: RegistryOptions) -> Self {
        let mut inner = Inner::default();
        inner.options = options;
        Self(Arc::new(inner))
    }

    /// Whether both are the same registry.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// How this registry loads plugins.
    pub fn options(&self) -> &RegistryOptions {
        &self.0.options
    }

    /// Loads a plugin from a `.wasm` or `.wat` file. Compiling takes milliseconds to seconds: in async code, use `spawn_blocking`.
    ///
    /// # Errors
    ///
    /// If the file or what is in it is refused, or a plugin of its name is there already. Nothing is changed then.
    pub fn load_file(&self, path: impl AsRef<Path>) -> Result<Arc<Plugin>> {
        self.add(self.compile_file(path.as_ref(), None)?)
    }

    /// As [`Self::load_file`], with these settings in place of those in the file beside it.
    ///
    /// # Errors
    ///
    /// As [`Self::load_file`].
    pub fn load_file_with(
        &self,
        path: impl AsRef<Path>,
        settings: &PluginSettings,
    ) -> Result<Arc<Plugin>> {
        self.add(self.compile_file(path.as_ref(), Some(settings))?)
    }

    /// What the plugin in a file says of itself, whatever it asks for: nothing is granted and nothing registered.
    ///
    /// # Errors
    ///
    /// If the module or its manifest is refused.
    pub fn describe_file(&self, path: impl AsRef<Path>) -> Result<Manifest> {
        let options = &self.0.options;
        let name = path.as_ref().display().to_string();
        let source =
            ModuleSource::from_file(path.as_ref(), &options.limits).map_err(refused(&name))?;
        Plugin::describe(
            &name,
            &source,
            &options.limits,
            options.interruption,
            options.redact_well_known,
        )
    }

    /// Loads a plugin from the bytes of a module, binary or text. `name` stands for the file in messages.
    ///
    /// # Errors
    ///
    /// As [`Self::load_file`].
    pub fn load_bytes(&self, name: &str, bytes: &[u8]) -> Result<Arc<Plugin>> {
        self.load_bytes_with(name, bytes, &PluginSettings::default())
    }

    /// As [`Self::load_bytes`], with these settings.
    ///
    /// # Errors
    ///
    /// As [`Self::load_file`].
    pub fn load_bytes_with(
        &self,
        name: &str,
        bytes: &[u8],
        settings: &PluginSettings,
    ) -> Result<Arc<Plugin>> {
        self.add(self.compile(&Candidate {
            name,
            from: ModuleFrom::Bytes(bytes),
            settings: SettingsFrom::Given(settings),
            pinned: None,
        })?)
    }

    /// Loads every `.wasm` and `.wat` file of a directory, each with the file `NAME.toml` beside it, on all processors. A file that is refused does not
    /// keep the others out; of two plugins with one name, that of the file counts whose name comes first.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read. What happened to each file is in the result.
    pub fn load_dir(&self, path: impl AsRef<Path>) -> Result<Vec<(PathBuf, Result<Arc<Plugin>>)>> {
        let files = Self::module_files(path)?;
        let compiled = self.compile_files(&files);
        let loaded = compiled.into_iter().map(|plugin| self.add(plugin?));
        Ok(files.iter().cloned().zip(loaded).collect())
    }

    /// The modules of a directory, its `.wasm` and `.wat` files, in the order of their names.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read.
    pub fn module_files(path: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
        let path = path.as_ref();
        let failed = |error: std::io::Error| Error::Host {
            what: format!("the plugin directory {} could not be read", path.display()),
            reason: error.to_string(),
        };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let file = entry.map_err(failed)?.path();
            if file
                .extension()
                .is_some_and(|extension| extension == "wasm" || extension == "wat")
            {
                files.push(file);
            }
        }
        files.sort();
        Ok(files)
    }

    /// Compiles files on all processors; the results are in their order.
    fn compile_files(&self, files: &[PathBuf]) -> Vec<Result<Arc<Plugin>>> {
        let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let next = AtomicUsize::new(0);
        let compile = || {
            let places = std::iter::from_fn(|| {
                let place = next.fetch_add(1, Ordering::Relaxed);
                files.get(place).map(|file| (place, file))
            });
            let compile = |(place, file): (usize, &PathBuf)| (place, self.compile_file(file, None));
            places.map(compile).collect::<Vec<_>>()
        };
        let mut done = std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads.min(files.len()))
                // If there is no thread, there is one less.
                .filter_map(|_| {
                    std::thread::Builder::new()
                        .spawn_scoped(scope, compile)
                        .ok()
                })
                .collect();
            let mut done = compile();
            for other in others {
                match other.join() {
                    Ok(results) => done.extend(results),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            done
        });
        done.sort_by_key(|(place, _)| *place);
        done.into_iter().map(|(_, result)| result).collect()
    }

    /// The plugin of this name.
    pub fn plugin(&self, name: &str) -> Option<Arc<Plugin>> {
        self.0.plugins.get(name).map(|plugin| Arc::clone(&plugin))
    }

    /// All plugins, sorted by name.
    pub fn plugins(&self) -> Vec<Arc<Plugin>> {
        let mut plugins: Vec<_> = self
            .0
            .plugins
            .iter()
            .map(|entry| Arc::clone(entry.value()))
            .collect();
        plugins.sort_by(|a, b| a.name().cmp(b.name()));
        plugins
    }

    /// All plugins that are in use anywhere, those included that SQL text named, sorted by name.
    pub(crate) fn plugins_in_use(&self) -> Vec<Arc<Plugin>> {
        let mut plugins: Vec<Arc<Plugin>> = Vec::new();
        for entry in &self.0.compiled {
            plugins.extend(entry.value().iter().filter_map(Weak::upgrade));
        }
        plugins.sort_by(|a, b| a.name().cmp(b.name()));
        plugins
    }

    /// Forgets the plugin of this name. Sessions and queries that have its functions keep them.
    pub fn unload(&self, name: &str) -> Option<Arc<Plugin>> {
        let (_, plugin) = self.0.plugins.remove(name)?;
        self.exchange_observers(Some(&plugin), None);
        Some(plugin)
    }

    /// The SQL functions of all plugins.
    pub fn functions(&self) -> Vec<SqlFunction> {
        self.plugins().iter().flat_map(SqlFunction::all).collect()
    }

    /// What plugins asked the host for. The log begins with the first plugin that can; empty before.
    ///
    /// # Errors
    ///
    /// If the file of [`RegistryOptions::audit`] cannot be opened.
    pub fn audit(&self) -> Result<AuditLog> {
        let mut audit = self.0.audit.lock();
        if let Some(log) = audit.as_ref() {
            return Ok(log.clone());
        }
        let log = AuditLog::new(&self.0.options.audit, self.0.observers.clone())?;
        Ok(audit.insert(log).clone())
    }

    /// Where compiled modules are kept, if that is anywhere.
    ///
    /// # Errors
    ///
    /// If the directory of [`RegistryOptions::artifacts`] cannot be used.
    pub fn artifacts(&self) -> Result<Option<ArtifactCache>> {
        let Some(options) = &self.0.options.artifacts else {
            return Ok(None);
        };
        let mut artifacts = self.0.artifacts.lock();
        if artifacts.is_none() {
            *artifacts = Some(ArtifactCache::open(options)?);
        }
        Ok(artifacts.clone())
    }

    /// What the artifact of a module is for that this registry loads with no settings of its own.
    pub(crate) fn artifact_of(&self, module: Digest) -> ArtifactId {
        let options = &self.0.options;
        let compile = CompileOptions {
            name: "",
            limits: &options.limits,
            pool: &options.pool,
            interruption: options.interruption,
        };
        compile.artifact(module, &Target::host())
    }

    /// The log, if it has begun.
    pub(crate) fn audit_begun(&self) -> Option<AuditLog> {
        self.0.audit.lock().clone()
    }

    /// The numbers that plugins emitted.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// What counts the calls of its plugins' functions.
    pub(crate) fn counted(&self) -> &Usage {
        &self.0.usage
    }

    /// What came of the events of each observer of the plugins that are loaded.
    pub fn observers(&self) -> Vec<ObserverCounts> {
        self.0.observers.counts()
    }

    /// Waits until all events up to now are delivered to observers, have failed or were dropped. Whether that took no longer than `timeout`.
    ///
    /// Events are delivered some 50 ms after they have happened; a process that ends at once calls this first. It keeps the thread waiting.
    pub fn flush_observers(&self, timeout: Duration) -> bool {
        self.0.observers.flush(timeout)
    }

    /// Who is told of events.
    pub(crate) fn observers_of_events(&self) -> &Observers {
        &self.0.observers
    }

    /// Has the observers of `new` take the place of those of `old`.
    fn exchange_observers(&self, old: Option<&Arc<Plugin>>, new: Option<&Arc<Plugin>>) {
        self.0.observers.exchange(old, new, &self.0.metrics);
    }

    fn services(&self) -> Result<HostServices> {
        Ok(HostServices {
            context: Arc::clone(&self.0.options.context),
            audit: self.audit()?,
            metrics: self.0.metrics.clone(),
        })
    }

    /// Compiles a file that SQL text names, without giving it a name here: see [`RegistryOptions::module_root`].
    pub(crate) fn compile_for_sql(
        &self,
        path: &str,
        pinned: Option<Digest>,
    ) -> Result<Arc<Plugin>> {
        let Some(root) = &self.0.options.module_root else {
            let file = Path::new(path);
            return self.compile(&Candidate {
                name: path,
                from: ModuleFrom::File(file),
                settings: match self.0.options.settings_files {
                    SettingsFiles::All => SettingsFrom::Beside(file),
                    SettingsFiles::Trusted | SettingsFiles::Off => SettingsFrom::Nowhere,
                },
                pinned,
            });
        };
        let outside = || {
            Error::Usage(format!(
                "plugin {path}: CREATE FUNCTION may only name files below the directory of plugins; give a path relative to it"
            ))
        };
        let failed = |error: std::io::Error| Error::Host {
            what: "the directory of plugins could not be read".into(),
            reason: error.to_string(),
        };
        let root = root.canonicalize().map_err(failed)?;
        let file = match root.join(path).canonicalize() {
            Ok(file) => file,
            // The same answer for what is not there and for what is elsewhere: nobody learns what exists outside.
            Err(_) if Path::new(path).is_absolute() || path.contains("..") => return Err(outside()),
            Err(_) => root.join(path),
        };
        if !file.starts_with(&root) {
            return Err(outside());
        }
        self.compile(&Candidate {
            name: path,
            from: ModuleFrom::File(&file),
            settings: self.beside(&file),
            pinned,
        })
    }

    fn compile_file(&self, path: &Path, settings: Option<&PluginSettings>) -> Result<Arc<Plugin>> {
        let name = path.display().to_string();
        self.compile(&Candidate {
            name: &name,
            from: ModuleFrom::File(path),
            settings: settings.map_or_else(|| self.beside(path), SettingsFrom::Given),
            pinned: None,
        })
    }

    /// The settings of a module that the embedder chose.
    fn beside<'a>(&self, module: &'a Path) -> SettingsFrom<'a> {
        match self.0.options.settings_files {
            SettingsFiles::Off => SettingsFrom::Nowhere,
            SettingsFiles::Trusted | SettingsFiles::All => SettingsFrom::Beside(module),
        }
    }

    fn compile(&self, candidate: &Candidate<'_>) -> Result<Arc<Plugin>> {
        let Inner {
            options, compiled, ..
        } = self.0.as_ref();
        let Candidate { name, .. } = candidate;
        let (settings, limits, pool) = self.settings_of(candidate)?;
        let source = match candidate.from {
            ModuleFrom::File(path) => ModuleSource::from_file(path, &limits),
            ModuleFrom::Bytes(bytes) => ModuleSource::from_bytes(bytes, &limits),
        }
        .map_err(refused(name))?;
        self.check_integrity(candidate, &settings, &source)?;
        let same = |plugin: Arc<Plugin>| {
            let is_same = *plugin.settings() == settings && plugin.has_current_secrets();
            is_same.then_some(plugin)
        };
        let there = compiled
            .get(&source.digest())
            .and_then(|plugins| plugins.iter().filter_map(Weak::upgrade).find_map(same));
        if let Some(plugin) = there {
            return Ok(plugin);
        }
        let settings_file = matches!(candidate.settings, SettingsFrom::Beside(_))
            .then(|| Path::new(name).with_extension("toml").display().to_string());
        let plugin = Arc::new(Plugin::load(
            &source,
            &LoadOptions {
                name,
                settings_file,
                settings: &settings,
                grants: &options.grants,
                limits: &limits,
                pool: &pool,
                interruption: options.interruption,
                artifacts: self.artifacts()?.as_ref(),
                redact_well_known: options.redact_well_known,
                usage: options.count_calls.then_some(&self.0.usage),
                services: &|| self.services(),
                observers: &self.0.observers,
            },
        )?);
        compiled.retain(|_, plugins| {
            plugins.retain(|plugin| plugin.strong_count() > 0);
            !plugins.is_empty()
        });
        compiled
            .entry(source.digest())
            .or_default()
            .push(Arc::downgrade(&plugin));
        tracing::debug!(plugin = plugin.name(), source = name, digest = %plugin.digest(), "plugin compiled");
        Ok(plugin)
    }

    fn add(&self, plugin: Arc<Plugin>) -> Result<Arc<Plugin>> {
        match self.0.plugins.entry(plugin.name().to_owned()) {
            Entry::Vacant(place) => {
                // While the place is held, so that observers and plugins change in one order.
                let _place = place.insert(Arc::clone(&plugin));
                self.exchange_observers(None, Some(&plugin));
                Ok(plugin)
            }
            Entry::Occupied(there) if there.get().is_same(&plugin) => Ok(plugin),
            Entry::Occupied(there) => Err(Error::Usage(format!(
                "plugin {} ({}): a plugin of this name is loaded already, from {}; unload it first, or give this one another name",
                plugin.name(),
                plugin.source(),
                there.get().source()
            ))),
        }
    }
}

impl Registry {
    /// The settings that hold for a module, its limits, and where its instances come from.
    fn settings_of(
        &self,
        candidate: &Candidate<'_>,
    ) -> Result<(PluginSettings, Limits, PoolOptions)> {
        let wrong =
            |e: SettingsError| refused(candidate.name)(ModuleError::Settings(e.to_string()));
        let settings = match candidate.settings {
            SettingsFrom::Given(settings) => settings.clone(),
            SettingsFrom::Nowhere => PluginSettings::default(),
            SettingsFrom::Beside(path) => PluginSettings::beside(path)
                .map_err(wrong)?
                .unwrap_or_default(),
        };
        let limits = settings
            .limits_over(&self.0.options.limits)
            .map_err(wrong)?;
        let pool = settings.pool_over(&self.0.options.pool).map_err(wrong)?;
        Ok((settings, limits, pool))
    }

    /// That a module is the one that was pinned, and signed as it must be.
    fn check_integrity(
        &self,
        candidate: &Candidate<'_>,
        settings: &PluginSettings,
        source: &ModuleSource,
    ) -> Result<()> {
        let options = &self.0.options;
        let refuse = |reason: ModuleError| refused(candidate.name)(reason);
        let found = source.digest();
        let pins = [
            (candidate.pinned, "in the statement"),
            (settings.digest, "in the plugin's settings"),
        ];
        for (pinned, place) in pins {
            if let Some(expected) = pinned
                && expected != found
            {
                return Err(refuse(ModuleError::Digest {
                    found,
                    expected,
                    place: place.to_owned(),
                }));
            }
        }
        let beside = || match candidate.from {
            ModuleFrom::File(path) => SignatureSource::beside(path),
            ModuleFrom::Bytes(_) => None,
        };
        let signature = settings.signature.clone().or_else(beside);
        settings::check_signature(
            source.given_bytes(),
            signature.as_ref(),
            &options.trusted_keys,
            options.require_signed,
        )
        .map_err(|problem| refuse(ModuleError::Signature(problem)))
    }
}

fn refused(name: &str) -> impl FnOnce(ModuleError) -> Error {
    let plugin = crate::module::escape(name);
    move |reason| Error::Module {
        plugin,
        reason: Box::new(reason),
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("plugins", &self.plugins())
            .field("options", self.options())
            .finish()
    }
}
