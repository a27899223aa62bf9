//! Calls into an instance, whichever of its exports they are for: under its watch, within its limits.

use std::time::Instant;

use wasmfusion_abi::export;
use wasmtime::{Store, StoreContextMut, TypedFunc, WasmBacktrace};

use super::meter::Callable;
use super::{Failure, HostState, Instance, Phase};
use crate::compiled::CompiledModule;
use crate::deadline::Deadline;
use crate::profile::{Entry, Sampler};

/// Native stack that the host itself may need below a guest: signal frames, libcalls.
const HOST_STACK_BYTES: usize = 256 << 10;

/// The exports that queries call. Apart from the store, so that a call borrows both and clones neither.
pub(super) struct Calls {
    pub(super) alloc: TypedFunc<(u32, u32), u32>,
    /// By place in the manifest; looked up at a function's first call.
    pub(super) functions: Vec<Option<Callable>>,
}

impl Calls {
    #[inline]
    pub(super) fn call(
        &self,
        store: &mut Store<HostState>,
        place: usize,
        frame: u32,
    ) -> wasmtime::Result<i32> {
        match self.functions.get(place) {
            Some(Some(callable)) => callable.function.call(store, frame),
            _ => Err(wasmtime::Error::msg("the function was not resolved")),
        }
    }
}

impl Instance {
    /// Calls the function at `place` in the manifest with a frame whose error is at `error_address`.
    #[inline]
    pub(crate) fn call_function(
        &mut self,
        module: &CompiledModule,
        place: usize,
        frame: u32,
        error_address: u32,
    ) -> Result<i32, Failure> {
        if !matches!(self.calls.functions.get(place), Some(Some(_))) {
            self.resolve(module, place)?;
        }
        if self.calls_host
            && let Some(host) = &mut self.store.data_mut().host
        {
            host.begin(place);
        }
        if self.observed.is_some() {
            return self.call_observed(module, place, frame, error_address);
        }
        self.run(module, Phase::Call, Some(error_address), |store, calls| {
            calls.call(store, place, frame)
        })
    }

    /// The calls that follow are for parts of one batch: they have the time of one call together.
    pub(crate) fn begin_parts(&mut self) {
        self.parts_deadline = Some(Deadline::after(Phase::Call.timeout_ms(&self.limits)));
    }

    /// Ends what [`Self::begin_parts`] began.
    pub(crate) fn end_parts(&mut self) {
        self.parts_deadline = None;
    }

    /// Calls `wasmfusion_bind`.
    pub(crate) fn call_bind(
        &mut self,
        module: &CompiledModule,
        frame: u32,
        error_address: u32,
    ) -> Result<i32, Failure> {
        let bind: Option<TypedFunc<u32, i32>> = module
            .exports()
            .and_then(|exports| exports.bind.as_ref())
            .and_then(|bind| self.export(bind));
        let bind = bind.ok_or_else(|| Failure::Instantiate("wasmfusion_bind is gone".into()))?;
        if let Some(host) = &mut self.store.data_mut().host {
            host.begin_bind();
        }
        let entry = Entry::Export(export::BIND);
        self.run_observed(
            module,
            Phase::Call,
            entry,
            Some(error_address),
            |store, _| bind.call(store, frame),
        )
    }

    /// Calls an export that takes nothing and returns an i32: `wasmfusion_abi_version`, `wasmfusion_describe`.
    pub(crate) fn call_plain(
        &mut self,
        module: &CompiledModule,
        of: &wasmtime::ModuleExport,
    ) -> Result<i32, Failure> {
        let function: TypedFunc<(), i32> = self.export(of).ok_or_else(|| {
            Failure::Instantiate("an export that was checked at load is gone".into())
        })?;
        let entry = Entry::Export(export::DESCRIBE);
        self.run_observed(module, Phase::Describe, entry, None, |store, _| {
            function.call(store, ())
        })
    }

    /// Makes the function at `place` callable.
    #[cold]
    pub(super) fn resolve(&mut self, module: &CompiledModule, place: usize) -> Result<(), Failure> {
        let exports = module.exports().map(|exports| &exports.functions);
        let export = exports.and_then(|exports| exports.get(place)).cloned();
        let export = export.flatten();
        let function = export.and_then(|export| self.export(&export));
        let counters = module.function_counters(place);
        match (self.calls.functions.get_mut(place), function) {
            (Some(slot), Some(function)) => {
                *slot = Some(Callable::new(function, counters, &self.counters));
                Ok(())
            }
            _ => Err(Failure::Instantiate(
                "a function that was checked at load is gone".into(),
            )),
        }
    }

    pub(super) fn export<P: wasmtime::WasmParams, R: wasmtime::WasmResults>(
        &mut self,
        export: &wasmtime::ModuleExport,
    ) -> Option<TypedFunc<P, R>> {
        self.instance
            .get_module_export(&mut self.store, export)?
            .into_func()?
            .typed(&self.store)
            .ok()
    }

    /// Runs guest code under the watch, with enough native stack for all the stack that a guest may use.
    #[inline]
    pub(super) fn run<R>(
        &mut self,
        module: &CompiledModule,
        phase: Phase,
        error_address: Option<u32>,
        call: impl FnOnce(&mut Store<HostState>, &Calls) -> wasmtime::Result<R>,
    ) -> Result<R, Failure> {
        let Self {
            watch,
            store,
            calls,
            limits,
            calls_host,
            current,
            parts_deadline,
            admission,
            ..
        } = self;
        if let Some(stop) = watch.is_over() {
            // What it would have done nobody knows.
            *admission = None;
            return Err(Failure::stopped(stop, phase, limits));
        }
        // What was refused to an earlier call, which could do without, does not explain a failure of this one.
        if store.data().refused.is_some() {
            store.data_mut().refused = None;
        }
        if let Some(fuel) = limits.call_fuel_max {
            // Fails only where the engine does not count fuel, which `EngineSettings` sees to.
            let _ = store.set_fuel(fuel);
        }
        let stack_bytes = limits.stack_bytes_max + HOST_STACK_BYTES;
        let started = current.started.map(|_| Instant::now());
        watch.start(parts_deadline.unwrap_or_else(|| Deadline::after(phase.timeout_ms(limits))));
        let result = stacker::maybe_grow(stack_bytes, stack_bytes * 2, || call(store, calls));
        let stopped = watch.finish();
        if let Some(started) = started {
            current.guest += started.elapsed();
        }
        if let Some(fuel) = limits.call_fuel_max {
            current.fuel += fuel.saturating_sub(store.get_fuel().unwrap_or(fuel));
        }
        if *calls_host && let Some(host) = &mut store.data_mut().host {
            host.end();
        }
        match (stopped, result) {
            (None, Ok(result)) => Ok(result),
            (Some(stop), _) => {
                let failure = Failure::stopped(stop, phase, &self.limits);
                Err(self.fail(failure))
            }
            (None, Err(error)) => {
                let failure = self.explain(module, error_address, &error);
                Err(self.fail(failure))
            }
        }
    }
}

/// Takes a sample of the guest that runs, or of the host function that it has called, if one is due. Whether it was.
pub(crate) fn sample(
    mut context: StoreContextMut<'_, HostState>,
    host: Option<&'static str>,
) -> bool {
    let due = |sampler: &Sampler| sampler.is_due(host.is_some());
    if !context.data().sampler.as_deref().is_some_and(due) {
        return false;
    }
    let stack = WasmBacktrace::force_capture(&context);
    if let Some(sampler) = &mut context.data_mut().sampler {
        sampler.sample(stack.frames(), host);
    }
    true
}
