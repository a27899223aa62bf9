//! Instances that hold something from call to call: the states of aggregates, of windows, of scans.
//!
//! Who holds such a state has a [`Lease`] of the instance that it lives in, and needs no scope to call it: DataFusion may move an
//! accumulator to another thread. A scope shares one instance among all small states; a large state has one for itself, so that
//! dropping it gives all of its memory back.

use std::fmt::{self, Display};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::{CURRENT, ScopeMetrics, StreamScope};
use crate::instance::{Failure, Instance};
use crate::plugin::{FunctionRef, Plugin};

/// The right to call an instance. Clones are of the same instance, which ends with the last of them.
#[derive(Clone)]
pub(crate) struct Lease(Arc<Leased>);

struct Leased {
    instance: Mutex<Instance>,
    /// Why the instance cannot be called any more.
    failure: OnceLock<String>,
    metrics: Option<ScopeMetrics>,
}

impl Lease {
    /// The instance that this thread's scope shares among small states. Its memory is charged to the query's pool. Without a scope, an
    /// instance for one state alone.
    pub(crate) fn shared(plugin: &Arc<Plugin>) -> Result<Self, Failure> {
        CURRENT.with_borrow_mut(|current| {
            let Some(scope) = current.as_deref_mut() else {
                return Self::new(&mut StreamScope::default(), plugin, true);
            };
            // Also if a call in it has failed: then so do all that follow, and the query ends.
            let there = scope
                .shared
                .iter()
                .find(|(other, _)| Arc::ptr_eq(other, plugin));
            if let Some((_, lease)) = there {
                return Ok(lease.clone());
            }
            let lease = Self::new(scope, plugin, true)?;
            scope.shared.push((Arc::clone(plugin), lease.clone()));
            Ok(lease)
        })
    }

    /// An instance for one large state. Its memory is not charged to the query's pool: whoever holds the state reports it there.
    pub(crate) fn own(plugin: &Arc<Plugin>) -> Result<Self, Failure> {
        CURRENT.with_borrow_mut(|current| match current.as_deref_mut() {
            Some(scope) => Self::new(scope, plugin, false),
            None => Self::new(&mut StreamScope::default(), plugin, false),
        })
    }

    fn new(scope: &mut StreamScope, plugin: &Arc<Plugin>, charged: bool) -> Result<Self, Failure> {
        Ok(Self(Arc::new(Leased {
            instance: Mutex::new(scope.make(plugin, charged)?),
            failure: OnceLock::new(),
            metrics: scope.metrics.clone(),
        })))
    }

    /// Runs `f` with the instance.
    #[inline]
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut Instance) -> R) -> R {
        f(&mut self.0.instance.lock())
    }

    /// Runs `f`, a call of `function` with `rows` rows, which is counted.
    #[inline]
    pub(crate) fn with_call<R>(
        &self,
        function: &FunctionRef,
        rows: usize,
        f: impl FnOnce(&mut Instance) -> R,
    ) -> R {
        self.with(|instance| {
            instance.begin(function.plugin.module(), function.place);
            let result = f(instance);
            instance.end(function.place, rows);
            result
        })
    }

    /// As [`Self::with_call`]; where `f` returns `None`, nothing was called.
    #[inline]
    pub(crate) fn try_with_call<R>(
        &self,
        function: &FunctionRef,
        rows: usize,
        f: impl FnOnce(&mut Instance) -> Option<R>,
    ) -> Option<R> {
        self.with(|instance| {
            instance.begin(function.plugin.module(), function.place);
            let found = f(instance)?;
            instance.end(function.place, rows);
            Some(found)
        })
    }

    /// Shows in the operator's metrics what was counted since the last time, unless the instance is being called.
    pub(super) fn show(&self) {
        if let Some(metrics) = &self.0.metrics
            && let Some(mut instance) = self.0.instance.try_lock()
        {
            metrics.add(instance.take_counts());
        }
    }

    /// Whether the instance ends with this lease.
    pub(crate) fn is_only(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    /// Bytes of memory that the instance holds.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.0.instance.lock().memory_bytes()
    }

    /// Why nothing more can be had from the instance, if a call in it has failed.
    #[inline]
    pub(crate) fn failure(&self) -> Option<&str> {
        self.0.failure.get().map(String::as_str)
    }

    /// Says why the instance cannot be called any more. The first reason counts.
    #[cold]
    pub(crate) fn fail(&self, reason: impl Display) {
        let _ = self.0.failure.set(reason.to_string());
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        if let Some(metrics) = &self.metrics {
            let instance = self.instance.get_mut();
            metrics.add(instance.take_counts());
            metrics.memory.set_max(instance.memory_bytes());
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").finish_non_exhaustive()
    }
}
