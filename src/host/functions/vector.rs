//! `vector_open`, `vector_search`: nearest neighbours in indexes of the [`HostContext`](crate::host::HostContext).

use std::sync::Arc;

use crate::capability::CapabilityKind;
use crate::host::error::{HostError, Status};
use crate::host::gate::{Answer, Call};
use crate::host::handle::{Handle, wrong_kind};

/// Longest name, in bytes.
const NAME_BYTES_MAX: usize = 255;
/// Most entries that one search returns.
const K_MAX: u32 = 10_000;

pub(super) fn open(call: &mut Call<'_>, name: u32, length: u32) -> Answer {
    let name = call.text("name", name, length, NAME_BYTES_MAX)?;
    call.require(CapabilityKind::VectorSearch, &name)?;
    let host = Arc::clone(call.calls.host());
    let index = host.context().vector_index(host.id(), &name)?;
    let index = index.ok_or_else(|| {
        HostError::new(
            Status::NotFound,
            format!("there is no vector index `{name}`; the operator has to build it"),
        )
    })?;
    let name = call.shown_target();
    Ok(call.calls.handles().open(Handle::Index { index, name })?)
}

pub(super) fn search(
    call: &mut Call<'_>,
    handle: u32,
    vector: u32,
    dimensions: u32,
    k: u32,
    out: u32,
    capacity: u32,
) -> Answer {
    let Handle::Index { index, name } = call.calls.handles().get(handle)? else {
        return Err(wrong_kind(handle, "a vector index").into());
    };
    let (index, name) = (Arc::clone(index), name.clone());
    call.known_target(name.clone());
    if dimensions as usize != index.dimensions() {
        return Err(HostError::new(
            Status::Invalid,
            format!(
                "the vector has {dimensions} dimensions, the index `{name}` has {}",
                index.dimensions()
            ),
        )
        .into());
    }
    if k > K_MAX {
        return Err(HostError::new(
            Status::Invalid,
            format!("{k} entries were asked for, at most {K_MAX} are possible"),
        )
        .into());
    }
    let bytes = call.bytes("vector", vector, dimensions.saturating_mul(4))?;
    let (numbers, _) = bytes.as_chunks::<4>();
    let query: Vec<f32> = numbers
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();
    let mut reply = Vec::new();
    index.search(&query, k as usize, &mut |key, distance| {
        reply.extend_from_slice(&(key.len() as u32).to_le_bytes());
        reply.extend_from_slice(&distance.to_le_bytes());
        reply.extend_from_slice(key);
    })?;
    call.reply(&reply, out, capacity)
}
