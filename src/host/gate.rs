//! What happens around every host call: the grant is checked before, a record is left after.

use compact_str::CompactString;
use wasmfusion_abi::Slice;
use wasmfusion_abi::host::Pair;
use wasmtime::{AsContextMut, Caller};

use super::calls::HostCalls;
use super::error::{HostError, Status};
use crate::audit::{Entry, Outcome};
use crate::capability::CapabilityKind;
use crate::instance::{self, HostState, MemoryMeter};
use crate::memory::{GuestMemory, MemoryError};
use crate::module::escape_cut;

/// Longest text that a record shows of what was asked for, in bytes.
const TARGET_BYTES_MAX: usize = 512;

/// A host call under way.
pub(super) struct Call<'a> {
    pub(super) calls: &'a mut HostCalls,
    meter: &'a mut MemoryMeter,
    pub(super) memory: GuestMemory<'a>,
    record: Record,
}

/// What the call's record will say.
struct Record {
    capability: Option<CapabilityKind>,
    target: CompactString,
    bytes: u64,
    /// Whether something was done outside of the process, whatever came of it.
    outside: bool,
}

/// Why a host call does not do what it was asked for.
pub(super) enum Refused {
    /// The guest is told.
    Told(HostError),
    /// The guest broke the interface and is ended.
    Memory(MemoryError),
}

impl From<HostError> for Refused {
    fn from(error: HostError) -> Self {
        Self::Told(error)
    }
}

impl From<MemoryError> for Refused {
    fn from(error: MemoryError) -> Self {
        Self::Memory(error)
    }
}

pub(super) type Answer = Result<i64, Refused>;

