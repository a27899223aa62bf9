//! One instance of a module: its store, its memory, its exports, and how a call of them ends.
//!
//! An instance serves one stream. Whatever goes wrong in it is a [`Failure`], after which it [is spent](Instance::is_spent) and
//! never called again. This room knows exports and bytes; what the columns in them mean is for others to know.

mod call;
mod explain;
mod failure;
mod held;
mod layout;
mod limiter;
mod meter;
mod observed;
mod pool;

use std::sync::Arc;

use arrow::array::Array as _;

use tracing::Span;
use wasmfusion_abi::{BUFFER_ALIGN, Slice, export};
use wasmtime::{Memory, PoolConcurrencyLimitError, Store, TypedFunc, UpdateDeadline};

use call::Calls;
pub(crate) use call::sample;
pub(crate) use failure::{Failure, Phase};
pub(crate) use held::{Bound, Region};
use layout::Layouts;
pub(crate) use layout::{Input, Layout, LayoutOf, Prepared, Step, Values};
pub(crate) use limiter::{HostState, MemoryAccount, MemoryMeter};
use meter::CurrentCall;
use observed::Observed;
pub(crate) use pool::{InstancePool, PoolCounts, give_back, make, take};
pub use pool::{Isolation, PoolOptions};

use crate::compiled::CompiledModule;
use crate::deadline::{Brake, Cancellation, Deadline, Interruption, Watch, WatchPage};
use crate::host::HostCalls;
use crate::lifecycle::{Admission, Verdict};
use crate::limits::Limits;
use crate::memory::GuestMemory;
use crate::module::{ManifestError, ModuleError};
use crate::observe::InstanceCounters;
use crate::profile::{Entry, ProfiledPlugin};

/// Most bindings, and bytes of their constants, that an instance takes along from one query to another.
const BOUND_MAX: usize = 64;
const BOUND_BYTES_MAX: usize = 1 << 20;
/// Smallest region that is asked of a guest, in bytes.
const REGION_BYTES_MIN: u32 = 4 << 10;

/// An instance of a module.
pub(crate) struct Instance {
    // Before the store: the watch gives its page back before the store gives the memory back.
    watch: Watch,
    store: Store<HostState>,
    instance: wasmtime::Instance,
    memory: Memory,
    calls: Calls,
    counters: Arc<InstanceCounters>,
    current: CurrentCall,
    region: Region,
    /// How often somebody has begun to write into the region. Not every call of a scalar function counts, but those have an instance of their own.
    writes: u64,
    layouts: Layouts,
    bound: Vec<Bound>,
    limits: Arc<Limits>,
    /// When the parts of a batch must be over that are being called.
    parts_deadline: Option<Deadline>,
    /// Whether the module imports host functions.
    calls_host: bool,
    /// There if somebody watches the calls.
    observed: Option<Box<Observed>>,
    spent: bool,
    /// Whether it has done all that it was made for.
    used_up: bool,
    /// Whether the session has lowered limits.
    is_lowered: bool,
    /// Hears how it ends; `None` from then on, and while it waits.
    admission: Option<Admission>,
}

/// For whom an instance is made.
#[derive(Default)]
pub(crate) struct InstanceOptions {
    pub(crate) cancellation: Cancellation,
    /// Who pays for its memory.
    pub(crate) account: Option<Box<dyn MemoryAccount>>,
    /// Limits other than the plugin's own.
    pub(crate) limits: Option<Arc<Limits>>,
    /// Whether the thread that calls it may be kept waiting by host functions.
    pub(crate) may_block: bool,
    /// Whether it serves a stream of a query.
    pub(crate) within_query: bool,
    /// What its calls are part of.
    pub(crate) span: Option<Span>,
    /// Whether it is an observer's, of whose host calls nobody is told.
    pub(crate) of_observer: bool,
}

