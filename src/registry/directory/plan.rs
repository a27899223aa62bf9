//! Which of the files that have changed are taken. They are looked at together: a function may move from one to the other.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::watch::Stamp;
use crate::error::{Error, Result};
use crate::function::SqlFunction;
use crate::plugin::Plugin;
use crate::registry::Registry;
use crate::registry::holders::FileKey;
use crate::registry::versions::{Changing, Swap, occupied};

/// A file that is gone.
pub(super) struct Outgoing {
    pub(super) key: FileKey,
    pub(super) plugin: Option<Arc<Plugin>>,
}

/// A file that is new or has changed.
pub(super) struct Incoming {
    pub(super) key: FileKey,
    pub(super) stamp: Stamp,
    /// What was loaded from it before.
    pub(super) known: Option<Arc<Plugin>>,
    pub(super) new: Result<Arc<Plugin>>,
    /// Whether the operator has taken back what the module that runs was given.
    pub(super) is_revoked: bool,
}

/// What became of a file.
pub(super) struct Outcome {
    pub(super) key: FileKey,
    /// `None` if it is gone.
    pub(super) stamp: Option<Stamp>,
    pub(super) plugin: Option<Arc<Plugin>>,
    pub(super) problem: Option<String>,
}

/// What is to be called after the directory was read.
pub(super) struct Plan<'a> {
    registry: &'a Registry,
    changing: Changing<'a>,
    gone: Vec<Outgoing>,
    incoming: Vec<Incoming>,
    called: BTreeMap<String, Called>,
    /// Whether names of functions are looked at. Who opens a directory hears of them when a session takes the plugins.
    checks_names: bool,
}

/// A plugin that is to be called.
struct Called {
    plugin: Arc<Plugin>,
    /// The place of its file among those that come in; `None` if it is called already.
    from: Option<usize>,
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        registry: &'a Registry,
        gone: Vec<Outgoing>,
        incoming: Vec<Incoming>,
        checks_names: bool,
    ) -> Self {
        let mut plan = Self {
            registry,
            // From here on nobody else changes what is called.
            changing: registry.change(),
            gone,
            incoming,
            called: BTreeMap::new(),
            checks_names,
        };
        // One that is refused stays as it was, which may keep others out: until nothing is refused any more.
        while let Err((place, error)) = plan.try_all() {
            plan.incoming[place].new = Err(error);
        }
        plan
    }

    /// Works out what is to be called.
    ///
    /// # Errors
    ///
    /// A file that cannot be taken, and why.
    fn try_all(&mut self) -> Result<(), (usize, Error)> {
        let registry = self.registry;
        let holders = registry.0.holders.lock();
        let Self {
            gone,
            incoming,
            called,
            checks_names,
            ..
        } = self;
        let present = registry.plugins().into_iter().map(|plugin| {
            let name = plugin.name().to_owned();
            (name, Called { plugin, from: None })
        });
        *called = present.collect();
        let gone_keys: Vec<FileKey> = gone.iter().map(|file| file.key.clone()).collect();
        for Outgoing { key, plugin } in gone.iter() {
            if let Some(plugin) = plugin
                && holders.is_last(plugin.name(), key, &gone_keys)
            {
                called.remove(plugin.name());
            }
        }
        for file in incoming.iter().filter(|file| file.leaves_its_name()) {
            if let Some(known) = &file.known
                && holders.is_last(known.name(), &file.key, &gone_keys)
            {
                called.remove(known.name());
            }
        }
        // Those first whose names these are.
        let owns = |file: &Incoming| {
            let name = file.new.as_ref().ok().map(|new| new.name());
            name.is_some_and(|name| holders.owns(name, &file.key))
        };
        let (first, rest): (Vec<usize>, Vec<usize>) =
            (0..incoming.len()).partition(|place| owns(&incoming[*place]));
        for (place, is_owner) in first
            .into_iter()
            .map(|place| (place, true))
            .chain(rest.into_iter().map(|place| (place, false)))
        {
            let Ok(new) = &incoming[place].new else {
                continue;
            };
            match called.get(new.name()) {
                Some(there) if is_owner && there.from.is_none() => {}
                None => {}
                // Another copy of the same module.
                Some(there) if there.plugin.is_same(new) => continue,
                Some(there) => return Err((place, occupied(new, &there.plugin))),
            }
            let comes = Called {
                plugin: Arc::clone(new),
                from: Some(place),
            };
            called.insert(new.name().to_owned(), comes);
        }
        match *checks_names {
            true => check_all(called),
            false => Ok(()),
        }
    }

    /// Makes what was worked out so. What became of each file, and whether names are free that were not.
    pub(super) fn carry_out(self) -> (Vec<Outcome>, bool) {
        let Self {
            registry,
            changing,
            gone,
            incoming,
            called,
            checks_names,
        } = self;
        let mut swaps: Vec<Swap> = Vec::new();
        for plugin in registry.plugins() {
            if !called.contains_key(plugin.name()) {
                swaps.push(Swap {
                    name: plugin.name().to_owned(),
                    new: None,
                    why: Some("its file is gone, or not allowed any more".to_owned()),
                });
            }
        }
        let vacated = !swaps.is_empty() || !gone.is_empty();
        let mut holders = registry.0.holders.lock();
        for (name, Called { plugin, from }) in &called {
            let Some(place) = from else {
                continue;
            };
            holders.own(name, incoming[*place].key.clone());
            if checks_names {
                plugin.standing().set_arrived();
            }
            swaps.push(Swap {
                name: name.clone(),
                new: Some(Arc::clone(plugin)),
                why: None,
            });
        }
        let mut outcomes: Vec<Outcome> = Vec::new();
        for Outgoing { key, plugin } in gone {
            if let Some(plugin) = plugin {
                holders.release(plugin.name(), &key);
            }
            outcomes.push(Outcome {
                key,
                stamp: None,
                plugin: None,
                problem: None,
            });
        }
        for file in incoming {
            if file.leaves_its_name()
                && let Some(known) = &file.known
            {
                holders.release(known.name(), &file.key);
            }
            let Incoming {
                key,
                stamp,
                known,
                new,
                is_revoked,
            } = file;
            let (plugin, problem) = match new {
                Ok(new) => {
                    holders.add(new.name(), key.clone());
                    (Some(new), None)
                }
                Err(error) => (known.filter(|_| !is_revoked), Some(error.to_string())),
            };
            outcomes.push(Outcome {
                key,
                stamp: Some(stamp),
                plugin,
                problem,
            });
        }
        drop(holders);
        changing.exchange(swaps);
        (outcomes, vacated)
    }
}

