//! A query that is observed: what is told of it when it begins and when it is over.

use std::fmt::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use datafusion::common::DataFusionError;
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricValue, MetricsSet};
use datafusion::physical_plan::{ExecutionPlan, displayable};
use parking_lot::Mutex;

use super::Observers;
use super::event::{Event, TEXT_BYTES_MAX, Value, nanoseconds, now};
use crate::module::EventKind;

/// What is said of a query that nobody waited for.
const CANCELLED: &str = "cancelled";
/// Most operators that are told of.
const OPERATORS_MAX: usize = 10_000;

/// What a plan is the plan of: who wants to be told of it, and its SQL text.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) observers: Observers,
    pub(crate) sql: Option<Arc<str>>,
}

impl Statement {
    /// Begins to observe an execution of `plan`, if somebody wants that. `own` are metrics of the root beside those of `plan` itself.
    pub(crate) fn begin(
        &self,
        query: u64,
        session: &str,
        plan: &Arc<dyn ExecutionPlan>,
        own: &ExecutionPlanMetricsSet,
    ) -> Option<ObservedQuery> {
        if !self.observers.wants_queries() {
            return None;
        }
        let text = self.observers.wants_plan().then(|| text_of(plan.as_ref()));
        let observed = ObservedQuery {
            observers: self.observers.clone(),
            query,
            session: session.into(),
            sql: self.sql.clone(),
            plan_text: text,
            plan: Arc::clone(plan),
            own: own.clone(),
            start: nanoseconds(SystemTime::now()),
            started: Instant::now(),
            rows: AtomicU64::new(0),
            error: Mutex::new(None),
            over: AtomicBool::new(false),
        };
        observed.tell_start();
        Some(observed)
    }
}

/// An execution of a plan that is observed. What is told of its end is told once: by [`Self::end`], or when it is dropped.
pub(crate) struct ObservedQuery {
    observers: Observers,
    query: u64,
    session: Arc<str>,
    sql: Option<Arc<str>>,
    plan_text: Option<Arc<str>>,
    plan: Arc<dyn ExecutionPlan>,
    /// Metrics of the root beside those of `plan`.
    own: ExecutionPlanMetricsSet,
    /// Nanoseconds since 1970-01-01 UTC.
    start: i64,
    started: Instant,
    rows: AtomicU64,
    /// Its first error.
    error: Mutex<Option<String>>,
    over: AtomicBool,
}

impl ObservedQuery {
    /// Counts rows that the consumer was given.
    pub(crate) fn add_rows(&self, rows: usize) {
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
    }

    /// Keeps the query's first error.
    #[cold]
    pub(crate) fn fail(&self, error: &DataFusionError) {
        let mut first = self.error.lock();
        if first.is_none() {
            *first = Some(error.strip_backtrace());
        }
    }

    /// Says that nobody waits for the rest.
    pub(crate) fn cancel(&self) {
        self.error
            .lock()
            .get_or_insert_with(|| CANCELLED.to_owned());
    }

    /// Tells that the query is over, if it was not told before.
    pub(crate) fn end(&self) {
        if self.over.swap(true, Ordering::AcqRel) {
            return;
        }
        if self.observers.wants(EventKind::Operator) {
            self.tell_operators();
        }
        if !self.observers.wants(EventKind::QueryEnd) {
            return;
        }
        let duration = self.started.elapsed().as_nanos();
        self.observers.emit(Event::new(
            EventKind::QueryEnd,
            [
                now(),
                self.query.into(),
                Arc::clone(&self.session).into(),
                self.sql.clone().into(),
                self.plan_text.clone().into(),
                Value::Time(self.start),
                u64::try_from(duration).unwrap_or(u64::MAX).into(),
                self.rows.load(Ordering::Relaxed).into(),
                self.error.lock().as_deref().into(),
            ],
        ));
    }

    fn tell_start(&self) {
        if !self.observers.wants(EventKind::QueryStart) {
            return;
        }
        self.observers.emit(Event::new(
            EventKind::QueryStart,
            [
                Value::Time(self.start),
                self.query.into(),
                Arc::clone(&self.session).into(),
                self.sql.clone().into(),
                self.plan_text.clone().into(),
            ],
        ));
    }

    /// Tells what each operator has done, those above before those below.
    fn tell_operators(&self) {
        let time = now();
        let mut waiting: Vec<(Option<usize>, &Arc<dyn ExecutionPlan>)> = vec![(None, &self.plan)];
        let mut node = 0;
        while let Some((parent, plan)) = waiting.pop() {
            if node >= OPERATORS_MAX {
                return;
            }
            let mut metrics = plan.metrics().unwrap_or_default();
            if parent.is_none() {
                let own = self.own.clone_inner();
                own.into_iter().for_each(|metric| metrics.push(metric));
            }
            self.tell_operator(&time, node, parent, plan.as_ref(), &metrics);
            let below = plan.children().into_iter().rev();
            waiting.extend(below.map(|child| (Some(node), child)));
            node += 1;
        }
    }

    fn tell_operator(
        &self,
        time: &Value,
        node: usize,
        parent: Option<usize>,
        plan: &dyn ExecutionPlan,
        metrics: &MetricsSet,
    ) {
        let sum = metrics.aggregate_by_name();
        let spills = |get: fn(&MetricsSet) -> Option<usize>| get(metrics);
        self.observers.emit(Event::new(
            EventKind::Operator,
            [
                time.clone(),
                self.query.into(),
                node.into(),
                parent.into(),
                plan.name().into(),
                plan.properties().partitioning.partition_count().into(),
                metrics.output_rows().into(),
                metrics.elapsed_compute().into(),
                spills(MetricsSet::spill_count).into(),
                spills(MetricsSet::spilled_bytes).into(),
                spills(MetricsSet::spilled_rows).into(),
                json(&sum).as_str().into(),
            ],
        ));
    }
}

impl Drop for ObservedQuery {
    fn drop(&mut self) {
        if !*self.over.get_mut() {
            self.cancel();
            self.end();
        }
    }
}

impl fmt::Debug for ObservedQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObservedQuery")
            .field("query", &self.query)
            .finish_non_exhaustive()
    }
}

/// Metrics, each name once, as JSON.
fn json(metrics: &MetricsSet) -> String {
    let number = |value: &MetricValue| match value {
        // What is no number.
        MetricValue::StartTimestamp(_) | MetricValue::EndTimestamp(_) => None,
        value => Some(serde_json::Value::from(value.as_usize())),
    };
    let values = metrics.iter().filter_map(|metric| {
        let value = metric.value();
        Some((value.name().to_owned(), number(value)?))
    });
    serde_json::Value::Object(values.collect()).to_string()
}

/// A plan as `EXPLAIN` shows it, as far as there is room.
fn text_of(plan: &dyn ExecutionPlan) -> Arc<str> {
    /// Takes as much as there is room for.
    struct Bounded(String);
    impl Write for Bounded {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let room = TEXT_BYTES_MAX - self.0.len();
            self.0.push_str(&text[..text.floor_char_boundary(room)]);
            if text.len() > room {
                Err(fmt::Error)
            } else {
                Ok(())
            }
        }
    }
    let mut text = Bounded(String::new());
    // It fails where it is cut.
    let _ = write!(text, "{}", displayable(plan).indent(false));
    text.0.into()
}
