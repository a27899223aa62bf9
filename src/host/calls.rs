//! What host functions keep for one instance: what it has open, the last reply that did not fit, the last error.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::Memory;

use super::error::{HostError, Status};
use super::gate::{Answer, Call, Refused};
use super::handle::Handles;
use super::plugin_host::PluginHost;
use crate::audit::{Collector, Entry, NO_FUNCTION};
use crate::deadline::WatchHandle;
use crate::instance::{Failure, MemoryMeter};
use crate::limits::Limits;

/// What host functions keep for one instance.
pub(crate) struct HostCalls {
    host: Arc<PluginHost>,
    limits: Arc<Limits>,
    /// There from when the instance is.
    attached: Option<(Memory, WatchHandle)>,
    /// Whether what runs may call: a function, or `wasmfusion_bind`.
    open: bool,
    function: u32,
    query: u64,
    /// Whether the thread may be kept waiting.
    may_block: bool,
    /// Whether an observer's instance calls: nobody is told of that.
    of_observer: bool,
    handles: Handles,
    reply: Vec<u8>,
    error: String,
    records: Collector,
    spent: HostSpent,
}

/// What host calls have cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HostSpent {
    pub(crate) calls: u64,
    /// How long they took, in the units of the audit log's clock.
    pub(crate) time: u64,
    /// Those that were refused for want of a grant.
    pub(crate) denials: u64,
}

impl HostCalls {
    pub(crate) fn new(
        host: Arc<PluginHost>,
        limits: Arc<Limits>,
        query: u64,
        may_block: bool,
        of_observer: bool,
    ) -> Self {
        let handles = Handles::new(limits.handles_max, Arc::clone(&host));
        Self {
            host,
            limits,
            attached: None,
            open: false,
            function: NO_FUNCTION,
            query,
            may_block,
            of_observer,
            handles,
            reply: Vec::new(),
            error: String::new(),
            records: Collector::default(),
            spent: HostSpent::default(),
        }
    }

    /// Counts a host call.
    #[inline]
    pub(super) fn count(&mut self, time: u64, denied: bool) {
        self.spent.calls += 1;
        self.spent.time += time;
        self.spent.denials += u64::from(denied);
    }

    /// What host calls have cost since this was asked last.
    #[inline]
    pub(crate) fn take_spent(&mut self) -> HostSpent {
        std::mem::take(&mut self.spent)
    }

    /// A time of [`HostSpent`] in nanoseconds.
    #[inline]
    pub(crate) fn ns(&self, time: u64) -> u64 {
        self.host.audit().ns(time)
    }

    /// Makes the instance's memory and its watch known.
    pub(crate) fn attach(&mut self, memory: Memory, watch: WatchHandle) {
        self.attached = Some((memory, watch));
    }

    /// Says which query the instance serves from now on, and whether its thread may be kept waiting.
    pub(crate) fn serve(&mut self, query: u64, may_block: bool) {
        self.query = query;
        self.may_block = may_block;
    }

    /// Says which function runs, for the record: from here on the guest may call.
    #[inline]
    pub(crate) fn begin(&mut self, place: usize) {
        self.function = place as u32;
        self.open = true;
    }

    /// Says that the guest runs to be bound.
    pub(crate) fn begin_bind(&mut self) {
        self.function = NO_FUNCTION;
        self.open = true;
    }

    /// Says that the guest runs for something in which it may not call.
    pub(crate) fn shut(&mut self) {
        self.open = false;
    }

    /// The instance's memory, if what runs may call.
    #[inline]
    pub(super) fn memory(&self) -> Option<Memory> {
        let attached = self.attached.as_ref().filter(|_| self.open);
        attached.map(|(memory, _)| *memory)
    }

    #[inline]
    pub(super) fn host(&self) -> &Arc<PluginHost> {
        &self.host
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) fn function(&self) -> u32 {
        self.function
    }

    pub(super) fn query(&self) -> u64 {
        self.query
    }

    /// Whether an observer's instance calls.
    #[inline]
    pub(super) fn is_of_observer(&self) -> bool {
        self.of_observer
    }

    pub(super) fn handles(&mut self) -> &mut Handles {
        &mut self.handles
    }

