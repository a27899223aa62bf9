//! What can go wrong, sorted by who is at fault, and how it is told.
//!
//! Every error names the function and the plugin and says what to do. Text that came out of a guest or a file was
//! escaped before it got here ([`escape`]).

use std::fmt::{self, Display};

use datafusion::error::DataFusionError;

use crate::columns::ColumnError;
use crate::lifecycle::Suspension;
use crate::module::ModuleError;

/// The result of what this crate does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of this crate. In a query it is the source of a [`DataFusionError::External`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The module cannot be used: it is not there, not WebAssembly, not allowed, or does not speak the interface.
    #[error("plugin {plugin}: {reason}")]
    Module {
        /// File or name of the plugin.
        plugin: String,
        /// What is wrong with it.
        reason: Box<ModuleError>,
    },
    /// The guest said that it cannot answer: bad values, in most cases.
    #[error("function {function}: {message}")]
    Guest {
        /// Function and plugin.
        function: FunctionId,
        /// The guest's own words.
        message: String,
    },
    /// The guest trapped or panicked.
    #[error("function {function} failed: {trap}")]
    Trap {
        /// Function and plugin.
        function: FunctionId,
        /// What happened and where.
        trap: Trap,
    },
    /// The guest gave a result that breaks the interface.
    #[error(
        "function {function} returned a bad result: {reason}; this is a fault of the plugin, tell its author"
    )]
    BadResult {
        /// Function and plugin.
        function: FunctionId,
        /// What is wrong with the result.
        reason: Box<ColumnError>,
    },
    /// An argument could not be passed.
    #[error("function {function}: argument {argument} cannot be passed: {reason}")]
    BadArgument {
        /// Function and plugin.
        function: FunctionId,
        /// Its place, from 1.
        argument: usize,
        /// Why.
        reason: Box<ColumnError>,
    },
    /// A limit was reached.
    #[error("function {function} {what}; raise `{setting}` if it needs more")]
    Limit {
        /// Function and plugin.
        function: FunctionId,
        /// What the guest did, with the figure.
        what: String,
        /// The setting in [`crate::Limits`].
        setting: &'static str,
    },
    /// The query's memory pool has no room for the guest.
    #[error(
        "function {function} wanted {bytes} bytes more memory, which the query's memory pool refused: {reason}"
    )]
    MemoryPool {
        /// Function and plugin.
        function: FunctionId,
        /// How much it wanted.
        bytes: usize,
        /// What the pool said.
        reason: String,
    },
    /// The query was cancelled while the guest ran.
    #[error("function {function} was stopped, because its query was cancelled")]
    Cancelled {
        /// Function and plugin.
        function: FunctionId,
    },
    /// What the function held from call to call is gone, because of an earlier failure in the same stream of the same query.
    #[error("function {function}: what it held is gone, because an earlier call failed: {reason}")]
    Gone {
        /// Function and plugin.
        function: FunctionId,
        /// The earlier failure.
        reason: String,
    },
    /// The plugin is suspended: no new stream or call of it begins.
    #[error(
        "function {function} cannot be called: its plugin is suspended {suspension}; {advice}",
        advice = resuming(&function.plugin, *tried_in_ms)
    )]
    Suspended {
        /// Function and plugin.
        function: FunctionId,
        /// By whom, since when and why.
        suspension: Box<Suspension>,
        /// When its circuit breaker tries it again, in milliseconds from now.
        tried_in_ms: Option<u64>,
    },
    /// What the user wrote does not fit.
    #[error("{0}")]
    Usage(String),
    /// The host failed: no room for another instance, a thread that could not be started.
    #[error("{what}: {reason}")]
    Host {
        /// What was tried.
        what: String,
        /// What the system said.
        reason: String,
    },
}

impl Error {
    /// What kind of error it is, in a word: `module`, `guest`, `trap`, `bad_result`, `bad_argument`, `limit`, `memory_pool`, `cancelled`, `gone`,
    /// `suspended`, `usage` or `host`. Spans have it as `error.type`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Module { .. } => "module",
            Self::Guest { .. } => "guest",
            Self::Trap { .. } => "trap",
            Self::BadResult { .. } => "bad_result",
            Self::BadArgument { .. } => "bad_argument",
            Self::Limit { .. } => "limit",
            Self::MemoryPool { .. } => "memory_pool",
            Self::Cancelled { .. } => "cancelled",
            Self::Gone { .. } => "gone",
            Self::Suspended { .. } => "suspended",
            Self::Usage(_) => "usage",
            Self::Host { .. } => "host",
        }
    }
}

impl From<Error> for DataFusionError {
    fn from(error: Error) -> Self {
        match error {
            Error::Usage(message) => Self::Plan(message),
            error => Self::External(Box::new(error)),
        }
    }
}

/// How a suspension ends.
fn resuming(plugin: &str, tried_in_ms: Option<u64>) -> String {
    let resumes = format!("wasmfusion_resume('{plugin}') or Registry::resume resumes it");
    match tried_in_ms {
        Some(ms) => format!("it is tried again in {ms} ms, or {resumes} now"),
        None => resumes,
    }
}

/// A function and the plugin that it is in, for messages: `slugify (plugin text)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FunctionId {
    /// SQL name.
    pub function: String,
    /// Plugin's name.
    pub plugin: String,
}

impl Display for FunctionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (plugin {})", self.function, self.plugin)
    }
}

/// What made a guest trap, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trap {
    /// The guest's own message, or the trap in words.
    pub what: String,
    /// The guest's functions that were running, innermost first.
    pub frames: Vec<String>,
}

impl Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        for frame in &self.frames {
            write!(f, "\n    at {frame}")?;
        }
        Ok(())
    }
}
