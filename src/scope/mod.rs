//! What belongs to one stream of one query: its instances, who pays for them, what cancels them.
//!
//! A plan rule ([`WasmRule`]) wraps each operator whose expressions call our functions in a [`WasmExec`]. Each stream of
//! that wrapper owns a [`StreamScope`], which is at hand in a thread-local while the stream is polled: a function's call
//! finds its instance there without a lock. The instance is made at the stream's first batch and dropped with the stream, so no
//! state crosses from one query into another.
//!
//! A call outside a scope (constant folding, an expression evaluated by hand) gets a fresh instance of its own.

mod exec;
mod keys;
mod lease;
mod query;
mod rule;

use std::cell::RefCell;
use std::sync::Arc;

use datafusion::config::ConfigOptions;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, Gauge, MetricBuilder};

pub use exec::WasmExec;
pub(crate) use lease::Lease;
pub use rule::WasmRule;

use crate::deadline::Cancellation;
use crate::instance::{Failure, Instance, InstanceOptions, MemoryAccount};
use crate::limits::{Limits, SessionLimits};
use crate::plugin::Plugin;

thread_local! {
    /// The scope of the stream that this thread is polling.
    static CURRENT: RefCell<Option<Box<StreamScope>>> = const { RefCell::new(None) };
}

/// The instances of one stream.
///
/// Whoever evaluates expressions without a plan can have one too, and spares itself a new instance for each call:
///
/// ```no_run
/// # fn evaluate() {}
/// let mut scope = Some(Box::new(wasmfusion::StreamScope::default()));
/// wasmfusion::StreamScope::enter(&mut scope, evaluate);
/// ```
#[derive(Default)]
pub struct StreamScope {
    /// Few: one for each plugin that the operator calls.
    instances: Vec<(Arc<Plugin>, Instance)>,
    /// Those that states live in which outlast a call; few as well.
    shared: Vec<(Arc<Plugin>, Lease)>,
    cancellation: Cancellation,
    pool: Option<Arc<dyn MemoryPool>>,
    metrics: Option<ScopeMetrics>,
    /// What the session has lowered.
    limits: Option<Arc<SessionLimits>>,
    /// Whether the thread may be kept waiting.
    may_block: bool,
}

/// What `EXPLAIN ANALYZE` shows of a scope.
#[derive(Clone)]
struct ScopeMetrics {
    calls: Count,
    rows: Count,
    instances: Count,
    memory: Gauge,
}

impl StreamScope {
    /// The scope of one stream of an operator: charged to the task's memory pool, cancelled with its query.
    pub(crate) fn new(
        context: &TaskContext,
        metrics: &ExecutionPlanMetricsSet,
        partition: usize,
        may_block: bool,
    ) -> Self {
        Self {
            instances: Vec::new(),
            shared: Vec::new(),
            cancellation: query::cancellation(context),
            pool: Some(Arc::clone(context.memory_pool())),
            metrics: Some(ScopeMetrics {
                calls: MetricBuilder::new(metrics).counter("wasm_calls", partition),
                rows: MetricBuilder::new(metrics).counter("wasm_rows", partition),
                instances: MetricBuilder::new(metrics).counter("wasm_instances", partition),
                memory: MetricBuilder::new(metrics).gauge("wasm_memory_bytes", partition),
            }),
            limits: SessionLimits::of(context.session_config().options()),
            may_block,
        }
    }

    /// A scope for one call outside of a stream, in a session with this configuration. `None` if that makes no difference.
    pub(crate) fn for_call(options: &ConfigOptions) -> Option<Box<Self>> {
        let inside = CURRENT.with_borrow(Option::is_some);
        let limits = SessionLimits::of(options).filter(|_| !inside)?;
        let mut scope = Self::default();
        scope.limits = Some(limits);
        Some(Box::new(scope))
    }

    /// The limits of a plugin in this scope, if the session has lowered some.
    fn lowered(&self, plugin: &Plugin) -> Option<Limits> {
        let limits = self.limits.as_ref()?;
        Some(limits.applied_to(plugin.limits()))
    }

    /// A scope whose calls end when `cancellation` is set. Enter one around planning, and a function that is computed while the query is
    /// planned can be cancelled too.
    pub fn with_cancellation(cancellation: Cancellation) -> Self {
        let mut scope = Self::default();
        scope.cancellation = cancellation;
        scope
    }

