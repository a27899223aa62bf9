//! Cancels the guests of a query when nobody wants its result any more.
//!
//! The streams of the plan's root run in tasks of their own, so that the consumer can drop its end while a guest is
//! running. When the ends of all partitions are dropped, the query's [`Cancellation`] is set, which the watchdog sees. Operators
//! below find the cancellation in their task context.
//!
//! The same ends are where rows are counted and errors seen for observers of queries.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use futures::{Stream, StreamExt};
use parking_lot::Mutex;
use tokio::runtime::{Handle, RuntimeFlavor};
use tracing::Instrument;

use crate::deadline::Cancellation;
use crate::observe::{ObservedQuery, Statement};

/// Batches that may wait for the consumer.
const BATCHES_AHEAD: usize = 2;

/// The cancellation of the query that `context` belongs to; one that nobody sets if the query has no guard.
pub(super) fn cancellation(context: &TaskContext) -> Cancellation {
    context
        .session_config()
        .get_extension::<Cancellation>()
        .map(|found| found.as_ref().clone())
        .unwrap_or_default()
}

/// What is done around the root of a plan.
#[derive(Clone, Debug)]
pub(super) struct Root {
    /// Whether guests are to be stopped when nobody wants the result any more.
    pub(super) cancels: bool,
    /// Who is told of executions, if somebody is.
    pub(super) statement: Option<Statement>,
}

/// The root of a plan.
pub(super) struct RootPlan<'a> {
    pub(super) plan: &'a Arc<dyn ExecutionPlan>,
    /// Metrics beside those of `plan` itself.
    pub(super) metrics: &'a ExecutionPlanMetricsSet,
}

/// The executions of a plan that are under way. A plan can be executed more than once, also at one time.
#[derive(Debug)]
pub(super) struct QueryGuards {
    root: Root,
    executions: Mutex<Vec<Execution>>,
}

/// One execution: all partitions are executed with the same task context.
#[derive(Debug)]
struct Execution {
    original: Weak<TaskContext>,
    /// Partitions that were begun.
    begun: Vec<usize>,
    /// The original with the cancellation added.
    context: Arc<TaskContext>,
    query: Arc<Query>,
}

#[derive(Debug)]
struct Query {
    cancellation: Cancellation,
    /// Partitions whose stream was not dropped yet, those included that were not started.
    open: AtomicUsize,
    /// There if somebody observes it.
    observed: Option<ObservedQuery>,
}

impl QueryGuards {
    pub(super) fn new(root: Root) -> Self {
        Self {
            root,
            executions: Mutex::default(),
        }
    }

    /// What is done around the root.
    pub(super) fn root(&self) -> Root {
        self.root.clone()
    }

    /// Whether guests are to be stopped when nobody wants the result any more.
    pub(super) fn cancel(&self) -> bool {
        self.root.cancels
    }

    /// Executes a partition of the root with `execute`, guarded.
    pub(super) fn guard(
        &self,
        original: &Arc<TaskContext>,
        partition: usize,
        root: RootPlan<'_>,
        execute: impl FnOnce(Arc<TaskContext>) -> Result<SendableRecordBatchStream>,
    ) -> Result<SendableRecordBatchStream> {
        if !self.root.cancels && !self.root.is_observed() {
            return execute(Arc::clone(original));
        }
        let (context, guard) = self.begin(original, partition, root);
        let stream = execute(context).inspect_err(|error| guard.fail(error))?;
        Ok(Box::pin(GuardedStream {
            inner: match self.root.cancels {
                true => detach(stream),
                false => stream,
            },
            guard,
        }))
    }

