//! Log records. Capability `log`.
//!
//! ```no_run
//! use wasmfusion_udf::host::log;
//! # let (row, ms) = (3, 2.5);
//!
//! log::info!("started");
//! log::warn!(row = row, ms = ms; "a slow row, after {} others", row - 1);
//! ```
//!
//! Fields come first, as with the crate `log`, and are written with [`Display`](fmt::Display). A record that the host does not keep
//! is not formatted, and its arguments are not evaluated. Logging never fails: a record that the host cannot take is lost.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use wasmfusion_abi::host::level;

use super::sys;

#[cfg(feature = "log")]
pub(crate) mod bridge;

#[doc(inline)]
pub use crate::{
    __log_debug as debug, __log_error as error, __log_info as info, __log_trace as trace,
    __log_warn as warn,
};

/// How important a record is. The most important one is the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i32)]
pub enum Level {
    /// Something is broken.
    Error = level::ERROR,
    /// Something looks wrong.
    Warn = level::WARN,
    /// Something happened that operators want to know.
    Info = level::INFO,
    /// For the plugin's author.
    Debug = level::DEBUG,
    /// Every step.
    Trace = level::TRACE,
}

/// Whether the host keeps records of this level. The answer is the same as long as the instance lives, which asks once.
#[cfg(target_arch = "wasm32")]
pub fn enabled(level: Level) -> bool {
    use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

    /// Bits of the levels that were asked for, and of those that are kept.
    static ASKED: AtomicU8 = AtomicU8::new(0);
    static KEPT: AtomicU8 = AtomicU8::new(0);

    let bit = 1u8 << level as u8;
    if ASKED.load(Relaxed) & bit == 0 {
        if ask(level) {
            KEPT.store(KEPT.load(Relaxed) | bit, Relaxed);
        }
        ASKED.store(ASKED.load(Relaxed) | bit, Relaxed);
    }
    KEPT.load(Relaxed) & bit != 0
}

/// Whether the host keeps records of this level. Natively it is asked each time, since each test has a host of its own.
#[cfg(not(target_arch = "wasm32"))]
pub fn enabled(level: Level) -> bool {
    ask(level)
}

fn ask(level: Level) -> bool {
    // SAFETY: no memory is handed over.
    unsafe { sys::log_enabled(level as i32) == 1 }
}

/// Writes a record with fields, whether its level is kept or not. The macros are for text that is still to be formatted.
pub fn record(level: Level, message: &str, fields: &[(&str, &str)]) {
    let pairs: Vec<sys::Pair> = fields
        .iter()
        .map(|(name, value)| sys::pair(name, value))
        .collect();
    // SAFETY: message and fields are there until the call is over. A record that the host cannot take is lost.
    unsafe {
        sys::log(
            level as i32,
            message.as_ptr(),
            message.len(),
            pairs.as_ptr(),
            pairs.len(),
        )
    };
}

/// Formats and writes a record: what the macros do if the level is kept.
#[doc(hidden)]
#[cold]
#[inline(never)]
pub fn format(level: Level, message: fmt::Arguments<'_>, fields: &[(&str, &dyn fmt::Display)]) {
    let message = message
        .as_str()
        .map_or_else(|| Cow::Owned(message.to_string()), Cow::Borrowed);
    let values: Vec<String> = fields.iter().map(|(_, value)| value.to_string()).collect();
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .zip(&values)
        .map(|((name, _), value)| (*name, value.as_str()))
        .collect();
    record(level, &message, &fields);
}

/// What all five macros are.
#[doc(hidden)]
#[macro_export]
macro_rules! __log {
    ($level:ident; $($name:ident = $value:expr),+ $(,)?; $($message:tt)+) => {
        if $crate::host::log::enabled($crate::host::log::Level::$level) {
            $crate::host::log::format(
                $crate::host::log::Level::$level,
                ::core::format_args!($($message)+),
                &[$((::core::stringify!($name), &$value as &dyn ::core::fmt::Display)),+],
            );
        }
    };
    ($level:ident; $($message:tt)+) => {
        if $crate::host::log::enabled($crate::host::log::Level::$level) {
            $crate::host::log::format(
                $crate::host::log::Level::$level,
                ::core::format_args!($($message)+),
                &[],
            );
        }
    };
}

/// Something is broken: `error!("…")`, with fields `error!(row = 1; "…")`.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_error {
    ($($record:tt)+) => { $crate::__log!(Error; $($record)+) };
}

/// Something looks wrong: `warn!("…")`, with fields `warn!(row = 1; "…")`.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_warn {
    ($($record:tt)+) => { $crate::__log!(Warn; $($record)+) };
}

/// Something happened that operators want to know: `info!("…")`, with fields `info!(row = 1; "…")`.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_info {
    ($($record:tt)+) => { $crate::__log!(Info; $($record)+) };
}

/// For the plugin's author: `debug!("…")`, with fields `debug!(row = 1; "…")`.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_debug {
    ($($record:tt)+) => { $crate::__log!(Debug; $($record)+) };
}

/// Every step: `trace!("…")`, with fields `trace!(row = 1; "…")`.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_trace {
    ($($record:tt)+) => { $crate::__log!(Trace; $($record)+) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use core::cell::Cell;

    #[test]
    fn writes_records_with_fields() {
        let host = testing::host();
        let (row, ms) = (3, 2.5);
        info!("plain");
        warn!(row = row, ms = ms; "slow: {} of {row}", row - 1);
        error!(why = "a \"quoted\" text",; "broken");
        let logs = host.logs();
        assert_eq!(logs[0].to_string(), "INFO plain");
        assert_eq!(logs[1].to_string(), "WARN slow: 2 of 3 row=3 ms=2.5");
        assert_eq!(logs[2].fields[0].1, "a \"quoted\" text");
        assert_eq!(logs.len(), 3);
    }

    #[test]
    fn formats_nothing_that_is_not_kept() {
        let host = testing::host().log_level(Level::Warn);
        let evaluated = Cell::new(0);
        let count = || evaluated.replace(evaluated.get() + 1);
        debug!(n = count(); "{}", count());
        trace!("{}", count());
        assert_eq!((evaluated.get(), host.logs().len()), (0, 0));
        warn!("{}", count());
        assert_eq!((evaluated.get(), host.logs().len()), (1, 1));
    }

    #[test]
    fn is_silent_without_a_host() {
        assert!(!enabled(Level::Error));
        error!("nobody hears this");
        record(Level::Error, "nor this", &[]);
    }
}
