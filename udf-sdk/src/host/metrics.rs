//! Metrics: counters, gauges and histograms. Capability `metric:emit`.
//!
//! ```no_run
//! use wasmfusion_udf::host::metrics::{Counter, Histogram};
//!
//! static SEEN: Counter = Counter::new("rows_seen").labels(&[("kind", "x")]);
//! static SIZE: Histogram = Histogram::new("row_bytes");
//!
//! SEEN.add(1.0);
//! SIZE.record(512.0);
//! ```
//!
//! A metric makes itself known to the host at its first use in an instance; each use after that is one call of the host. In a loop over
//! many rows, add up first. Metrics never fail: what the host cannot take is lost.
//!
//! A series, which is a name with values of its labels, costs the host memory: labels are for kinds, not for keys.

use core::mem;
use core::sync::atomic::{AtomicI64, Ordering::Relaxed};

use alloc::vec::Vec;
use wasmfusion_abi::host::metric;

use super::sys;

/// No handle was asked for yet.
const UNKNOWN: i64 = i64::MIN;

/// A metric of any kind.
#[derive(Debug)]
struct Metric<'a> {
    name: &'a str,
    labels: &'a [(&'a str, &'a str)],
    /// What the host returned for it: a handle, or the status of a refusal, or [`UNKNOWN`].
    handle: AtomicI64,
}

impl<'a> Metric<'a> {
    const fn new(name: &'a str, labels: &'a [(&'a str, &'a str)]) -> Self {
        Metric {
            name,
            labels,
            handle: AtomicI64::new(UNKNOWN),
        }
    }

    #[inline]
    fn record(&self, kind: i32, value: f64) {
        let mut handle = self.handle.load(Relaxed);
        if handle == UNKNOWN {
            handle = self.register(kind);
        }
        if let Ok(handle) = i32::try_from(handle)
            && handle >= 0
        {
            // SAFETY: no memory is handed over.
            unsafe { sys::metric_record(handle, value) };
        }
    }

    #[cold]
    #[inline(never)]
    fn register(&self, kind: i32) -> i64 {
        let labels: Vec<sys::Pair> = self
            .labels
            .iter()
            .map(|(name, value)| sys::pair(name, value))
            .collect();
        // SAFETY: name and labels are there until the call is over.
        let handle = unsafe {
            sys::metric(
                kind,
                self.name.as_ptr(),
                self.name.len(),
                labels.as_ptr(),
                labels.len(),
            )
        };
        // In an instance, a refusal is final. A static of a native test lives on into the next one, which may have another host.
        if handle >= 0 || cfg!(target_arch = "wasm32") {
            self.handle.store(handle, Relaxed);
        }
        handle
    }
}

impl Drop for Metric<'_> {
    /// Metrics that are no statics come and go, and so do their handles. What was recorded stays.
    fn drop(&mut self) {
        if let Ok(handle) = i32::try_from(*self.handle.get_mut())
            && handle >= 0
        {
            // SAFETY: no memory is handed over. That closing can fail is of no use to anybody here.
            unsafe { sys::close(handle) };
        }
    }
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $name:ident: $kind:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name<'a>(Metric<'a>);

        impl<'a> $name<'a> {
            /// A metric of this name: a letter or `_`, then letters, digits, `_` and `.`.
            pub const fn new(name: &'a str) -> Self {
                $name(Metric::new(name, &[]))
            }

            /// The same metric with these labels, pairs of a name and a value. Metrics of one name have labels of the same names.
            #[must_use]
            pub const fn labels(self, labels: &'a [(&'a str, &'a str)]) -> Self {
                let name = self.0.name;
                // There is nothing to close yet, and constants drop nothing.
                mem::forget(self);
                $name(Metric::new(name, labels))
            }

            #[inline]
            fn emit(&self, value: f64) {
                self.0.record(metric::$kind, value);
            }
        }
    )*};
}

metrics! {
    /// A sum that only grows.
    Counter: COUNTER;
    /// The last value of something that goes up and down.
    Gauge: GAUGE;
    /// How values are distributed.
    Histogram: HISTOGRAM;
}

impl Counter<'_> {
    /// Adds one.
    #[inline]
    pub fn increment(&self) {
        self.emit(1.0);
    }

    /// Adds so many, which must not be negative.
    #[inline]
    pub fn add(&self, count: f64) {
        self.emit(count);
    }
}

impl Gauge<'_> {
    /// Sets the value.
    #[inline]
    pub fn set(&self, value: f64) {
        self.emit(value);
    }
}

impl Histogram<'_> {
    /// Takes a value in.
    #[inline]
    pub fn record(&self, value: f64) {
        self.emit(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::ErrorKind;
    use crate::testing;

    static SEEN: Counter = Counter::new("rows_seen").labels(&[("kind", "x")]);

    #[test]
    fn counts_in_a_static() {
        for _ in 0..2 {
            let host = testing::host();
            SEEN.increment();
            SEEN.add(2.0);
            assert_eq!(host.metric("rows_seen", &[("kind", "x")]), [1.0, 2.0]);
            // It is known from the first test on that comes here, as nothing drops a static.
            assert_eq!(host.calls("metric_record"), 2);
            assert_eq!(host.calls("close"), 0);
        }
    }

    #[test]
    fn tells_labels_and_kinds_apart() {
        let host = testing::host();
        for code in ["EUR", "USD", "EUR"] {
            let labels = [("code", code)];
            Counter::new("converted").labels(&labels).increment();
        }
        Gauge::new("level").set(-2.5);
        Histogram::new("ms").record(7.0);
        assert_eq!(host.calls("close"), 5);
        assert_eq!(host.metric("converted", &[("code", "EUR")]), [1.0, 1.0]);
        assert_eq!(host.metric("converted", &[("code", "USD")]), [1.0]);
        assert_eq!(host.metric("level", &[]), [-2.5]);
        assert_eq!(host.metric("ms", &[]), [7.0]);
        assert!(host.metric("other", &[]).is_empty());
    }

    #[test]
    fn is_silent_if_refused() {
        let host = testing::host().failing("metric", ErrorKind::Limit, "too many");
        Counter::new("refused").increment();
        assert_eq!(host.calls("metric_record"), 0);
    }
}
