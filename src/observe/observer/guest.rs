//! The instance that a plugin's observers live in, and how it is replaced when a call has failed in it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::array::ArrayRef;

use crate::deadline::Cancellation;
use crate::error::{Error, Result};
use crate::function::observe;
use crate::instance::{Instance, InstanceOptions};
use crate::limits::Limits;
use crate::plugin::FunctionRef;

/// Pause after the first failure; each that follows it doubles it.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// How often failures are told in the log, at most.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// The instance of a plugin's observers.
#[derive(Default)]
pub(super) struct Guest {
    instance: Option<Instance>,
    /// How long the pause after the next failure is.
    pause: Option<Duration>,
    /// When there may be another instance.
    not_before: Option<Instant>,
    /// Why there is none now.
    failure: String,
    /// When a failure was told last, and whether the latest is to be told.
    told: Option<Instant>,
    tells: bool,
}

impl Guest {
    /// Calls an observer in the instance; a new one, if there is none.
    pub(super) fn call(
        &mut self,
        function: &FunctionRef,
        columns: &[ArrayRef],
        cancellation: &Cancellation,
    ) -> Result<()> {
        let outcome = self.call_in_instance(function, columns, cancellation);
        if outcome.is_err() {
            let now = Instant::now();
            self.tells = self.told.is_none_or(|told| now - told >= TELL_EVERY);
            if self.tells {
                self.told = Some(now);
            }
        } else {
            self.pause = None;
        }
        outcome
    }

    fn call_in_instance(
        &mut self,
        function: &FunctionRef,
        columns: &[ArrayRef],
        cancellation: &Cancellation,
    ) -> Result<()> {
        if self.instance.is_none() {
            if self.not_before.is_some_and(|at| Instant::now() < at) {
                // Another observer of the plugin has failed just now.
                return Err(Error::Gone {
                    function: function.id(),
                    reason: self.failure.clone(),
                });
            }
            let made = Instance::new(
                function.plugin.module(),
                InstanceOptions {
                    cancellation: cancellation.clone(),
                    account: None,
                    limits: lasting(function.plugin.limits()).map(Arc::new),
                    may_block: true,
                    within_query: false,
                    span: None,
                    of_observer: true,
                },
            );
            match made {
                Ok(instance) => self.instance = Some(instance),
                Err(failure) => {
                    let error = failure.into_error(function.id());
                    self.rest(&error);
                    return Err(error);
                }
            }
            self.not_before = None;
        }
        let Some(instance) = &mut self.instance else {
            return Ok(());
        };
        let outcome = observe(instance, function, columns);
        if instance.is_spent() {
            self.instance = None;
            if let Err(error) = &outcome {
                self.rest(error);
            }
        }
        outcome
    }

    /// Waits longer each time.
    fn rest(&mut self, error: &Error) {
        self.failure = error.to_string();
        let pause = self.pause.unwrap_or(PAUSE_MIN);
        self.not_before = Some(Instant::now() + pause);
        self.pause = Some((pause * 2).min(PAUSE_MAX));
    }

    /// When there may be another instance, if there is none because one has failed.
    pub(super) fn not_before(&self) -> Option<Instant> {
        self.not_before
    }

    /// Whether the latest failure is to be told: not each one, if there are many.
    pub(super) fn tells(&self) -> bool {
        self.tells
    }
}

/// The limits of an instance that is of no query, and so has no query's end; `None` if the plugin's own will do.
fn lasting(limits: &Limits) -> Option<Limits> {
    limits.query_timeout_ms?;
    let mut limits = limits.clone();
    limits.query_timeout_ms = None;
    Some(limits)
}
