//! Why the host did not do what it was asked for.

use alloc::string::String;
use core::fmt;

use wasmfusion_abi::host::status;

use super::sys;

/// Room for the host's words, in bytes: as much as a host shows of an error.
const WORDS: usize = 4 << 10;

/// What a call of the host comes to.
pub type Result<T> = core::result::Result<T, Error>;

/// Why the host did not do what it was asked for: a kind, and the host's words.
///
/// `?` makes the SDK's own [`Error`](crate::Error) of it, whose message is these words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
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

impl ErrorKind {
    /// The kind of a status, which is negative.
    fn of(status: i64) -> Self {
        match status {
            status::DENIED => ErrorKind::Denied,
            status::NOT_FOUND => ErrorKind::NotFound,
            status::INVALID => ErrorKind::Invalid,
            status::LIMIT => ErrorKind::Limit,
            status::TIMEOUT => ErrorKind::Timeout,
            status::UNAVAILABLE => ErrorKind::Unavailable,
            // Also what a later host may say that this SDK does not know.
            _ => ErrorKind::Failed,
        }
    }

    /// What is said if the host has no words for it.
    fn words(self) -> &'static str {
        match self {
            ErrorKind::Denied => {
                "the host denied the call; the operator has to grant the capability"
            }
            ErrorKind::NotFound => "the host has no such thing",
            ErrorKind::Invalid => "the host cannot make sense of the argument",
            ErrorKind::Limit => "the call would exceed a limit of the host",
            ErrorKind::Timeout => "the host ran out of time",
            ErrorKind::Failed => "the host tried and failed",
            #[cfg(target_arch = "wasm32")]
            ErrorKind::Unavailable => "the host does not offer this here",
            #[cfg(not(target_arch = "wasm32"))]
            ErrorKind::Unavailable => {
                "there is no host outside of the sandbox; a unit test makes one with `wasmfusion_udf::testing::host()`"
            }
        }
    }
}

impl Error {
    /// A failure of this kind, in words for the SQL user.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error {
            kind,
            message: message.into(),
        }
    }

    /// What kind of failure it was.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The host's words.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The failure that a host function has just returned this status for.
    #[cold]
    #[inline(never)]
    pub(super) fn last(status: i64) -> Self {
        let kind = ErrorKind::of(status);
        let mut words = alloc::vec![0; WORDS];
        // SAFETY: there is room for so many bytes.
        let length = unsafe { sys::error(words.as_mut_ptr(), words.len()) };
        // The host cuts its words to the room that they have.
        words.truncate(usize::try_from(length).unwrap_or(0));
        match String::from_utf8(words) {
            Ok(words) if !words.is_empty() => Error::new(kind, words),
            _ => Error::new(kind, kind.words()),
        }
    }

    /// An error about a reply that is not what `docs/abi.md` promises.
    #[cold]
    pub(super) fn broken(what: &str) -> Self {
        Error::new(
            ErrorKind::Failed,
            alloc::format!("the host's reply is broken: {what}"),
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl core::error::Error for Error {}

#[cfg(feature = "std")]
impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        use std::io::ErrorKind as Io;
        let kind = match error.kind {
            ErrorKind::Denied => Io::PermissionDenied,
            ErrorKind::NotFound => Io::NotFound,
            ErrorKind::Invalid => Io::InvalidInput,
            ErrorKind::Limit => Io::QuotaExceeded,
            ErrorKind::Timeout => Io::TimedOut,
            ErrorKind::Failed => Io::Other,
            ErrorKind::Unavailable => Io::Unsupported,
        };
        std::io::Error::new(kind, error)
    }
}

/// What a host function says, if it is not a failure.
pub(super) fn check(returned: i64) -> Result<u64> {
    u64::try_from(returned).map_err(|_| Error::last(returned))
}

/// The same for a length or a handle, which fit an address.
pub(super) fn check_small(returned: i64) -> Result<usize> {
    usize::try_from(check(returned)?).map_err(|_| Error::broken("a number is too large"))
}

/// The same for a call that says nothing but that it worked.
pub(super) fn check_done(returned: i64) -> Result<()> {
    check(returned).map(drop)
}
