//! Scopes for the keys of a hash repartition, which DataFusion computes in tasks of its own.
//!
//! `RepartitionExec` polls its input in one task for each input partition and evaluates its keys between two polls, where no
//! stream of ours is being polled. So the rule puts a [`ScopedKey`] around each key that calls WebAssembly functions: it enters a scope of
//! its own to evaluate. The scopes are kept in [`KeyScopes`] from batch to batch and dropped with the operator's last stream.

use std::fmt::{self, Display};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, FieldRef, Schema};
use datafusion::common::Result;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::sort_properties::ExprProperties;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use parking_lot::Mutex;
use tokio::runtime::{Handle, RuntimeFlavor};

use super::StreamScope;

/// The scopes that the keys of one operator are evaluated in.
#[derive(Default)]
pub(super) struct KeyScopes {
    execution: Mutex<Option<Execution>>,
    /// Those that nobody evaluates in at the moment: at most one for each task of the operator.
    idle: Mutex<Vec<StreamScope>>,
    /// Streams of the operator that are alive.
    streams: AtomicUsize,
    /// Whether the keys may keep a thread waiting.
    may_block: bool,
}

/// What a scope is made of.
struct Execution {
    context: Arc<TaskContext>,
    metrics: ExecutionPlanMetricsSet,
}

/// Says that a stream of the operator is alive.
pub(super) struct KeysInUse(Arc<KeyScopes>);

impl KeyScopes {
    pub(super) fn new(may_block: bool) -> Self {
        Self {
            may_block,
            ..Self::default()
        }
    }

    /// Whether the thread may be kept waiting: if the keys ask for it, and another thread can take over what else it has to do.
    fn may_block(&self) -> bool {
        let others = |handle: Handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread;
        self.may_block && Handle::try_current().is_ok_and(others)
    }

    /// Called for each stream of the operator: its keys are now evaluated for this task.
    pub(super) fn begin(
        self: &Arc<Self>,
        context: &Arc<TaskContext>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> KeysInUse {
        // Under the lock, as in the drop: the last stream of one execution may end while the next one begins.
        let _idle = self.idle.lock();
        self.streams.fetch_add(1, Ordering::AcqRel);
        *self.execution.lock() = Some(Execution {
            context: Arc::clone(context),
            metrics: metrics.clone(),
        });
        KeysInUse(Arc::clone(self))
    }

    fn evaluate<R>(&self, evaluate: impl FnOnce() -> R) -> R {
        let idle = self.idle.lock().pop();
        let scope = idle.or_else(|| {
            let execution = self.execution.lock();
            let Execution { context, metrics } = execution.as_ref()?;
            Some(StreamScope::new(
                context,
                metrics,
                "RepartitionExec",
                0,
                self.may_block(),
            ))
        });
        let mut scope = scope.map(Box::new);
        let evaluate = || StreamScope::enter(&mut scope, evaluate);
        let result = match self.may_block() {
            true => tokio::task::block_in_place(evaluate),
            false => evaluate(),
        };
        let mut idle = self.idle.lock();
        // After the last stream there is nobody who would drop it.
        if self.streams.load(Ordering::Acquire) > 0 {
            idle.extend(scope.map(|scope| *scope));
        }
        result
    }
}

impl fmt::Debug for KeyScopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyScopes")
            .field("streams", &self.streams)
            .finish_non_exhaustive()
    }
}

impl Drop for KeysInUse {
    fn drop(&mut self) {
        // Under the lock, so that no scope comes back after it.
        let mut idle = self.0.idle.lock();
        if self.0.streams.fetch_sub(1, Ordering::AcqRel) == 1 {
            idle.clear();
            *self.0.execution.lock() = None;
        }
    }
}

/// A key, evaluated in a scope.
#[derive(Debug)]
pub(super) struct ScopedKey {
    key: Arc<dyn PhysicalExpr>,
    scopes: Arc<KeyScopes>,
}

impl ScopedKey {
    pub(super) fn new(key: Arc<dyn PhysicalExpr>, scopes: Arc<KeyScopes>) -> Self {
        Self { key, scopes }
    }
}

impl PhysicalExpr for ScopedKey {
    fn data_type(&self, input_schema: &Schema) -> Result<DataType> {
        self.key.data_type(input_schema)
    }

    fn nullable(&self, input_schema: &Schema) -> Result<bool> {
        self.key.nullable(input_schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        self.scopes.evaluate(|| self.key.evaluate(batch))
    }

    fn return_field(&self, input_schema: &Schema) -> Result<FieldRef> {
        self.key.return_field(input_schema)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.key]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let key = children.pop().unwrap_or_else(|| Arc::clone(&self.key));
        Ok(Arc::new(Self::new(key, Arc::clone(&self.scopes))))
    }

    fn get_properties(&self, children: &[ExprProperties]) -> Result<ExprProperties> {
        // The only child is the key.
        Ok(children
            .first()
            .cloned()
            .unwrap_or_else(ExprProperties::new_unknown))
    }

    fn is_volatile_node(&self) -> bool {
        self.key.is_volatile_node()
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt_sql(f)
    }
}

impl Display for ScopedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)
    }
}

impl PartialEq for ScopedKey {
    fn eq(&self, other: &Self) -> bool {
        self.key.eq(&other.key)
    }
}

impl Eq for ScopedKey {}

impl Hash for ScopedKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}
