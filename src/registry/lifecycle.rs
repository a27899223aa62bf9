//! What operators do to plugins by hand, and what is shown of them: suspend, resume, unload, reload, states.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::Registry;
use super::directory::check_names;
use super::intake::stem;
use super::versions::Swap;
use crate::error::{Error, Result};
use crate::function::SqlFunction;
use crate::lifecycle::{
    Place, PluginEventKind, PluginState, PluginStatus, SuspendedBy, Suspension,
};
use crate::module::{escape, escape_cut};
use crate::plugin::{Origin, Plugin};

/// Bytes of a reason that are kept.
const REASON_BYTES_MAX: usize = 500;
/// Names that are shown of plugins, where one is not there.
const NAMES_SHOWN_MAX: usize = 20;

impl Registry {
    /// Refuses new streams and calls of a plugin, in all of its versions, until it is [resumed](Self::resume). Its functions stay where they are, and
    /// queries are planned as before, unless the guest has to be asked for a result's type. Streams that run go on.
    ///
    /// # Errors
    ///
    /// If there is no plugin of this name.
    pub fn suspend(&self, name: &str, reason: Option<&str>) -> Result<()> {
        self.suspend_by(SuspendedBy::Host, name, reason)
    }

    pub(crate) fn suspend_by(
        &self,
        by: SuspendedBy,
        name: &str,
        reason: Option<&str>,
    ) -> Result<()> {
        // So that observers come and go in one order with their plugin.
        let _changing = self.change();
        // Whoever compiles a version meanwhile looks here after it is among those in use.
        let mut suspended = self.0.suspended.lock();
        let versions = self.versions_in_use(name)?;
        let suspension = Suspension {
            by,
            since: SystemTime::now(),
            reason: reason.map(|reason| escape_cut(reason, REASON_BYTES_MAX)),
        };
        for version in &versions {
            version.standing().set_suspended(Some(suspension.clone()));
        }
        let detail = Some(suspension.to_string());
        suspended.insert(name.to_owned(), suspension);
        drop(suspended);
        for version in &versions {
            self.0.exchange_observers(Some(version), None);
        }
        let kind = PluginEventKind::Suspended;
        match self.plugin(name) {
            Some(plugin) => plugin.standing().tell(kind, detail),
            None => self.0.events.push(name, None, kind, detail),
        }
        Ok(())
    }

    /// Takes new streams and calls of a plugin again, whoever has suspended it; its circuit breaker begins anew. Whether it was suspended.
    ///
    /// # Errors
    ///
    /// If there is no plugin of this name.
    pub fn resume(&self, name: &str) -> Result<bool> {
        let _changing = self.change();
        let mut suspended = self.0.suspended.lock();
        let versions = self.versions_in_use(name)?;
        let mut was_suspended = suspended.remove(name).is_some();
        for version in &versions {
            was_suspended |= version.suspension().is_some();
            version.standing().set_suspended(None);
            version.standing().close_breaker();
        }
        drop(suspended);
        if was_suspended {
            let kind = PluginEventKind::Resumed;
            match self.plugin(name) {
                Some(plugin) => {
                    self.0.exchange_observers(None, Some(&plugin));
                    plugin.standing().tell(kind, None);
                }
                None => self.0.events.push(name, None, kind, None),
            }
        }
        Ok(was_suspended)
    }

    /// Forgets the plugin of this name, here and in all sessions that have this registry's plugins. Queries that run go on, and so does what statements
    /// made of it. It can be [reloaded](Self::reload) and [returned to](Self::roll_back); a file of a watched directory comes back when it changes.
    pub fn unload(&self, name: &str) -> Option<Arc<Plugin>> {
        let changing = self.change();
        let plugin = self.plugin(name)?;
        changing.exchange(vec![Swap {
            name: name.to_owned(),
            new: None,
            why: Some("by hand".to_owned()),
        }]);
        drop(changing);
        self.wake_directories(None);
        Some(plugin)
    }

