//! The calendar of business: weeks, quarters, working days, holidays that move.

use chrono::{Datelike, Days, NaiveDate, Weekday};
use wasmfusion_udf::prelude::*;

wasmfusion_udf::plugin! {}

const OUT_OF_RANGE: &str = "the date is out of range";

fn civil(date: Date) -> Result<NaiveDate, &'static str> {
    NaiveDate::from_epoch_days(date.days()).ok_or(OUT_OF_RANGE)
}

fn date(civil: NaiveDate) -> Date {
    Date::from_days(civil.to_epoch_days())
}

/// Week of the year by ISO 8601, 1 to 53: weeks begin on Monday, and the first one has the year's first Thursday.
#[udf(example("SELECT iso_week(DATE '2027-01-01')", "53"))]
pub fn iso_week(day: Date) -> Result<i32, &'static str> {
    Ok(civil(day)?.iso_week().week() as i32)
}

/// Year that the day's ISO 8601 week belongs to.
#[udf(example("SELECT iso_year(DATE '2027-01-01')", "2026"))]
pub fn iso_year(day: Date) -> Result<i32, &'static str> {
    Ok(civil(day)?.iso_week().year())
}

/// First day of the quarter.
#[udf(example("SELECT quarter_start(DATE '2026-08-15')", "2026-07-01"))]
pub fn quarter_start(day: Date) -> Result<Date, &'static str> {
    let day = civil(day)?;
    let start = NaiveDate::from_ymd_opt(day.year(), day.month0() / 3 * 3 + 1, 1);
    start.map(date).ok_or(OUT_OF_RANGE)
}

/// Last day of the month.
#[udf(example("SELECT month_end(DATE '2024-02-10')", "2024-02-29"))]
pub fn month_end(day: Date) -> Result<Date, &'static str> {
    let day = civil(day)?;
    let days = u32::from(day.num_days_in_month());
    day.with_day(days).map(date).ok_or(OUT_OF_RANGE)
}

/// Easter Sunday of a year, by the Gregorian calendar.
#[udf(example("SELECT easter(2026)", "2026-04-05"))]
pub fn easter(year: i64) -> Result<Date, &'static str> {
    // The algorithm of the Anonymous Gregorian computus.
    if !(1583..=9999).contains(&year) {
        return Err("the year is 1583 to 9999");
    }
    let (golden, century, rest) = (year % 19, year / 100, year % 100);
    let skipped = (century - (century + 8) / 25 + 1) / 3;
    let moon = (19 * golden + century - century / 4 - skipped + 15) % 30;
    let sunday = (32 + 2 * (century % 4) + 2 * (rest / 4) - moon - rest % 4) % 7;
    let late = (golden + 11 * moon + 22 * sunday) / 451;
    let days = moon + sunday - 7 * late + 114;
    let found = NaiveDate::from_ymd_opt(year as i32, days as u32 / 31, days as u32 % 31 + 1);
    found.map(date).ok_or(OUT_OF_RANGE)
}

/// Number of days from Monday to Friday from the first date on and before the second. Negative if the second is earlier.
#[udf(example(
    "SELECT business_days_between(DATE '2026-07-03', DATE '2026-07-07')",
    "2"
))]
pub fn business_days_between(from: Date, to: Date) -> i64 {
    business_days_before(to) - business_days_before(from)
}

/// Days from Monday to Friday before a day, counted from some Monday long ago.
fn business_days_before(day: Date) -> i64 {
    // 1970-01-01 was a Thursday.
    let since_monday = i64::from(day.days()) + 3;
    since_monday.div_euclid(7) * 5 + since_monday.rem_euclid(7).min(5)
}

/// The date so many days from Monday to Friday later, or earlier if negative.
#[udf(example("SELECT add_business_days(DATE '2026-07-03', 1)", "2026-07-06"))]
pub fn add_business_days(day: Date, count: i64) -> Result<Date, &'static str> {
    let start = civil(day)?;
    if count == 0 {
        return Ok(day);
    }
    // From a weekend, the count begins at its border.
    let weekend = start.weekday().num_days_from_monday().saturating_sub(4);
    let to_border = match (weekend, count.signum()) {
        (0, _) => 0,
        (past, 1) => -i64::from(past),
        (past, _) => 3 - i64::from(past),
    };
    let border = i64::from(day.days()) + to_border;
    let weekday = (border + 3).rem_euclid(7);
    let total = weekday.checked_add(count).ok_or(OUT_OF_RANGE)?;
    let moved = total.div_euclid(5).checked_mul(7).ok_or(OUT_OF_RANGE)? + total.rem_euclid(5);
    let days = border.checked_add(moved - weekday).ok_or(OUT_OF_RANGE)?;
    i32::try_from(days)
        .map(Date::from_days)
        .map_err(|_| OUT_OF_RANGE)
}