    /// Runs `f` with `scope` as this thread's scope, and takes it back afterwards, also when `f` panics.
    pub fn enter<R>(scope: &mut Option<Box<Self>>, f: impl FnOnce() -> R) -> R {
        /// Swaps on its way in and on its way out.
        struct Entered<'a>(&'a mut Option<Box<StreamScope>>);
        impl Entered<'_> {
            fn swap(&mut self) {
                CURRENT.with_borrow_mut(|current| std::mem::swap(current, self.0));
            }
        }
        impl Drop for Entered<'_> {
            fn drop(&mut self) {
                self.swap();
            }
        }
        let mut entered = Entered(scope);
        entered.swap();
        f()
    }

    fn instance(&mut self, plugin: &Arc<Plugin>) -> Result<&mut Instance, Failure> {
        let place = match self.place(plugin) {
            Some(place) => place,
            None => self.add(plugin)?,
        };
        Ok(&mut self.instances[place].1)
    }

    #[inline]
    fn place(&self, plugin: &Arc<Plugin>) -> Option<usize> {
        self.instances
            .iter()
            .position(|(other, instance)| Arc::ptr_eq(other, plugin) && !instance.is_spent())
    }

    #[inline]
    fn count(&self, rows: usize) {
        if let Some(metrics) = &self.metrics {
            metrics.count(rows);
        }
    }

    /// A new instance, charged to the query's memory pool if it is `charged`.
    fn make(&self, plugin: &Arc<Plugin>, charged: bool) -> Result<Instance, Failure> {
        let pool = self.pool.as_ref().filter(|_| charged);
        let account = pool.map(|pool| -> Box<dyn MemoryAccount> {
            Box::new(PoolAccount(
                MemoryConsumer::new(format!("wasmfusion plugin {}", plugin.name())).register(pool),
            ))
        });
        let options = InstanceOptions {
            cancellation: self.cancellation.clone(),
            account,
            limits: self.lowered(plugin).map(Arc::new),
            may_block: self.may_block,
        };
        let instance = Instance::new(plugin.module(), options)?;
        if let Some(metrics) = &self.metrics {
            metrics.instances.add(1);
        }
        Ok(instance)
    }

    #[cold]
    fn add(&mut self, plugin: &Arc<Plugin>) -> Result<usize, Failure> {
        self.instances.retain(|(_, instance)| !instance.is_spent());
        let instance = self.make(plugin, true)?;
        self.instances.push((Arc::clone(plugin), instance));
        Ok(self.instances.len() - 1)
    }
}

impl ScopeMetrics {
    #[inline]
    fn count(&self, rows: usize) {
        self.calls.add(1);
        self.rows.add(rows);
    }
}

impl Drop for StreamScope {
    fn drop(&mut self) {
        if let Some(metrics) = &self.metrics {
            metrics.memory.set_max(
                self.instances
                    .iter()
                    .map(|(_, instance)| instance.memory_bytes())
                    .sum(),
            );
        }
    }
}

/// Runs `f` with an instance of `plugin`: the one of this thread's scope, or a fresh one where there is no scope.
///
/// # Errors
///
/// If an instance cannot be made, and what `f` returns.
#[inline]
pub(crate) fn with_instance<R, E: From<Failure>>(
    plugin: &Arc<Plugin>,
    rows: usize,
    f: impl FnOnce(&mut Instance) -> Result<R, E>,
) -> Result<R, E> {
    CURRENT.with_borrow_mut(|current| match current {
        Some(scope) => {
            scope.count(rows);
            f(scope.instance(plugin)?)
        }
        None => f(&mut Instance::new(
            plugin.module(),
            InstanceOptions::default(),
        )?),
    })
}

/// Looks at the limits of `plugin` in this thread's scope.
pub(crate) fn with_limits<R>(plugin: &Plugin, look: impl FnOnce(&Limits) -> R) -> R {
    let lowered = CURRENT.with_borrow(|current| current.as_ref()?.lowered(plugin));
    look(lowered.as_ref().unwrap_or(plugin.limits()))
}

/// Runs `f` with the instance of `plugin` that this thread's scope has, if it has one. Where `f` returns `None`, nothing was called.
#[inline]
pub(crate) fn with_instance_at_hand<R>(
    plugin: &Arc<Plugin>,
    rows: usize,
    f: impl FnOnce(&mut Instance) -> Option<R>,
) -> Option<R> {
    CURRENT.with_borrow_mut(|current| {
        let scope = current.as_deref_mut()?;
        let place = scope.place(plugin)?;
        let found = f(&mut scope.instances[place].1)?;
        scope.count(rows);
        Some(found)
    })
}

/// A guest's memory on the account of the query.
struct PoolAccount(MemoryReservation);

impl MemoryAccount for PoolAccount {
    fn try_grow(&self, bytes: usize) -> Result<(), String> {
        self.0
            .try_grow(bytes)
            .map_err(|error| error.strip_backtrace())
    }
}
