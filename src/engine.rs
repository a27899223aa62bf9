//! wasmtime engines: one for each configuration, for the whole process.
//!
//! Code compiled for one engine runs in no other, and an engine reserves the address space for all its instances,
//! so engines are shared by all registries whose [`EngineSettings`] agree.

use std::num::NonZeroUsize;
use std::sync::LazyLock;

use dashmap::DashMap;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig,
    ProfilingStrategy, WasmBacktraceDetails,
};

use crate::artifact::Target;
use crate::compiler;
use crate::deadline::{self, Interruption};
use crate::error::{Error, Result};
use crate::instance::PoolOptions;
use crate::limits::Limits;

/// Memories of an instance: the guest's own and the watch page.
const MEMORIES_PER_INSTANCE: u32 = 2;
/// Tables that a module may define. Toolchains make one.
const TABLES_PER_INSTANCE: u32 = 4;
/// Frames of a guest's stack that a trap's backtrace holds.
const BACKTRACE_FRAMES_MAX: usize = 32;
/// Frames of a guest's stack that a sample of a profiler holds.
const SAMPLE_FRAMES_MAX: usize = 256;
/// Most native stack that wasmtime lets guests have.
const STACK_BYTES_MAX: usize = 2 << 20;

/// What makes two engines different.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EngineSettings {
    interruption: Interruption,
    tooling: Tooling,
    fuel: bool,
    stack_bytes_max: usize,
    instances_max: u32,
    table_elements_max: usize,
    resident_bytes: usize,
    warm_slots: u32,
}

/// What tools learn of the guests that run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Tooling {
    /// Linux' `perf` finds the names of their functions.
    pub(crate) perf_map: bool,
    /// A profiler advances the epoch: nobody else's guests shall hear of that.
    pub(crate) sampled: bool,
}

impl EngineSettings {
    pub(crate) fn new(
        limits: &Limits,
        pool: &PoolOptions,
        interruption: Interruption,
        tooling: Tooling,
    ) -> Self {
        Self {
            interruption,
            tooling,
            fuel: limits.call_fuel_max.is_some(),
            stack_bytes_max: limits.stack_bytes_max,
            instances_max: limits.instances_max,
            table_elements_max: usize::try_from(limits.table_elements_max).unwrap_or(usize::MAX),
            resident_bytes: pool.resident_bytes,
            warm_slots: pool.warm_slots,
        }
    }

    /// The engine with these settings, made when it is first asked for.
    ///
    /// # Errors
    ///
    /// If the stack is larger than wasmtime allows, the address space cannot be had, or there is to be a map for `perf` and cannot be one.
    pub(crate) fn engine(self) -> Result<Engine> {
        static ENGINES: LazyLock<DashMap<EngineSettings, Engine>> = LazyLock::new(DashMap::new);
        if self.stack_bytes_max > STACK_BYTES_MAX {
            return Err(Error::Usage(format!(
                "`stack_bytes_max` is {}, at most {STACK_BYTES_MAX} are possible; set it lower",
                self.stack_bytes_max
            )));
        }
        if self.tooling.perf_map && !cfg!(all(feature = "perf", target_os = "linux")) {
            return Err(Error::Usage(
                "`perf_map` is set, but this host cannot write a map for perf; build wasmfusion with its cargo feature `perf`, for Linux"
                    .to_owned(),
            ));
        }
        deadline::start()?;
        let engine = ENGINES
            .entry(self)
            .or_try_insert_with(|| Engine::new(&self.config()))?;
        Ok(engine.clone())
    }

    /// An engine that compiles for `target` what engines with these settings run there. It runs nothing itself.
    ///
    /// # Errors
    ///
    /// If there is no compiler for the target.
    pub(crate) fn engine_for(self, target: &Target) -> wasmtime::Result<Engine> {
        let mut config = self.config();
        config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
        if let Some(triple) = target.triple() {
            compiler::configure_for(&mut config, triple)?;
        }
        Engine::new(&config)
    }

    fn config(self) -> Config {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_core_instances(self.instances_max)
            .total_memories(self.instances_max.saturating_mul(MEMORIES_PER_INSTANCE))
            .total_tables(self.instances_max.saturating_mul(TABLES_PER_INSTANCE))
            .max_memories_per_module(MEMORIES_PER_INSTANCE)
            .max_tables_per_module(TABLES_PER_INSTANCE)
            .table_elements(self.table_elements_max)
            .linear_memory_keep_resident(self.resident_bytes)
            .table_keep_resident(self.resident_bytes)
            .max_unused_warm_slots(self.warm_slots)
            .pagemap_scan(Enabled::No);

        let frames_max = match self.tooling.sampled {
            true => SAMPLE_FRAMES_MAX,
            false => BACKTRACE_FRAMES_MAX,
        };
        let mut config = Config::new();
        if self.tooling.perf_map {
            config.profiler(ProfilingStrategy::PerfMap);
        }
        config
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
            .max_wasm_stack(self.stack_bytes_max)
            // Symbols are resolved from the module as its author built it, not from the one that we rewrote.
            .wasm_backtrace_details(WasmBacktraceDetails::Disable)
            .wasm_backtrace_max_frames(NonZeroUsize::new(frames_max))
            .epoch_interruption(self.interruption == Interruption::Epoch)
            .consume_fuel(self.fuel)
            // What `module::validate` refuses by name is off here too. The second memory is the watch page.
            .wasm_multi_memory(true)
            .wasm_memory64(false)
            .wasm_tail_call(false)
            .wasm_relaxed_simd(false)
            .wasm_custom_page_sizes(false)
            .wasm_wide_arithmetic(false);
        compiler::configure(&mut config);
        config
    }
}

impl From<wasmtime::Error> for Error {
    fn from(error: wasmtime::Error) -> Self {
        Self::Host {
            what: "the WebAssembly engine could not be started".into(),
            reason: format!("{error:#}"),
        }
    }
}