    /// Loads a plugin again from where it came: from its file with the settings beside it now, or from its object store. It is checked first and takes
    /// the place of the version before in one step, as in a watched directory. In async code that runs in tokio, it is compiled off the thread.
    ///
    /// # Errors
    ///
    /// If there was no plugin of this name, it was loaded from bytes, or what is there now is refused. The version before stays.
    pub async fn reload(&self, name: &str) -> Result<Arc<Plugin>> {
        let latest = || self.former_versions(name).pop();
        let before = self.plugin(name).or_else(latest);
        let before = before.ok_or_else(|| self.unknown(name))?;
        let owner = self.0.holders.lock().owner(name).cloned();
        let origin = match owner {
            Some(file) => Origin::File(file.path, None),
            None => before.origin().clone(),
        };
        let source = match &origin {
            Origin::File(path, _) => path.display().to_string(),
            Origin::Object(..) | Origin::Bytes => before.source().to_owned(),
        };
        let compiled = match origin {
            Origin::Bytes => {
                return Err(Error::Usage(format!(
                    "plugin {}: it was loaded from bytes, and there is no file to read again; unload it and load its new bytes",
                    escape(name)
                )));
            }
            Origin::File(path, settings) => {
                let registry = self.clone();
                off_thread(move || registry.compile_file(&path, settings.as_ref())).await
            }
            Origin::Object(store, path, settings) => {
                self.compile_object(&source, &store, &path, &settings, None, false)
                    .await
            }
        };
        let taken = compiled.and_then(|new| self.take_place(name, new));
        match &taken {
            Ok(_) => self.0.intake.taken(&source),
            Err(error) => {
                let kind = PluginEventKind::Refused;
                before.standing().tell(kind, Some(error.to_string()));
            }
        }
        taken
    }

    /// Makes another version of a plugin the one that is called.
    fn take_place(&self, name: &str, new: Arc<Plugin>) -> Result<Arc<Plugin>> {
        if new.name() != name {
            return Err(Error::Usage(format!(
                "plugin {}: its module calls itself {} now; load it under that name, and unload this one",
                escape(name),
                new.name()
            )));
        }
        let changing = self.change();
        let others = self.plugins();
        let others = others.iter().filter(|other| other.name() != name);
        check_names(&SqlFunction::all(&new), &new, others)?;
        new.standing().set_arrived();
        changing.exchange(vec![Swap {
            name: name.to_owned(),
            new: Some(Arc::clone(&new)),
            why: None,
        }]);
        Ok(new)
    }

    /// Where the plugin of this name is in its life; `None` if nothing is known of it.
    pub fn state(&self, name: &str) -> Option<PluginState> {
        let of_name = |status: &PluginStatus| status.plugin == name;
        // What is called comes before what was, and that before what is on its way.
        let rank = |status: &PluginStatus| match status.state {
            PluginState::Ready | PluginState::Suspended => 0,
            PluginState::Unloaded | PluginState::Draining | PluginState::Former => 1,
            PluginState::Held => 2,
            PluginState::Loading | PluginState::Failed => 3,
        };
        let statuses = self.statuses();
        let found = statuses.iter().filter(|status| of_name(status));
        found.min_by_key(|status| rank(status)).map(|s| s.state)
    }

    /// Every version of every plugin that is in use or can be returned to, what is being loaded, and what was refused when it was loaded last; sorted by
    /// name.
    pub fn statuses(&self) -> Vec<PluginStatus> {
        let mut statuses: Vec<PluginStatus> = Vec::new();
        let mut told: Vec<String> = Vec::new();
        for plugin in self.plugins_in_use() {
            let status = self.status(&plugin, &mut told);
            statuses.push(status);
        }
        let unknown = |source: &str, state, since, problem| PluginStatus {
            plugin: stem(source),
            version: None,
            state,
            since,
            problem,
            source: escape(source),
            digest: None,
            instances: 0,
            memory_bytes: 0,
        };
        for (source, refused) in self.0.intake.all_refused() {
            if !told.contains(&source) {
                let problem = Some(refused.problem);
                let failed = unknown(&source, PluginState::Failed, refused.since, problem);
                statuses.push(failed);
            }
        }
        for (source, since) in self.0.intake.loading() {
            statuses.push(unknown(&source, PluginState::Loading, since, None));
        }
        statuses.sort_by(|a, b| (&a.plugin, a.since).cmp(&(&b.plugin, b.since)));
        statuses
    }

