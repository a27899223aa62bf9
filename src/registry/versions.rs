//! One version of a plugin after the other: what was there before, and the sessions that must hear of it.

use std::sync::Arc;

use dashmap::mapref::entry::Entry;
use parking_lot::{Mutex, RwLock, RwLockReadGuard};

use super::Registry;
use crate::error::{Error, Result};
use crate::plugin::Plugin;

/// Versions that are kept of a plugin besides the one that is called.
const VERSIONS_MAX: usize = 4;

/// A session that has the plugins of a registry.
pub(crate) trait Session: Send + Sync {
    /// Takes the functions of `new` in place of those of `old`, in one step for whoever plans a query. Whether the session is still there.
    fn replace(&self, old: Option<&Arc<Plugin>>, new: Option<&Arc<Plugin>>) -> bool;

    /// A number that no other live session has; `None` if it is gone.
    fn id(&self) -> Option<usize>;
}

/// What a registry remembers of former versions, and who is told of new ones.
#[derive(Default)]
pub(super) struct Versions {
    /// Held while a version takes another's place, here and in the sessions, so that all hear of the same versions in the same order; and, to read, while
    /// a session takes the functions that there are. Taken before the lock of any session.
    changes: RwLock<()>,
    /// Former versions of all plugins, the latest last.
    former: Mutex<Vec<Arc<Plugin>>>,
    sessions: Mutex<Vec<Box<dyn Session>>>,
}

impl Registry {
    /// The versions of a plugin that a [rollback](Self::roll_back) can return to, the latest last. The one that is called is not among them.
    pub fn former_versions(&self, name: &str) -> Vec<Arc<Plugin>> {
        let former = self.0.versions.former.lock();
        let of_plugin = former.iter().filter(|plugin| plugin.name() == name);
        of_plugin.cloned().collect()
    }

    /// Whether another version has taken the place of this one.
    pub(crate) fn is_former(&self, plugin: &Arc<Plugin>) -> bool {
        let former = self.0.versions.former.lock();
        former.iter().any(|other| Arc::ptr_eq(other, plugin))
    }

    /// Takes the version of a plugin that was called before the present one, here and in all sessions that have this registry's plugins. Queries that
    /// run go on with the version that they were planned with.
    ///
    /// # Errors
    ///
    /// If there is no such version.
    pub fn roll_back(&self, name: &str) -> Result<Arc<Plugin>> {
        let _changing = self.0.versions.changes.write();
        let plugin = {
            let mut former = self.0.versions.former.lock();
            // Of the same file, if there is one now: what was loaded from elsewhere is another plugin.
            let present = self
                .0
                .plugins
                .get(name)
                .map(|plugin| plugin.source().to_owned());
            let place = former.iter().rposition(|plugin| {
                plugin.name() == name
                    && present
                        .as_ref()
                        .is_none_or(|source| source == plugin.source())
            });
            let plugin = place.map(|place| former.remove(place));
            plugin.ok_or_else(|| {
                Error::Usage(format!(
                    "plugin {}: there is no former version to return to",
                    crate::module::escape(name)
                ))
            })?
        };
        let present = self.0.plugins.insert(name.to_owned(), Arc::clone(&plugin));
        tracing::info!(target: "wasmfusion::plugins", plugin = name, version = plugin.manifest().version, digest = %plugin.digest(), "plugin rolled back");
        self.exchange_observers(present.as_ref(), Some(&plugin));
        self.tell(present.as_ref(), Some(&plugin));
        Ok(plugin)
    }

    /// Takes `new` in place of `old`, which has the same name and is from the same file; what was called before is kept to return to.
    pub(super) fn swap(&self, old: &Arc<Plugin>, new: &Arc<Plugin>) -> Result<()> {
        let _changing = self.0.versions.changes.write();
        let before = match self.0.plugins.entry(old.name().to_owned()) {
            // It may have been rolled back meanwhile: the file is what counts.
            Entry::Occupied(there) if Arc::ptr_eq(there.get(), new) => return Ok(()),
            Entry::Occupied(mut there) if there.get().source() == old.source() => {
                Some(there.insert(Arc::clone(new)))
            }
            Entry::Occupied(there) => {
                return Err(Error::Usage(format!(
                    "plugin {}: a plugin of this name was loaded from {} meanwhile",
                    old.name(),
                    there.get().source()
                )));
            }
            Entry::Vacant(place) => {
                place.insert(Arc::clone(new));
                None
            }
        };
        if let Some(before) = &before {
            self.keep(before);
        }
        self.forget_former(new);
        tracing::info!(target: "wasmfusion::plugins", plugin = new.name(), version = new.manifest().version, digest = %new.digest(), "plugin reloaded");
        self.exchange_observers(before.as_ref(), Some(new));
        self.tell(before.as_ref(), Some(new));
        Ok(())
    }

    /// Forgets the plugin of the file that `old` is from, here and in all sessions; it is kept to return to.
    pub(super) fn withdraw(&self, old: &Arc<Plugin>) {
        let _changing = self.0.versions.changes.write();
        let same = |_: &String, there: &Arc<Plugin>| there.source() == old.source();
        if let Some((_, before)) = self.0.plugins.remove_if(old.name(), same) {
            self.keep(&before);
            tracing::info!(target: "wasmfusion::plugins", plugin = before.name(), "plugin removed");
            self.exchange_observers(Some(&before), None);
            self.tell(Some(&before), None);
        }
    }

    /// Tells all sessions of a plugin that is new.
    pub(super) fn announce(&self, new: &Arc<Plugin>) {
        let _changing = self.0.versions.changes.write();
        self.tell(None, Some(new));
    }

    /// While this is held, no version takes another's place.
    pub(crate) fn steady(&self) -> RwLockReadGuard<'_, ()> {
        self.0.versions.changes.read()
    }

    /// Adds a session that is told from now on, unless it is there already. While [`Self::steady`] is held.
    pub(crate) fn attach(&self, session: Box<dyn Session>) {
        let mut sessions = self.0.versions.sessions.lock();
        let id = session.id();
        sessions.retain(|other| other.id().is_some_and(|other| Some(other) != id));
        sessions.push(session);
    }

    fn tell(&self, old: Option<&Arc<Plugin>>, new: Option<&Arc<Plugin>>) {
        let mut sessions = self.0.versions.sessions.lock();
        sessions.retain(|session| session.replace(old, new));
    }

    /// What is called is not a former version.
    fn forget_former(&self, new: &Arc<Plugin>) {
        let mut former = self.0.versions.former.lock();
        former.retain(|plugin| !Arc::ptr_eq(plugin, new));
    }

    fn keep(&self, old: &Arc<Plugin>) {
        let mut former = self.0.versions.former.lock();
        former.retain(|plugin| !Arc::ptr_eq(plugin, old));
        former.push(Arc::clone(old));
        let of_plugin = |plugin: &Arc<Plugin>| plugin.name() == old.name();
        if former.iter().filter(|plugin| of_plugin(plugin)).count() > VERSIONS_MAX
            && let Some(oldest) = former.iter().position(of_plugin)
        {
            former.remove(oldest);
        }
    }
}
