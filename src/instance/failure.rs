//! How guest code can fail, before it is told to a user.

use wasmfusion_abi::BUFFER_ALIGN;

use crate::deadline::Stop;
use crate::error::{Error, FunctionId, Trap};
use crate::limits::Limits;

/// What the guest is called for, which decides how long it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// To start, to say its version, to describe itself.
    Describe,
    /// For a query.
    Call,
}

impl Phase {
    pub(super) fn timeout_ms(self, limits: &Limits) -> u64 {
        match self {
            Self::Describe => limits.describe_timeout_ms,
            Self::Call => limits.call_timeout_ms,
        }
    }

    fn setting(self) -> &'static str {
        match self {
            Self::Describe => "describe_timeout_ms",
            Self::Call => "call_timeout_ms",
        }
    }
}

/// Why a call gave no answer. Everything that can end a guest, before it is told to a user.
#[derive(Debug)]
pub(crate) enum Failure {
    Stopped {
        stop: Stop,
        phase: Phase,
    },
    Memory {
        wanted: usize,
    },
    Account {
        wanted: usize,
        reason: String,
    },
    Tables {
        wanted: usize,
    },
    StackOverflow,
    Trap(Trap),
    /// The guest's `wasmfusion_alloc` said that it has no room.
    NoRoom {
        wanted: u64,
    },
    /// The guest's `wasmfusion_alloc` broke the interface.
    BadRegion {
        address: u32,
        size: u32,
    },
    /// As many instances live as may.
    Instances,
    /// The host could not make an instance.
    Instantiate(String),
}

impl Failure {
    /// The failure as a user reads it.
    pub(crate) fn into_error(self, function: FunctionId, limits: &Limits) -> Error {
        match self {
            Self::Stopped {
                stop: Stop::Cancelled,
                ..
            } => Error::Cancelled { function },
            Self::Stopped {
                stop: Stop::Deadline,
                phase,
            } => Error::Limit {
                function,
                what: format!(
                    "ran longer than {} ms in one call and was stopped",
                    phase.timeout_ms(limits)
                ),
                setting: phase.setting(),
            },
            Self::Memory { wanted } => Error::Limit {
                function,
                what: format!(
                    "wanted {wanted} bytes of memory, the limit is {}",
                    limits.memory_bytes_max
                ),
                setting: "memory_bytes_max",
            },
            Self::NoRoom { wanted } => Error::Limit {
                function,
                what: format!(
                    "has no room for a batch of {wanted} bytes in its memory, whose limit is {}",
                    limits.memory_bytes_max
                ),
                setting: "memory_bytes_max",
            },
            Self::Tables { wanted } => Error::Limit {
                function,
                what: format!(
                    "wanted tables of {wanted} elements, the limit is {}",
                    limits.table_elements_max
                ),
                setting: "table_elements_max",
            },
            Self::StackOverflow => Error::Limit {
                function,
                what: format!(
                    "called itself too deeply, the limit is {} bytes of stack",
                    limits.stack_bytes_max
                ),
                setting: "stack_bytes_max",
            },
            Self::Account { wanted, reason } => Error::MemoryPool {
                function,
                bytes: wanted,
                reason,
            },
            Self::Trap(trap) => Error::Trap { function, trap },
            Self::BadRegion { address, size } => Error::Trap {
                function,
                trap: Trap {
                    what: format!(
                        "wasmfusion_alloc returned {size} bytes at address {address}, which do not start at a multiple of {BUFFER_ALIGN} inside its memory"
                    ),
                    frames: Vec::new(),
                },
            },
            Self::Instances => Error::Limit {
                function,
                what: format!(
                    "found {} instances of plugins alive, as many as there may be",
                    limits.instances_max
                ),
                setting: "instances_max",
            },
            Self::Instantiate(reason) => Error::Host {
                what: format!("no instance could be made for function {function}"),
                reason,
            },
        }
    }
}
