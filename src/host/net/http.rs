//! HTTP requests, one connection each.
//!
//! The library that speaks HTTP and TLS gets a connection that is open already and never looks up or connects to anything itself: each
//! redirect comes back here and has its target checked as the first one had. Bodies come as they are sent, compressed or not.

mod exchange;
mod redirect;
mod request;
#[cfg(test)]
mod tests;

use std::io::Read as _;
use std::sync::Arc;

use ureq::tls::RootCerts;
use ureq::{Body, BodyReader, http};

use self::exchange::{exchange, failure};
use self::request::Prepared;
use super::resolve::{Lookups, resolve};
use super::tcp::TcpConnection;
use super::{Bounds, NetPolicy, Target};
use crate::host::error::{HostError, Status};

/// Bytes that are read at a time, and that a reply grows by.
const PIECE_BYTES: usize = 16 * 1024;

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct HttpRequest<'a> {
    /// `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE` or `OPTIONS`.
    pub(crate) method: &'a str,
    /// `http://…` or `https://…`, without a user.
    pub(crate) url: &'a str,
    /// Names and values. What belongs to the connection, like `Host` or `Content-Length`, is not the guest's.
    pub(crate) headers: Vec<(&'a str, &'a [u8])>,
    /// The body, empty for none.
    pub(crate) body: &'a [u8],
}

/// What came back, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HttpResponse {
    /// `200` and so on.
    pub(crate) status: u16,
    /// Names, in lower case, and values.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// Sends a request, follows redirects and returns the reply.
///
/// # Errors
///
/// `Invalid` for a request that makes no sense, `Denied` for a host that the policy does not allow, be it that of a redirect, `Limit`,
/// `Timeout`, and `Failed` for what went wrong on the way.
pub(crate) fn send(
    request: &HttpRequest<'_>,
    policy: Arc<dyn NetPolicy>,
    bounds: &Bounds,
) -> Result<HttpResponse, HostError> {
    Client::default().send(request, &*policy, bounds)
}

/// What requests depend on besides their policy.
struct Client {
    lookups: Lookups,
    roots: RootCerts,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            lookups: Lookups::of_system(),
            roots: RootCerts::WebPki,
        }
    }
}

impl Client {
    fn send(
        &self,
        request: &HttpRequest<'_>,
        policy: &dyn NetPolicy,
        bounds: &Bounds,
    ) -> Result<HttpResponse, HostError> {
        let mut request = Prepared::new(request, bounds.bytes_max)?;
        let mut redirects_left = bounds.redirects_max;
        loop {
            let target = request.target()?;
            let addresses = resolve(target.clone(), &self.lookups, policy, bounds)?;
            let connection = TcpConnection::open(&addresses, bounds)?;
            let response = exchange(&request, connection, &self.roots, bounds)?;

            let location = redirect::location(&response).filter(|_| bounds.redirects_max > 0);
            let Some(location) = location else {
                return receive(response, &target, bounds);
            };
            redirects_left = redirects_left.checked_sub(1).ok_or_else(|| {
                let message = format!(
                    "{target} redirects on; {} redirects are followed at most",
                    bounds.redirects_max
                );
                HostError::new(Status::Limit, message)
            })?;
            request.redirect(response.status(), location)?;
        }
    }
}

/// The reply with all of its body.
fn receive(
    response: http::Response<Body>,
    target: &Target,
    bounds: &Bounds,
) -> Result<HttpResponse, HostError> {
    let too_long = || {
        let message = format!(
            "the reply of {target} is longer than the {} bytes that a reply may have; ask for less",
            bounds.bytes_max
        );
        HostError::new(Status::Limit, message)
    };
    let (parts, body) = response.into_parts();
    let headers: Vec<(String, Vec<u8>)> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_owned()))
        .collect();
    let used: usize = headers
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    let bytes_max = bounds.bytes_max.checked_sub(used).ok_or_else(too_long)?;
    if body
        .content_length()
        .is_some_and(|length| length > bytes_max as u64)
    {
        return Err(too_long());
    }
    let body = read(body.into_reader(), bytes_max, target)?.ok_or_else(too_long)?;
    Ok(HttpResponse {
        status: parts.status.as_u16(),
        headers,
        body,
    })
}

/// All bytes of a body, `None` if there are more of them than there may be.
fn read(
    mut reader: BodyReader<'_>,
    bytes_max: usize,
    target: &Target,
) -> Result<Option<Vec<u8>>, HostError> {
    let mut body = Vec::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = reader
            .read(&mut piece)
            .map_err(|e| failure(&e.into(), target))?;
        let read = piece.get(..read).unwrap_or_default();
        if read.is_empty() {
            return Ok(Some(body));
        }
        if read.len() > bytes_max.saturating_sub(body.len()) {
            return Ok(None);
        }
        body.extend_from_slice(read);
    }
}
