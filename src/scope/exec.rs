//! The operator that stands around another one and gives its streams what guests need.

use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics, exec_datafusion_err};
use datafusion::config::ConfigOptions;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::OrderingRequirements;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::distribution_requirements::InputDistributionRequirements;
use datafusion::physical_plan::execution_plan::{
    CardinalityEffect, ChildrenPropertiesMode, InvariantLevel,
};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, PlanProperties,
    ReplaceChildrenOptions,
};
use futures::{Stream, StreamExt};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tracing::Span;

use super::StreamScope;
use super::keys::{KeyScopes, KeysInUse};
use super::query::{QueryGuards, Root, RootPlan};
use crate::observe::Statement;

/// Batches that may wait for whoever reads a stream that has a thread of its own.
const BATCHES_AHEAD: usize = 1;

/// Stands around an operator of a plan that calls WebAssembly functions.
///
/// Around an operator whose expressions call them, it gives each stream a [`StreamScope`]. Around the root of the plan, it
/// cancels the query's guests when the consumer drops the stream, and tells observers of the query. In everything else it is the operator inside:
/// name, children, properties, `downcast_ref`.
#[derive(Debug)]
pub struct WasmExec {
    inner: Arc<dyn ExecutionPlan>,
    /// What `inner` calls, for `EXPLAIN`: `slugify@text`. Empty if it calls nothing.
    functions: Arc<[String]>,
    /// The plugins of these functions, for `EXPLAIN VERBOSE`.
    plugins: Arc<[String]>,
    /// Whether the functions may keep a thread waiting.
    may_block: bool,
    /// There if `inner` is the root.
    guards: Option<QueryGuards>,
    /// There if `inner` evaluates keys that call functions in tasks of its own.
    keys: Option<Arc<KeyScopes>>,
    metrics: ExecutionPlanMetricsSet,
}

/// The WebAssembly functions that an operator calls itself.
#[derive(Clone, Default)]
pub(super) struct Called {
    /// As `function@plugin`, sorted.
    pub(super) functions: Arc<[String]>,
    /// Their plugins, each with version, source and digest.
    pub(super) plugins: Arc<[String]>,
    /// Whether one of them may keep a thread waiting.
    pub(super) may_block: bool,
}

impl WasmExec {
    pub(super) fn new(
        inner: Arc<dyn ExecutionPlan>,
        Called {
            functions,
            plugins,
            may_block,
        }: Called,
        keys: Option<Arc<KeyScopes>>,
        root: Option<Root>,
    ) -> Self {
        Self {
            inner,
            functions,
            plugins,
            may_block,
            guards: root.map(QueryGuards::new),
            keys,
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    /// The `WasmExec` that `plan` is, if it is one. (`downcast_ref` would look through it.)
    pub(super) fn of(plan: &dyn ExecutionPlan) -> Option<&Self> {
        (plan as &dyn Any).downcast_ref()
    }

    /// The same, around the root of a plan.
    pub(super) fn at_root(&self) -> Self {
        let inner = Arc::clone(&self.inner);
        let root = Root {
            cancels: true,
            statement: None,
        };
        Self::new(inner, self.called(), self.keys.clone(), Some(root))
    }

    /// `root`, the root of a plan, with observers who are told of its executions.
    pub(crate) fn observed(
        root: Arc<dyn ExecutionPlan>,
        statement: Statement,
    ) -> Arc<dyn ExecutionPlan> {
        let statement = Some(statement);
        Arc::new(match Self::of(root.as_ref()) {
            Some(wrapped) => {
                let cancels = wrapped.guards.as_ref().is_some_and(QueryGuards::cancel);
                let root = Some(Root { cancels, statement });
                let inner = Arc::clone(&wrapped.inner);
                Self::new(inner, wrapped.called(), wrapped.keys.clone(), root)
            }
            None => {
                let cancels = false;
                let observed = Some(Root { cancels, statement });
                Self::new(root, Called::default(), None, observed)
            }
        })
    }

    fn called(&self) -> Called {
        Called {
            functions: Arc::clone(&self.functions),
            plugins: Arc::clone(&self.plugins),
            may_block: self.may_block,
        }
    }

    /// The functions that the operator inside calls, as `function@plugin`.
    pub fn functions(&self) -> &[String] {
        &self.functions
    }

    /// The same around another operator.
    fn around(&self, inner: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
        let root = self.guards.as_ref().map(QueryGuards::root);
        Arc::new(Self::new(inner, self.called(), self.keys.clone(), root))
    }
}

impl DisplayAs for WasmExec {
    fn fmt_as(&self, t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_as(t, f)?;
        if self.functions.is_empty() {
            return Ok(());
        }
        match t {
            DisplayFormatType::TreeRender => writeln!(f, "wasm={}", self.functions.join(", ")),
            DisplayFormatType::Verbose => write!(
                f,
                ", wasm=[{}], plugins=[{}]",
                self.functions.join(", "),
                self.plugins.join("; ")
            ),
            _ => write!(f, ", wasm=[{}]", self.functions.join(", ")),
        }
    }
}

impl ExecutionPlan for WasmExec {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn downcast_delegate(&self) -> Option<&dyn ExecutionPlan> {
        Some(self.inner.as_ref())
    }

    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.inner.properties()
    }

    fn check_invariants(&self, check: InvariantLevel) -> Result<()> {
        self.inner.check_invariants(check)
    }

    fn dynamic_expressions_produced(&self) -> Vec<Arc<dyn PhysicalExpr>> {
        self.inner.dynamic_expressions_produced()
    }

    #[expect(
        deprecated,
        reason = "until DataFusion removes it, what is inside may implement only this one"
    )]
    fn required_input_distribution(&self) -> Vec<Distribution> {
        self.inner.required_input_distribution()
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        self.inner.input_distribution_requirements()
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        self.inner.required_input_ordering()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        self.inner.maintains_input_order()
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        self.inner.benefits_from_input_partitioning()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.inner.children()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.inner.apply_expressions(f)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self.around(Arc::clone(&self.inner).replace_children(children, options)?))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(
            children,
            ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute),
        )
    }

    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self.around(Arc::clone(&self.inner).reset_state()?))
    }

    fn repartitioned(
        &self,
        target_partitions: usize,
        config: &ConfigOptions,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        Ok(self
            .inner
            .repartitioned(target_partitions, config)?
            .map(|inner| self.around(inner)))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        match &self.guards {
            None => self.scoped(partition, context),
            Some(guards) => {
                let plan = RootPlan {
                    plan: &self.inner,
                    metrics: &self.metrics,
                };
                guards.guard(&context, partition, plan, |context| {
                    self.scoped(partition, context)
                })
            }
        }
    }

    fn metrics(&self) -> Option<MetricsSet> {
        let own = self.metrics.clone_inner();
        match self.inner.metrics() {
            Some(inner) => Some(inner.into_iter().chain(own).collect()),
            None => Some(own),
        }
    }

    #[expect(
        deprecated,
        reason = "until DataFusion removes it, what is inside may implement only this one"
    )]
    fn partition_statistics(&self, partition: Option<usize>) -> Result<Arc<Statistics>> {
        self.inner.partition_statistics(partition)
    }

    fn statistics_from_inputs(
        &self,
        input_stats: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        self.inner.statistics_from_inputs(input_stats, args)
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        self.inner.child_stats_requests(partition)
    }

    fn supports_limit_pushdown(&self) -> bool {
        self.inner.supports_limit_pushdown()
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        self.inner.with_fetch(limit).map(|inner| self.around(inner))
    }

    fn fetch(&self) -> Option<usize> {
        self.inner.fetch()
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        self.inner.cardinality_effect()
    }

    fn with_new_state(&self, state: Arc<dyn Any + Send + Sync>) -> Option<Arc<dyn ExecutionPlan>> {
        self.inner
            .with_new_state(state)
            .map(|inner| self.around(inner))
    }

    fn with_preserve_order(&self, preserve_order: bool) -> Option<Arc<dyn ExecutionPlan>> {
        self.inner
            .with_preserve_order(preserve_order)
            .map(|inner| self.around(inner))
    }
}