/// Does a host call: `f`, if any of `capabilities` was granted or none is needed.
#[inline]
pub(super) fn enter(
    caller: &mut Caller<'_, HostState>,
    operation: &'static str,
    capabilities: &'static [CapabilityKind],
    f: impl FnOnce(&mut Call<'_>) -> Answer,
) -> wasmtime::Result<i64> {
    let Some(memory) = caller.data().host.as_ref().and_then(|calls| calls.memory()) else {
        return Err(too_early(operation));
    };
    if let Some(sampler) = &mut caller.data_mut().sampler {
        sampler.begin_host_call();
    }
    let (bytes, state) = memory.data_and_store_mut(&mut *caller);
    let Some((calls, meter)) = state.host_and_meter() else {
        return Err(too_early(operation));
    };
    let started = calls.host().audit().now();
    let mut call = Call {
        calls,
        meter,
        memory: GuestMemory::new(bytes),
        record: Record {
            capability: capabilities.first().copied(),
            target: CompactString::const_new(""),
            bytes: 0,
            outside: false,
        },
    };
    let permissions = call.calls.host().permissions();
    let allowed =
        capabilities.is_empty() || capabilities.iter().any(|kind| permissions.allows(*kind));
    let answer = match allowed {
        true => f(&mut call),
        false => Err(denied(capabilities, "").into()),
    };
    let (result, outcome) = match answer {
        Ok(answer) => (Ok(answer), Outcome::Ok),
        Err(Refused::Told(error)) => {
            call.calls.remember_error(&error);
            (Ok(error.status().code()), Outcome::Refused(error.status()))
        }
        Err(Refused::Memory(error)) => (Err(bad_argument(operation, &error)), Outcome::Trapped),
    };
    let Call { calls, record, .. } = call;
    let ended = calls.host().audit().now();
    let denied = matches!(outcome, Outcome::Refused(Status::Denied));
    calls.count(ended.saturating_sub(started), denied);
    let entry = Entry {
        started,
        ended,
        caller: calls.host().caller(),
        function: calls.function(),
        query: calls.query(),
        of_observer: calls.is_of_observer(),
        operation,
        capability: record.capability,
        target: record.target,
        calls: 1,
        bytes: record.bytes,
        outcome,
    };
    calls.record(entry, record.outside);
    if caller.data().sampler.is_some() {
        sample(caller, operation);
    }
    result
}

/// Takes a sample of a host call if one was due while it ran.
#[cold]
fn sample(caller: &mut Caller<'_, HostState>, operation: &'static str) {
    if instance::sample(caller.as_context_mut(), Some(operation)) {
        // The guest need not stop for the same tick.
        caller.as_context_mut().set_epoch_deadline(1);
    }
}

/// What a plugin is told that was not granted something.
#[cold]
pub(super) fn denied(capabilities: &[CapabilityKind], target: &str) -> HostError {
    let kind = capabilities.first().map_or("", |kind| kind.name());
    let colon = if target.is_empty() { "" } else { ":" };
    HostError::new(
        Status::Denied,
        format!(
            "the plugin was not granted `{kind}{colon}{target}`; it must ask for it in its manifest, and the operator must grant it"
        ),
    )
}

#[cold]
fn too_early(operation: &str) -> wasmtime::Error {
    wasmtime::Error::msg(format!(
        "it called the host function `{operation}` where it may not: in `start`, `wasmfusion_abi_version`, `wasmfusion_describe` or \
         `wasmfusion_alloc`; only functions and `wasmfusion_bind` may"
    ))
}

#[cold]
fn bad_argument(operation: &str, error: &MemoryError) -> wasmtime::Error {
    wasmtime::Error::msg(format!(
        "it called the host function `{operation}` with an address that is not its own: {error}"
    ))
}

impl<'a> Call<'a> {
    /// Sets what the record says was asked for.
    #[inline]
    pub(super) fn target(&mut self, target: &str) {
        let text = self.calls.host().redactor().redact(target);
        let plain =
            text.len() <= TARGET_BYTES_MAX && text.bytes().all(|b| matches!(b, b' '..=b'~'));
        self.record.target = match plain {
            true => CompactString::new(text),
            false => escape_cut(&text, TARGET_BYTES_MAX).into(),
        };
    }

    /// Sets what the record says was asked for, from a text that was redacted before.
    #[inline]
    pub(super) fn known_target(&mut self, target: CompactString) {
        self.record.target = target;
    }

    /// What the record says was asked for.
    pub(super) fn shown_target(&self) -> CompactString {
        self.record.target.clone()
    }

    /// Sets which of several capabilities is used.
    pub(super) fn uses(&mut self, kind: CapabilityKind) {
        self.record.capability = Some(kind);
    }

    /// Says that something is about to be done outside of the process: it has a record of its own then, whatever comes of it.
    pub(super) fn reaches_outside(&mut self) {
        self.record.outside = true;
    }

    /// Counts bytes that go in or come out.
    #[inline]
    pub(super) fn count(&mut self, bytes: usize) {
        self.record.bytes += bytes as u64;
    }

    /// That this name was granted, which the record then shows.
    pub(super) fn require(&mut self, kind: CapabilityKind, name: &str) -> Result<(), Refused> {
        self.uses(kind);
        self.target(name);
        match self.calls.host().permissions().allows_name(kind, name) {
            true => Ok(()),
            false => Err(denied(&[kind], name).into()),
        }
    }

    /// Bytes that the guest gives. They are limited, and counted.
    #[inline]
    pub(super) fn bytes(
        &mut self,
        region: &'static str,
        address: u32,
        length: u32,
    ) -> Result<&[u8], Refused> {
        let max = self.calls.limits().host_call_bytes_max;
        // All that goes into a call together: the same bytes may be given many times.
        let bytes = self.record.bytes + u64::from(length);
        if bytes > max as u64 {
            return Err(too_large(region, bytes as usize, max).into());
        }
        self.record.bytes = bytes;
        Ok(self.memory.slice(region, address, length as usize, 1)?)
    }

    /// As [`Self::bytes`], owned.
    pub(super) fn owned(
        &mut self,
        region: &'static str,
        address: u32,
        length: u32,
    ) -> Result<Vec<u8>, Refused> {
        Ok(self.bytes(region, address, length)?.to_vec())
    }

    /// A text that the guest gives, of at most `bytes_max` bytes.
    pub(super) fn text(
        &mut self,
        region: &'static str,
        address: u32,
        length: u32,
        bytes_max: usize,
    ) -> Result<CompactString, Refused> {
        if length as usize > bytes_max {
            return Err(HostError::new(
                Status::Limit,
                format!("the {region} has {length} bytes, at most {bytes_max} are possible"),
            )
            .into());
        }
        let bytes = self.bytes(region, address, length)?;
        let text = std::str::from_utf8(bytes)
            .map_err(|_| HostError::new(Status::Invalid, format!("the {region} is not UTF-8")))?;
        Ok(CompactString::new(text))
    }

    /// Names and values that the guest gives.
    pub(super) fn pairs(
        &mut self,
        region: &'static str,
        address: u32,
        count: u32,
        count_max: u32,
        bytes_max: usize,
    ) -> Result<Vec<(CompactString, CompactString)>, Refused> {
        if count > count_max {
            return Err(HostError::new(
                Status::Invalid,
                format!("{count} {region}, at most {count_max} are possible"),
            )
            .into());
        }
        (0..count)
            .map(|place| {
                let Pair { name, value } = self.element(region, address, place)?;
                Ok((
                    self.text(region, name.address, name.length, bytes_max)?,
                    self.text(region, value.address, value.length, bytes_max)?,
                ))
            })
            .collect()
    }

    /// Number `place` of the structs at `address`.
    pub(super) fn element<T: crate::memory::Record>(
        &self,
        region: &'static str,
        address: u32,
        place: u32,
    ) -> Result<T, MemoryError> {
        let offset = u64::from(place) * size_of::<T>() as u64;
        // An address beyond 32 bits is outside of every memory, as the last one is for any struct.
        let at = u32::try_from(u64::from(address) + offset).unwrap_or(u32::MAX);
        self.memory.read(region, at)
    }

    /// Texts or bytes that the guest gives as [`Slice`]s.
    pub(super) fn slices(
        &mut self,
        region: &'static str,
        address: u32,
        count: u32,
        count_max: u32,
        bytes_max: usize,
    ) -> Result<Vec<CompactString>, Refused> {
        if count > count_max {
            return Err(HostError::new(
                Status::Invalid,
                format!("{count} {region}, at most {count_max} are possible"),
            )
            .into());
        }
        (0..count)
            .map(|place| {
                let slice: Slice = self.element(region, address, place)?;
                self.text(region, slice.address, slice.length, bytes_max)
            })
            .collect()
    }

    /// Replies with bytes: they are written if the guest has room for them, kept otherwise.
    pub(super) fn reply(&mut self, bytes: &[u8], out: u32, capacity: u32) -> Answer {
        let max = self.calls.limits().host_call_bytes_max;
        if bytes.len() > max {
            return Err(too_large("reply", bytes.len(), max).into());
        }
        self.count(bytes.len());
        if bytes.len() <= capacity as usize {
            let room = self.memory.slice_mut("reply", out, bytes.len(), 1)?;
            room.copy_from_slice(bytes);
        } else {
            self.calls.keep_reply(bytes, self.meter)?;
        }
        Ok(bytes.len() as i64)
    }
}

#[cold]
pub(super) fn too_large(region: &str, bytes: usize, max: usize) -> HostError {
    HostError::new(
        Status::Limit,
        format!(
            "the {region} has {bytes} bytes, the limit is {max}; raise `host_call_bytes_max` if it needs more"
        ),
    )
}
