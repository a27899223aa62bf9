//! What observers can be told: the kinds of events of the engine, and the columns of each.
//!
//! `docs/abi.md`, "Observers", is the specification; a test holds its tables and these together.

use arrow::datatypes::{DataType, TimeUnit};
use serde::{Deserialize, Serialize};

use crate::capability::CapabilityKind;

/// A kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// A query begins to run.
    QueryStart,
    /// A query is over: its last row was read, it failed, or nobody wants its rows any more.
    QueryEnd,
    /// What one operator of a query has done, when the query is over.
    Operator,
    /// What the calls of one function in one stream of a query came to, or why one failed.
    Call,
    /// A record of the audit.
    Audit,
    /// A metric of a plugin that has changed within the last second.
    Metric,
    /// A span of `tracing` that has ended, or an event.
    Span,
}

/// A column of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventColumn {
    /// Its name, which a parameter has that wants it.
    pub name: &'static str,
    /// What is in it.
    pub ty: EventType,
    /// Whether there are events without it.
    pub nullable: bool,
}

/// What is in a column of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// A moment.
    Time,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// A text.
    Text,
}

impl EventType {
    /// The type of the column, and of a parameter that wants it.
    pub fn data_type(self) -> DataType {
        match self {
            Self::Time => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            Self::Int => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Text => DataType::Utf8,
        }
    }
}

macro_rules! columns {
    ($($name:ident: $ty:ident $($nullable:literal)?,)*) => {
        &[$(EventColumn {
            name: stringify!($name),
            ty: EventType::$ty,
            nullable: columns!(@ $($nullable)?),
        },)*]
    };
    (@ $nullable:literal) => { true };
    (@) => { false };
}

/// Columns that may be NULL are marked so.
const QUERY_START: &[EventColumn] = columns! {
    time: Time,
    query: Int,
    session: Text,
    sql: Text "or NULL",
    plan: Text,
};

const QUERY_END: &[EventColumn] = columns! {
    time: Time,
    query: Int,
    session: Text,
    sql: Text "or NULL",
    plan: Text,
    start: Time,
    duration_ns: Int,
    rows: Int,
    error: Text "or NULL",
};

const OPERATOR: &[EventColumn] = columns! {
    time: Time,
    query: Int,
    node: Int,
    parent: Int "or NULL",
    operator: Text,
    partitions: Int,
    output_rows: Int "or NULL",
    elapsed_compute_ns: Int "or NULL",
    spill_count: Int "or NULL",
    spilled_bytes: Int "or NULL",
    spilled_rows: Int "or NULL",
    metrics: Text,
};

const CALL: &[EventColumn] = columns! {
    time: Time,
    query: Int "or NULL",
    plugin: Text,
    function: Text,
    calls: Int,
    rows: Int,
    guest_ns: Int "or NULL",
    copy_ns: Int "or NULL",
    max_ns: Int "or NULL",
    error: Text "or NULL",
};

const AUDIT: &[EventColumn] = columns! {
    time: Time,
    plugin: Text,
    digest: Text "or NULL",
    function: Text,
    query: Int,
    operation: Text,
    capability: Text "or NULL",
    target: Text,
    calls: Int,
    bytes: Int,
    duration_ns: Int,
    outcome: Text,
};

const METRIC: &[EventColumn] = columns! {
    time: Time,
    plugin: Text,
    name: Text,
    labels: Text,
    kind: Text,
    value: Float,
    count: Int,
    p50: Float "or NULL",
    p99: Float "or NULL",
};

const SPAN: &[EventColumn] = columns! {
    time: Time,
    level: Text,
    target: Text,
    name: Text,
    message: Text "or NULL",
    duration_ns: Int "or NULL",
    fields: Text,
};

impl EventKind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::QueryStart,
        Self::QueryEnd,
        Self::Operator,
        Self::Call,
        Self::Audit,
        Self::Metric,
        Self::Span,
    ];

    /// Its name in a manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::QueryStart => "query_start",
            Self::QueryEnd => "query_end",
            Self::Operator => "operator",
            Self::Call => "call",
            Self::Audit => "audit",
            Self::Metric => "metric",
            Self::Span => "span",
        }
    }

    /// The columns of such an event.
    pub fn columns(self) -> &'static [EventColumn] {
        match self {
            Self::QueryStart => QUERY_START,
            Self::QueryEnd => QUERY_END,
            Self::Operator => OPERATOR,
            Self::Call => CALL,
            Self::Audit => AUDIT,
            Self::Metric => METRIC,
            Self::Span => SPAN,
        }
    }

    /// What a plugin must be granted that observes it.
    pub fn capability(self) -> CapabilityKind {
        match self {
            Self::QueryStart | Self::QueryEnd => CapabilityKind::ObserveQuery,
            Self::Operator => CapabilityKind::ObserveOperator,
            Self::Call => CapabilityKind::ObserveCall,
            Self::Audit => CapabilityKind::ObserveAudit,
            Self::Metric => CapabilityKind::ObserveMetric,
            Self::Span => CapabilityKind::ObserveSpan,
        }
    }

    /// The place of a column of this name.
    pub(crate) fn column(self, name: &str) -> Option<usize> {
        self.columns().iter().position(|column| column.name == name)
    }

    /// Its bit in a set of kinds.
    pub(crate) const fn bit(self) -> u32 {
        1 << self as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_written_as_they_are_read() {
        for kind in EventKind::ALL {
            let json = serde_json::to_string(&kind).expect("a name");
            assert_eq!(json, format!("\"{}\"", kind.name()));
            assert_eq!(serde_json::from_str::<EventKind>(&json).ok(), Some(kind));
        }
    }

    #[test]
    fn the_documentation_has_every_column() {
        let documentation = include_str!("../../docs/abi.md");
        for kind in EventKind::ALL {
            let heading = format!("\n#### `{}`", kind.name());
            let (_, section) = documentation
                .split_once(&heading)
                .unwrap_or_else(|| panic!("docs/abi.md has no `{}`", kind.name()));
            let section = section.split("\n#").next().unwrap_or_default();
            let rows: Vec<&str> = section
                .lines()
                .filter(|line| line.starts_with("| `"))
                .collect();
            let columns = kind.columns();
            assert_eq!(rows.len(), columns.len(), "{}", kind.name());
            for (row, column) in rows.iter().zip(columns) {
                let nullable = if column.nullable { "yes" } else { "" };
                let expected = format!(
                    "| `{}` | {} | {nullable} |",
                    column.name,
                    column.ty.data_type()
                );
                assert!(row.starts_with(&expected), "{row}: expected {expected}");
            }
        }
    }
}
