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
mod rewrite;
mod rule;

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use compact_str::CompactString;
use datafusion::config::ConfigOptions;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::physical_plan::metrics::{
    Count, ExecutionPlanMetricsSet, Gauge, MetricBuilder, Time,
};

use tracing::Span;
use tracing::field::Empty;

pub use exec::WasmExec;
pub(crate) use lease::Lease;
pub use rule::WasmRule;

use crate::deadline::Cancellation;
use crate::instance::{self, Failure, Instance, InstanceOptions, MemoryAccount};
use crate::limits::{Limits, SessionLimits};
use crate::observe::CallCounts;
use crate::plugin::{FunctionRef, Plugin};

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
    /// The plugins that it has had an instance of: it goes on with them, also when they are suspended.
    begun: Vec<Arc<Plugin>>,
    /// The operator whose stream it is, and which of its streams.
    operator: CompactString,
    partition: usize,
}

/// What `EXPLAIN ANALYZE` shows of a scope.
#[derive(Clone)]
struct ScopeMetrics {
    calls: Count,
    rows: Count,
    bytes_in: Count,
    bytes_out: Count,
    guest_time: Time,
    copy_time: Time,
    host_time: Time,
    instances: Count,
    memory: Gauge,
}

impl StreamScope {
    /// The scope of one stream of an operator: charged to the task's memory pool, cancelled with its query.
    pub(crate) fn new(
        context: &TaskContext,
        metrics: &ExecutionPlanMetricsSet,
        operator: &str,
        partition: usize,
        may_block: bool,
    ) -> Self {
        Self {
            instances: Vec::new(),
            shared: Vec::new(),
            begun: Vec::new(),
            cancellation: query::cancellation(context),
            pool: Some(Arc::clone(context.memory_pool())),
            metrics: Some(ScopeMetrics::new(metrics, partition)),
            limits: SessionLimits::of(context.session_config().options()),
            may_block,
            operator: operator.into(),
            partition,
        }
    }

    /// A scope for one call outside of a stream, in a session with this configuration. `None` if that makes no difference.
    pub(crate) fn for_call(options: &ConfigOptions) -> Option<Box<Self>> {
        let inside = in_scope();
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
            .position(|(other, instance)| Arc::ptr_eq(other, plugin) && instance.is_usable())
    }

    /// Shows in the operator's metrics what was counted since the last time.
    fn show(&mut self) {
        let Some(metrics) = &self.metrics else {
            return;
        };
        for (_, instance) in &mut self.instances {
            metrics.add(instance.take_counts());
        }
        for (_, lease) in &self.shared {
            lease.show();
        }
    }

    /// For whom an instance is made here; it is charged to the query's memory pool if it is `charged`.
    fn options(&self, plugin: &Plugin, charged: bool) -> InstanceOptions {
        let pool = self.pool.as_ref().filter(|_| charged);
        let account = pool.map(|pool| -> Box<dyn MemoryAccount> {
            Box::new(PoolAccount(
                MemoryConsumer::new(format!("wasmfusion plugin {}", plugin.name())).register(pool),
            ))
        });
        InstanceOptions {
            cancellation: self.cancellation.clone(),
            account,
            limits: self.lowered(plugin).map(Arc::new),
            may_block: self.may_block,
            within_query: self.metrics.is_some(),
            span: Some(self.span(plugin)),
            of_observer: false,
        }
    }

    /// A new instance, in which states outlast a call.
    fn make(&mut self, plugin: &Arc<Plugin>, charged: bool) -> Result<Instance, Failure> {
        let has_begun = self.has_begun(plugin);
        let instance = instance::make(plugin, has_begun, || self.options(plugin, charged))?;
        self.begin(plugin);
        Ok(instance)
    }

    fn has_begun(&self, plugin: &Arc<Plugin>) -> bool {
        self.begun.iter().any(|other| Arc::ptr_eq(other, plugin))
    }

    /// Counts an instance.
    fn begin(&mut self, plugin: &Arc<Plugin>) {
        if !self.has_begun(plugin) {
            self.begun.push(Arc::clone(plugin));
        }
        if let Some(metrics) = &self.metrics {
            metrics.instances.add(1);
        }
    }

    /// The span of an instance. It is made while the stream is polled, so that it is below that of the operator, if that has one.
    fn span(&self, plugin: &Plugin) -> Span {
        let names = plugin.module().names();
        tracing::debug_span!(
            target: "wasmfusion::stream",
            "wasm_stream",
            otel.name = display(format_args!("{} {}", self.operator, names.plugin)),
            otel.kind = "internal",
            otel.status_code = Empty,
            otel.status_description = Empty,
            error.type = Empty,
            wasmfusion.operator = self.operator.as_str(),
            wasmfusion.partition = self.partition,
            wasmfusion.query.id = self.cancellation.query(),
            wasmfusion.plugin.name = names.plugin,
            wasmfusion.plugin.version = names.version,
            wasmfusion.plugin.digest = %plugin.digest(),
            wasmfusion.calls = Empty,
            wasmfusion.rows = Empty,
        )
    }

