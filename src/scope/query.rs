//! Cancels the guests of a query when nobody wants its result any more.
//!
//! The streams of the plan's root run in tasks of their own, so that the consumer can drop its end while a guest is
//! running. When the ends of all partitions are dropped, the query's [`Cancellation`] is set, which the watchdog sees. Operators
//! below find the cancellation in their task context.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use futures::{Stream, StreamExt};
use parking_lot::Mutex;
use tokio::runtime::{Handle, RuntimeFlavor};
use tracing::Instrument;

use crate::deadline::Cancellation;

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

/// The executions of a plan that are under way. A plan can be executed more than once, also at one time.
#[derive(Debug, Default)]
pub(super) struct QueryGuards(Mutex<Vec<Execution>>);

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
}

impl QueryGuards {
    /// Executes a partition of the root with `execute`, guarded.
    pub(super) fn guard(
        &self,
        original: &Arc<TaskContext>,
        partition: usize,
        partitions: usize,
        execute: impl FnOnce(Arc<TaskContext>) -> Result<SendableRecordBatchStream>,
    ) -> Result<SendableRecordBatchStream> {
        let (context, guard) = self.begin(original, partition, partitions);
        let stream = execute(context)?;
        Ok(Box::pin(GuardedStream {
            inner: detach(stream),
            guard,
        }))
    }

    /// Begins a partition: in the execution that has this context and has not begun the partition yet, or in a new one.
    fn begin(
        &self,
        original: &Arc<TaskContext>,
        partition: usize,
        partitions: usize,
    ) -> (Arc<TaskContext>, Guard) {
        let mut executions = self.0.lock();
        executions
            .retain(|e| e.original.strong_count() > 0 && e.query.open.load(Ordering::Relaxed) > 0);
        let same = |e: &&mut Execution| {
            std::ptr::eq(e.original.as_ptr(), Arc::as_ptr(original))
                && !e.begun.contains(&partition)
        };
        if let Some(e) = executions.iter_mut().find(same) {
            e.begun.push(partition);
            return (Arc::clone(&e.context), Guard(Arc::clone(&e.query)));
        }
        let cancellation = Cancellation::default();
        let context = Arc::new(with_cancellation(original, cancellation.clone()));
        let query = Arc::new(Query {
            cancellation,
            open: AtomicUsize::new(partitions),
        });
        executions.push(Execution {
            original: Arc::downgrade(original),
            begun: vec![partition],
            context: Arc::clone(&context),
            query: Arc::clone(&query),
        });
        (context, Guard(query))
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
struct Guard(Arc<Query>);

impl Drop for Guard {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.cancellation.cancel();
        }
    }
}

/// The consumer's end of a root stream.
struct GuardedStream {
    // Before the guard: the task is told to end, then the guests are stopped.
    inner: SendableRecordBatchStream,
    #[expect(dead_code, reason = "held for its drop")]
    guard: Guard,
}

impl Stream for GuardedStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.inner.poll_next_unpin(context)
    }
}

impl RecordBatchStream for GuardedStream {
    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }
}
