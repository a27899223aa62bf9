//! `http`: requests to hosts that were granted.

use std::sync::Arc;

use wasmfusion_abi::host::HttpRequest as Raw;

use super::network::{bounds, policy};
use crate::capability::CapabilityKind::NetHttp;
use crate::host::error::{HostError, Status};
use crate::host::gate::{Answer, Call};
use crate::host::net::http::{HttpRequest, send};

/// Longest method, in bytes.
const METHOD_BYTES_MAX: usize = 64;
/// Longest URL, in bytes.
const URL_BYTES_MAX: usize = 8 << 10;
/// Most headers of a request.
const HEADERS_MAX: u32 = 100;
/// Longest name or value of a header, in bytes.
const HEADER_BYTES_MAX: usize = 16 << 10;
/// Redirects that are followed.
const REDIRECTS_MAX: u32 = 5;

pub(super) fn http(call: &mut Call<'_>, request: u32, out: u32, capacity: u32) -> Answer {
    let Raw {
        method,
        url,
        headers,
        header_count,
        body,
        timeout_ms,
    } = call.memory.read("request", request)?;
    let url = call.text("url", url.address, url.length, URL_BYTES_MAX)?;
    call.target(&url);
    call.calls.require_blocking()?;
    let method = call.text("method", method.address, method.length, METHOD_BYTES_MAX)?;
    let headers = call.pairs(
        "headers",
        headers,
        header_count,
        HEADERS_MAX,
        HEADER_BYTES_MAX,
    )?;
    let body = call.owned("body", body.address, body.length)?;
    let pairs = headers.iter();
    let request = HttpRequest {
        method: &method,
        url: &url,
        headers: pairs
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect(),
        body: &body,
    };
    let policy = Arc::new(policy(call, NetHttp));
    let response = send(
        &request,
        Arc::clone(&policy) as _,
        &bounds(call, timeout_ms, REDIRECTS_MAX),
    );
    if policy.has_reached() {
        call.reaches_outside();
    }
    let response = response?;
    let mut reply = Vec::with_capacity(response.body.len() + 1024);
    push(&mut reply, u32::from(response.status));
    push_length(&mut reply, response.headers.len())?;
    push_length(&mut reply, response.body.len())?;
    for (name, value) in &response.headers {
        push_length(&mut reply, name.len())?;
        push_length(&mut reply, value.len())?;
        reply.extend_from_slice(name.as_bytes());
        reply.extend_from_slice(value);
    }
    reply.extend_from_slice(&response.body);
    call.reply(&reply, out, capacity)
}

pub(super) fn push(reply: &mut Vec<u8>, number: u32) {
    reply.extend_from_slice(&number.to_le_bytes());
}

pub(super) fn push_length(reply: &mut Vec<u8>, length: usize) -> Result<(), HostError> {
    let length = u32::try_from(length).map_err(|_| {
        HostError::new(
            Status::Limit,
            format!("{length} bytes are more than fit in a reply"),
        )
    })?;
    push(reply, length);
    Ok(())
}
