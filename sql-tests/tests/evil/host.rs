//! What guests that ask the host find there, and what they must not leave behind.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use datafusion::arrow::array::{ArrayRef, BinaryArray, RecordBatch, StringArray};
use libtest_mimic::Failed;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use wasmfusion::{
    Distance, LocalContext, NearestNeighbours, Registry, RegistryOptions, SnapshotTable,
};
use wasmfusion_sql_tests::Server;

/// The value of every secret, as the files beside the guests set it. Nobody but the guest may see it.
const SECRET: &str = "correct-horse-battery-staple";
/// Records of the audit that are kept.
const RECORDS_MAX: usize = 10_000;
/// Records of the audit that may wait: few, so that guests that ask without end find no room.
const WAITING_MAX: usize = 64;
/// Calls that a guest makes at least that asks without end.
const MANY: u64 = 200;
/// Longest text of what was asked for that a record may have, in bytes: that of a path.
const TARGET_BYTES_MAX: usize = 4 << 10;
/// Series of metrics that one plugin may have.
const SERIES_MAX: usize = 1_000;

/// A server that answers `hello` to every request, and says nothing as long as there is none.
fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Duration::ZERO))
}

/// The table `given` and the index `near`. The table says where the server is, as the port in four bytes and as a URL.
pub(crate) fn context() -> Result<LocalContext, Failed> {
    let url = server().url();
    let port: u32 = url
        .trim_end_matches('/')
        .rsplit(':')
        .next()
        .unwrap_or_default()
        .parse()?;
    let port = port.to_le_bytes();
    let keys: ArrayRef = Arc::new(StringArray::from(vec!["alpha", "port", "url"]));
    let values: ArrayRef = Arc::new(BinaryArray::from(vec![
        b"1".as_slice(),
        &port,
        url.as_bytes(),
    ]));
    let given = RecordBatch::try_from_iter([("key", keys), ("value", values)])?;
    let near = NearestNeighbours::build(
        ["a", "b", "c"].map(|key| key.as_bytes().to_vec()).to_vec(),
        vec![0.0, 0.0, 1.0, 0.0, 0.0, 5.0],
        2,
        Distance::Euclidean,
    )?;
    let context = LocalContext::default();
    context.add_table(
        "given",
        Arc::new(SnapshotTable::from_batches(&[given], "key")?),
    )?;
    context.add_index("near", Arc::new(near))?;
    Ok(context)
}

/// Gives a registry what guests ask for.
pub(crate) fn offer(options: &mut RegistryOptions) -> Result<(), Failed> {
    options.context = Arc::new(context()?);
    options.audit.history_records_max = RECORDS_MAX;
    options.audit.queue_records_max = WAITING_MAX;
    options.limits.metric_series_max = SERIES_MAX;
    Ok(())
}

/// How much of what a guest asked for must be on record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnRecord {
    /// It need not have got so far.
    Nothing,
    Something,
    /// It asked without end: each call is counted, in a record or as lost.
    Many,
}

/// That what the guests of a registry asked for is on record, as much of it as is kept, and that nothing that they said harms who reads it.
pub(crate) fn check(registry: &Registry, expected: OnRecord) -> Result<(), Failed> {
    let audit = registry.audit()?;
    let records = audit.records();
    if expected != OnRecord::Nothing && records.is_empty() {
        return Err("it asked the host, but nothing of that is on record".into());
    }
    let asked = records.iter().map(|record| record.calls).sum::<u64>() + audit.lost();
    if expected == OnRecord::Many && asked < MANY {
        return Err(format!(
            "it asked the host without end, but {asked} calls are on record or counted as lost"
        )
        .into());
    }
    if records.len() > RECORDS_MAX {
        return Err(format!("{} records of the audit are kept", records.len()).into());
    }
    for record in &records {
        harmless("a record of the audit", &record.target)?;
        if record.target.len() > TARGET_BYTES_MAX {
            return Err(format!("a record of {} bytes", record.target.len()).into());
        }
    }
    let series = registry.metrics().all();
    if series.len() > SERIES_MAX {
        return Err(format!("{} series of metrics", series.len()).into());
    }
    for one in &series {
        harmless("the name of a metric", &one.name)?;
        for (name, value) in &one.labels {
            harmless("the name of a label", name)?;
            harmless("the value of a label", value)?;
        }
    }
    let harm = HARM.lock().unwrap_or_else(PoisonError::into_inner);
    match harm.as_deref() {
        Some(harm) => Err(harm.into()),
        None => Ok(()),
    }
}

/// That a text that a guest wrote neither has control characters nor turns the direction around, and tells no secret.
fn harmless(what: &str, text: &str) -> Result<(), Failed> {
    let hidden =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if text.contains(hidden) {
        return Err(format!("{what} is not escaped: {text:?}").into());
    }
    if text.contains(SECRET) {
        return Err(format!("{what} tells a secret: {text:?}").into());
    }
    Ok(())
}

/// What was wrong with the first log record with which something was.
static HARM: Mutex<Option<String>> = Mutex::new(None);

/// Looks at every log record of plugins.
pub(crate) fn watch_logs() -> Result<(), tracing::subscriber::SetGlobalDefaultError> {
    tracing::subscriber::set_global_default(Watch)
}

struct Watch;

impl Subscriber for Watch {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "wasmfusion::plugin"
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Look);
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

struct Look;

impl Visit for Look {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let text = format!("{value:?}");
        if let Err(failed) = harmless(&format!("the {} of a log record", field.name()), &text) {
            let mut harm = HARM.lock().unwrap_or_else(PoisonError::into_inner);
            *harm = failed.message().map(str::to_owned);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}
