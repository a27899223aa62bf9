//! A directory of plugins that is watched: what is put there is live, what is changed is reloaded, what is taken away is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use notify::event::AccessKind;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use parking_lot::Mutex;

use super::Registry;
use crate::error::{Error, Result};
use crate::function::SqlFunction;
use crate::module::ModuleError;
use crate::plugin::Plugin;

/// How long a directory must be quiet before it is read: a file is written in many steps.
const QUIET: Duration = Duration::from_millis(50);
/// But no longer than this.
const QUIET_AT_MOST: Duration = Duration::from_secs(2);

/// A directory of plugins that is watched until this is dropped. The plugins stay.
pub struct PluginDirectory {
    inner: Arc<Inner>,
    #[expect(
        dead_code,
        reason = "held for its drop, which ends the thread that reads"
    )]
    watcher: RecommendedWatcher,
}

struct Inner {
    registry: Registry,
    path: PathBuf,
    files: Mutex<BTreeMap<PathBuf, Known>>,
}

/// A file in a [`PluginDirectory`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PluginFile {
    /// Where it is.
    pub path: PathBuf,
    /// The plugin that was loaded from it last. An older version of the file, if [`Self::problem`] says something.
    pub plugin: Option<Arc<Plugin>>,
    /// Why the file as it is now was refused.
    pub problem: Option<String>,
}

/// What is known of a file.
struct Known {
    stamp: Stamp,
    plugin: Option<Arc<Plugin>>,
    problem: Option<String>,
}

/// Who says that a file is refused.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    /// Who has opened the directory looks at its files.
    ByCaller,
    /// Nobody looks: it is logged.
    InLog,
}

/// Tells versions of a module and the files beside it apart: inode, size and time of change (seconds, nanoseconds) of each.
type Stamp = [Option<(u64, u64, i64, i64)>; 3];

impl Registry {
    /// Loads every plugin of a directory, as [`Self::load_dir`] does, and watches it from then on: new files are loaded, changed ones reloaded, and
    /// the plugins of files that are gone are forgotten, here and in all sessions that have this registry's plugins. A file that is refused
    /// leaves the version before it in place. Queries go on with the version that they were planned with.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read or watched. What happened to each file is in [`PluginDirectory::files`].
    pub fn open_dir(&self, path: impl AsRef<Path>) -> Result<PluginDirectory> {
        let path = path.as_ref();
        let failed = |error: &dyn fmt::Display| Error::Host {
            what: format!(
                "the plugin directory {} could not be watched",
                path.display()
            ),
            reason: error.to_string(),
        };
        let inner = Arc::new(Inner {
            registry: self.clone(),
            path: path.to_owned(),
            files: Mutex::default(),
        });
        let (sender, events) = channel();
        // What happened does not matter: the directory is read anew.
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                // That somebody has looked is no change; the directory is looked at here, too.
                let looked = |event: notify::Event| {
                    matches!(event.kind, EventKind::Access(AccessKind::Open(_)))
                };
                if !event.is_ok_and(looked) {
                    // Nobody may listen any more.
                    let _ = sender.send(());
                }
            })
            .map_err(|error| failed(&error))?;
        watcher
            .watch(path, RecursiveMode::NonRecursive)
            .map_err(|error| failed(&error))?;
        // Watched first: what changes while it is read is seen.
        inner.read(Told::ByCaller)?;
        let weak = Arc::downgrade(&inner);
        std::thread::Builder::new()
            .name("wasmfusion-plugins".into())
            .spawn(move || watch(&weak, &events))
            .map_err(|error| failed(&error))?;
        Ok(PluginDirectory { inner, watcher })
    }
}

impl PluginDirectory {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Its files, in the order of their names, as they were read last.
    pub fn files(&self) -> Vec<PluginFile> {
        let files = self.inner.files.lock();
        let file = |(path, known): (&PathBuf, &Known)| PluginFile {
            path: path.clone(),
            plugin: known.plugin.clone(),
            problem: known.problem.clone(),
        };
        files.iter().map(file).collect()
    }

    /// Reads the directory now, without waiting for word that something has changed.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn refresh(&self) -> Result<()> {
        self.inner.read(Told::InLog)
    }
}

