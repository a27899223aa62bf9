//! The plugins of a process or of a tenant: loading them, finding them, dropping them.
//!
//! ```text
//! load.rs        files and bytes ──▶ candidate.rs: settings, integrity, compiling ──▶ Plugin
//! objects.rs     object stores ──────┤
//! statement.rs   what SQL text names ┘
//! directory/     directories that are watched ──▶ versions.rs: one version takes another's place, here and in all sessions
//! lifecycle.rs   suspend, resume, unload, reload, and the states of plugins
//! ```

mod ahead;
mod candidate;
mod directory;
mod holders;
mod intake;
mod lifecycle;
mod load;
mod objects;
mod options;
mod statement;
mod versions;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use dashmap::DashMap;
use parking_lot::Mutex;

use crate::artifact::{ArtifactCache, ArtifactCounts, ArtifactId, Target};
use crate::audit::AuditLog;
use crate::compiled::CompileOptions;
use crate::error::Result;
use crate::function::SqlFunction;
use crate::host::HostServices;
use crate::lifecycle::{Events, PluginEvent, Suspension};
use crate::metrics::Metrics;
use crate::module::Digest;
use crate::observe::{ObserverCounts, Observers, Published, Usage};
use crate::plugin::Plugin;

pub use ahead::{Precompilation, Precompiled};
use directory::Directories;
pub use directory::{PluginDirectory, PluginFile};
use holders::Holders;
use intake::Intake;
pub use options::{RegistryOptions, SettingsFiles, SqlModules};
use versions::Versions;
pub(crate) use versions::{Change, Session};

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
    /// What [`Registry::publish_metrics`] has published.
    published: Mutex<Published>,
    usage: Usage,
    events: Events,
    /// What is being loaded, and what was refused.
    intake: Intake,
    /// Plugins that somebody has suspended, by name: it holds for all of their versions.
    suspended: Mutex<BTreeMap<String, Suspension>>,
    /// The files of directories that plugins are from.
    holders: Mutex<Holders>,
    directories: Directories,
    observers: Observers,
}

impl Inner {
    /// Has the observers of `new` take the place of those of `old`. Those of a plugin that is suspended are told nothing.
    fn exchange_observers(&self, old: Option<&Arc<Plugin>>, new: Option<&Arc<Plugin>>) {
        let new = new.filter(|plugin| !plugin.standing().is_suspended());
        self.observers.exchange(old, new, &self.metrics);
    }
}

impl Drop for Inner {
    /// Observers hold their plugins, which hold the observers.
    fn drop(&mut self) {
        self.observers.clear();
    }
}

impl Registry {
    /// An empty registry with these options.
    pub fn new(options: RegistryOptions) -> Self {
        let mut inner = Inner::default();
        inner.events = Events::new(options.events_max);
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

    /// What happened to plugins, the latest last: the last [`RegistryOptions::events_max`].
    pub fn events(&self) -> Vec<PluginEvent> {
        self.0.events.all()
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
            let cache = ArtifactCache::open(options)?;
            cache.report_to(&self.0.events);
            *artifacts = Some(cache);
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
            interruption: options.interruption(),
            tooling: options.tooling(),
        };
        compile.artifact(module, &Target::host())
    }

    /// How often compiled modules on disk have helped, if any are kept.
    pub(crate) fn artifact_counts(&self) -> Option<ArtifactCounts> {
        self.0.artifacts.lock().as_ref().map(ArtifactCache::counts)
    }

    pub(crate) fn published(&self) -> &Mutex<Published> {
        &self.0.published
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

    fn services(&self) -> Result<HostServices> {
        Ok(HostServices {
            context: Arc::clone(&self.0.options.context),
            audit: self.audit()?,
            metrics: self.0.metrics.clone(),
        })
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
