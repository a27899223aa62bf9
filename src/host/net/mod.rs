//! What reaches over the network: a connection to a host that the policy allows, and HTTP over one.
//!
//! There is one way out. [`resolve`] asks the policy for the host and for each of its addresses and returns
//! [`CheckedAddresses`](resolve::CheckedAddresses), and only these can be connected to in [`tcp`]; [`http`] goes through both again for each
//! redirect. Nothing here knows guests, grants or DataFusion, nor uses a proxy, a pool of connections or a cookie.

mod address;
pub(crate) mod http;
mod resolve;
pub(crate) mod tcp;
#[cfg(test)]
mod tests;

use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use url::Host;

pub(crate) use self::resolve::LookupQuota;
use super::error::{HostError, Status};

/// How long anything waits before it looks again whether it was cancelled.
const SLICE: Duration = Duration::from_millis(50);

/// Characters of a text from outside that a message shows.
const SHOWN_CHARS_MAX: usize = 200;

/// What a plugin may reach.
pub(crate) trait NetPolicy: Send + Sync {
    /// Whether the host of this name, or address as it is written in a URL (`192.0.2.1`, `[2001:db8::1]`), may be asked for at this port.
    /// Names are in lower case and in Punycode, addresses in their one canonical spelling.
    fn allows_host(&self, host: &str, port: u16) -> bool;

    /// Whether this address may be connected to even though it is not public (loopback, private, link-local …). Addresses of IPv4 that
    /// were written as IPv6 are asked for as IPv4.
    fn allows_address(&self, address: IpAddr, port: u16) -> bool;
}

/// How much time, how many bytes and how many lookups something over the network may take.
#[derive(Clone)]
pub(crate) struct Bounds {
    /// When it has to be over.
    pub(crate) deadline: Instant,
    /// Bytes of an HTTP request, and as many again of its reply, with their headers; bytes of one read or write of a connection.
    pub(crate) bytes_max: usize,
    /// Redirects that are followed. With 0 the guest gets the redirect itself.
    pub(crate) redirects_max: u32,
    /// The lookups of names that its plugin has under way.
    pub(crate) lookups: LookupQuota,
    /// Whether nobody waits for it any more. Asked every 50 ms, from the thread that waits.
    pub(crate) cancelled: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Bounds {
    /// Time that is left.
    ///
    /// # Errors
    ///
    /// There is none left, or it was cancelled.
    fn remaining(&self) -> Result<Duration, HostError> {
        if (self.cancelled)() {
            return Err(HostError::new(Status::Timeout, "the query was cancelled"));
        }
        let remaining = self.deadline.saturating_duration_since(Instant::now());
        if remaining.is_zero() {
            return Err(HostError::new(
                Status::Timeout,
                "the time for it was over; ask for less, or for more time",
            ));
        }
        Ok(remaining)
    }
}

impl fmt::Debug for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            deadline,
            bytes_max,
            redirects_max,
            lookups,
            cancelled: _,
        } = self;
        f.debug_struct("Bounds")
            .field("deadline", deadline)
            .field("bytes_max", bytes_max)
            .field("redirects_max", redirects_max)
            .field("lookups", lookups)
            .finish_non_exhaustive()
    }
}

/// Where something wants to go, before anybody has allowed it. The same parser reads hosts of URLs and hosts of plain connections, so
/// that every spelling of an address (`2130706433`, `0x7f.1`, `[::ffff:127.0.0.1]`) is an address here and never a name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    host: Host<String>,
    port: u16,
}

impl Target {
    /// The target of this host: a name, or an address, with or without brackets if it is IPv6.
    fn new(host: &str, port: u16) -> Result<Self, HostError> {
        let parsed = match host.parse() {
            Ok(address) => Ok(Host::Ipv6(address)),
            Err(_) => Host::parse(host),
        };
        let host = parsed.map_err(|e| {
            let message = format!("\"{}\" is not the name of a host: {e}", shown(host));
            HostError::new(Status::Invalid, message)
        })?;
        Self::from_host(host, port)
    }

    fn from_host(host: Host<String>, port: u16) -> Result<Self, HostError> {
        if port == 0 {
            let message = format!("{host} has no port 0; name a port from 1 to 65535");
            return Err(HostError::new(Status::Invalid, message));
        }
        Ok(Self { host, port })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// A text from outside as a message shows it: on one line, and not all of it if it is long.
fn shown(text: impl fmt::Display) -> String {
    /// Takes characters until it has enough of them, so that a long text is not even formatted.
    struct Cut {
        text: String,
        left: usize,
    }

    impl fmt::Write for Cut {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            for c in text.chars() {
                self.left = self.left.checked_sub(1).ok_or(fmt::Error)?;
                self.text.push(if is_plain(c) { c } else { '\u{fffd}' });
            }
            Ok(())
        }
    }

    let mut cut = Cut {
        text: String::new(),
        left: SHOWN_CHARS_MAX,
    };
    if write!(cut, "{text}").is_err() {
        cut.text.push('…');
    }
    cut.text
}

/// Whether a character neither ends a line nor hides what stands beside it.
fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}
