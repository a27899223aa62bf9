//! Whom an instance serves, and where it comes from: made anew, made ahead, or used before.
//!
//! By default each stream of a query has an instance of its own, made at its first batch, so that nothing a guest keeps is seen by another query.
//! [`PoolOptions`] trades that against time.

use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock, Weak};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Failure, Instance, InstanceOptions};
use crate::compiled::CompiledModule;
use crate::lifecycle::{Admission, Place};
use crate::plugin::Plugin;

/// How often who waits for an instance looks whether there can be one.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Whom an instance of a plugin serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Isolation {
    /// One call of a scalar function: what a guest keeps is gone with the next batch. States of aggregates, windows and scans have an instance for as
    /// long as they live.
    Call,
    /// One stream of one query.
    #[default]
    Stream,
    /// One stream after the other, of any query: what a guest keeps in its memory is there for the next one. For plugins that build up something dear,
    /// and that all users of the registry may share. States of aggregates, windows and scans have instances of their own.
    Shared,
}

impl Isolation {
    /// Its name: `call`, `stream`, `shared`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Stream => "stream",
            Self::Shared => "shared",
        }
    }
}

impl FromStr for Isolation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Call, Self::Stream, Self::Shared];
        let found = all.into_iter().find(|isolation| isolation.name() == text);
        found.ok_or_else(|| format!("`{text}` is none of `call`, `stream`, `shared`"))
    }
}

/// Where instances of a plugin come from. An operator sets it for one plugin in the `[pool]` of the file beside it, under the same names.
///
/// How many instances live at one time is a limit: [`Limits::instances_max`](crate::Limits::instances_max) and
/// [`Limits::plugin_instances_max`](crate::Limits::plugin_instances_max).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PoolOptions {
    /// Whom an instance serves.
    pub isolation: Isolation,
    /// Instances that wait for a stream, at most: made ahead, in a thread for that, from the first call of the plugin on; with
    /// [`Isolation::Shared`], those that were used. 0 by default: none is made ahead. With `shared`, 0 means as many as there are processors.
    pub warm_instances: u32,
    /// Longest time that a stream waits for an instance where as many live as may, in milliseconds. It keeps the thread. 0 by default: the query fails.
    pub wait_ms: u64,
    /// Bytes of each guest memory that are cleared by hand when an instance ends, and stay with the process, so that the next instance starts
    /// without page faults. A setting of the engine: plugins that differ in it compile apart. 128 KiB by default.
    pub resident_bytes: usize,
    /// Slots of guest memory that stay mapped after their instance has ended, for the next one of the same module. A setting of the engine. 100 by
    /// default.
    pub warm_slots: u32,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            isolation: Isolation::default(),
            warm_instances: 0,
            wait_ms: 0,
            resident_bytes: 128 << 10,
            warm_slots: 100,
        }
    }
}

impl PoolOptions {
    /// Sets the option of this name.
    ///
    /// # Errors
    ///
    /// If there is no option of this name, or it has no such value.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) -> Result<(), String> {
        *self = self.with(Map::from_iter([(name.to_owned(), value.into())]))?;
        Ok(())
    }

    /// These options with those of `changes` in place of theirs.
    ///
    /// # Errors
    ///
    /// What is wrong with a name or a value.
    pub(crate) fn with(&self, changes: Map<String, Value>) -> Result<Self, String> {
        let mut options = serde_json::to_value(self).map_err(|error| error.to_string())?;
        if let Value::Object(options) = &mut options {
            options.extend(changes);
        }
        serde_path_to_error::deserialize(options)
            .map_err(|error| format!("`{}`: {}", error.path(), error.inner()))
    }

    /// Instances that may wait.
    fn idle_max(&self) -> usize {
        match (self.isolation, self.warm_instances) {
            (Isolation::Shared, 0) => thread::available_parallelism().map_or(1, usize::from),
            (_, instances) => instances as usize,
        }
    }
}