impl Instance {
    /// Makes an instance and runs its `start` function, if it has one.
    pub(crate) fn new(module: &CompiledModule, options: InstanceOptions) -> Result<Self, Failure> {
        let InstanceOptions {
            cancellation,
            account,
            limits,
            may_block,
            within_query,
            span,
            of_observer,
        } = options;
        let is_lowered = limits.is_some();
        let linked = module.linked()?;
        let limits = limits.unwrap_or_else(|| Arc::clone(module.shared_limits()));
        let host = module.host().map(|host| {
            let (host, limits) = (Arc::clone(host), Arc::clone(&limits));
            Box::new(HostCalls::new(
                host,
                limits,
                cancellation.query(),
                may_block,
                of_observer,
            ))
        });
        let calls_host = host.is_some();
        let plugin = Arc::clone(module.counters());
        let counters = plugin.begin(cancellation.query(), within_query);
        let mut state = HostState::new(
            Arc::clone(&limits),
            plugin,
            Arc::clone(&counters),
            account,
            host,
        )?;
        state.sampler = module.profiled().map(ProfiledPlugin::sampler);
        let observed = Observed::new(span.unwrap_or_else(Span::none), state.sampler.is_some());
        let mut store = Store::new(module.engine(), state);
        store.limiter(|state| state);
        if let Some(fuel) = limits.call_fuel_max {
            // Active segments are copied on instantiation, which burns fuel too.
            let _ = store.set_fuel(fuel);
        }
        if module.interruption() == Interruption::Epoch {
            store.set_epoch_deadline(1);
        }
        let instance = match linked.pre.instantiate(&mut store) {
            Ok(instance) => instance,
            Err(error) => {
                return Err(store.data_mut().refused.take().unwrap_or_else(|| {
                    match error.downcast_ref::<PoolConcurrencyLimitError>() {
                        Some(_) => Failure::instances(&limits),
                        None => Failure::Instantiate(format!("{error:#}")),
                    }
                }));
            }
        };
        let exports = &linked.exports;
        let memory = exports
            .memory
            .as_ref()
            .and_then(|e| instance.get_module_export(&mut store, e))
            .and_then(|e| e.into_memory())
            .ok_or_else(missing)?;
        let alloc = exports
            .alloc
            .as_ref()
            .and_then(|e| instance.get_module_export(&mut store, e))
            .and_then(|e| e.into_func())
            .and_then(|f| f.typed(&store).ok())
            .ok_or_else(missing)?;
        let watch = watch(module, &instance, &mut store, &limits, cancellation)?;
        if let Some(host) = &mut store.data_mut().host {
            host.attach(memory, watch.handle());
        }
        let mut this = Self {
            watch,
            store,
            instance,
            memory,
            calls: Calls {
                alloc,
                functions: exports.functions.iter().map(|_| None).collect(),
            },
            counters,
            current: CurrentCall::default(),
            region: Region::default(),
            writes: 0,
            layouts: Layouts::default(),
            bound: Vec::new(),
            limits,
            parts_deadline: None,
            calls_host,
            observed,
            spent: false,
            used_up: false,
            is_lowered,
            admission: None,
        };
        if let Some(start) = &exports.start {
            let start: TypedFunc<(), ()> = this.export(start).ok_or_else(missing)?;
            let entry = Entry::Export("start");
            this.run_observed(module, Phase::Describe, entry, None, |store, _| {
                start.call(store, ())
            })?;
        }
        Ok(this)
    }

    /// Whether a call has failed in this instance, so that its memory cannot be trusted to hold together.
    pub(crate) fn is_spent(&self) -> bool {
        self.spent
    }

    /// Whether it may be called again.
    #[inline]
    pub(crate) fn is_usable(&self) -> bool {
        !self.spent && !self.used_up
    }

    /// Makes this the instance's last call if it serves no more than one.
    #[inline]
    pub(crate) fn after_call(&mut self, module: &CompiledModule) {
        self.used_up = module.pool().options().isolation == Isolation::Call;
    }

    /// Whether what it remembers for its callers is little.
    fn is_light(&self) -> bool {
        let bytes = |bound: &Bound| -> usize {
            let constants = bound.constants.iter().flatten();
            constants
                .map(|constant| constant.get_array_memory_size())
                .sum()
        };
        self.bound.len() <= BOUND_MAX
            && self.bound.iter().map(bytes).sum::<usize>() <= BOUND_BYTES_MAX
    }

    /// Whether no session has lowered its limits.
    fn has_limits_of(&self, module: &CompiledModule) -> bool {
        Arc::ptr_eq(&self.limits, module.shared_limits())
    }

    /// Makes somebody hear how it ends.
    fn report_to(&mut self, admission: Admission) {
        self.admission = Some(admission);
    }

