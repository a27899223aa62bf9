//! The thread that delivers events to one plugin's observers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::Builder;
use std::time::{Duration, Instant};

use super::event::{self, Event};
use super::guest::Guest;
use super::metric::Changes;
use super::queue::{Observed, Observer};
use super::quietly;
use crate::error::Error;
use crate::metrics::Metrics;
use crate::module::EventKind;

/// How often metrics that have changed are looked for.
const METRICS_EVERY: Duration = Duration::from_secs(1);

/// Starts the thread of a plugin's observers.
pub(super) fn start(observer: &Arc<Observer>, metrics: &Metrics) -> std::io::Result<()> {
    let delivery = Delivery {
        observer: Arc::clone(observer),
        guest: Guest::default(),
        changes: (observer.wanted() & EventKind::Metric.bit() != 0)
            .then(|| Changes::new(metrics.clone())),
    };
    let thread = Builder::new()
        .name("wasmfusion-observer".into())
        .spawn(|| quietly(|| delivery.run()))?;
    observer.set_thread(thread.thread());
    Ok(())
}

/// What the thread has.
struct Delivery {
    observer: Arc<Observer>,
    guest: Guest,
    /// There if somebody observes metrics.
    changes: Option<Changes>,
}

impl Delivery {
    fn run(mut self) {
        let mut next_look = self
            .changes
            .as_ref()
            .map(|_| Instant::now() + METRICS_EVERY);
        while !self.observer.cancellation.is_cancelled() {
            let over = self.observer.is_over();
            self.observer.gather(next_look);
            if let (Some(changes), Some(at)) = (&mut self.changes, &mut next_look)
                && *at <= Instant::now()
            {
                for metric in changes.look() {
                    self.observer.offer(&Arc::new(Event::of_metric(&metric)));
                }
                *at = Instant::now() + METRICS_EVERY;
            }
            let events = self.observer.take();
            if !events.is_empty() {
                self.deliver(&events);
                self.observer.settle(events.len());
            } else if over {
                return;
            }
            if let Some(until) = self.guest.not_before() {
                // What is left at the end is not worth another instance.
                if self.observer.is_over() {
                    return;
                }
                self.observer.pause(until);
            }
        }
    }

    /// Calls each observer with its events.
    fn deliver(&mut self, events: &[Arc<Event>]) {
        let observer = Arc::clone(&self.observer);
        for observed in observer.functions() {
            let own: Vec<&Event> = events
                .iter()
                .map(Arc::as_ref)
                .filter(|event| event.kind() == observed.event && event.has_all(&observed.required))
                .collect();
            if own.is_empty() {
                continue;
            }
            match self.call(observed, &own) {
                Ok(()) => {
                    let delivered = &observed.delivered;
                    delivered.fetch_add(own.len() as u64, Ordering::Relaxed);
                }
                Err(error) => self.failed(observed, own.len(), &error),
            }
        }
    }

    fn call(&mut self, observed: &Observed, events: &[&Event]) -> Result<(), Error> {
        let redactor = self.observer.plugin().module().redactor();
        let all = observed.event.columns();
        let columns: Vec<_> = observed
            .columns
            .iter()
            .filter_map(|place| Some(event::column(events, *place, *all.get(*place)?, redactor)))
            .collect();
        let cancellation = &self.observer.cancellation;
        self.guest.call(&observed.function, &columns, cancellation)
    }

    fn failed(&self, observed: &Observed, events: usize, error: &Error) {
        let error = error.to_string();
        observed.failed.fetch_add(events as u64, Ordering::Relaxed);
        let id = observed.function.id();
        if self.guest.tells() && !self.observer.cancellation.is_cancelled() {
            tracing::warn!(
                target: "wasmfusion::observe",
                {
                    wasmfusion.plugin.name = id.plugin,
                    code.function.name = %format_args!("{}::{}", id.plugin, id.function),
                    events,
                    error.message = error,
                },
                "an observer has failed"
            );
        }
        *observed.last_error.lock() = Some(error);
    }
}
