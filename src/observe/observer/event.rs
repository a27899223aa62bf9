//! An event: a row of values in the order of its kind's columns, and many of them as columns.

use std::sync::Arc;
use std::time::SystemTime;

use compact_str::CompactString;
use datafusion::arrow::array::{
    ArrayRef, Float64Array, Int64Array, StringArray, TimestampNanosecondArray,
};

use super::Observers;
use crate::audit::AuditRecord;
use crate::capability::CapabilityKind;
use crate::error::FunctionId;
use crate::metrics::Metric;
use crate::module::{EventColumn, EventKind, EventType};
use crate::redact::Redactor;

/// Longest text in an event, in bytes.
pub(super) const TEXT_BYTES_MAX: usize = 64 << 10;

/// One event.
#[derive(Debug)]
pub(super) struct Event {
    kind: EventKind,
    values: Box<[Value]>,
}

/// One value of an event.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    /// Nanoseconds since 1970-01-01 UTC.
    Time(i64),
    Int(i64),
    Float(f64),
    Text(CompactString),
    Shared(Arc<str>),
}

impl Value {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Shared(text) => Some(text),
            _ => None,
        }
    }

    fn int(&self) -> Option<i64> {
        match self {
            Self::Int(number) | Self::Time(number) => Some(*number),
            _ => None,
        }
    }

    fn float(&self) -> Option<f64> {
        match self {
            Self::Float(number) => Some(*number),
            _ => None,
        }
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text[..text.floor_char_boundary(TEXT_BYTES_MAX)].into())
    }
}

impl From<Arc<str>> for Value {
    fn from(text: Arc<str>) -> Self {
        Self::Shared(text)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, T::into)
    }
}

/// Nanoseconds since 1970-01-01 UTC.
pub(super) fn nanoseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(i64::MAX)
}

/// This moment.
pub(super) fn now() -> Value {
    Value::Time(nanoseconds(SystemTime::now()))
}

impl Event {
    /// An event with these values, in the order of the kind's columns.
    pub(super) fn new<const N: usize>(kind: EventKind, values: [Value; N]) -> Self {
        debug_assert!(fits(kind, &values), "{kind:?}: {values:?}");
        Self {
            kind,
            values: Box::new(values),
        }
    }

    pub(super) fn kind(&self) -> EventKind {
        self.kind
    }

    /// Whether it has a value in each of these columns.
    pub(super) fn has_all(&self, columns: &[usize]) -> bool {
        columns
            .iter()
            .all(|column| !matches!(self.values.get(*column), None | Some(Value::Null)))
    }

    /// Bytes that it takes, about.
    pub(super) fn bytes(&self) -> usize {
        let texts = self.values.iter().filter_map(Value::text);
        size_of_val(&*self.values) + texts.map(str::len).sum::<usize>()
    }

    fn of_audit(record: &AuditRecord) -> Self {
        let digest = record.digest.map(|digest| digest.to_string());
        Self::new(
            EventKind::Audit,
            [
                Value::Time(record.time_ns()),
                Arc::clone(&record.plugin).into(),
                digest.as_deref().into(),
                Arc::clone(&record.function).into(),
                record.query.into(),
                record.operation.into(),
                record.capability.map(CapabilityKind::name).into(),
                record.target.as_str().into(),
                record.calls.into(),
                record.bytes.into(),
                record.duration_ns.into(),
                record.outcome.name().into(),
            ],
        )
    }

    pub(super) fn of_metric(metric: &Metric) -> Self {
        let labels = metric
            .labels
            .iter()
            .map(|(name, value)| (name.clone(), value.clone().into()));
        let labels = serde_json::Value::Object(labels.collect()).to_string();
        Self::new(
            EventKind::Metric,
            [
                now(),
                Arc::clone(&metric.plugin).into(),
                metric.name.as_str().into(),
                labels.as_str().into(),
                metric.kind.name().into(),
                metric.value.into(),
                metric.count.into(),
                metric.quantiles.map(|(median, _)| median).into(),
                metric.quantiles.map(|(_, high)| high).into(),
            ],
        )
    }
}

/// What calls of one function came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CallOutcome<'a> {
    /// The query, if it is known.
    pub(crate) query: Option<u64>,
    pub(crate) plugin: &'a str,
    pub(crate) function: &'a str,
    pub(crate) calls: u64,
    pub(crate) rows: u64,
    /// Nanoseconds in the guest.
    pub(crate) guest_ns: u64,
    /// Nanoseconds for columns on their way in and out.
    pub(crate) copy_ns: u64,
    /// Nanoseconds of the longest call.
    pub(crate) max_ns: u64,
}