    /// Has an instance that waits serve somebody.
    fn adopt(&mut self, module: &CompiledModule, options: InstanceOptions) -> Result<(), Failure> {
        let InstanceOptions {
            cancellation,
            account,
            // Those of the plugin, as the instance has.
            limits: _,
            may_block,
            within_query,
            span,
            // Observers have their instances made for them alone.
            of_observer: _,
        } = options;
        let query = cancellation.query();
        let counters = module.counters().begin(query, within_query);
        let meter = &mut self.store.data_mut().meter;
        if let Err(refused) = meter.pass_on(&counters, account) {
            module.counters().end(&counters);
            return Err(refused);
        }
        self.counters = counters;
        let limits = Arc::clone(&self.limits);
        self.watch = watch(
            module,
            &self.instance,
            &mut self.store,
            &limits,
            cancellation,
        )?;
        let handle = self.watch.handle();
        let sampled = self.store.data().sampler.is_some();
        self.observed = Observed::new(span.unwrap_or_else(Span::none), sampled);
        if let Some(host) = &mut self.store.data_mut().host {
            host.attach(self.memory, handle);
            host.serve(query, may_block);
        }
        Ok(())
    }

    /// Has the instance wait for somebody: nobody pays for it, and what it has counted is done.
    fn rest(&mut self) {
        self.conclude_well();
        self.calls
            .functions
            .iter_mut()
            .for_each(|function| *function = None);
        self.counters.idle();
        self.observed = None;
        if let Some(sampler) = &mut self.store.data_mut().sampler {
            sampler.flush();
        }
        self.store.data_mut().meter.account = None;
    }

    /// Makes this the instance's last call: the guest broke a promise.
    #[cold]
    pub(crate) fn give_up(&mut self) {
        self.spent = true;
        self.mark_failed(&Span::none(), "bad_result", || {
            "the function broke the interface".to_owned()
        });
        self.conclude(match self.is_lowered {
            true => Verdict::Nothing,
            false => Verdict::Fault("it returned a bad result".to_owned()),
        });
    }

    /// Makes this the instance's last call: it failed.
    #[cold]
    fn fail(&mut self, failure: Failure) -> Failure {
        self.spent = true;
        self.conclude(failure.verdict(self.is_lowered));
        failure
    }

    /// Says how it ended, unless that was said before.
    fn conclude(&mut self, verdict: Verdict) {
        if let Some(mut admission) = self.admission.take() {
            admission.judge(verdict);
        }
    }

    /// Says that nothing went wrong.
    fn conclude_well(&mut self) {
        // What only was bound has not shown that it works.
        let was_called = self.calls.functions.iter().any(Option::is_some);
        self.conclude(match was_called {
            true => Verdict::Good,
            false => Verdict::Nothing,
        });
    }

    /// Whether somebody watches its calls.
    #[inline]
    pub(crate) fn is_observed(&self) -> bool {
        self.observed.is_some()
    }