    /// When a host call that begins now must be over: after its own time, or with the guest's.
    pub(super) fn deadline(&self) -> Instant {
        let guest_ms = self
            .attached
            .as_ref()
            .map_or(0, |(_, watch)| watch.remaining_ms());
        Instant::now() + Duration::from_millis(guest_ms.min(self.limits.host_call_timeout_ms))
    }

    /// Tells, from any thread, whether nobody waits for the answer any more.
    pub(super) fn cancelled(&self) -> Arc<dyn Fn() -> bool + Send + Sync> {
        let watch = self.attached.as_ref().map(|(_, watch)| watch.clone());
        Arc::new(move || watch.as_ref().is_none_or(WatchHandle::is_over))
    }

    /// That the thread may be kept waiting.
    pub(super) fn require_blocking(&self) -> Result<(), Refused> {
        match self.may_block {
            true => Ok(()),
            false => Err(HostError::new(
                Status::Unavailable,
                "the function was called where it must not wait: while a query is planned, or outside of one; declare it `volatile`, so \
                 that the planner does not call it",
            )
            .into()),
        }
    }

    /// Keeps a reply for which the guest has no room. What it takes belongs to the instance's memory.
    pub(super) fn keep_reply(
        &mut self,
        bytes: &[u8],
        meter: &mut MemoryMeter,
    ) -> Result<(), HostError> {
        self.reply.clear();
        let missing = bytes.len().saturating_sub(self.reply.capacity());
        if missing > 0 {
            meter.grow(missing).map_err(|failure| {
                let reason = match failure {
                    Failure::Limit { what, setting } => {
                        format!("it {what}; raise `{setting}` if it needs more")
                    }
                    Failure::Account { reason, .. } => reason,
                    _ => "there is no room".to_owned(),
                };
                let length = bytes.len();
                HostError::new(
                    Status::Limit,
                    format!("the reply of {length} bytes cannot be kept: {reason}"),
                )
            })?;
            self.reply.reserve_exact(bytes.len());
        }
        self.reply.extend_from_slice(bytes);
        Ok(())
    }

    /// Leaves a record of a host call.
    #[inline]
    pub(super) fn record(&mut self, entry: Entry, reached_outside: bool) {
        if reached_outside {
            self.end();
            self.host.audit().push_outside(entry);
        } else {
            let host = &self.host;
            self.records.add(entry, |entry| host.push_record(entry));
        }
    }

    /// Says that the guest has returned: what it did can be read from here on.
    #[inline]
    pub(crate) fn end(&mut self) {
        let host = &self.host;
        self.records.flush(|entry| host.push_record(entry));
    }

    #[cold]
    pub(super) fn remember_error(&mut self, error: &HostError) {
        let text = self.host.redactor().redact(error.message());
        let cut = text.floor_char_boundary(self.limits.error_bytes_max);
        self.error.clear();
        self.error.push_str(&text[..cut]);
    }
}

impl Drop for HostCalls {
    fn drop(&mut self) {
        self.end();
    }
}

/// `reply(out, capacity)`.
pub(super) fn reply(call: &mut Call<'_>, out: u32, capacity: u32) -> Answer {
    let mut reply = std::mem::take(&mut call.calls.reply);
    if reply.len() > capacity as usize {
        let length = reply.len() as i64;
        call.calls.reply = reply;
        return Ok(length);
    }
    let answer = call.reply(&reply, out, capacity);
    // Its room is paid for: it is kept for the next one.
    reply.clear();
    call.calls.reply = reply;
    answer
}

/// `error(out, capacity)`.
pub(super) fn error(call: &mut Call<'_>, out: u32, capacity: u32) -> Answer {
    // Bounded by `error_bytes_max` already.
    let error = &call.calls.error;
    let cut = &error.as_bytes()[..error.floor_char_boundary(capacity as usize)];
    let room = call
        .memory
        .slice_mut("room for the error", out, cut.len(), 1)?;
    room.copy_from_slice(cut);
    Ok(cut.len() as i64)
}

/// `close(handle)`.
pub(super) fn close(call: &mut Call<'_>, handle: u32) -> Answer {
    call.calls.handles.close(handle)?;
    Ok(0)
}
