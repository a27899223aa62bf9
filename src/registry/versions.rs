//! One version of a plugin after the other: what was there before, and the sessions that must hear of it.

use std::sync::Arc;

use dashmap::mapref::entry::Entry;
use parking_lot::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::directory::check_names;
use super::{Inner, Registry};
use crate::error::{Error, Result};
use crate::function::SqlFunction;
use crate::lifecycle::{Place, PluginEventKind};
use crate::module::escape;
use crate::plugin::Plugin;

/// Versions that are kept of a plugin besides the one that is called.
const VERSIONS_MAX: usize = 4;
/// Versions that are kept of all plugins together: names may be ever new.
const FORMER_MAX: usize = 256;

/// What a session hears of: a version that goes, a version that comes, or one that takes the place of the other.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) old: Option<Arc<Plugin>>,
    pub(crate) new: Option<Arc<Plugin>>,
}

/// A session that has the plugins of a registry.
pub(crate) trait Session: Send + Sync {
    /// Takes the functions of the new versions in place of those of the old ones, in one step for whoever plans a query. Whether the session is still
    /// there.
    fn replace(&self, changes: &[Change]) -> bool;

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

/// The right to change which versions are called.
pub(super) struct Changing<'a> {
    inner: &'a Inner,
    #[expect(dead_code, reason = "held for its drop")]
    changes: RwLockWriteGuard<'a, ()>,
}

/// What is to be called under a name.
pub(super) struct Swap {
    pub(super) name: String,
    /// `None`: nothing any more.
    pub(super) new: Option<Arc<Plugin>>,
    /// Why, for the record.
    pub(super) why: Option<String>,
}

impl Registry {
    /// The versions of a plugin that a [rollback](Self::roll_back) can return to, the latest last. The one that is called is not among them.
    pub fn former_versions(&self, name: &str) -> Vec<Arc<Plugin>> {
        let former = self.0.versions.former.lock();
        let of_plugin = former.iter().filter(|plugin| plugin.name() == name);
        of_plugin.cloned().collect()
    }

    /// Whether a version can be returned to: another has taken its place, or it was taken out.
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
        let changing = self.change();
        let plugin = {
            let mut former = self.0.versions.former.lock();
            // Of the same file, if there is one now: what was loaded from elsewhere is another plugin.
            let present = self
                .0
                .plugins
                .get(name)
                .map(|plugin| plugin.source().to_owned());
            let others = self.plugins();
            let others = || others.iter().filter(|other| other.name() != name);
            let place = former.iter().rposition(|plugin| {
                plugin.name() == name
                    && present
                        .as_ref()
                        .is_none_or(|source| source == plugin.source())
            });
            // Its functions must not be somebody else's by now: a session could not have both.
            if let Some(plugin) = place.and_then(|place| former.get(place)) {
                check_names(&SqlFunction::all(plugin), plugin, others())?;
            }
            let plugin = place.map(|place| former.remove(place));
            plugin.ok_or_else(|| {
                Error::Usage(format!(
                    "plugin {}: there is no former version to return to",
                    escape(name)
                ))
            })?
        };
        let present = self.0.plugins.insert(name.to_owned(), Arc::clone(&plugin));
        if let Some(present) = &present {
            present.standing().set_place(Place::Replaced);
            present.module().pool().clear();
        }
        plugin.standing().set_arrived();
        plugin.standing().set_place(Place::Called);
        let from = present.as_ref().map(|plugin| described(plugin));
        let from = from.map(|from| format!("from {from} to {}", described(&plugin)));
        plugin.standing().tell(PluginEventKind::RolledBack, from);
        self.0.exchange_observers(present.as_ref(), Some(&plugin));
        changing.tell(&[Change {
            old: present,
            new: Some(Arc::clone(&plugin)),
        }]);
        Ok(plugin)
    }

    /// Makes a plugin callable that there is none of yet, for sessions that ask from now on.
    pub(super) fn add(&self, plugin: Arc<Plugin>) -> Result<Arc<Plugin>> {
        let changing = self.change();
        match self.0.plugins.entry(plugin.name().to_owned()) {
            Entry::Vacant(place) => {
                place.insert(Arc::clone(&plugin));
            }
            Entry::Occupied(there) if there.get().is_same(&plugin) => return Ok(plugin),
            Entry::Occupied(there) => return Err(occupied(&plugin, there.get())),
        }
        // Files that were unloaded by hand do not come back in its place.
        self.0.holders.lock().forget(plugin.name());
        changing.forget_former(&plugin);
        plugin.standing().set_place(Place::Called);
        let from = format!("{} from {}", plugin.digest(), plugin.source());
        plugin.standing().tell(PluginEventKind::Loaded, Some(from));
        self.0.exchange_observers(None, Some(&plugin));
        Ok(plugin)
    }

    /// The right to change which versions are called, when nobody else has it.
    pub(super) fn change(&self) -> Changing<'_> {
        Changing {
            inner: &self.0,
            changes: self.0.versions.changes.write(),
        }
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
}