/// The instances of a plugin that wait for a stream.
#[derive(Default)]
pub(crate) struct InstancePool {
    options: PoolOptions,
    /// Instances that may wait. Kept: to ask for the number of processors takes longer than to make an instance.
    idle_max: usize,
    idle: Mutex<Vec<Instance>>,
    hits: AtomicU64,
    misses: AtomicU64,
    waits: AtomicU64,
    /// Whether the maker has been asked for more.
    asked: AtomicBool,
}

/// What a pool has done, since the plugin was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PoolCounts {
    /// Instances that wait.
    pub(crate) idle: u64,
    /// Streams that found one.
    pub(crate) hits: u64,
    /// Instances that were made for a stream, a call or a state.
    pub(crate) misses: u64,
    /// How often somebody had to wait until one could be made.
    pub(crate) waits: u64,
}

impl InstancePool {
    pub(crate) fn new(options: PoolOptions) -> Self {
        Self {
            idle_max: options.idle_max(),
            options,
            ..Self::default()
        }
    }

    pub(crate) fn options(&self) -> &PoolOptions {
        &self.options
    }

    pub(crate) fn counts(&self) -> PoolCounts {
        PoolCounts {
            idle: self.idle.lock().len() as u64,
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            waits: self.waits.load(Ordering::Relaxed),
        }
    }

    /// An instance that waits, made ready for whom `options` say; `None` if there is none.
    fn take(
        &self,
        module: &CompiledModule,
        options: &dyn Fn() -> InstanceOptions,
    ) -> Option<Result<Instance, Failure>> {
        if self.idle_max == 0 {
            return None;
        }
        if self.idle.lock().is_empty() {
            return None;
        }
        let options = options();
        // An instance that waits has the limits of its plugin.
        if options.limits.is_some() {
            return None;
        }
        let mut instance = self.idle.lock().pop()?;
        self.hits.fetch_add(1, Ordering::Relaxed);
        Some(instance.adopt(module, options).map(|()| instance))
    }

    /// Puts an instance where the next stream finds it, if there is room.
    fn put(&self, instance: Instance) {
        let mut idle = self.idle.lock();
        if idle.len() < self.idle_max {
            idle.push(instance);
        }
    }

    /// Lets go of all that wait.
    pub(crate) fn clear(&self) {
        let idle = std::mem::take(&mut *self.idle.lock());
        drop(idle);
    }

    /// Whether more instances may be made ahead.
    fn has_room(&self) -> bool {
        self.options.isolation != Isolation::Shared && self.idle.lock().len() < self.idle_max
    }
}

/// An instance for a stream or a call, if the plugin may be called. `goes_on` says that it is for a stream that has had one before.
///
/// # Errors
///
/// If the plugin is suspended, or none can be made.
pub(crate) fn take(
    plugin: &Arc<Plugin>,
    goes_on: bool,
    options: impl Fn() -> InstanceOptions,
) -> Result<Instance, Failure> {
    let admission = plugin.standing().admit(goes_on);
    let admission = admission.map_err(Failure::Suspended)?;
    let pool = plugin.module().pool();
    let taken = pool.take(plugin.module(), &options);
    if pool.has_room() {
        make_ahead(plugin);
    }
    match taken {
        Some(taken) => {
            let mut instance = taken?;
            instance.report_to(admission);
            Ok(instance)
        }
        None => make_for(plugin, admission, options),
    }
}

/// An instance that nobody has used, if the plugin may be called. Waits until there is room for one, if the plugin's options say so.
///
/// # Errors
///
/// If the plugin is suspended, or none can be made.
pub(crate) fn make(
    plugin: &Arc<Plugin>,
    goes_on: bool,
    options: impl Fn() -> InstanceOptions,
) -> Result<Instance, Failure> {
    let admission = plugin.standing().admit(goes_on);
    make_for(plugin, admission.map_err(Failure::Suspended)?, options)
}