impl Incoming {
    /// Whether the plugin that was loaded from it before is not in it any more.
    fn leaves_its_name(&self) -> bool {
        match (&self.known, &self.new) {
            (Some(known), Ok(new)) => known.name() != new.name(),
            (Some(_), Err(_)) => self.is_revoked,
            (None, _) => false,
        }
    }
}

/// That no two plugins have a function of one name, as far as a file that comes in is one of them.
fn check_all(called: &BTreeMap<String, Called>) -> Result<(), (usize, Error)> {
    let functions: Vec<(&Called, Vec<SqlFunction>)> = called
        .values()
        .map(|called| (called, SqlFunction::all(&called.plugin)))
        .collect();
    let mut owners: HashMap<&str, &Called> = HashMap::new();
    // Those that are called already keep their names.
    let mut in_order: Vec<&(&Called, Vec<SqlFunction>)> = functions.iter().collect();
    in_order.sort_by_key(|(called, _)| called.from.map_or(0, |place| place + 1));
    for (called, brings) in in_order {
        for name in brings.iter().flat_map(SqlFunction::names) {
            if let Some(other) = owners.insert(name, called)
                && !Arc::ptr_eq(&other.plugin, &called.plugin)
                && let Some(place) = called.from
            {
                return Err((place, taken(&called.plugin, &other.plugin, name)));
            }
        }
    }
    Ok(())
}

/// That no other plugin has a function of a name that `new` brings: a session could not have both.
pub(in crate::registry) fn check_names<'a>(
    brings: &[SqlFunction],
    new: &Plugin,
    others: impl Iterator<Item = &'a Arc<Plugin>>,
) -> Result<()> {
    for other in others {
        let has: Vec<SqlFunction> = SqlFunction::all(other);
        let has: BTreeSet<&str> = has.iter().flat_map(SqlFunction::names).collect();
        let mut names = brings.iter().flat_map(SqlFunction::names);
        if let Some(name) = names.find(|name| has.contains(name)) {
            return Err(taken(new, other, name));
        }
    }
    Ok(())
}

fn taken(new: &Plugin, other: &Plugin, name: &str) -> Error {
    Error::Usage(format!(
        "plugin {}: plugin {} has a function {name} already; leave it out with `functions` in the file beside the module, or take it from \
         there with CREATE FUNCTION other_name() LANGUAGE WASM AS '{}#{name}'",
        new.name(),
        other.name(),
        new.source(),
    ))
}
