//! `metric`, `metric_record`: a plugin's numbers.

use std::sync::Arc;

use wasmfusion_abi::host::metric;

use crate::host::error::{HostError, Status};
use crate::host::gate::{Answer, Call};
use crate::host::handle::{Handle, wrong_kind};
use crate::metrics::MetricKind;

/// Longest name of a metric or a label, longest value of a label, in bytes.
const TEXT_BYTES_MAX: usize = 255;
/// Most labels of a series.
const LABELS_MAX: u32 = 16;

pub(super) fn open(
    call: &mut Call<'_>,
    kind: i32,
    name: u32,
    length: u32,
    labels: u32,
    label_count: u32,
) -> Answer {
    let kind = match kind {
        metric::COUNTER => MetricKind::Counter,
        metric::GAUGE => MetricKind::Gauge,
        metric::HISTOGRAM => MetricKind::Histogram,
        kind => {
            return Err(HostError::new(
                Status::Invalid,
                format!("{kind} is not a kind of metric; there are 0 (counter), 1 (gauge), 2 (histogram)"),
            )
            .into());
        }
    };
    let name = call.text("name", name, length, TEXT_BYTES_MAX)?;
    call.target(&name);
    check_name("metric", &name)?;
    let host = Arc::clone(call.calls.host());
    let mut shown = Vec::new();
    for (label, value) in call.pairs("labels", labels, label_count, LABELS_MAX, TEXT_BYTES_MAX)? {
        check_name("label", &label)?;
        let (label, value) = (
            host.redactor().redact(&label),
            host.redactor().redact(&value),
        );
        shown.push((label.into_owned(), crate::module::escape(&value)));
    }
    let series = host.series(kind, &host.redactor().redact(&name), shown)?;
    Ok(call.calls.handles().open(Handle::Metric(series))?)
}

/// Names as Prometheus has them, so that every tool takes them.
fn check_name(what: &str, name: &str) -> Result<(), HostError> {
    let mut bytes = name.bytes();
    let first = bytes.next();
    let right = first.is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.');
    match right {
        true => Ok(()),
        false => Err(HostError::new(
            Status::Invalid,
            format!(
                "`{}` is not a name for a {what}; use a letter, then letters, digits, `_` and `.`",
                crate::module::escape_cut(name, 80)
            ),
        )),
    }
}

pub(super) fn record(call: &mut Call<'_>, handle: u32, value: f64) -> Answer {
    let Handle::Metric(series) = call.calls.handles().get(handle)? else {
        return Err(wrong_kind(handle, "a metric").into());
    };
    let series = Arc::clone(series);
    call.known_target(series.target());
    if !value.is_finite() || (series.kind() == MetricKind::Counter && value < 0.0) {
        return Err(HostError::new(
            Status::Invalid,
            format!("{value} cannot be recorded; a value is finite, and a counter only grows"),
        )
        .into());
    }
    if let Some(dropped) = call.calls.host().drop_metric() {
        return Err(dropped.into());
    }
    match call.calls.is_of_observer() {
        false => series.record(value),
        true => series.record_of_observer(value),
    }
    Ok(0)
}