fn make_for(
    plugin: &Arc<Plugin>,
    mut admission: Admission,
    options: impl Fn() -> InstanceOptions,
) -> Result<Instance, Failure> {
    let pool = plugin.module().pool();
    pool.misses.fetch_add(1, Ordering::Relaxed);
    let first = options();
    let has_lowered_limits = first.limits.is_some();
    let made = match Instance::new(plugin.module(), first) {
        Err(full) if full.is_full() && pool.options.wait_ms > 0 => wait(plugin, options, full),
        made => made,
    };
    match made {
        Ok(mut instance) => {
            instance.report_to(admission);
            Ok(instance)
        }
        // What it runs to start with can fail, too.
        Err(failure) => {
            admission.judge(failure.verdict(has_lowered_limits));
            Err(failure)
        }
    }
}

#[cold]
fn wait(
    plugin: &Arc<Plugin>,
    options: impl Fn() -> InstanceOptions,
    mut full: Failure,
) -> Result<Instance, Failure> {
    let pool = plugin.module().pool();
    pool.waits.fetch_add(1, Ordering::Relaxed);
    let (began, wait) = (Instant::now(), Duration::from_millis(pool.options.wait_ms));
    while began.elapsed() < wait {
        thread::sleep(LOOK_EVERY);
        if !plugin.module().has_room() {
            continue;
        }
        let options = options();
        if options.cancellation.is_cancelled() {
            return Err(Failure::Cancelled);
        }
        match Instance::new(plugin.module(), options) {
            Err(again) if again.is_full() => full = again,
            made => return made,
        }
    }
    Err(full)
}

/// Gives an instance back that served a stream or a call: to be used again, if the plugin's instances are shared and it is well.
pub(crate) fn give_back(plugin: &Arc<Plugin>, mut instance: Instance) {
    let pool = plugin.module().pool();
    let shared = pool.options.isolation == Isolation::Shared;
    let fit = instance.has_limits_of(plugin.module()) && instance.is_light();
    if shared && !is_gone(plugin) && instance.is_usable() && fit {
        instance.rest();
        pool.put(instance);
    }
}

/// Whether nobody begins to call this version of its plugin any more.
fn is_gone(plugin: &Plugin) -> bool {
    matches!(
        plugin.standing().place().0,
        Place::Replaced | Place::Unloaded
    )
}

/// Has instances of a plugin made in a thread for that.
fn make_ahead(plugin: &Arc<Plugin>) {
    static MAKER: OnceLock<Option<Sender<Weak<Plugin>>>> = OnceLock::new();
    let maker = MAKER.get_or_init(|| {
        let (sender, plugins) = channel::<Weak<Plugin>>();
        let make = move || {
            for plugin in plugins {
                if let Some(plugin) = plugin.upgrade() {
                    fill(&plugin);
                }
            }
        };
        let thread = thread::Builder::new().name("wasmfusion-instances".into());
        // Without it, instances are made when they are needed.
        thread.spawn(make).ok().map(|_| sender)
    });
    // Once, until it has done it.
    if let Some(maker) = maker
        && !plugin.module().pool().asked.swap(true, Ordering::AcqRel)
    {
        let _ = maker.send(Arc::downgrade(plugin));
    }
}

fn fill(plugin: &Arc<Plugin>) {
    let module = plugin.module();
    let pool = module.pool();
    // Others have their turn, too: those that are taken meanwhile are made the next time.
    for _ in 0..pool.idle_max {
        if is_gone(plugin) || !pool.has_room() || !module.has_room() {
            break;
        }
        match Instance::new(module, InstanceOptions::default()) {
            Ok(mut instance) => {
                instance.rest();
                pool.put(instance);
            }
            // Who needs one hears why.
            Err(_) => break,
        }
    }
    pool.asked.store(false, Ordering::Release);
}
