//! What plugins cost: the tables `functions`, `instances`, `pools` and `queries`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use datafusion::arrow::array::{ArrayRef, BooleanArray, RecordBatch, TimestampNanosecondArray};
use datafusion::error::Result;

use super::{batch, number, optional, optional_number, text};
use crate::function::SqlFunction;
use crate::instance::{PoolCounts, PoolOptions};
use crate::module::{FunctionDecl, signature_text};
use crate::observe::{CallCounts, FunctionUsage};
use crate::registry::Registry;

type Counts = [(&'static str, fn(&CallCounts) -> u64); 10];

/// The columns that all tables of this room have, with what they show.
const COUNTS: Counts = [
    ("calls", |counts| counts.calls),
    ("rows", |counts| counts.rows),
    ("bytes_in", |counts| counts.bytes_in),
    ("bytes_out", |counts| counts.bytes_out),
    ("guest_ns", |counts| counts.guest_ns),
    ("copy_ns", |counts| counts.copy_ns),
    ("host_ns", |counts| counts.host_ns),
    ("host_calls", |counts| counts.host_calls),
    ("denials", |counts| counts.denials),
    ("fuel", |counts| counts.fuel),
];

/// The columns of [`COUNTS`].
fn counted(counts: &[CallCounts]) -> impl Iterator<Item = (&'static str, bool, ArrayRef)> {
    COUNTS
        .iter()
        .map(|(name, of)| (*name, false, number(counts.iter().map(of))))
}

/// Moments.
pub(super) fn times(times: impl Iterator<Item = SystemTime>) -> ArrayRef {
    let since = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let times = times.map(|time| i64::try_from(since(time).as_nanos()).unwrap_or(i64::MAX));
    Arc::new(TimestampNanosecondArray::from_iter_values(times).with_timezone("UTC"))
}

/// What can be called of the plugins that are in use, one row for each overload, and what the function has cost since the start.
pub(super) fn functions(registry: &Registry) -> Result<RecordBatch> {
    let functions: Vec<SqlFunction> = registry
        .plugins_in_use()
        .iter()
        .filter(|plugin| !registry.is_former(plugin))
        .flat_map(SqlFunction::all)
        .collect();
    let rows: Vec<(&SqlFunction, &FunctionDecl)> = functions
        .iter()
        .flat_map(|function| function.declarations().map(move |decl| (function, decl)))
        .collect();
    let usage: HashMap<(Arc<str>, Arc<str>), FunctionUsage> = registry
        .usage()
        .into_iter()
        .map(|usage| {
            let key = (Arc::clone(&usage.plugin), Arc::clone(&usage.function));
            (key, usage)
        })
        .collect();
    let used: Vec<Option<&FunctionUsage>> = rows
        .iter()
        .map(|(function, decl)| {
            usage.get(&(function.plugin().name().into(), decl.name.as_str().into()))
        })
        .collect();
    let counts: Vec<CallCounts> = used
        .iter()
        .map(|usage| usage.map(|usage| usage.counts).unwrap_or_default())
        .collect();
    let all = || rows.iter();
    let of =
        |value: fn(&FunctionUsage) -> u64| number(used.iter().map(move |u| u.map_or(0, value)));
    let quantile = |place: usize| {
        optional_number(
            used.iter()
                .map(move |usage| usage.and_then(|usage| Some(usage.call_ns?[place]))),
        )
    };
    let mut columns = vec![
        ("plugin", false, text(all().map(|(f, _)| f.plugin().name()))),
        ("name", false, text(all().map(|(f, _)| f.name()))),
        ("kind", false, text(all().map(|(f, _)| f.kind().name()))),
        (
            "signature",
            false,
            text(all().map(|(_, decl)| signature_text(decl))),
        ),
        (
            "aliases",
            false,
            text(all().map(|(f, _)| f.aliases().join(", "))),
        ),
        (
            "description",
            true,
            optional(all().map(|(_, decl)| decl.description.as_ref())),
        ),
    ];
    columns.extend(counted(&counts));
    columns.extend([
        ("p50_ns", true, quantile(0)),
        ("p99_ns", true, quantile(1)),
        ("max_ns", true, quantile(2)),
        ("errors", false, of(|usage| usage.failures.errors)),
        ("traps", false, of(|usage| usage.failures.traps)),
        ("timeouts", false, of(|usage| usage.failures.timeouts)),
        ("limits", false, of(|usage| usage.failures.limits)),
        ("bad_results", false, of(|usage| usage.failures.bad_results)),
        (
            "cancellations",
            false,
            of(|usage| usage.failures.cancellations),
        ),
        ("instances", false, of(|usage| usage.instances)),
        (
            "memory_bytes_max",
            false,
            of(|usage| usage.memory_bytes_max),
        ),
    ]);
    batch(columns)
}

/// The instances that live now.
pub(super) fn instances(registry: &Registry) -> Result<RecordBatch> {
    let instances = registry.instances();
    let all = || instances.iter();
    let counts: Vec<CallCounts> = all().map(|instance| instance.counts).collect();
    let mut columns = vec![
        ("plugin", false, text(all().map(|i| i.plugin.name()))),
        (
            "version",
            false,
            text(all().map(|i| &i.plugin.manifest().version)),
        ),
        ("query", false, number(all().map(|i| i.query))),
        ("started", false, times(all().map(|i| i.started))),
        ("memory_bytes", false, number(all().map(|i| i.memory_bytes))),
    ];
    columns.extend(counted(&counts));
    batch(columns)
}

/// What functions have cost in the queries that run and in the last ones that ended.
pub(super) fn queries(registry: &Registry) -> Result<RecordBatch> {
    let queries = registry.query_usage();
    let all = || queries.iter();
    let counts: Vec<CallCounts> = all().map(|query| query.counts).collect();
    let running: BooleanArray = all().map(|query| Some(query.running)).collect();
    let mut columns: Vec<(&str, bool, ArrayRef)> = vec![
        ("query", false, number(all().map(|q| q.query))),
        ("started", false, times(all().map(|q| q.started))),
        ("running", false, Arc::new(running)),
        ("plugin", false, text(all().map(|q| &q.plugin))),
        ("function", false, text(all().map(|q| &q.function))),
    ];
    columns.extend(counted(&counts));
    batch(columns)
}

/// Where instances of each plugin come from, and how often they were there.
pub(super) fn pools(registry: &Registry) -> Result<RecordBatch> {
    let plugins = registry.plugins_in_use();
    let all = || {
        plugins
            .iter()
            .map(|plugin| (plugin, plugin.module().pool()))
    };
    let options = |of: fn(&PoolOptions) -> u64| number(all().map(move |(_, p)| of(p.options())));
    let counts = |of: fn(&PoolCounts) -> u64| number(all().map(move |(_, p)| of(&p.counts())));
    batch([
        ("plugin", false, text(all().map(|(p, _)| p.name()))),
        (
            "version",
            false,
            text(all().map(|(p, _)| &p.manifest().version)),
        ),
        (
            "isolation",
            false,
            text(all().map(|(_, pool)| pool.options().isolation.name())),
        ),
        (
            "warm_instances",
            false,
            options(|o| o.warm_instances.into()),
        ),
        ("wait_ms", false, options(|o| o.wait_ms)),
        (
            "resident_bytes",
            false,
            options(|o| o.resident_bytes as u64),
        ),
        ("warm_slots", false, options(|o| o.warm_slots.into())),
        ("idle", false, counts(|c| c.idle)),
        ("hits", false, counts(|c| c.hits)),
        ("misses", false, counts(|c| c.misses)),
        ("waits", false, counts(|c| c.waits)),
    ])
}
