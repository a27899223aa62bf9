//! What a guest asks for, checked.

use ureq::http::Method;
use ureq::http::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::HttpRequest;
use crate::host::error::{HostError, Status};
use crate::host::net::{Target, shown};

/// Methods that a guest may use. `CONNECT` and `TRACE` are for proxies and for debugging.
const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

/// Headers of a request.
const HEADERS_MAX: usize = 100;

/// Bytes of a URL.
const URL_BYTES_MAX: usize = 8 * 1024;

/// Bytes of the names and values of a request's headers.
const HEADER_BYTES_MAX: usize = 32 * 1024;

/// Headers that say where a request goes, where it ends, or what becomes of the connection: those are the host's.
const NOT_FOR_GUESTS: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// A request that makes sense. Where it goes has not been checked.
#[derive(Clone, Debug)]
pub(super) struct Prepared<'a> {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: &'a [u8],
}

impl<'a> Prepared<'a> {
    /// Checks everything about a request but its host.
    pub(super) fn new(request: &HttpRequest<'a>, bytes_max: usize) -> Result<Self, HostError> {
        let &HttpRequest {
            method,
            url,
            ref headers,
            body,
        } = request;
        let header_bytes: usize = headers
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        let bytes = method.len() + url.len() + header_bytes + body.len();
        if bytes > bytes_max {
            let message = format!(
                "{bytes} bytes are more than the {bytes_max} that a request may have; send less"
            );
            return Err(HostError::new(Status::Limit, message));
        }
        if headers.len() > HEADERS_MAX || header_bytes > HEADER_BYTES_MAX {
            let message = format!(
                "{} headers of {header_bytes} bytes are too many; {HEADERS_MAX} headers of {HEADER_BYTES_MAX} bytes are possible",
                headers.len()
            );
            return Err(HostError::new(Status::Limit, message));
        }
        let method = parse_method(method)?;
        if method == Method::HEAD && !body.is_empty() {
            return Err(invalid(
                "a HEAD request has no body; send it without".into(),
            ));
        }
        Ok(Self {
            method,
            url: parse_url(url)?,
            headers: parse_headers(headers)?,
            body,
        })
    }

    /// Where it goes.
    pub(super) fn target(&self) -> Result<Target, HostError> {
        match (self.url.host(), self.url.port_or_known_default()) {
            (Some(host), Some(port)) => Target::from_host(host.to_owned(), port),
            _ => Err(invalid(format!("{} names no host", shown(&self.url)))),
        }
    }
}

fn parse_method(method: &str) -> Result<Method, HostError> {
    let known = METHODS.iter().find(|known| known.as_str() == method);
    known.cloned().ok_or_else(|| {
        let known: Vec<_> = METHODS.iter().map(Method::as_str).collect();
        invalid(format!(
            "\"{}\" is not a method; use one of {}",
            shown(method),
            known.join(", ")
        ))
    })
}

fn parse_url(text: &str) -> Result<Url, HostError> {
    if text.len() > URL_BYTES_MAX {
        let message = format!(
            "a URL of {} bytes is too long; {URL_BYTES_MAX} are possible",
            text.len()
        );
        return Err(HostError::new(Status::Limit, message));
    }
    // The parser drops some of them, and encodes others.
    if let Some(c) = text.chars().find(|c| c.is_control() || c.is_whitespace()) {
        return Err(invalid(format!(
            "the URL \"{}\" has the character U+{:04X}; encode it with %",
            shown(text),
            u32::from(c)
        )));
    }
    let url =
        Url::parse(text).map_err(|e| invalid(format!("\"{}\" is not a URL: {e}", shown(text))))?;
    check_url(url)
}

/// A URL that requests can be sent to, without what is not sent.
pub(super) fn check_url(mut url: Url) -> Result<Url, HostError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid(format!(
            "{} is neither http nor https; only these are possible",
            shown(&url)
        )));
    }
    // The user is not shown: the message may end up in a log.
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid(
            "a URL with a user or a password is not possible; send an Authorization header".into(),
        ));
    }
    url.set_fragment(None);
    Ok(url)
}

fn parse_headers(headers: &[(&str, &[u8])]) -> Result<HeaderMap, HostError> {
    let mut parsed = HeaderMap::new();
    for &(name, value) in headers {
        let refused = |why: &str| invalid(format!("the header \"{}\" {why}", shown(name)));
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| refused("has characters in its name that no header may have"))?;
        if NOT_FOR_GUESTS.contains(&name.as_str()) || name.as_str().starts_with("proxy-") {
            return Err(refused(
                "belongs to the connection and is set by the host; leave it out",
            ));
        }
        let value = HeaderValue::from_bytes(value).map_err(|_| {
            refused("has a line break or another control character in its value; remove it")
        })?;
        if parsed.try_append(name, value).is_err() {
            return Err(refused("is one too many"));
        }
    }
    Ok(parsed)
}

fn invalid(message: String) -> HostError {
    HostError::new(Status::Invalid, message)
}
