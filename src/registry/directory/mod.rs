//! A directory of plugins that is watched: what is put there is live, what is changed is reloaded, what is taken away is gone.
//!
//! ```text
//! watch.rs    something has changed ──▶ reading.rs: which files, compiled ──▶ plan.rs: which of them are taken ──▶ one exchange
//! ```

mod plan;
mod reading;
mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Weak};

use notify::RecommendedWatcher;
use parking_lot::Mutex;

use super::Registry;
use crate::error::{Error, Result};
use crate::plugin::Plugin;
pub(super) use plan::check_names;
use reading::Known;
use watch::Identity;

/// A directory of plugins that is watched until this is dropped. The plugins stay.
pub struct PluginDirectory {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Registry,
    /// Tells the directories of a registry apart.
    number: u64,
    path: PathBuf,
    files: Mutex<BTreeMap<PathBuf, Known>>,
    watched: Mutex<Watched>,
    /// Whoever sends has the directory read.
    wake: Sender<()>,
}

/// What is watched now.
struct Watched {
    /// The folder that the path leads to: another one may be put there.
    identity: Option<Identity>,
    #[expect(dead_code, reason = "held for its drop, which ends the watching")]
    watcher: Option<RecommendedWatcher>,
}

/// The directories that a registry's plugins are from.
#[derive(Default)]
pub(super) struct Directories {
    next: AtomicU64,
    open: Mutex<Vec<Weak<Inner>>>,
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

/// Who says that a file is refused.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    /// Who has opened the directory looks at its files.
    ByCaller,
    /// Nobody looks: it is logged.
    InLog,
}

impl Registry {
    /// Loads every plugin of a directory, as [`Self::load_dir`] does, and watches it from then on: new files are loaded, changed ones reloaded, and
    /// the plugins of files that are gone are forgotten, here and in all sessions that have this registry's plugins. A file that is refused
    /// leaves the version before it in place. Queries go on with the version that they were planned with.
    ///
    /// The path may be a symbolic link: where it leads elsewhere, that is seen within a second.
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
        let (wake, events) = channel();
        // Watched first: what changes while it is read is seen.
        let watched = Watched::new(path, &wake).map_err(|error| failed(&error))?;
        let directories = &self.0.directories;
        let inner = Arc::new(Inner {
            registry: self.clone(),
            number: directories.next.fetch_add(1, Ordering::Relaxed),
            path: path.to_owned(),
            files: Mutex::default(),
            watched: Mutex::new(watched),
            wake,
        });
        inner.read(Told::ByCaller)?;
        let weak = Arc::downgrade(&inner);
        {
            let mut open = directories.open.lock();
            open.retain(|other| other.strong_count() > 0);
            open.push(Weak::clone(&weak));
        }
        std::thread::Builder::new()
            .name("wasmfusion-plugins".into())
            .spawn(move || watch::watch(&weak, &events))
            .map_err(|error| failed(&error))?;
        Ok(PluginDirectory { inner })
    }

    /// Has all directories read but this one: a name that kept a file out may be free.
    pub(super) fn wake_directories(&self, but: Option<u64>) {
        for directory in self.0.directories.open.lock().iter() {
            let directory = directory.upgrade();
            if let Some(directory) = directory.filter(|other| Some(other.number) != but) {
                // Its thread may be gone.
                let _ = directory.wake.send(());
            }
        }
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

impl Drop for Inner {
    fn drop(&mut self) {
        self.registry.0.holders.lock().close(self.number);
    }
}

impl fmt::Debug for PluginDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginDirectory")
            .field("path", &self.inner.path)
            .field("files", &self.files())
            .finish_non_exhaustive()
    }
}
