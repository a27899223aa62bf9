//! Reading a directory: what is new or changed is compiled, and all that is taken of it takes its place in one step.

use std::path::PathBuf;
use std::sync::Arc;

use super::plan::{Incoming, Outgoing, Plan};
use super::watch::{Stamp, stamp};
use super::{Inner, Told};
use crate::error::{Error, Result};
use crate::lifecycle::PluginEventKind;
use crate::module::ModuleError;
use crate::plugin::Plugin;
use crate::registry::Registry;
use crate::registry::holders::FileKey;

/// What is known of a file.
pub(super) struct Known {
    pub(super) stamp: Stamp,
    pub(super) plugin: Option<Arc<Plugin>>,
    pub(super) problem: Option<String>,
}

impl Known {
    /// Whether the file is to be read again, although it is as it was.
    fn is_open(&self, inner: &Inner, key: &FileKey) -> bool {
        let holds = |plugin: &Arc<Plugin>| {
            let holders = inner.registry.0.holders.lock();
            holders.holds(plugin.name(), key)
        };
        match &self.plugin {
            // Somebody has unloaded it by hand, and that is how it stays.
            Some(plugin) if holds(plugin) && inner.registry.plugin(plugin.name()).is_none() => {
                false
            }
            // Another plugin has its name: it may be free again.
            Some(plugin) if !holds(plugin) => true,
            // What was refused is tried again: what it lacked may be there now.
            _ => self.problem.is_some(),
        }
    }
}

impl Inner {
    pub(super) fn key(&self, path: PathBuf) -> FileKey {
        FileKey {
            directory: self.number,
            path,
        }
    }

    /// Loads what is new or changed, and forgets what is gone.
    pub(super) fn read(&self, told: Told) -> Result<()> {
        let mut files = self.files.lock();
        let there = Registry::module_files(&self.path)?;
        let gone = files.keys().filter(|path| !there.contains(path));
        let gone: Vec<PathBuf> = gone.cloned().collect();
        let gone: Vec<Outgoing> = gone
            .into_iter()
            .filter_map(|path| {
                let plugin = files.remove(&path)?.plugin;
                Some(Outgoing {
                    key: self.key(path),
                    plugin,
                })
            })
            .collect();
        // Taken before the files are read: what changes after that is another change.
        let stamped = there.into_iter().map(|path| (stamp(&path), path));
        let (stamps, changed): (Vec<Stamp>, Vec<PathBuf>) = stamped
            .filter(|(stamp, path)| {
                files.get(path).is_none_or(|known| {
                    known.stamp != *stamp || known.is_open(self, &self.key(path.clone()))
                })
            })
            .unzip();
        if gone.is_empty() && changed.is_empty() {
            return Ok(());
        }
        let compiled = self.registry.compile_files(&changed);
        let incoming = stamps.into_iter().zip(changed).zip(compiled);
        let incoming: Vec<Incoming> = incoming
            .map(|((stamp, path), new)| {
                let before = files.remove(&path);
                let module_is_same = before.as_ref().is_some_and(|b| b.stamp[0] == stamp[0]);
                Incoming {
                    is_revoked: module_is_same && new.as_ref().is_err_and(is_revocation),
                    key: self.key(path),
                    stamp,
                    known: before.and_then(|known| known.plugin),
                    new,
                }
            })
            .collect();
        let plan = Plan::new(&self.registry, gone, incoming, told == Told::InLog);
        let (outcomes, vacated) = plan.carry_out();
        for outcome in outcomes {
            let path = outcome.key.path;
            let source = path.display().to_string();
            match &outcome.problem {
                None => self.registry.0.intake.taken(&source),
                Some(problem) => {
                    self.registry.0.intake.refused(&source, problem);
                    self.refused(&source, problem, told);
                }
            }
            if let Some(stamp) = outcome.stamp {
                let known = Known {
                    stamp,
                    plugin: outcome.plugin,
                    problem: outcome.problem,
                };
                files.insert(path, known);
            }
        }
        drop(files);
        if vacated {
            self.registry.wake_directories(Some(self.number));
        }
        Ok(())
    }

    fn refused(&self, source: &str, problem: &str, told: Told) {
        let events = &self.registry.0.events;
        let (kind, problem) = (PluginEventKind::Refused, Some(problem.to_owned()));
        match told {
            Told::InLog => events.push(source, None, kind, problem),
            Told::ByCaller => {
                let _ = events.add(source, None, kind, problem);
            }
        }
    }
}

/// Whether an operator's settings do not allow a plugin.
fn is_revocation(error: &Error) -> bool {
    use ModuleError::{Digest, NotGranted, Signature};
    let Error::Module { reason, .. } = error else {
        return false;
    };
    matches!(**reason, NotGranted { .. } | Digest { .. } | Signature(_))
}