impl Observers {
    /// Tells of the calls of a function in a stream, if somebody wants to know.
    pub(crate) fn called(&self, outcome: &CallOutcome<'_>) {
        if !self.wants(EventKind::Call) {
            return;
        }
        self.emit(Event::new(
            EventKind::Call,
            [
                now(),
                outcome.query.into(),
                outcome.plugin.into(),
                outcome.function.into(),
                outcome.calls.into(),
                outcome.rows.into(),
                outcome.guest_ns.into(),
                outcome.copy_ns.into(),
                outcome.max_ns.into(),
                Value::Null,
            ],
        ));
    }

    /// Tells of a call that has failed, if somebody wants to know.
    #[cold]
    pub(crate) fn call_failed(
        &self,
        query: Option<u64>,
        function: impl FnOnce() -> FunctionId,
        error: impl FnOnce() -> String,
    ) {
        if !self.wants(EventKind::Call) || super::is_quiet() {
            return;
        }
        let function = function();
        self.emit(Event::new(
            EventKind::Call,
            [
                now(),
                query.into(),
                function.plugin.as_str().into(),
                function.function.as_str().into(),
                Value::Int(1),
                Value::Int(0),
                Value::Null,
                Value::Null,
                Value::Null,
                error().as_str().into(),
            ],
        ));
    }

    /// Tells of a record of the audit, if somebody wants to know.
    pub(crate) fn recorded(&self, record: &AuditRecord) {
        if self.wants(EventKind::Audit) {
            self.emit(Event::of_audit(record));
        }
    }
}

/// One column of many events of one kind. Secrets are taken out of texts.
pub(super) fn column(
    events: &[&Event],
    place: usize,
    EventColumn { ty, nullable, .. }: EventColumn,
    redactor: &Redactor,
) -> ArrayRef {
    let values = || events.iter().map(|event| event.values.get(place));
    // An event has no value where nobody wanted one when it was made: the column is not nullable for that.
    let int = |value: Option<&Value>| {
        let number = value.and_then(Value::int);
        number.or_else(|| (!nullable).then_some(0))
    };
    match ty {
        EventType::Time => {
            let times: TimestampNanosecondArray = values().map(int).collect();
            Arc::new(times.with_timezone("UTC"))
        }
        EventType::Int => Arc::new(values().map(int).collect::<Int64Array>()),
        EventType::Float => {
            let float = |value: Option<&Value>| {
                let number = value.and_then(Value::float);
                number.or_else(|| (!nullable).then_some(0.0))
            };
            Arc::new(values().map(float).collect::<Float64Array>())
        }
        EventType::Text => {
            let text = |value: Option<&Value>| -> Option<String> {
                match value.and_then(Value::text) {
                    Some(text) => Some(redactor.redact(text).into_owned()),
                    None => (!nullable).then(String::new),
                }
            };
            Arc::new(values().map(text).collect::<StringArray>())
        }
    }
}

/// Whether values are of the kind's columns.
fn fits(kind: EventKind, values: &[Value]) -> bool {
    let fits = |(column, value): (&EventColumn, &Value)| match (column.ty, value) {
        // The text of a plan is missing if nobody wants it.
        (_, Value::Null) => column.nullable || column.name == "plan",
        (EventType::Time, Value::Time(_))
        | (EventType::Int, Value::Int(_))
        | (EventType::Float, Value::Float(_))
        | (EventType::Text, Value::Text(_) | Value::Shared(_)) => true,
        _ => false,
    };
    kind.columns().len() == values.len() && kind.columns().iter().zip(values).all(fits)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Array, AsArray};
    use datafusion::arrow::datatypes::Int64Type;

    use super::*;

    fn failed(error: &str) -> Event {
        Event::new(
            EventKind::Call,
            [
                now(),
                Value::Null,
                "geo".into(),
                "area".into(),
                Value::Int(1),
                Value::Int(0),
                Value::Null,
                Value::Null,
                Value::Null,
                error.into(),
            ],
        )
    }

    #[test]
    fn events_become_columns() {
        let long = "x".repeat(TEXT_BYTES_MAX + 7);
        let events = [failed("no"), failed(&long)];
        let events: Vec<&Event> = events.iter().collect();
        let redactor = Redactor::default();
        for (place, expected) in EventKind::Call.columns().iter().enumerate() {
            let array = column(&events, place, *expected, &redactor);
            assert_eq!(
                *array.data_type(),
                expected.ty.data_type(),
                "{}",
                expected.name
            );
            assert_eq!(array.len(), 2);
            assert!(expected.nullable || array.null_count() == 0);
        }
        let at = EventKind::Call.column("error").expect("a column");
        let errors = column(&events, at, EventKind::Call.columns()[at], &redactor);
        assert_eq!(errors.as_string::<i32>().value(0), "no");
        assert_eq!(errors.as_string::<i32>().value(1).len(), TEXT_BYTES_MAX);
        let calls = column(&events, 4, EventKind::Call.columns()[4], &redactor);
        assert_eq!(calls.as_primitive::<Int64Type>().value(1), 1);
        assert!(events[0].has_all(&[0, 2, 9]) && !events[0].has_all(&[2, 6]));
    }
}
