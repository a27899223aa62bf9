//! What an instance may grow to, and who pays for it.

use wasmtime::ResourceLimiter;

use super::Failure;
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

/// What the store holds: the limits of this instance.
pub(crate) struct HostState {
    /// For each memory; the watch page is far below it.
    memory_bytes_max: usize,
    table_elements_max: usize,
    table_elements: usize,
    pub(super) memory_bytes: usize,
    account: Option<Box<dyn MemoryAccount>>,
    /// The growth that was refused last: if the guest fails after that, this is why.
    pub(super) refused: Option<Failure>,
}

impl HostState {
    pub(super) fn new(limits: &Limits, account: Option<Box<dyn MemoryAccount>>) -> Self {
        Self {
            memory_bytes_max: usize::try_from(limits.memory_bytes_max).unwrap_or(usize::MAX),
            table_elements_max: usize::try_from(limits.table_elements_max).unwrap_or(usize::MAX),
            table_elements: 0,
            memory_bytes: 0,
            account,
            refused: None,
        }
    }
}

impl ResourceLimiter for HostState {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > self.memory_bytes_max {
            self.refused = Some(Failure::Memory { wanted: desired });
            return Ok(false);
        }
        let bytes = desired.saturating_sub(current);
        if let Some(account) = &self.account
            && let Err(reason) = account.try_grow(bytes)
        {
            self.refused = Some(Failure::Account {
                wanted: bytes,
                reason,
            });
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
        if wanted > self.table_elements_max {
            self.refused = Some(Failure::Tables { wanted });
            return Ok(false);
        }
        self.table_elements = wanted;
        Ok(true)
    }
}
