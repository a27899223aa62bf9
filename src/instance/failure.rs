//! How guest code can fail, before it is told to a user.

use wasmfusion_abi::BUFFER_ALIGN;

use crate::deadline::Stop;
use crate::error::{Error, FunctionId, Trap};
use crate::lifecycle::{Refusal, Verdict};
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
    /// Its query was cancelled.
    Cancelled,
    /// A limit was reached: what the guest did, with the figure, and the setting.
    Limit {
        what: String,
        setting: &'static str,
    },
    /// The query's memory pool has no room.
    Account {
        wanted: usize,
        reason: String,
    },
    Trap(Trap),
    /// The host could not make an instance.
    Instantiate(String),
    /// Its plugin is suspended.
    Suspended(Box<Refusal>),
    /// The plugin's code is not there.
    Code(Box<Error>),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Code(Box::new(error))
    }
}

impl Failure {
    #[cold]
    pub(super) fn limit(what: String, setting: &'static str) -> Self {
        Self::Limit { what, setting }
    }

    /// The watchdog stopped the call.
    #[cold]
    pub(super) fn stopped(stop: Stop, phase: Phase, limits: &Limits) -> Self {
        match stop {
            Stop::Cancelled => Self::Cancelled,
            Stop::Deadline => Self::limit(
                format!(
                    "ran longer than {} ms in one call and was stopped",
                    phase.timeout_ms(limits)
                ),
                phase.setting(),
            ),
            Stop::QueryDeadline => Self::limit(
                format!(
                    "was stopped, because its query ran longer than {} ms",
                    limits.query_timeout_ms.unwrap_or_default()
                ),
                "query_timeout_ms",
            ),
        }
    }

    /// The guest called itself too deeply.
    #[cold]
    pub(super) fn stack_overflow(limits: &Limits) -> Self {
        Self::limit(
            format!(
                "called itself too deeply, the limit is {} bytes of stack",
                limits.stack_bytes_max
            ),
            "stack_bytes_max",
        )
    }

    /// The guest used up its fuel.
    #[cold]
    pub(super) fn out_of_fuel(limits: &Limits) -> Self {
        Self::limit(
            format!(
                "burned more than {} units of fuel in one call and was stopped",
                limits.call_fuel_max.unwrap_or_default()
            ),
            "call_fuel_max",
        )
    }

    /// The guest's `wasmfusion_alloc` said that it has no room.
    #[cold]
    pub(super) fn no_room(wanted: u64, limits: &Limits) -> Self {
        Self::limit(
            format!(
                "has no room for a batch of {wanted} bytes in its memory, whose limit is {}",
                limits.memory_bytes_max
            ),
            "memory_bytes_max",
        )
    }

    /// The guest's `wasmfusion_alloc` broke the interface.
    #[cold]
    pub(super) fn bad_region(address: u32, size: u32) -> Self {
        Self::Trap(Trap {
            what: format!(
                "wasmfusion_alloc returned {size} bytes at address {address}, which do not start at a multiple of {BUFFER_ALIGN} inside its memory"
            ),
            frames: Vec::new(),
        })
    }

    /// As many instances live as may.
    #[cold]
    pub(super) fn instances(limits: &Limits) -> Self {
        Self::limit(
            format!(
                "found {} instances of plugins alive, as many as there may be",
                limits.instances_max
            ),
            "instances_max",
        )
    }

    /// Whether as many instances live as may: later there may be room.
    pub(super) fn is_full(&self) -> bool {
        matches!(
            self,
            Self::Limit {
                setting: "instances_max" | "plugin_instances_max",
                ..
            }
        )
    }

    /// Whether the plugin is at fault. What ends a guest for the sake of others, or because of what a session has lowered, is not.
    #[cold]
    pub(super) fn verdict(&self, has_lowered_limits: bool) -> Verdict {
        /// What one instance reaches by itself.
        const OWN: [&str; 6] = [
            "call_timeout_ms",
            "describe_timeout_ms",
            "call_fuel_max",
            "memory_bytes_max",
            "table_elements_max",
            "stack_bytes_max",
        ];
        match self {
            _ if has_lowered_limits => Verdict::Nothing,
            // Not in its own words, in which a value of somebody's query may be: everybody reads why a plugin is suspended.
            Self::Trap(_) => Verdict::Fault("it trapped".to_owned()),
            Self::Limit { what, setting } if OWN.contains(setting) => {
                Verdict::Fault(format!("it {what}"))
            }
            Self::Limit { .. }
            | Self::Cancelled
            | Self::Account { .. }
            | Self::Instantiate(_)
            | Self::Code(_)
            | Self::Suspended(_) => Verdict::Nothing,
        }
    }

    /// What it is, in a word.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Limit { .. } => "limit",
            Self::Account { .. } => "memory_pool",
            Self::Trap(_) => "trap",
            Self::Suspended(_) => "suspended",
            Self::Instantiate(_) => "host",
            Self::Code(error) => error.kind(),
        }
    }

    /// What happened, without the function's name.
    pub(super) fn to_text(&self) -> String {
        match self {
            Self::Cancelled => "its query was cancelled".to_owned(),
            Self::Limit { what, setting } => format!("{what} (`{setting}`)"),
            Self::Account { reason, .. } | Self::Instantiate(reason) => reason.clone(),
            Self::Trap(trap) => trap.to_string(),
            Self::Suspended(_) => "its plugin is suspended".to_owned(),
            Self::Code(error) => error.to_string(),
        }
    }

    /// The failure as a user reads it.
    pub(crate) fn into_error(self, function: FunctionId) -> Error {
        match self {
            Self::Cancelled => Error::Cancelled { function },
            Self::Limit { what, setting } => Error::Limit {
                function,
                what,
                setting,
            },
            Self::Account { wanted, reason } => Error::MemoryPool {
                function,
                bytes: wanted,
                reason,
            },
            Self::Trap(trap) => Error::Trap { function, trap },
            Self::Suspended(refusal) => Error::Suspended {
                function,
                suspension: Box::new(refusal.suspension),
                tried_in_ms: refusal.tried_in_ms,
            },
            Self::Instantiate(reason) => Error::Host {
                what: format!("no instance could be made for function {function}"),
                reason,
            },
            Self::Code(error) => *error,
        }
    }
}