    #[cold]
    fn add(&mut self, plugin: &Arc<Plugin>) -> Result<usize, Failure> {
        self.show();
        self.instances.retain(|(_, instance)| instance.is_usable());
        let has_begun = self.has_begun(plugin);
        let instance = instance::take(plugin, has_begun, || self.options(plugin, true))?;
        self.begin(plugin);
        self.instances.push((Arc::clone(plugin), instance));
        Ok(self.instances.len() - 1)
    }
}

impl ScopeMetrics {
    fn new(metrics: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        let metric = || MetricBuilder::new(metrics);
        Self {
            calls: metric().counter("wasm_calls", partition),
            rows: metric().counter("wasm_rows", partition),
            bytes_in: metric().counter("wasm_bytes_in", partition),
            bytes_out: metric().counter("wasm_bytes_out", partition),
            guest_time: metric().subset_time("wasm_guest_time", partition),
            copy_time: metric().subset_time("wasm_copy_time", partition),
            host_time: metric().subset_time("wasm_host_time", partition),
            instances: metric().counter("wasm_instances", partition),
            memory: metric().gauge("wasm_memory_bytes", partition),
        }
    }

    fn add(&self, counts: CallCounts) {
        if counts == CallCounts::default() {
            return;
        }
        let number = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        self.calls.add(number(counts.calls));
        self.rows.add(number(counts.rows));
        self.bytes_in.add(number(counts.bytes_in));
        self.bytes_out.add(number(counts.bytes_out));
        for (time, ns) in [
            (&self.guest_time, counts.guest_ns),
            (&self.copy_time, counts.copy_ns),
            (&self.host_time, counts.host_ns),
        ] {
            // DataFusion counts no less than a nanosecond.
            if ns > 0 {
                time.add_duration(Duration::from_nanos(ns));
            }
        }
    }
}

impl Drop for StreamScope {
    fn drop(&mut self) {
        self.show();
        if let Some(metrics) = &self.metrics {
            metrics.memory.set_max(
                self.instances
                    .iter()
                    .map(|(_, instance)| instance.memory_bytes())
                    .sum(),
            );
        }
        // After a panic nobody knows what state they are in.
        if !std::thread::panicking() {
            for (plugin, instance) in self.instances.drain(..) {
                instance::give_back(&plugin, instance);
            }
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
    f: impl FnOnce(&mut Instance) -> Result<R, E>,
) -> Result<R, E> {
    CURRENT.with_borrow_mut(|current| match current {
        Some(scope) => f(scope.instance(plugin)?),
        None => {
            let mut instance = instance::take(plugin, false, InstanceOptions::default)?;
            let result = f(&mut instance);
            instance::give_back(plugin, instance);
            result
        }
    })
}

/// As [`with_instance`], for a call of `function` with `rows` rows, which is counted.
///
/// # Errors
///
/// As [`with_instance`].
#[inline]
pub(crate) fn with_call<R, E: From<Failure>>(
    function: &FunctionRef,
    rows: usize,
    f: impl FnOnce(&mut Instance) -> Result<R, E>,
) -> Result<R, E> {
    with_instance(&function.plugin, |instance| {
        instance.begin(function.plugin.module(), function.place);
        let result = f(instance);
        instance.end(function.place, rows);
        instance.after_call(function.plugin.module());
        result
    })
}

/// The number of the query that this thread works for, if it is in a scope.
pub(crate) fn current_query() -> Option<u64> {
    CURRENT.with(|current| {
        let current = current.try_borrow().ok()?;
        Some(current.as_ref()?.cancellation.query())
    })
}

/// Looks at the limits of `plugin` in this thread's scope.
pub(crate) fn with_limits<R>(plugin: &Plugin, look: impl FnOnce(&Limits) -> R) -> R {
    let lowered = CURRENT.with_borrow(|current| current.as_ref()?.lowered(plugin));
    look(lowered.as_ref().unwrap_or(plugin.limits()))
}

/// Runs `f` with the instance of `plugin` that this thread's scope has, if it has one.
#[inline]
pub(crate) fn with_instance_at_hand<R>(
    plugin: &Arc<Plugin>,
    f: impl FnOnce(&mut Instance) -> Option<R>,
) -> Option<R> {
    CURRENT.with_borrow_mut(|current| {
        let scope = current.as_deref_mut()?;
        let place = scope.place(plugin)?;
        f(&mut scope.instances[place].1)
    })
}

/// Whether this thread has a scope.
pub(crate) fn in_scope() -> bool {
    CURRENT.with_borrow(Option::is_some)
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
