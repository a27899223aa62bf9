//! The time of day, and how long something takes. Capability `clock`.
//!
//! The clocks of `std::time` are not there in a plugin: they panic.

use core::fmt;
use core::ops::{Add, Sub};
use core::time::Duration;

use super::error::{Result, check};
use super::sys;
use crate::types::{Date, TimeUnit, TimestampUtc};

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// A point in time, in nanoseconds since 1970-01-01 00:00 UTC. It becomes a [`TimestampUtc`] with `into()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SystemTime(i64);

/// A point in time of a clock that never goes back, good for measuring how long something takes and for nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

/// What time it is.
///
/// # Errors
///
/// If the host has no clock for the plugin.
///
/// ```no_run
/// use wasmfusion_udf::prelude::*;
/// use wasmfusion_udf::host::clock;
///
/// let now: TimestampUtc = clock::now()?.into();
/// # Ok::<(), wasmfusion_udf::host::Error>(())
/// ```
pub fn now() -> Result<SystemTime> {
    // SAFETY: no memory is handed over.
    let nanos = check(unsafe { sys::clock_realtime() })?;
    Ok(SystemTime(nanos as i64))
}

/// What the clock says that never goes back.
///
/// # Errors
///
/// As [`now`].
pub fn monotonic() -> Result<Instant> {
    // SAFETY: no memory is handed over.
    check(unsafe { sys::clock_monotonic() }).map(Instant)
}

impl SystemTime {
    /// 1970-01-01 00:00 UTC.
    pub const UNIX_EPOCH: Self = SystemTime(0);

    /// The point in time so many nanoseconds after 1970-01-01 00:00 UTC.
    pub const fn from_nanos(nanos: i64) -> Self {
        SystemTime(nanos)
    }

    /// Nanoseconds since 1970-01-01 00:00 UTC.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Full seconds since 1970-01-01 00:00 UTC.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(NANOS_PER_SECOND)
    }

    /// The day, in UTC.
    pub fn date(self) -> Date {
        // 2^63 nanoseconds are less than 300 years.
        Date::from_days(self.seconds().div_euclid(SECONDS_PER_DAY) as i32)
    }

    /// How long after `earlier` it is; nothing if it is before.
    pub fn duration_since(self, earlier: Self) -> Duration {
        let nanos = i128::from(self.0) - i128::from(earlier.0);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
    }
}

impl Instant {
    /// How long after `earlier` it is; nothing if it is before.
    pub fn duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// How long ago it is.
    ///
    /// # Errors
    ///
    /// As [`monotonic`].
    pub fn elapsed(self) -> Result<Duration> {
        Ok(monotonic()?.duration_since(self))
    }
}

/// A duration in nanoseconds, as far as it fits.
fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

impl Add<Duration> for SystemTime {
    type Output = Self;

    /// Stops at the last point in time that there is, in 2262.
    fn add(self, duration: Duration) -> Self {
        SystemTime(self.0.saturating_add(nanos(duration)))
    }
}

impl Sub<Duration> for SystemTime {
    type Output = Self;

    /// Stops at the first point in time that there is, in 1677.
    fn sub(self, duration: Duration) -> Self {
        SystemTime(self.0.saturating_sub(nanos(duration)))
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }
}

impl<U: TimeUnit> From<SystemTime> for TimestampUtc<U> {
    fn from(time: SystemTime) -> Self {
        TimestampUtc::new(time.0.div_euclid(NANOS_PER_SECOND / U::PER_SECOND))
    }
}

impl fmt::Display for SystemTime {
    /// As RFC 3339 has it: `2026-07-15T12:30:00.000000000Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = self.seconds().rem_euclid(SECONDS_PER_DAY);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let nanos = self.0.rem_euclid(NANOS_PER_SECOND);
        let date = self.date();
        write!(f, "{date}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use crate::types::{Nanos, Seconds};
    use alloc::string::ToString;

    /// 2026-07-15 12:34:56.789 UTC.
    const TIME: SystemTime = SystemTime::from_nanos(1_784_118_896_789_000_000);

    #[test]
    fn knows_the_time() {
        let host = testing::host().clock(TIME);
        assert_eq!(now(), Ok(TIME));
        let start = monotonic().expect("there is a host");
        host.advance(Duration::from_millis(1500));
        assert_eq!(start.elapsed(), Ok(Duration::from_millis(1500)));
        assert_eq!(now(), Ok(TIME + Duration::from_millis(1500)));
    }

    #[test]
    fn computes_and_converts() {
        assert_eq!(TIME.to_string(), "2026-07-15T12:34:56.789000000Z");
        let before = SystemTime::from_nanos(-1);
        assert_eq!(before.to_string(), "1969-12-31T23:59:59.999999999Z");
        assert_eq!(
            TIME.duration_since(before),
            Duration::from_nanos(TIME.0 as u64 + 1)
        );
        assert_eq!(before.duration_since(TIME), Duration::ZERO);
        assert_eq!(TIME + Duration::MAX - Duration::MAX, SystemTime(0));
        assert_eq!(TimestampUtc::<Nanos>::from(TIME).count(), TIME.nanos());
        assert_eq!(TimestampUtc::<Seconds>::from(before).count(), -1);
        assert_eq!(Instant(3) - Instant(5), Duration::ZERO);
    }
}
