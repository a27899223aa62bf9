//! What an instance may grow to, and who pays for it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use wasmtime::ResourceLimiter;

use super::Failure;
use crate::host::HostCalls;
use crate::limits::Limits;
use crate::observe::{InstanceCounters, PluginCounters};
use crate::profile::Sampler;

/// Who pays for a guest's memory. Dropping it gives everything back.
pub(crate) trait MemoryAccount: Send + Sync {
    /// Takes `bytes` more.
    ///
    /// # Errors
    ///
    /// What the payer says if there is no room.
    fn try_grow(&self, bytes: usize) -> Result<(), String>;
}

/// What the store holds: the limits of this instance, and what its host functions keep.
pub(crate) struct HostState {
    pub(super) meter: MemoryMeter,
    table_elements: usize,
    /// The growth that was refused last: if the guest fails after that, this is why.
    pub(super) refused: Option<Failure>,
    /// There if the module imports host functions.
    pub(crate) host: Option<Box<HostCalls>>,
    /// There if the instance is sampled.
    pub(crate) sampler: Option<Box<Sampler>>,
}

/// The memory of one instance, and what the host keeps for it.
pub(crate) struct MemoryMeter {
    limits: Arc<Limits>,
    plugin: Arc<PluginCounters>,
    instance: Arc<InstanceCounters>,
    pub(super) account: Option<Box<dyn MemoryAccount>>,
    pub(super) bytes: usize,
}

impl HostState {
    /// Counts one more instance.
    pub(super) fn new(
        limits: Arc<Limits>,
        plugin: Arc<PluginCounters>,
        instance: Arc<InstanceCounters>,
        account: Option<Box<dyn MemoryAccount>>,
        host: Option<Box<HostCalls>>,
    ) -> Result<Self, Failure> {
        let others = plugin.instances.fetch_add(1, Ordering::Relaxed);
        // From here on, dropping it takes the count back.
        let this = Self {
            meter: MemoryMeter {
                limits,
                plugin,
                instance,
                account,
                bytes: 0,
            },
            table_elements: 0,
            refused: None,
            host,
            sampler: None,
        };
        match others < this.meter.limits.plugin_instances_max {
            true => Ok(this),
            false => Err(Failure::limit(
                format!("found {others} instances of its plugin alive, as many as there may be"),
                "plugin_instances_max",
            )),
        }
    }

    /// What host functions keep, and who pays for it.
    #[inline]
    pub(crate) fn host_and_meter(&mut self) -> Option<(&mut HostCalls, &mut MemoryMeter)> {
        let host = self.host.as_deref_mut()?;
        Some((host, &mut self.meter))
    }
}

impl MemoryMeter {
    /// Lets somebody else pay for the memory from now on, and count.
    ///
    /// # Errors
    ///
    /// Why the payer has no room.
    pub(super) fn pass_on(
        &mut self,
        instance: &Arc<InstanceCounters>,
        account: Option<Box<dyn MemoryAccount>>,
    ) -> Result<(), Failure> {
        if let Some(account) = &account {
            let bytes = self.bytes;
            account.try_grow(bytes).map_err(|reason| Failure::Account {
                wanted: bytes,
                reason,
            })?;
        }
        instance.set_memory(self.bytes);
        self.plugin.end(&self.instance);
        self.instance = Arc::clone(instance);
        self.account = account;
        Ok(())
    }

    /// Takes `bytes` more.
    ///
    /// # Errors
    ///
    /// Why there is no room for them.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Failure> {
        let plugin_memory_bytes_max = self.limits.plugin_memory_bytes_max;
        let before = self
            .plugin
            .memory_bytes
            .fetch_add(bytes as u64, Ordering::Relaxed);
        let grown = match &self.account {
            _ if before + bytes as u64 > plugin_memory_bytes_max => Err(Failure::limit(
                format!(
                    "wanted {bytes} bytes more memory, its plugin's instances have {before} already, the limit is {plugin_memory_bytes_max}"
                ),
                "plugin_memory_bytes_max",
            )),
            Some(account) => account.try_grow(bytes).map_err(|reason| Failure::Account {
                wanted: bytes,
                reason,
            }),
            None => Ok(()),
        };
        match grown {
            Ok(()) => {
                self.bytes += bytes;
                self.instance.set_memory(self.bytes);
            }
            Err(_) => {
                self.plugin
                    .memory_bytes
                    .fetch_sub(bytes as u64, Ordering::Relaxed);
            }
        }
        grown
    }
}

impl Drop for MemoryMeter {
    fn drop(&mut self) {
        let Self {
            plugin,
            instance,
            bytes,
            ..
        } = self;
        plugin
            .memory_bytes
            .fetch_sub(*bytes as u64, Ordering::Relaxed);
        plugin.instances.fetch_sub(1, Ordering::Relaxed);
        plugin.end(instance);
    }
}

impl ResourceLimiter for HostState {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let max = self.meter.limits.memory_bytes_max;
        let grown = match desired as u64 > max {
            true => Err(Failure::limit(
                format!("wanted {desired} bytes of memory, the limit is {max}"),
                "memory_bytes_max",
            )),
            false => self.meter.grow(desired.saturating_sub(current)),
        };
        if let Err(refused) = grown {
            self.refused = Some(refused);
            return Ok(false);
        }
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
        let max = self.meter.limits.table_elements_max;
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
