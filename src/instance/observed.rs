//! What is done around the calls of an instance that somebody watches: spans for `tracing`, samples for a profiler.
//!
//! Whether anybody does is found out when the instance is made, so that the calls of all others ask one thing only.

use tracing::field::Empty;
use tracing::{Level, Span, enabled};
use wasmfusion_abi::CallFrame;

use super::{Calls, Failure, Instance, Phase};
use crate::compiled::CompiledModule;
use crate::instance::HostState;
use crate::profile::Entry;

/// The spans of an instance.
pub(super) struct Observed {
    /// The instance's own. Its calls are below it.
    span: Span,
    /// Whether each call gets a span.
    calls_traced: bool,
    calls: u64,
    rows: u64,
}

impl Observed {
    /// `None` if nobody watches an instance that is made now.
    pub(super) fn new(span: Span, sampled: bool) -> Option<Box<Self>> {
        let calls_traced = enabled!(target: "wasmfusion::call", Level::TRACE);
        (sampled || calls_traced || !span.is_disabled()).then(|| {
            Box::new(Self {
                span,
                calls_traced,
                calls: 0,
                rows: 0,
            })
        })
    }

    fn call_span(&self, module: &CompiledModule, place: usize, rows: u32) -> Span {
        if !self.calls_traced {
            return self.span.clone();
        }
        let names = module.names();
        let function = names.function(place);
        let parent = match self.span.is_disabled() {
            true => Span::current(),
            false => self.span.clone(),
        };
        tracing::trace_span!(
            target: "wasmfusion::call",
            parent: &parent,
            "wasm_call",
            otel.name = function,
            otel.kind = "internal",
            otel.status_code = Empty,
            otel.status_description = Empty,
            error.type = Empty,
            code.function.name = display(format_args!("{}::{function}", names.plugin)),
            wasmfusion.plugin.name = names.plugin,
            wasmfusion.plugin.version = names.version,
            wasmfusion.rows = rows,
        )
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        self.span.record("wasmfusion.calls", self.calls);
        self.span.record("wasmfusion.rows", self.rows);
    }
}

impl Instance {
    /// Calls a function of the manifest as somebody watches.
    #[cold]
    pub(super) fn call_observed(
        &mut self,
        module: &CompiledModule,
        place: usize,
        frame: u32,
        error_address: u32,
    ) -> Result<i32, Failure> {
        let frame_of_call: Option<CallFrame> = self.memory().read("frame", frame).ok();
        let rows = frame_of_call.map_or(0, |frame| frame.rows);
        let span = match &mut self.observed {
            Some(observed) => {
                observed.calls += 1;
                observed.rows += u64::from(rows);
                observed.call_span(module, place, rows)
            }
            None => Span::none(),
        };
        let entered = span.enter();
        let entry = Entry::Function(place as u32);
        let result = self.run_observed(module, Phase::Call, entry, Some(error_address), |s, c| {
            c.call(s, place, frame)
        });
        drop(entered);
        match &result {
            Ok(wasmfusion_abi::status::OK) => {}
            Ok(_) => {
                self.mark_failed(&span, "guest", || {
                    "the function answered with an error".to_owned()
                });
            }
            Err(failure) => self.mark_failed(&span, failure.kind(), || failure.to_text()),
        }
        result
    }

    /// As [`Self::run`], under the instance's span and with samples taken, if there are such.
    pub(super) fn run_observed<R>(
        &mut self,
        module: &CompiledModule,
        phase: Phase,
        entry: Entry,
        error_address: Option<u32>,
        call: impl FnOnce(&mut wasmtime::Store<HostState>, &Calls) -> wasmtime::Result<R>,
    ) -> Result<R, Failure> {
        if self.observed.is_none() {
            return self.run(module, phase, error_address, call);
        }
        if let Some(sampler) = &mut self.store.data_mut().sampler {
            sampler.begin(entry);
            // Ticks that came while the guest did not run are not for it.
            self.store.set_epoch_deadline(1);
        }
        let result = self.run(module, phase, error_address, call);
        if let Some(sampler) = &mut self.store.data_mut().sampler {
            sampler.end();
        }
        result
    }

    /// Says in the spans that a call failed, and why.
    pub(super) fn mark_failed(&self, call: &Span, kind: &'static str, reason: impl Fn() -> String) {
        let own = self.observed.as_ref().map(|observed| &observed.span);
        let same = own.and_then(Span::id) == call.id();
        let spans = [Some(call), own.filter(|_| !same)];
        let spans = spans.into_iter().flatten();
        for span in spans.filter(|span| !span.is_disabled()) {
            span.record("otel.status_code", "ERROR");
            span.record("otel.status_description", reason());
            span.record("error.type", kind);
        }
    }
}