impl WasmExec {
    fn scoped(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        if self.functions.is_empty() {
            return self.inner.execute(partition, context);
        }
        // Keys have scopes of their own.
        let keys = self.keys.as_ref();
        let keys = keys.map(|keys| keys.begin(&context, &self.metrics));
        let mut scope = match keys {
            Some(_) => None,
            None => Some(Box::new(StreamScope::new(
                &context,
                &self.metrics,
                self.inner.name(),
                partition,
                self.may_block && Handle::try_current().is_ok(),
            ))),
        };
        let inner = StreamScope::enter(&mut scope, || self.inner.execute(partition, context))?;
        let stream = Box::pin(ScopedStream { scope, inner, keys });
        Ok(match Handle::try_current() {
            Ok(handle) if self.may_block => beside(stream, handle)?,
            _ => stream,
        })
    }
}

/// Runs `stream` in a thread of its own that may be kept waiting, so that it keeps none waiting that runs queries. It is not one of the
/// runtime's threads for that: they are few, a stream would hold one also while it waits for its input, and its input may need one.
fn beside(
    mut stream: SendableRecordBatchStream,
    handle: Handle,
) -> Result<SendableRecordBatchStream> {
    let mut batches = RecordBatchReceiverStream::builder(stream.schema(), BATCHES_AHEAD);
    let sender = batches.tx();
    let (over, ended) = oneshot::channel();
    let run = async move {
        loop {
            let batch = tokio::select! {
                batch = stream.next() => batch,
                () = sender.closed() => break,
            };
            let Some(batch) = batch else { break };
            let failed = batch.is_err();
            if sender.send(batch).await.is_err() || failed {
                break;
            }
        }
    };
    let span = Span::current();
    let work = move || {
        span.in_scope(|| handle.block_on(run));
        // Nobody may be there any more.
        let _ = over.send(());
    };
    std::thread::Builder::new()
        .name("wasmfusion-blocking".into())
        .spawn(work)
        .map_err(|error| exec_datafusion_err!("no thread for functions that wait: {error}"))?;
    batches.spawn(async move {
        let panicked = |_| exec_datafusion_err!("the thread of a function that waits panicked");
        ended.await.map_err(panicked)
    });
    Ok(batches.build())
}

/// A stream that is polled with its scope at hand.
struct ScopedStream {
    scope: Option<Box<StreamScope>>,
    // Before the keys: the tasks that evaluate them are told to end first.
    inner: SendableRecordBatchStream,
    #[expect(dead_code, reason = "held for its drop")]
    keys: Option<KeysInUse>,
}

impl Stream for ScopedStream {
    type Item = Result<RecordBatch>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { scope, inner, .. } = self.get_mut();
        let polled = StreamScope::enter(scope, || inner.poll_next_unpin(context));
        if polled.is_ready()
            && let Some(scope) = scope
        {
            scope.show();
        }
        polled
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}

impl RecordBatchStream for ScopedStream {
    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }
}
