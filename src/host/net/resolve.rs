//! From a host to addresses that may be connected to.
//!
//! The check comes after the resolution, and what was checked is what is connected to: a name is looked up once for each connection, so that
//! a second answer of its server (DNS rebinding) is never asked for.

#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use url::Host;

use super::address::is_public;
use super::{Bounds, NetPolicy, SLICE, Target};
use crate::host::error::{HostError, Status};

/// Addresses of one name that are looked at.
const ADDRESSES_MAX: usize = 16;

/// Lookups that run at the same time; others wait for them.
const LOOKUPS_MAX: usize = 64;

/// Lookups of one plugin that run at the same time; its others wait for them.
const LOOKUPS_OF_PLUGIN_MAX: usize = 8;

/// How long a lookup waits before it looks again whether it may begin.
const PLACE_SLICE: Duration = Duration::from_millis(5);

/// Addresses of a host that the policy allows, each of them checked. Only [`resolve`] makes them, and nothing else can be connected to.
#[derive(Debug)]
pub(super) struct CheckedAddresses {
    target: Target,
    addresses: Vec<SocketAddr>,
}

impl CheckedAddresses {
    /// The host that was asked for.
    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// Its addresses, at least one, in the order in which they are to be tried.
    pub(super) fn as_slice(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

/// How names become addresses.
pub(super) trait Resolver: Send + Sync {
    /// All addresses of a name. May block as long as it likes.
    fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The lookups of one plugin that are under way. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct LookupQuota(Arc<AtomicUsize>);

/// Lookups, each in a thread of its own: a resolver cannot be interrupted, so that thread stays with it when nobody waits any more. It
/// keeps its places until it ends, so that a plugin whose lookups hang runs out of its own before it takes those of others.
#[derive(Clone)]
pub(super) struct Lookups {
    resolver: Arc<dyn Resolver>,
    under_way: Arc<AtomicUsize>,
}

impl Lookups {
    pub(super) fn new(resolver: impl Resolver + 'static) -> Self {
        Self {
            resolver: Arc::new(resolver),
            under_way: Arc::default(),
        }
    }

    /// Those of the system's resolver, the same for all who ask.
    pub(super) fn of_system() -> Self {
        static OF_SYSTEM: LazyLock<Lookups> = LazyLock::new(|| Lookups::new(SystemResolver));
        OF_SYSTEM.clone()
    }

    /// All addresses of a name.
    fn addresses(&self, name: &str, bounds: &Bounds) -> Result<Vec<IpAddr>, HostError> {
        let of_plugin = Place::wait(&bounds.lookups.0, LOOKUPS_OF_PLUGIN_MAX, bounds, |over| {
            if (bounds.cancelled)() {
                return over;
            }
            let message = format!(
                "{name} was not looked up: {LOOKUPS_OF_PLUGIN_MAX} lookups of this plugin are under way, which are all that it may \
                 have, and none of them ended in time; ask for fewer names at once, or again later"
            );
            HostError::new(Status::Limit, message)
        })?;
        let of_all = Place::wait(&self.under_way, LOOKUPS_MAX, bounds, |over| over)?;
        let failed = |e: io::Error| {
            let message = format!("{name} cannot be looked up: {e}");
            HostError::new(Status::Failed, message)
        };
        let (sender, receiver) = mpsc::sync_channel(1);
        let resolver = Arc::clone(&self.resolver);
        let owned = name.to_owned();
        thread::Builder::new()
            .name("wasmfusion-lookup".into())
            .spawn(move || {
                let _places = (of_plugin, of_all);
                // Nobody may be waiting any more.
                let _ = sender.send(resolver.addresses(&owned));
            })
            .map_err(failed)?;
        loop {
            match receiver.recv_timeout(bounds.remaining()?.min(SLICE)) {
                Ok(found) => return found.map_err(failed),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(failed(io::Error::other("the resolver gave up")));
                }
            }
        }
    }
}

/// The system's resolver: the hosts file, DNS and whatever else is configured.
struct SystemResolver;

impl Resolver for SystemResolver {
    fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let found = (name, 0).to_socket_addrs()?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// The addresses of a target that may be connected to.
///
/// # Errors
///
/// `Denied` if the policy does not allow the host or any of its addresses; `Failed` if the name cannot be resolved; `Limit` if the
/// plugin has too many lookups under way until the time is over; `Timeout`.
pub(super) fn resolve(
    target: Target,
    lookups: &Lookups,
    policy: &dyn NetPolicy,
    bounds: &Bounds,
) -> Result<CheckedAddresses, HostError> {
    if !policy.allows_host(&target.host.to_string(), target.port) {
        let message =
            format!("{target} was not granted to this plugin; grant it, or ask for another host");
        return Err(HostError::new(Status::Denied, message));
    }
    let found = match &target.host {
        Host::Ipv4(address) => vec![IpAddr::V4(*address)],
        Host::Ipv6(address) => vec![IpAddr::V6(*address)],
        Host::Domain(name) => lookups.addresses(name, bounds)?,
    };
    let addresses: Vec<_> = found
        .iter()
        .map(IpAddr::to_canonical)
        .filter(|&address| is_public(address) || policy.allows_address(address, target.port))
        .map(|address| SocketAddr::new(address, target.port))
        .take(ADDRESSES_MAX)
        .collect();
    if addresses.is_empty() {
        let message = if found.is_empty() {
            format!("{target} has no address")
        } else {
            format!(
                "{target} is in a private or reserved network, which was not granted to this plugin"
            )
        };
        let status = if found.is_empty() {
            Status::Failed
        } else {
            Status::Denied
        };
        return Err(HostError::new(status, message));
    }
    Ok(CheckedAddresses { target, addresses })
}

/// The right to one lookup of so many. It is given back when this is dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    /// Waits for one of `max` places. `none` makes the error if all of them were taken until the time was over.
    fn wait(
        under_way: &Arc<AtomicUsize>,
        max: usize,
        bounds: &Bounds,
        none: impl Fn(HostError) -> HostError,
    ) -> Result<Self, HostError> {
        let mut left = bounds.remaining()?;
        loop {
            if let Some(place) = Self::take(under_way, max) {
                return Ok(place);
            }
            thread::sleep(left.min(PLACE_SLICE));
            left = bounds.remaining().map_err(&none)?;
        }
    }

    fn take(under_way: &Arc<AtomicUsize>, max: usize) -> Option<Self> {
        let taken = under_way.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| {
            (n < max).then_some(n + 1)
        });
        taken.ok().map(|_| Self(Arc::clone(under_way)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
