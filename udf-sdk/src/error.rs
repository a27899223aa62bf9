//! Why a call failed: a sentence for the SQL user.

use alloc::string::{String, ToString};
use core::fmt;

/// Why a call failed, in words for the SQL user.
///
/// A function's own error can be anything that implements [`Display`](fmt::Display); it becomes one of these at the end
/// of the call. This type has no `Display` itself, so that `?` can make it from every other error.
#[derive(Debug)]
pub struct Error {
    message: String,
}

impl Error {
    /// An error with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Error {
            message: message.into(),
        }
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Puts a cause in front: `"prefix: message"`.
    pub fn context(self, prefix: impl fmt::Display) -> Self {
        Error {
            message: alloc::format!("{prefix}: {}", self.message),
        }
    }
}

impl<E: fmt::Display> From<E> for Error {
    fn from(error: E) -> Self {
        Error::new(error.to_string())
    }
}
