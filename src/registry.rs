//! The plugins of a process or of a tenant: loading them, finding them, dropping them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use crate::deadline::Interruption;
use crate::error::{Error, Result};
use crate::function::SqlFunction;
use crate::limits::Limits;
use crate::module::{Digest, ModuleSource};
use crate::plugin::Plugin;

/// How a [`Registry`] loads plugins.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RegistryOptions {
    /// What each instance of each plugin may use.
    pub limits: Limits,
    /// How a guest that runs too long is stopped.
    pub interruption: Interruption,
    /// The directory below which `CREATE FUNCTION … AS 'file'` finds its files; relative paths start there, and paths that leave it
    /// are refused. `None`: every file that the process can read, relative to its working directory.
    pub module_root: Option<PathBuf>,
}

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
    /// Every module that is in use somewhere, so that the same bytes are compiled once.
    compiled: DashMap<Digest, Weak<Plugin>>,
}

impl Registry {
    /// An empty registry with these options.
    pub fn new(options: RegistryOptions) -> Self {
        Self(Arc::new(Inner {
            options,
            ..Inner::default()
        }))
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
        self.add(self.compile_file(path.as_ref())?)
    }

    /// Loads a plugin from the bytes of a module, binary or text. `name` stands for the file in messages.
    ///
    /// # Errors
    ///
    /// As [`Self::load_file`].
    pub fn load_bytes(&self, name: &str, bytes: &[u8]) -> Result<Arc<Plugin>> {
        let source =
            ModuleSource::from_bytes(bytes, &self.0.options.limits).map_err(refused(name))?;
        self.add(self.compile(name, &source)?)
    }

    /// Loads every `.wasm` and `.wat` file of a directory, in the order of their names. A file that is refused does not keep the others out.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read. What happened to each file is in the result.
    pub fn load_dir(&self, path: impl AsRef<Path>) -> Result<Vec<(PathBuf, Result<Arc<Plugin>>)>> {
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
        Ok(files
            .into_iter()
            .map(|file| {
                let loaded = self.load_file(&file);
                (file, loaded)
            })
            .collect())
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

    /// Forgets the plugin of this name. Sessions and queries that have its functions keep them.
    pub fn unload(&self, name: &str) -> Option<Arc<Plugin>> {
        self.0.plugins.remove(name).map(|(_, plugin)| plugin)
    }

    /// The SQL functions of all plugins.
    pub fn functions(&self) -> Vec<SqlFunction> {
        self.plugins().iter().flat_map(SqlFunction::all).collect()
    }

    /// Compiles a file that SQL text names, without giving it a name here: see [`RegistryOptions::module_root`].
    pub(crate) fn compile_for_sql(&self, path: &str) -> Result<Arc<Plugin>> {
        let Some(root) = &self.0.options.module_root else {
            return self.compile_file(Path::new(path));
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
        let source =
            ModuleSource::from_file(&file, &self.0.options.limits).map_err(refused(path))?;
        self.compile(path, &source)
    }

    fn compile_file(&self, path: &Path) -> Result<Arc<Plugin>> {
        let name = path.display().to_string();
        let source =
            ModuleSource::from_file(path, &self.0.options.limits).map_err(refused(&name))?;
        self.compile(&name, &source)
    }

    fn compile(&self, name: &str, source: &ModuleSource) -> Result<Arc<Plugin>> {
        let Inner {
            options, compiled, ..
        } = self.0.as_ref();
        if let Some(plugin) = compiled
            .get(&source.digest())
            .and_then(|plugin| plugin.upgrade())
        {
            return Ok(plugin);
        }
        let plugin = Arc::new(Plugin::load(
            name,
            source,
            &options.limits,
            options.interruption,
        )?);
        compiled.retain(|_, plugin| plugin.strong_count() > 0);
        compiled.insert(source.digest(), Arc::downgrade(&plugin));
        tracing::debug!(plugin = plugin.name(), source = name, digest = %plugin.digest(), "plugin compiled");
        Ok(plugin)
    }

    fn add(&self, plugin: Arc<Plugin>) -> Result<Arc<Plugin>> {
        match self.0.plugins.entry(plugin.name().to_owned()) {
            Entry::Vacant(place) => {
                place.insert(Arc::clone(&plugin));
                Ok(plugin)
            }
            Entry::Occupied(there) if there.get().digest() == plugin.digest() => Ok(plugin),
            Entry::Occupied(there) => Err(Error::Usage(format!(
                "plugin {} ({}): a plugin of this name is loaded already, from {}; unload it first, or give this one another name",
                plugin.name(),
                plugin.source(),
                there.get().source()
            ))),
        }
    }
}

fn refused(name: &str) -> impl FnOnce(crate::module::ModuleError) -> Error {
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
