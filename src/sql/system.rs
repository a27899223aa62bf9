//! The schema `wasmfusion` of a session: what its registry knows, as tables. Each scan shows the moment at which it is planned.

mod artifacts;
mod events;
mod observers;
mod plugins;
mod usage;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{
    ArrayRef, Float64Array, RecordBatch, StringArray, TimestampNanosecondArray, UInt64Array,
};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::catalog::{SchemaProvider, Session, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

use crate::audit::AuditRecord;
use crate::metrics::Metric;
use crate::plugin::Plugin;
use crate::registry::Registry;

/// The name of the schema.
pub(super) const SCHEMA: &str = "wasmfusion";

/// What makes a table's rows.
type Rows = fn(&Registry) -> Result<RecordBatch>;

const TABLES: &[(&str, Rows)] = &[
    ("artifacts", artifacts::artifacts),
    ("audit", audit),
    ("events", events::events),
    ("functions", usage::functions),
    ("grants", grants),
    ("instances", usage::instances),
    ("limits", limits),
    ("metrics", metrics),
    ("observers", observers::observers),
    ("plugins", plugins::plugins),
    ("pools", usage::pools),
    ("queries", usage::queries),
];

/// The schema `wasmfusion`.
#[derive(Debug)]
pub(super) struct SystemSchema(Registry);

impl SystemSchema {
    pub(super) fn new(registry: &Registry) -> Self {
        Self(registry.clone())
    }
}

#[async_trait]
impl SchemaProvider for SystemSchema {
    fn table_names(&self) -> Vec<String> {
        TABLES.iter().map(|(name, _)| (*name).to_owned()).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let Some((name, rows)) = TABLES.iter().find(|(other, _)| *other == name) else {
            return Ok(None);
        };
        // An empty registry has all columns, too.
        let schema = rows(&Registry::default())?.schema();
        Ok(Some(Arc::new(SystemTable {
            name,
            rows: *rows,
            schema,
            registry: self.0.clone(),
        })))
    }

    fn table_exist(&self, name: &str) -> bool {
        TABLES.iter().any(|(other, _)| *other == name)
    }
}

/// One table of it.
struct SystemTable {
    name: &'static str,
    rows: Rows,
    schema: SchemaRef,
    registry: Registry,
}

impl fmt::Debug for SystemTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SystemTable").field(&self.name).finish()
    }
}

#[async_trait]
impl TableProvider for SystemTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let rows = vec![vec![(self.rows)(&self.registry)?]];
        let plan =
            MemorySourceConfig::try_new_exec(&rows, Arc::clone(&self.schema), projection.cloned())?;
        Ok(plan)
    }
}

fn text<T: AsRef<str>>(values: impl Iterator<Item = T>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn optional<T: AsRef<str>>(values: impl Iterator<Item = Option<T>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn number(values: impl Iterator<Item = u64>) -> ArrayRef {
    Arc::new(UInt64Array::from_iter_values(values))
}

fn optional_number(values: impl Iterator<Item = Option<u64>>) -> ArrayRef {
    Arc::new(values.collect::<UInt64Array>())
}

fn batch<'a>(columns: impl IntoIterator<Item = (&'a str, bool, ArrayRef)>) -> Result<RecordBatch> {
    let columns = columns.into_iter();
    let columns = columns.map(|(name, nullable, array)| (name, array, nullable));
    Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
}

/// Who asked the host for what, and what came of it.
fn audit(registry: &Registry) -> Result<RecordBatch> {
    let records = match registry.audit_begun() {
        Some(log) => log.records(),
        None => Vec::new(),
    };
    let all = || records.iter();
    let times = TimestampNanosecondArray::from_iter_values(all().map(AuditRecord::time_ns));
    batch([
        (
            "time",
            false,
            Arc::new(times.with_timezone("UTC")) as ArrayRef,
        ),
        ("plugin", false, text(all().map(|r| &r.plugin))),
        (
            "digest",
            true,
            optional(all().map(|r| r.digest.map(|digest| digest.to_string()))),
        ),
        ("function", false, text(all().map(|r| &r.function))),
        ("query", false, number(all().map(|r| r.query))),
        ("operation", false, text(all().map(|r| r.operation))),
        (
            "capability",
            true,
            optional(all().map(|r| r.capability.map(|kind| kind.name()))),
        ),
        ("target", false, text(all().map(|r| &r.target))),
        ("calls", false, number(all().map(|r| r.calls))),
        ("bytes", false, number(all().map(|r| r.bytes))),
        ("duration_ns", false, number(all().map(|r| r.duration_ns))),
        ("outcome", false, text(all().map(|r| r.outcome.name()))),
    ])
}

/// What each plugin asks for, and the grants that give it.
fn grants(registry: &Registry) -> Result<RecordBatch> {
    let mut rows: Vec<(String, String, String)> = Vec::new();
    for plugin in registry.plugins_in_use() {
        let granted = plugin.grants().capabilities();
        for requested in &plugin.manifest().capabilities {
            for grant in granted.iter().filter(|grant| grant.covers(requested)) {
                let plugin = plugin.name().to_owned();
                rows.push((plugin, requested.to_string(), grant.to_string()));
            }
        }
    }
    batch([
        ("plugin", false, text(rows.iter().map(|row| &row.0))),
        ("capability", false, text(rows.iter().map(|row| &row.1))),
        ("granted_by", false, text(rows.iter().map(|row| &row.2))),
    ])
}

/// The limits of each plugin; a session may have lowered some.
fn limits(registry: &Registry) -> Result<RecordBatch> {
    let mut rows: Vec<(String, &'static str, Option<u64>)> = Vec::new();
    for plugin in registry.plugins_in_use() {
        let plugin: &Plugin = &plugin;
        let all = plugin.limits().all();
        rows.extend(all.map(|(name, value)| (plugin.name().to_owned(), name, value)));
    }
    let values = optional_number(rows.iter().map(|row| row.2));
    batch([
        ("plugin", false, text(rows.iter().map(|row| &row.0))),
        ("name", false, text(rows.iter().map(|row| row.1))),
        ("value", true, values),
    ])
}

/// The numbers that plugins emitted.
fn metrics(registry: &Registry) -> Result<RecordBatch> {
    let metrics = registry.metrics().all();
    let all = || metrics.iter();
    let labels = |metric: &Metric| {
        let labels = metric.labels.iter();
        let labels: Vec<String> = labels
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        labels.join(",")
    };
    let values = Float64Array::from_iter_values(all().map(|m| m.value));
    let median = all().map(|m| m.quantiles.map(|(median, _)| median));
    let high = all().map(|m| m.quantiles.map(|(_, high)| high));
    batch([
        ("plugin", false, text(all().map(|m| &m.plugin))),
        ("name", false, text(all().map(|m| &m.name))),
        ("labels", false, text(all().map(labels))),
        ("kind", false, text(all().map(|m| m.kind.name()))),
        ("value", false, Arc::new(values)),
        ("count", false, number(all().map(|m| m.count))),
        ("p50", true, Arc::new(median.collect::<Float64Array>())),
        ("p99", true, Arc::new(high.collect::<Float64Array>())),
    ])
}
