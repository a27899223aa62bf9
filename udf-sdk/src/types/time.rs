//! Dates, times, timestamps, durations and intervals.

use core::fmt;
use core::marker::PhantomData;

use crate::data_type::{DataType, Unit};
use crate::value::{Element, Fixed};

/// A day: SQL's `DATE`.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(i32);

impl Date {
    /// The day so many days after 1970-01-01.
    pub const fn from_days(days: i32) -> Self {
        Date(days)
    }

    /// Days since 1970-01-01.
    pub const fn days(self) -> i32 {
        self.0
    }

    /// A day of the proleptic Gregorian calendar, if there is such a day.
    pub fn from_ymd(year: i32, month: u8, day: u8) -> Option<Self> {
        // Years begin in March here, so that the leap day is the last of its year; 400 of them are an era.
        let shifted = i64::from(year) - i64::from(month <= 2);
        let (era, year_of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
        let month_of_year = (i64::from(month) + 9) % 12;
        let day_of_year = (153 * month_of_year + 2) / 5 + i64::from(day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let date = Date(i32::try_from(era * 146_097 + day_of_era - 719_468).ok()?);
        // A day that does not exist comes back as another one.
        (date.ymd() == (year, month, day)).then_some(date)
    }

    /// Year, month (from 1) and day (from 1).
    pub fn ymd(self) -> (i32, u8, u8) {
        let days = i64::from(self.0) + 719_468;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_of_year = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_of_year + 2) / 5 + 1;
        let month = (month_of_year + 2) % 12 + 1;
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        (year as i32, month as u8, day as u8)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.ymd();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

// SAFETY: an `i32` of days, as Arrow lays out a Date32.
unsafe impl Fixed for Date {
    const TYPE: DataType = DataType::Date32;
}

impl Element for Date {}

/// A time of day in microseconds since midnight: SQL's `TIME`.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

// SAFETY: an `i64` of microseconds, as Arrow lays out a Time64(µs).
unsafe impl Fixed for Time {
    const TYPE: DataType = DataType::Time64(Unit::Microsecond);
}

impl Element for Time {}

/// Months, days and nanoseconds, none of which can be had from the others: SQL's `INTERVAL`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Interval {
    /// Months.
    pub months: i32,
    /// Days.
    pub days: i32,
    /// Nanoseconds.
    pub nanos: i64,
}

// SAFETY: 4, 4 and 8 bytes in this order, as Arrow lays out an Interval(MonthDayNano).
unsafe impl Fixed for Interval {
    const TYPE: DataType = DataType::IntervalMonthDayNano;
}

impl Element for Interval {}

/// The unit of a [`Timestamp`] or [`Duration`].
pub trait TimeUnit: Copy + 'static {
    /// The unit.
    const UNIT: Unit;
    /// How many of it a second has.
    const PER_SECOND: i64;
}

macro_rules! units {
    ($($(#[$doc:meta])* $name:ident: $unit:ident, $per_second:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name;

        impl TimeUnit for $name {
            const UNIT: Unit = Unit::$unit;
            const PER_SECOND: i64 = $per_second;
        }
    )*};
}

units! {
    /// Seconds.
    Seconds: Second, 1;
    /// Milliseconds.
    Millis: Millisecond, 1_000;
    /// Microseconds.
    Micros: Microsecond, 1_000_000;
    /// Nanoseconds.
    Nanos: Nanosecond, 1_000_000_000;
}

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident: $unit:ident => $sql:expr;)*) => {$(
        $(#[$doc])*
        #[repr(transparent)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name<U = Micros> {
            count: i64,
            unit: PhantomData<U>,
        }

        impl<U: TimeUnit> $name<U> {
            /// So many of the unit.
            pub const fn new(count: i64) -> Self {
                $name { count, unit: PhantomData }
            }

            /// How many of the unit it is.
            pub const fn count(self) -> i64 {
                self.count
            }
        }

        // SAFETY: an `i64`, as Arrow lays out its values.
        unsafe impl<$unit: TimeUnit> Fixed for $name<$unit> {
            const TYPE: DataType = $sql;
        }

        impl<U: TimeUnit> Element for $name<U> {}
    )*};
}

counts! {
    /// A point in time without a time zone, counted from 1970-01-01 00:00: SQL's `TIMESTAMP`. In microseconds unless
    /// another unit is given.
    Timestamp: U => DataType::Timestamp(U::UNIT, None);
    /// A point in time, counted from 1970-01-01 00:00 UTC: SQL's `TIMESTAMP WITH TIME ZONE`.
    TimestampUtc: U => DataType::Timestamp(U::UNIT, Some("UTC"));
    /// A length of time.
    Duration: U => DataType::Duration(U::UNIT);
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn knows_the_calendar() {
        assert_eq!(Date::from_ymd(1970, 1, 1), Some(Date(0)));
        assert_eq!(Date::from_ymd(2000, 2, 29), Some(Date(11_016)));
        assert_eq!(Date::from_ymd(2026, 7, 15).map(Date::days), Some(20_649));
        for (year, month, day) in [
            (2023, 2, 29),
            (2024, 13, 1),
            (2024, 0, 1),
            (2024, 4, 31),
            (2024, 1, 0),
        ] {
            assert_eq!(Date::from_ymd(year, month, day), None);
        }
        assert_eq!(Date(-719_162).to_string(), "0001-01-01");
    }

    #[test]
    fn comes_back_from_every_day() {
        for days in (-800_000..800_000).chain([i32::MIN, i32::MAX]) {
            let (year, month, day) = Date(days).ymd();
            assert_eq!(Date::from_ymd(year, month, day), Some(Date(days)));
        }
    }
}