    /// One version as it is now. The sources whose problems it shows are added to `told`.
    fn status(&self, plugin: &Arc<Plugin>, told: &mut Vec<String>) -> PluginStatus {
        let name = plugin.name();
        let (instances, memory_bytes) = plugin.module().counters().now();
        // Those that wait for a stream serve nobody.
        let serving = instances.saturating_sub(plugin.module().pool().counts().idle);
        let (place, mut since) = plugin.standing().place();
        let is_called = self.plugin(name).is_some_and(|p| Arc::ptr_eq(&p, plugin));
        let mut problem = None;
        let state = if is_called {
            let holders = self.0.holders.lock();
            let mut sources: Vec<String> = holders
                .paths(name)
                .map(|path: &Path| path.display().to_string())
                .collect();
            drop(holders);
            sources.push(plugin.source().to_owned());
            problem = sources.iter().find_map(|s| self.0.intake.problem(s));
            told.extend(sources);
            PluginState::Ready
        } else {
            match place {
                Place::Replaced | Place::Unloaded if serving > 0 => PluginState::Draining,
                Place::Unloaded if self.is_former(plugin) => PluginState::Unloaded,
                _ if self.is_former(plugin) => PluginState::Former,
                _ => PluginState::Held,
            }
        };
        let may_run = matches!(state, PluginState::Ready | PluginState::Held);
        let state = match plugin.suspension().filter(|_| may_run) {
            Some(suspension) => {
                since = suspension.since;
                problem = Some(suspension.to_string());
                PluginState::Suspended
            }
            None => state,
        };
        PluginStatus {
            plugin: name.to_owned(),
            version: Some(plugin.manifest().version.clone()),
            state,
            since,
            problem,
            source: escape(plugin.source()),
            digest: Some(plugin.digest()),
            instances,
            memory_bytes,
        }
    }

    /// Suspends a version that was just compiled, if its name is suspended. It is among those in use already.
    pub(super) fn keep_suspended(&self, plugin: &Plugin) {
        let suspended = self.0.suspended.lock();
        if let Some(suspension) = suspended.get(plugin.name()) {
            plugin.standing().set_suspended(Some(suspension.clone()));
        }
    }

    /// All versions of a plugin, wherever they are.
    fn versions_in_use(&self, name: &str) -> Result<Vec<Arc<Plugin>>> {
        let mut versions = self.plugins_in_use();
        versions.retain(|plugin| plugin.name() == name);
        match versions.is_empty() {
            true => Err(self.unknown(name)),
            false => Ok(versions),
        }
    }

    /// That there is no plugin of this name.
    pub(crate) fn unknown(&self, name: &str) -> Error {
        let plugins = self.plugins();
        let there: Vec<&str> = plugins.iter().map(|plugin| plugin.name()).collect();
        let there = match there.as_slice() {
            [] => "none is loaded".to_owned(),
            there if there.len() > NAMES_SHOWN_MAX => {
                let shown = there[..NAMES_SHOWN_MAX].join(", ");
                format!(
                    "there are {shown}, and {} more",
                    there.len() - NAMES_SHOWN_MAX
                )
            }
            there => format!("there are {}", there.join(", ")),
        };
        let name = escape_cut(name, 200);
        Error::Usage(format!("there is no plugin {name}; {there}"))
    }
}

/// Runs what takes long off the threads that run queries, where there are such.
pub(super) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    if tokio::runtime::Handle::try_current().is_err() {
        return work();
    }
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| {
        Err(Error::Host {
            what: "a plugin could not be compiled".into(),
            reason: error.to_string(),
        })
    })
}
