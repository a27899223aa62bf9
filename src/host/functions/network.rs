//! What `http` and `tcp_connect` have in common: what the plugin may reach, and for how long.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::capability::CapabilityKind;
use crate::host::gate::Call;
use crate::host::net::{Bounds, NetPolicy};
use crate::host::plugin_host::PluginHost;

/// What a plugin was granted.
pub(super) struct Policy {
    host: Arc<PluginHost>,
    kind: CapabilityKind,
    /// Whether a host was allowed, so that something was sent, if only a question for its address.
    reached: AtomicBool,
}

impl Policy {
    /// Whether a host was allowed.
    pub(super) fn has_reached(&self) -> bool {
        self.reached.load(Ordering::Relaxed)
    }
}

impl NetPolicy for Policy {
    fn allows_host(&self, host: &str, port: u16) -> bool {
        let allowed = self.host.permissions().allows_host(self.kind, host, port);
        self.reached.fetch_or(allowed, Ordering::Relaxed);
        allowed
    }

    fn allows_address(&self, address: IpAddr, port: u16) -> bool {
        let permissions = self.host.permissions();
        permissions.allows_address(self.kind, address, port)
    }
}

pub(super) fn policy(call: &Call<'_>, kind: CapabilityKind) -> Policy {
    Policy {
        host: Arc::clone(call.calls.host()),
        kind,
        reached: AtomicBool::new(false),
    }
}

/// When a call must be over for which the guest gives so much time; 0: as much as it may have.
pub(super) fn deadline(call: &Call<'_>, timeout_ms: u32) -> Instant {
    let latest = call.calls.deadline();
    match timeout_ms {
        0 => latest,
        timeout_ms => latest.min(Instant::now() + Duration::from_millis(timeout_ms.into())),
    }
}

pub(super) fn bounds(call: &Call<'_>, timeout_ms: u32, redirects_max: u32) -> Bounds {
    Bounds {
        deadline: deadline(call, timeout_ms),
        bytes_max: call.calls.limits().host_call_bytes_max,
        redirects_max,
        lookups: call.calls.host().lookups().clone(),
        cancelled: call.calls.cancelled(),
    }
}
