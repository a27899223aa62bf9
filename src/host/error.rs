//! Why a host call did not do what the guest asked for.

use std::borrow::Cow;
use std::fmt;

use wasmfusion_abi::host::status;

/// Why a host call did not do what the guest asked for. The guest gets the status and the message, and decides what to make of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct HostError {
    status: Status,
    message: Cow<'static, str>,
}

/// What kind of failure it was, as guests see it: `wasmfusion_abi::host::status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// The plugin was not granted what it asked for.
    Denied,
    /// There is no such thing.
    NotFound,
    /// The argument makes no sense.
    Invalid,
    /// A limit was reached.
    Limit,
    /// The time was over.
    Timeout,
    /// What was asked for was tried and failed.
    Failed,
    /// The host does not offer it, or not here.
    Unavailable,
}

impl HostError {
    /// A failure of this kind, in words that say what was tried and what to do.
    pub fn new(status: Status, message: impl Into<Cow<'static, str>>) -> Self {
        let message = message.into();
        Self { status, message }
    }

    /// What kind of failure it was.
    pub fn status(&self) -> Status {
        self.status
    }

    /// What was tried, what went wrong, what to do.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl Status {
    /// Its name: `denied`, `not_found` and so on.
    pub fn name(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::NotFound => "not_found",
            Self::Invalid => "invalid",
            Self::Limit => "limit",
            Self::Timeout => "timeout",
            Self::Failed => "failed",
            Self::Unavailable => "unavailable",
        }
    }

    /// What a host function returns.
    pub(crate) fn code(self) -> i64 {
        match self {
            Self::Denied => status::DENIED,
            Self::NotFound => status::NOT_FOUND,
            Self::Invalid => status::INVALID,
            Self::Limit => status::LIMIT,
            Self::Timeout => status::TIMEOUT,
            Self::Failed => status::FAILED,
            Self::Unavailable => status::UNAVAILABLE,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