    /// Begins a partition: in the execution that has this context and has not begun the partition yet, or in a new one.
    fn begin(
        &self,
        original: &Arc<TaskContext>,
        partition: usize,
        root: RootPlan<'_>,
    ) -> (Arc<TaskContext>, Guard) {
        let mut executions = self.executions.lock();
        executions
            .retain(|e| e.original.strong_count() > 0 && e.query.open.load(Ordering::Relaxed) > 0);
        let same = |e: &&mut Execution| {
            std::ptr::eq(e.original.as_ptr(), Arc::as_ptr(original))
                && !e.begun.contains(&partition)
        };
        if let Some(e) = executions.iter_mut().find(same) {
            e.begun.push(partition);
            return (Arc::clone(&e.context), Guard::new(&e.query));
        }
        let cancellation = Cancellation::default();
        let context = Arc::new(with_cancellation(original, cancellation.clone()));
        let RootPlan { plan, metrics } = root;
        let statement = self.root.statement.as_ref();
        let observed = statement.and_then(|statement| {
            let session = original.session_id();
            statement.begin(cancellation.query(), &session, plan, metrics)
        });
        let query = Arc::new(Query {
            cancellation,
            open: AtomicUsize::new(plan.properties().partitioning.partition_count()),
            observed,
        });
        executions.push(Execution {
            original: Arc::downgrade(original),
            begun: vec![partition],
            context: Arc::clone(&context),
            query: Arc::clone(&query),
        });
        (context, Guard::new(&query))
    }
}

impl Root {
    /// Whether somebody observes queries now.
    fn is_observed(&self) -> bool {
        let statement = self.statement.as_ref();
        statement.is_some_and(|statement| statement.observers.wants_queries())
    }
}

fn with_cancellation(original: &TaskContext, cancellation: Cancellation) -> TaskContext {
    TaskContext::new(
        original.task_id(),
        original.session_id(),
        original
            .session_config()
            .clone()
            .with_extension(Arc::new(cancellation)),
        original.scalar_functions().clone(),
        original.higher_order_functions().clone(),
        original.aggregate_functions().clone(),
        original.window_functions().clone(),
        original.runtime_env(),
    )
}

/// Runs `stream` in a task of its own where there is a second thread that can.
fn detach(mut stream: SendableRecordBatchStream) -> SendableRecordBatchStream {
    match Handle::try_current() {
        Ok(handle) if handle.runtime_flavor() == RuntimeFlavor::MultiThread => {
            let mut task = RecordBatchReceiverStream::builder(stream.schema(), BATCHES_AHEAD);
            let sender = task.tx();
            // Spans of what runs there are below what is current here.
            let work = async move {
                while let Some(batch) = stream.next().await {
                    let failed = batch.is_err();
                    if sender.send(batch).await.is_err() || failed {
                        break;
                    }
                }
                Ok(())
            };
            task.spawn(work.in_current_span());
            task.build()
        }
        _ => stream,
    }
}

/// Says that one partition's consumer is gone.
struct Guard {
    query: Arc<Query>,
    /// Whether the consumer has seen the end.
    finished: bool,
}

impl Guard {
    fn new(query: &Arc<Query>) -> Self {
        Self {
            query: Arc::clone(query),
            finished: false,
        }
    }

    /// Notes what the consumer gets.
    #[inline]
    fn see(&mut self, item: Option<&Result<RecordBatch>>) {
        match (item, &self.query.observed) {
            (Some(Ok(batch)), Some(observed)) => observed.add_rows(batch.num_rows()),
            (Some(Err(error)), Some(observed)) => observed.fail(error),
            (Some(_), None) => {}
            (None, _) => self.finished = true,
        }
    }

    #[cold]
    fn fail(&self, error: &DataFusionError) {
        if let Some(observed) = &self.query.observed {
            observed.fail(error);
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Query {
            cancellation,
            open,
            observed,
        } = &*self.query;
        if let (Some(observed), false) = (observed, self.finished) {
            // After an error this changes nothing.
            observed.cancel();
        }
        if open.fetch_sub(1, Ordering::AcqRel) == 1 {
            cancellation.cancel();
            if let Some(observed) = observed {
                observed.end();
            }
        }
    }
}

/// The consumer's end of a root stream.
struct GuardedStream {
    // Before the guard: the task is told to end, then the guests are stopped.
    inner: SendableRecordBatchStream,
    guard: Guard,
}

impl Stream for GuardedStream {
    type Item = Result<RecordBatch>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { inner, guard } = self.get_mut();
        let polled = inner.poll_next_unpin(context);
        if let Poll::Ready(item) = &polled {
            guard.see(item.as_ref());
        }
        polled
    }
}

impl RecordBatchStream for GuardedStream {
    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }
}