/// Whether the day is a Saturday or a Sunday.
#[udf(example("SELECT is_weekend(DATE '2026-07-04')", "true"))]
pub fn is_weekend(day: Date) -> bool {
    (i64::from(day.days()) + 3).rem_euclid(7) >= 5
}

/// Whole years from the first date to the second, as ages are counted: a year is full on the same day of the next one,
/// and for 29 February on 1 March.
#[udf(example("SELECT age_years(DATE '2000-02-29', DATE '2026-02-28')", "25"))]
pub fn age_years(birth: Date, day: Date) -> Result<i32, &'static str> {
    let (birth, day) = (civil(birth)?, civil(day)?);
    let before_birthday = (day.month(), day.day()) < (birth.month(), birth.day());
    Ok(day.year() - birth.year() - i32::from(before_birthday))
}

/// The next day of a week, counted by ISO 8601 from 1 for Monday to 7 for Sunday, after the given one.
#[udf(example("SELECT next_weekday(DATE '2026-07-03', 5)", "2026-07-10"))]
pub fn next_weekday(day: Date, weekday: i64) -> Result<Date, &'static str> {
    let weekday = u8::try_from(weekday - 1)
        .ok()
        .and_then(|number| Weekday::try_from(number).ok());
    let weekday = weekday.ok_or("a weekday is 1 to 7")?;
    let day = civil(day)?;
    let ahead = match weekday.days_since(day.weekday()) {
        0 => 7,
        ahead => ahead,
    };
    day.checked_add_days(Days::new(ahead.into()))
        .map(date)
        .ok_or(OUT_OF_RANGE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmfusion_udf::testing::call;

    fn day(text: &str) -> Date {
        text.parse().map(date).unwrap_or_default()
    }

    #[test]
    fn knows_iso_weeks() {
        for (text, year, week) in [
            ("2005-01-01", 2004, 53),
            ("2005-01-03", 2005, 1),
            ("2008-12-29", 2009, 1),
            ("2010-01-03", 2009, 53),
            ("2026-07-15", 2026, 29),
        ] {
            assert_eq!(
                (iso_year(day(text)), iso_week(day(text))),
                (Ok(year), Ok(week))
            );
        }
    }

    #[test]
    fn knows_quarters_and_months() {
        let run = call!(quarter_start)
            .column([day("2026-08-15"), day("2026-01-01"), day("2026-12-31")])
            .run();
        assert_eq!(
            run,
            Ok(vec![
                day("2026-07-01"),
                day("2026-01-01"),
                day("2026-10-01")
            ])
        );
        assert_eq!(month_end(day("2024-02-10")), Ok(day("2024-02-29")));
        assert_eq!(month_end(day("2023-02-28")), Ok(day("2023-02-28")));
    }

    #[test]
    fn knows_easter() {
        for text in [
            "1961-04-02",
            "2000-04-23",
            "2019-04-21",
            "2024-03-31",
            "2026-04-05",
            "2038-04-25",
            "2285-03-22",
        ] {
            let year = text[..4].parse().unwrap_or_default();
            assert_eq!(easter(year), Ok(day(text)));
        }
        assert!(easter(1000).is_err());
    }

    #[test]
    fn counts_business_days_like_a_calendar() {
        let start = day("2026-06-29").days();
        for from in 0..14 {
            for to in 0..30 {
                let counted = (from..to)
                    .filter(|place| !is_weekend(Date::from_days(start + place)))
                    .count() as i64;
                let (from, to) = (Date::from_days(start + from), Date::from_days(start + to));
                if from <= to {
                    assert_eq!(business_days_between(from, to), counted);
                    assert_eq!(business_days_between(to, from), -counted);
                }
            }
            for count in -12..=12i64 {
                let from = Date::from_days(start + from);
                let mut expected = from.days();
                let mut left = count;
                while left != 0 {
                    expected += left.signum() as i32;
                    if !is_weekend(Date::from_days(expected)) {
                        left -= left.signum();
                    }
                }
                assert_eq!(
                    add_business_days(from, count),
                    Ok(Date::from_days(expected))
                );
            }
        }
        assert!(add_business_days(day("2026-07-03"), i64::MAX).is_err());
    }

    #[test]
    fn counts_years_and_finds_weekdays() {
        assert_eq!(age_years(day("2000-02-29"), day("2026-02-28")), Ok(25));
        assert_eq!(age_years(day("2000-02-29"), day("2026-03-01")), Ok(26));
        assert_eq!(age_years(day("1990-07-15"), day("2026-07-15")), Ok(36));
        assert_eq!(next_weekday(day("2026-07-03"), 5), Ok(day("2026-07-10")));
        assert_eq!(next_weekday(day("2026-07-03"), 1), Ok(day("2026-07-06")));
        assert!(next_weekday(day("2026-07-03"), 0).is_err());
    }
}