    /// The limits that hold for it.
    #[inline]
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The guest's memory. While this is held the guest cannot run.
    #[inline]
    pub(crate) fn memory(&mut self) -> GuestMemory<'_> {
        GuestMemory::new(self.memory.data_mut(&mut self.store))
    }

    /// What was bound in this instance.
    pub(crate) fn bound(&self) -> &[Bound] {
        &self.bound
    }

    /// Adds to what was bound in this instance.
    pub(crate) fn remember(&mut self, bound: Bound) {
        self.bound.push(bound);
    }

    /// Takes the layout of these calls, if they were made before and the region is still where it was.
    #[inline]
    pub(crate) fn take_layout(&mut self, of: LayoutOf) -> Option<Box<Layout>> {
        self.layouts.take(of)
    }

    /// Keeps the layout of calls for the next ones.
    #[inline]
    pub(crate) fn keep_layout(&mut self, layout: Box<Layout>) {
        self.layouts.keep(layout);
    }

    /// Bytes of memory that the instance holds, the watch page included.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.store.data().meter.bytes
    }

    /// The host's region as it is.
    pub(crate) fn current_region(&self) -> Region {
        self.region
    }

    /// Whether the host's region is still this one, to be written into.
    #[inline]
    pub(crate) fn has_region(&mut self, region: Region) -> bool {
        self.writes += 1;
        self.region == region
    }

    /// A number that is another one after somebody has asked for the region, to write into it.
    pub(crate) fn writes(&self) -> u64 {
        self.writes
    }

    /// The host's region, with room for `size` bytes at least.
    #[inline]
    pub(crate) fn region(&mut self, module: &CompiledModule, size: u64) -> Result<Region, Failure> {
        self.writes += 1;
        if u64::from(self.region.size) >= size {
            Ok(self.region)
        } else {
            self.grow_region(module, size)
        }
    }

    #[cold]
    fn grow_region(&mut self, module: &CompiledModule, wanted: u64) -> Result<Region, Failure> {
        // Powers of two, so that batches of about one size ask once; no slack where a batch is large.
        let generous = wanted.next_power_of_two().max(u64::from(REGION_BYTES_MIN));
        let size = if wanted > (16 << 20) {
            wanted.next_multiple_of(64 << 10)
        } else {
            generous
        };
        let Ok(size) = u32::try_from(size) else {
            return Err(Failure::no_room(wanted, &self.limits));
        };
        if let Some(host) = &mut self.store.data_mut().host {
            host.shut();
        }
        let entry = Entry::Export(export::ALLOC);
        let address = self.run_observed(module, Phase::Call, entry, None, |store, calls| {
            calls.alloc.call(store, (size, BUFFER_ALIGN))
        })?;
        if address == 0 {
            let refused = self.store.data_mut().refused.take();
            let failure = refused.unwrap_or_else(|| Failure::no_room(wanted, &self.limits));
            return Err(self.fail(failure));
        }
        let end = u64::from(address) + u64::from(size);
        if address % BUFFER_ALIGN != 0 || end > self.memory.data_size(&self.store) as u64 {
            return Err(self.fail(Failure::bad_region(address, size)));
        }
        self.region = Region { address, size };
        self.layouts.clear();
        Ok(self.region)
    }

    /// The manifest, whose [`Slice`] is at `address`.
    pub(crate) fn manifest_bytes(
        &mut self,
        module: &CompiledModule,
        address: u32,
    ) -> Result<Vec<u8>, ModuleError> {
        let memory = self.memory();
        let Slice { address, length } = memory
            .read("the manifest's address and length", address)
            .map_err(ManifestError::from)?;
        let max = module.limits().manifest_bytes_max;
        if length as usize > max {
            return Err(ManifestError::TooLarge {
                bytes: length as usize,
                max,
            }
            .into());
        }
        Ok(memory
            .slice("the manifest", address, length as usize, 1)
            .map_err(ManifestError::from)?
            .to_vec())
    }
}

/// Puts an instance under watch.
fn watch(
    module: &CompiledModule,
    instance: &wasmtime::Instance,
    store: &mut Store<HostState>,
    limits: &Limits,
    cancellation: Cancellation,
) -> Result<Watch, Failure> {
    let query_deadline = limits
        .query_timeout_ms
        .map(|timeout_ms| cancellation.deadline(timeout_ms));
    match module.interruption() {
        Interruption::WatchPage => {
            let export = module.exports().and_then(|exports| exports.watch.as_ref());
            let page = export
                .and_then(|e| instance.get_module_export(&mut *store, e))
                .and_then(|e| e.into_memory())
                .ok_or_else(missing)?;
            // SAFETY: the page is the memory that instrumentation appended: one wasm page, which neither grows nor moves, exported
            // under a reserved name, read by the instance's own code alone. `Instance` drops the watch before the store.
            let page = unsafe { WatchPage::new(page.data_ptr(&*store), page.data_size(&*store)) };
            Ok(Watch::new(Brake::Page(page), cancellation, query_deadline))
        }
        Interruption::Epoch => {
            let brake = Brake::Epoch(module.engine().weak());
            let watch = Watch::new(brake, cancellation, query_deadline);
            let handle = watch.handle();
            store.epoch_deadline_callback(move |context| {
                if handle.is_stopped() {
                    return Ok(UpdateDeadline::Interrupt);
                }
                sample(context, None);
                Ok(UpdateDeadline::Continue(1))
            });
            Ok(watch)
        }
    }
}

fn missing() -> Failure {
    Failure::Instantiate("an export that was checked at load is gone".into())
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.conclude_well();
    }
}
