//! One request and the head of its reply, over a connection that is open already.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use parking_lot::Mutex;
use ureq::config::Config;
use ureq::http::header::{CONNECTION, HeaderValue};
use ureq::http::{Method, Request, Response, Uri};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, RustlsConnector, Transport,
};
use ureq::{Agent, Body, Error};

use super::request::Prepared;
use crate::host::error::{HostError, Status};
use crate::host::net::tcp::TcpConnection;
use crate::host::net::{Bounds, Target, shown};

/// Bytes of the head of a reply. The library takes no more than 128 headers.
const HEAD_BYTES_MAX: usize = 64 * 1024;

const USER_AGENT: &str = concat!("wasmfusion/", env!("CARGO_PKG_VERSION"));

/// Sends a request and returns its reply as soon as its headers are there. The body comes from the same connection under the same bounds.
pub(super) fn exchange(
    request: &Prepared<'_>,
    connection: TcpConnection,
    roots: &RootCerts,
    bounds: &Bounds,
) -> Result<Response<Body>, HostError> {
    let target = request.target()?;
    let peer = connection.peer().map_err(|e| failure(&e.into(), &target))?;
    let config = Config::builder()
        .accept_encoding("identity")
        .http_status_as_error(false)
        .max_idle_connections(0)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_response_header_size(HEAD_BYTES_MAX)
        .proxy(None)
        .tls_config(TlsConfig::builder().root_certs(roots.clone()).build())
        .user_agent(USER_AGENT)
        .build();
    let wire = Wire {
        connection,
        buffers: LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size()),
        bounds: Bounds {
            // The library writes a buffer at a time, and what comes back is counted where the body is read.
            bytes_max: usize::MAX,
            ..bounds.clone()
        },
    };
    let connector = Opened(Mutex::new(Some(wire))).chain(RustlsConnector::default());
    let agent = Agent::with_parts(config, connector, Peer(peer));

    let has_body = !request.body.is_empty()
        || matches!(request.method, Method::POST | Method::PUT | Method::PATCH);
    let response = if has_body {
        agent.run(with_body(request, request.body)?)
    } else {
        agent.run(with_body(request, ())?)
    };
    response.map_err(|e| failure(&e, &target))
}

/// The request as the library takes it.
fn with_body<B>(request: &Prepared<'_>, body: B) -> Result<Request<B>, HostError> {
    let unusable = || {
        let message = format!(
            "the URL {} cannot be requested; encode it with %",
            shown(&request.url)
        );
        HostError::new(Status::Invalid, message)
    };
    let uri: Uri = request.url.as_str().parse().map_err(|_| unusable())?;
    // Two parsers have read it now. They have to agree on the host, which becomes the name that TLS proves.
    if uri.host() != request.url.host_str() {
        return Err(unusable());
    }
    let mut sent = Request::new(body);
    *sent.method_mut() = request.method.clone();
    *sent.uri_mut() = uri;
    *sent.headers_mut() = request.headers.clone();
    sent.headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    Ok(sent)
}

/// What the library's error means. The connection's own errors come through it unchanged.
pub(super) fn failure(error: &Error, target: &Target) -> HostError {
    match error {
        Error::Other(inner) => {
            if let Some(error) = inner.downcast_ref::<HostError>() {
                return error.clone();
            }
        }
        Error::Io(e) => {
            let inner = e.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
            if let Some(error) = inner {
                return failure(error, target);
            }
        }
        Error::LargeResponseHeader(..) => {
            let message = format!("{target} sends more than {HEAD_BYTES_MAX} bytes of headers");
            return HostError::new(Status::Limit, message);
        }
        _ => {}
    }
    let message = format!("the request to {target} failed: {}", shown(error));
    HostError::new(Status::Failed, message)
}

/// "Resolves" whatever it is asked for to the address that is connected to.
#[derive(Debug)]
struct Peer(SocketAddr);

impl Resolver for Peer {
    fn resolve(
        &self,
        _uri: &Uri,
        _config: &Config,
        _timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let mut addresses = self.empty();
        addresses.push(self.0);
        Ok(addresses)
    }
}

/// "Connects" by handing out the connection that is open, once.
#[derive(Debug)]
struct Opened(Mutex<Option<Wire>>);

impl Connector for Opened {
    type Out = Wire;

    fn connect(
        &self,
        _details: &ConnectionDetails<'_>,
        _chained: Option<()>,
    ) -> Result<Option<Wire>, Error> {
        match self.0.lock().take() {
            Some(wire) => Ok(Some(wire)),
            None => Err(Error::ConnectionFailed),
        }
    }
}

/// The connection as the library reads and writes it. Deadline and cancellation are the connection's.
struct Wire {
    connection: TcpConnection,
    buffers: LazyBuffers,
    bounds: Bounds,
}

impl Transport for Wire {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _timeout: NextTimeout) -> Result<(), Error> {
        let output = self.buffers.output().get(..amount);
        let output = output.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        self.connection.write(output, &self.bounds).map_err(other)
    }

    fn await_input(&mut self, _timeout: NextTimeout) -> Result<bool, Error> {
        let free = self.buffers.input_append_buf();
        let read = self.connection.read(free, &self.bounds).map_err(other)?;
        self.buffers.input_appended(read);
        Ok(read > 0)
    }

    fn is_open(&mut self) -> bool {
        // It is never used twice.
        false
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wire").field(&self.connection).finish()
    }
}

fn other(error: HostError) -> Error {
    Error::Other(Box::new(error))
}
