//! What an instance may grow to, and who pays for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use wasmtime::ResourceLimiter;

use super::Failure;
use crate::host::HostCalls;
use crate::limits::Limits;

/// Who pays for a guest's memory. Dropping it gives everything back.
pub(crate) trait MemoryAccount: Send + Sync {
    /// Takes `bytes` more.
    ///
    /// # Errors
    ///
    /// What the payer says if there is no room.
    fn try_grow(&self, bytes: usize) -> Result<(), String>;
}

/// What all live instances of a plugin have together.
#[derive(Debug, Default)]
pub(crate) struct PluginUsage {
    instances: AtomicU32,
    memory_bytes: AtomicU64,
}

/// What the store holds: the limits of this instance, and what its host functions keep.
pub(crate) struct HostState {
    limits: Arc<Limits>,
    usage: Arc<PluginUsage>,
    table_elements: usize,
    pub(super) memory_bytes: usize,
    account: Option<Box<dyn MemoryAccount>>,
    /// The growth that was refused last: if the guest fails after that, this is why.
    pub(super) refused: Option<Failure>,
    /// There if the module imports host functions.
    pub(crate) host: Option<Box<HostCalls>>,
}

impl HostState {
    /// Counts one more instance.
    pub(super) fn new(
        limits: Arc<Limits>,
        usage: Arc<PluginUsage>,
        account: Option<Box<dyn MemoryAccount>>,
        host: Option<Box<HostCalls>>,
    ) -> Result<Self, Failure> {
        let others = usage.instances.fetch_add(1, Ordering::Relaxed);
        // From here on, dropping it takes the count back.
        let this = Self {
            limits,
            usage,
            table_elements: 0,
            memory_bytes: 0,
            account,
            refused: None,
            host,
        };
        match others < this.limits.plugin_instances_max {
            true => Ok(this),
            false => Err(Failure::limit(
                format!("found {others} instances of its plugin alive, as many as there may be"),
                "plugin_instances_max",
            )),
        }
    }

    /// Why memory may not grow by `bytes` to `desired`; takes the bytes otherwise.
    fn grow(&self, bytes: usize, desired: usize) -> Result<(), Failure> {
        let Limits {
            memory_bytes_max,
            plugin_memory_bytes_max,
            ..
        } = *self.limits;
        if desired as u64 > memory_bytes_max {
            return Err(Failure::limit(
                format!("wanted {desired} bytes of memory, the limit is {memory_bytes_max}"),
                "memory_bytes_max",
            ));
        }
        let before = self
            .usage
            .memory_bytes
            .fetch_add(bytes as u64, Ordering::Relaxed);
        let refused = match &self.account {
            _ if before + bytes as u64 > plugin_memory_bytes_max => Failure::limit(
                format!(
                    "wanted {bytes} bytes more memory, its plugin's instances have {before} already, the limit is {plugin_memory_bytes_max}"
                ),
                "plugin_memory_bytes_max",
            ),
            Some(account) => match account.try_grow(bytes) {
                Ok(()) => return Ok(()),
                Err(reason) => Failure::Account {
                    wanted: bytes,
                    reason,
                },
            },
            None => return Ok(()),
        };
        self.usage
            .memory_bytes
            .fetch_sub(bytes as u64, Ordering::Relaxed);
        Err(refused)
    }
}

impl Drop for HostState {
    fn drop(&mut self) {
        let Self {
            usage,
            memory_bytes,
            ..
        } = self;
        usage
            .memory_bytes
            .fetch_sub(*memory_bytes as u64, Ordering::Relaxed);
        usage.instances.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ResourceLimiter for HostState {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let bytes = desired.saturating_sub(current);
        if let Err(refused) = self.grow(bytes, desired) {
            self.refused = Some(refused);
            return Ok(false);
        }
        self.memory_bytes += bytes;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let wanted = self
            .table_elements
            .saturating_add(desired.saturating_sub(current));
        let max = self.limits.table_elements_max;
        if wanted as u64 > max {
            self.refused = Some(Failure::limit(
                format!("wanted tables of {wanted} elements, the limit is {max}"),
                "table_elements_max",
            ));
            return Ok(false);
        }
        self.table_elements = wanted;
        Ok(true)
    }
}
