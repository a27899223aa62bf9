//! The kinds of capabilities.

use std::fmt;

/// A kind of capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum CapabilityKind {
    /// To write log records.
    Log,
    /// To emit metrics.
    MetricEmit,
    /// To read clocks.
    Clock,
    /// To get random bytes.
    Random,
    /// To read its own configuration.
    Config,
    /// To read secrets of these names.
    Secret,
    /// To read variables of the environment of these names.
    Env,
    /// To read these files.
    FsRead,
    /// To write these files.
    FsWrite,
    /// To read key-value tables of these names.
    TableRead,
    /// To write key-value tables of these names.
    TableWrite,
    /// To search vector indexes of these names.
    VectorSearch,
    /// To make HTTP requests to these hosts.
    NetHttp,
    /// To connect to these hosts.
    NetConnect,
    /// To run these commands.
    Exec,
    /// To be told of all queries, with their SQL text.
    ObserveQuery,
    /// To be told what the operators of all queries do.
    ObserveOperator,
    /// To be told of calls of all plugins' functions.
    ObserveCall,
    /// To be told of all records of the audit.
    ObserveAudit,
    /// To be told of all plugins' metrics.
    ObserveMetric,
    /// To be told of the process' spans and events of `tracing`.
    ObserveSpan,
}

/// What stands behind the kind in a capability's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Nothing,
    Name,
    Path,
    Command,
    Network,
}

impl CapabilityKind {
    /// All kinds.
    pub const ALL: [Self; 21] = [
        Self::Log,
        Self::MetricEmit,
        Self::Clock,
        Self::Random,
        Self::Config,
        Self::Secret,
        Self::Env,
        Self::FsRead,
        Self::FsWrite,
        Self::TableRead,
        Self::TableWrite,
        Self::VectorSearch,
        Self::NetHttp,
        Self::NetConnect,
        Self::Exec,
        Self::ObserveQuery,
        Self::ObserveOperator,
        Self::ObserveCall,
        Self::ObserveAudit,
        Self::ObserveMetric,
        Self::ObserveSpan,
    ];

    /// How it is written: `table:read`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::MetricEmit => "metric:emit",
            Self::Clock => "clock",
            Self::Random => "random",
            Self::Config => "config",
            Self::Secret => "secret",
            Self::Env => "env",
            Self::FsRead => "fs:read",
            Self::FsWrite => "fs:write",
            Self::TableRead => "table:read",
            Self::TableWrite => "table:write",
            Self::VectorSearch => "vector:search",
            Self::NetHttp => "net:http",
            Self::NetConnect => "net:connect",
            Self::Exec => "exec",
            Self::ObserveQuery => "observe:query",
            Self::ObserveOperator => "observe:operator",
            Self::ObserveCall => "observe:call",
            Self::ObserveAudit => "observe:audit",
            Self::ObserveMetric => "observe:metric",
            Self::ObserveSpan => "observe:span",
        }
    }

    /// Whether using it may take long, so that it must not keep a query's thread.
    pub fn is_blocking(self) -> bool {
        matches!(self, Self::NetHttp | Self::NetConnect | Self::Exec)
    }

    /// Its bit in a set of kinds.
    pub(crate) const fn bit(self) -> u32 {
        1 << self as u32
    }

    pub(super) fn takes(self) -> Takes {
        match self {
            Self::Log
            | Self::MetricEmit
            | Self::Clock
            | Self::Random
            | Self::Config
            | Self::ObserveQuery
            | Self::ObserveOperator
            | Self::ObserveCall
            | Self::ObserveAudit
            | Self::ObserveMetric
            | Self::ObserveSpan => Takes::Nothing,
            Self::Secret | Self::Env | Self::TableRead | Self::TableWrite | Self::VectorSearch => {
                Takes::Name
            }
            Self::FsRead | Self::FsWrite => Takes::Path,
            Self::NetHttp | Self::NetConnect => Takes::Network,
            Self::Exec => Takes::Command,
        }
    }

    /// A pattern as it may stand behind it.
    pub(super) fn example(self) -> &'static str {
        match self.takes() {
            Takes::Nothing => "",
            Takes::Name => "rates_*",
            Takes::Path => "/data/**",
            Takes::Command => "/usr/bin/sort",
            Takes::Network => "api.example.com:443",
        }
    }

    /// The kind that `text` starts with, and what is behind the colon that follows.
    pub(super) fn split(text: &str) -> Result<(Self, Option<&str>), String> {
        for kind in Self::ALL {
            match text.strip_prefix(kind.name()) {
                Some("") => return Ok((kind, None)),
                Some(rest) if rest.starts_with(':') => return Ok((kind, Some(&rest[1..]))),
                _ => {}
            }
        }
        let names: Vec<&str> = Self::ALL.iter().map(|kind| kind.name()).collect();
        Err(format!(
            "there is none of this kind; there are {}",
            names.join(", ")
        ))
    }
}

impl fmt::Display for CapabilityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