/// Reads the directory after each change, until nobody has it any more.
fn watch(directory: &Weak<Inner>, events: &Receiver<()>) {
    while events.recv().is_ok() {
        let latest = Instant::now() + QUIET_AT_MOST;
        while Instant::now() < latest {
            match events.recv_timeout(QUIET) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        let Some(directory) = directory.upgrade() else {
            return;
        };
        if let Err(error) = directory.read(Told::InLog) {
            tracing::warn!(target: "wasmfusion::plugins", { error.message = %error }, "a plugin directory is left as it was");
        }
    }
}

impl Inner {
    /// Loads what is new or changed, and forgets what is gone.
    fn read(&self, told: Told) -> Result<()> {
        let mut files = self.files.lock();
        let there = Registry::module_files(&self.path)?;
        let gone: Vec<PathBuf> = files
            .keys()
            .filter(|path| !there.contains(path))
            .cloned()
            .collect();
        for path in gone {
            let plugin = files.remove(&path).and_then(|known| known.plugin);
            if let Some(plugin) = plugin.filter(|plugin| !is_in(&files, plugin)) {
                self.registry.withdraw(&plugin);
            }
        }
        // Taken before the files are read: what changes after that is another change.
        let stamped = there.into_iter().map(|path| (stamp(&path), path));
        let (stamps, changed): (Vec<Stamp>, Vec<PathBuf>) = stamped
            // What was refused is tried again: what it lacked may be there now.
            .filter(|(stamp, path)| {
                files
                    .get(path)
                    .is_none_or(|known| known.stamp != *stamp || known.problem.is_some())
            })
            .unzip();
        let compiled = self.registry.compile_files(&changed);
        for ((stamp, path), compiled) in stamps.into_iter().zip(changed).zip(compiled) {
            let before = files.remove(&path);
            let module_is_same = before
                .as_ref()
                .is_some_and(|known| known.stamp[0] == stamp[0]);
            let known = before.and_then(|known| known.plugin);
            let taken = compiled.and_then(|new| self.take(known.as_ref(), new, told));
            let (plugin, problem) = match taken {
                Ok(plugin) => (Some(plugin), None),
                Err(error) => {
                    let kept = match known {
                        // The operator has taken back what the module that runs was given.
                        Some(plugin)
                            if module_is_same
                                && is_revocation(&error)
                                && !is_in(&files, &plugin) =>
                        {
                            self.registry.withdraw(&plugin);
                            None
                        }
                        known => known,
                    };
                    let error = error.to_string();
                    if told == Told::InLog {
                        tracing::warn!(target: "wasmfusion::plugins", { file.path = %path.display(), error.message = error }, "a plugin file is refused");
                    }
                    (kept, Some(error))
                }
            };
            let known = Known {
                stamp,
                plugin,
                problem,
            };
            files.insert(path, known);
        }
        Ok(())
    }

    /// Makes `new` the plugin of a file of which `known` was the one before.
    fn take(
        &self,
        known: Option<&Arc<Plugin>>,
        new: Arc<Plugin>,
        told: Told,
    ) -> Result<Arc<Plugin>> {
        // Who opens the directory hears of it when a session takes the plugins, or leaves functions out. Later nobody does.
        if told == Told::InLog {
            self.check_names(known, &new)?;
        }
        match known {
            Some(old) if old.name() == new.name() => self.registry.swap(old, &new)?,
            other => {
                self.registry.add(Arc::clone(&new))?;
                if let Some(old) = other {
                    self.registry.withdraw(old);
                }
                self.registry.announce(&new);
            }
        }
        Ok(new)
    }

    /// That no other plugin has a function of a name that `new` brings: a session could not have both.
    fn check_names(&self, known: Option<&Arc<Plugin>>, new: &Arc<Plugin>) -> Result<()> {
        let brings = SqlFunction::all(new);
        for other in self.registry.plugins() {
            let is_version = [Some(new), known]
                .into_iter()
                .flatten()
                .any(|version| version.name() == other.name());
            if is_version {
                continue;
            }
            let taken: Vec<SqlFunction> = SqlFunction::all(&other);
            let taken: BTreeSet<&str> = taken.iter().flat_map(SqlFunction::names).collect();
            if let Some(name) = brings
                .iter()
                .flat_map(SqlFunction::names)
                .find(|name| taken.contains(name))
            {
                return Err(Error::Usage(format!(
                    "plugin {}: plugin {} has a function {name} already; leave it out with `functions` in the file beside the module, or take it from \
                     there with CREATE FUNCTION other_name() LANGUAGE WASM AS '{}#{name}'",
                    new.name(),
                    other.name(),
                    new.source(),
                )));
            }
        }
        Ok(())
    }
}

/// Whether a plugin was loaded from one of the files.
fn is_in(files: &BTreeMap<PathBuf, Known>, plugin: &Arc<Plugin>) -> bool {
    let is = |known: &Known| {
        known
            .plugin
            .as_ref()
            .is_some_and(|other| Arc::ptr_eq(other, plugin))
    };
    files.values().any(is)
}

/// Whether an operator's settings do not allow a plugin.
fn is_revocation(error: &Error) -> bool {
    use ModuleError::{Digest, NotGranted, Signature};
    let Error::Module { reason, .. } = error else {
        return false;
    };
    matches!(**reason, NotGranted { .. } | Digest { .. } | Signature(_))
}

fn stamp(module: &Path) -> Stamp {
    let of = |metadata: Metadata| {
        // Of its status: tools that copy set the time of the content back.
        (
            metadata.ino(),
            metadata.len(),
            metadata.ctime(),
            metadata.ctime_nsec(),
        )
    };
    let signature = module.with_added_extension("minisig");
    [module, &module.with_extension("toml"), &signature].map(|path| path.metadata().ok().map(of))
}

impl fmt::Debug for PluginDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginDirectory")
            .field("path", &self.inner.path)
            .field("files", &self.files())
            .finish_non_exhaustive()
    }
}
