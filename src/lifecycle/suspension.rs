//! That a plugin may not be called: who says so, since when, why, and how that ends.

use std::fmt::{self, Display};
use std::time::{SystemTime, UNIX_EPOCH};

use datafusion::arrow::temporal_conversions::timestamp_s_to_datetime;

/// Who has suspended a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SuspendedBy {
    /// The program that embeds the engine, with [`Registry::suspend`](crate::Registry::suspend).
    Host,
    /// A SQL statement, with `wasmfusion_suspend`.
    Sql,
    /// Its circuit breaker: too many failures in a row.
    Breaker,
}

/// That a plugin may not be called.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Suspension {
    /// Who says so.
    pub by: SuspendedBy,
    /// Since when.
    pub since: SystemTime,
    /// Why.
    pub reason: Option<String>,
}

/// Why there is no instance, and when there may be one again.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) suspension: Suspension,
    /// When the breaker tries the plugin again, in milliseconds from now.
    pub(crate) tried_in_ms: Option<u64>,
}

impl Display for SuspendedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "by its host",
            Self::Sql => "by a SQL statement",
            Self::Breaker => "by its circuit breaker",
        })
    }
}

impl Display for Suspension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { by, since, reason } = self;
        let seconds = since.duration_since(UNIX_EPOCH).unwrap_or_default();
        write!(f, "{by}")?;
        if let Some(time) = timestamp_s_to_datetime(seconds.as_secs().cast_signed()) {
            write!(f, " since {time} UTC")?;
        }
        match reason {
            Some(reason) => write!(f, " ({reason})"),
            None => Ok(()),
        }
    }
}