impl Changing<'_> {
    /// Makes other versions those that are called, all of them in one step for each session. What was called before is kept to return to.
    pub(super) fn exchange(&self, swaps: Vec<Swap>) {
        let mut changes = Vec::new();
        for Swap { name, new, why } in swaps {
            let old = match &new {
                Some(new) => self.inner.plugins.insert(name, Arc::clone(new)),
                None => self.inner.plugins.remove(&name).map(|(_, old)| old),
            };
            if let (Some(old), Some(new)) = (&old, &new)
                && Arc::ptr_eq(old, new)
            {
                continue;
            }
            if let Some(old) = &old {
                self.keep(old);
                old.module().pool().clear();
                old.standing().set_place(match &new {
                    Some(_) => Place::Replaced,
                    None => Place::Unloaded,
                });
            }
            if let Some(new) = &new {
                self.forget_former(new);
                new.standing().set_place(Place::Called);
            }
            match (&old, &new) {
                (None, None) => continue,
                (Some(old), None) => old.standing().tell(PluginEventKind::Unloaded, why),
                (None, Some(new)) => {
                    let from = format!("{} from {}", new.digest(), new.source());
                    new.standing().tell(PluginEventKind::Loaded, Some(from));
                }
                (Some(old), Some(new)) => {
                    let detail = format!("from {} to {}", described(old), described(new));
                    new.standing().tell(PluginEventKind::Reloaded, Some(detail));
                }
            }
            self.inner.exchange_observers(old.as_ref(), new.as_ref());
            changes.push(Change { old, new });
        }
        if !changes.is_empty() {
            self.tell(&changes);
        }
    }

    fn tell(&self, changes: &[Change]) {
        let mut sessions = self.inner.versions.sessions.lock();
        sessions.retain(|session| session.replace(changes));
    }

    /// What is called is not a former version.
    fn forget_former(&self, new: &Arc<Plugin>) {
        let mut former = self.inner.versions.former.lock();
        former.retain(|plugin| !Arc::ptr_eq(plugin, new));
    }

    fn keep(&self, old: &Arc<Plugin>) {
        let mut former = self.inner.versions.former.lock();
        former.retain(|plugin| !Arc::ptr_eq(plugin, old));
        former.push(Arc::clone(old));
        let of_plugin = |plugin: &Arc<Plugin>| plugin.name() == old.name();
        if former.iter().filter(|plugin| of_plugin(plugin)).count() > VERSIONS_MAX
            && let Some(oldest) = former.iter().position(of_plugin)
        {
            former.remove(oldest);
        }
        if former.len() > FORMER_MAX {
            former.remove(0);
        }
    }
}

/// That another plugin of this name is loaded.
pub(super) fn occupied(plugin: &Plugin, there: &Plugin) -> Error {
    Error::Usage(format!(
        "plugin {} ({}): a plugin of this name is loaded already, from {}; unload it first, or give this one another name",
        plugin.name(),
        escape(plugin.source()),
        escape(there.source())
    ))
}

/// A version, for the record.
fn described(plugin: &Plugin) -> String {
    format!("{} ({})", plugin.manifest().version, plugin.digest())
}
