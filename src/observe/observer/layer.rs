//! Spans and events of `tracing` for observers: a layer that embedders add to their subscriber.

use std::fmt;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use parking_lot::RwLock;
use serde_json::{Map, Value as Json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::event::{Event, TEXT_BYTES_MAX, Value, nanoseconds};
use super::{Observers, is_quiet};
use crate::module::EventKind;
use crate::registry::Registry;

/// Tells a registry's observers of spans that have ended, and of events, as far as the subscriber's filters let them through. What observers
/// do and log themselves is left out.
///
/// ```
/// use tracing_subscriber::layer::SubscriberExt;
/// use wasmfusion::{ObserverLayer, Registry};
///
/// let registry = Registry::default();
/// let layer = ObserverLayer::default();
/// let subscriber = tracing_subscriber::registry().with(layer.clone());
/// // Now or later: a subscriber is often there before the first registry.
/// layer.observe(&registry);
/// # drop(subscriber);
/// ```
///
/// Clones are of the same layer. While nobody observes spans, they cost a relaxed load for each registry.
#[derive(Clone, Default)]
pub struct ObserverLayer(Arc<RwLock<Vec<Observers>>>);

/// What is known of a span that is not over.
struct Open {
    started: Instant,
    start: SystemTime,
    fields: Fields,
}

/// Fields as JSON, and the message.
#[derive(Default)]
struct Fields {
    values: Map<String, Json>,
    message: Option<String>,
    bytes: usize,
}

impl ObserverLayer {
    /// Tells the observers of this registry from now on.
    pub fn observe(&self, registry: &Registry) {
        let observers = registry.observers_of_events();
        let mut all = self.0.write();
        all.retain(|other| other.is_alive() && !other.is(observers));
        all.push(observers.clone());
    }

    fn is_wanted(&self) -> bool {
        let wants = |observers: &Observers| observers.wants(EventKind::Span);
        self.0.read().iter().any(wants) && !is_quiet()
    }

    fn emit(
        &self,
        metadata: &Metadata<'_>,
        start: SystemTime,
        duration_ns: Option<u64>,
        fields: Fields,
    ) {
        let values = Json::Object(fields.values).to_string();
        for observers in self.0.read().iter() {
            if !observers.wants(EventKind::Span) {
                continue;
            }
            observers.emit(Event::new(
                EventKind::Span,
                [
                    Value::Time(nanoseconds(start)),
                    metadata.level().as_str().into(),
                    metadata.target().into(),
                    metadata.name().into(),
                    fields.message.as_deref().into(),
                    duration_ns.into(),
                    values.as_str().into(),
                ],
            ));
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for ObserverLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if !self.is_wanted() {
            return;
        }
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().replace(Open {
            started: Instant::now(),
            start: SystemTime::now(),
            fields,
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(open) = span.extensions_mut().get_mut::<Open>()
        {
            values.record(&mut open.fields);
        }
    }

    fn on_event(&self, event: &tracing::Event<'_>, _context: Context<'_, S>) {
        if !self.is_wanted() {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.emit(event.metadata(), SystemTime::now(), None, fields);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else {
            return;
        };
        // Out of the span first: whoever is told may make spans.
        let open = span.extensions_mut().remove::<Open>();
        if let Some(open) = open {
            let duration = u64::try_from(open.started.elapsed().as_nanos());
            let duration = duration.unwrap_or(u64::MAX);
            self.emit(span.metadata(), open.start, Some(duration), open.fields);
        }
    }
}

impl Fields {
    /// Takes a field, if there is room for it.
    fn take(&mut self, field: &Field, value: Json, bytes: usize) {
        self.bytes = self.bytes.saturating_add(field.name().len() + bytes);
        if self.bytes > TEXT_BYTES_MAX / 2 {
            return;
        }
        match (field.name(), value) {
            ("message", Json::String(text)) => self.message = Some(text),
            (name, value) => {
                self.values.insert(name.to_owned(), value);
            }
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.take(field, value.into(), 8);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.take(field, value.into(), 8);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.take(field, value.into(), 8);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.take(field, value.into(), 1);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value.into(), value.len());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        let bytes = text.len();
        self.take(field, text.into(), bytes);
    }
}

impl fmt::Debug for ObserverLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObserverLayer")
            .field("registries", &self.0.read().len())
            .finish()
    }
}
