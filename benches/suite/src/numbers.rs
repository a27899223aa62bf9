//! Amounts, times and vectors.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime};
use wasmfusion_udf::prelude::*;

/// An amount as a shop's database keeps it.
pub type Amount = Decimal<18, 6>;

/// An amount in the smallest coin.
pub type Cents = Decimal<18, 2>;

/// The price after the discount and with the tax, both of which are fractions of 1.
#[udf]
pub fn net_price(price: f64, discount: f64, tax: f64) -> f64 {
    price * (1.0 - discount) * (1.0 + tax)
}

/// The amount rounded to the smallest coin. A half goes to the even neighbour, as banks round.
#[udf]
pub fn round_to_cents(amount: Amount) -> Result<Cents, &'static str> {
    amount
        .round_half_even()
        .ok_or("the amount has too many digits")
}

/// The first moment of the month that a moment is in.
#[udf]
pub fn month_start(moment: Timestamp) -> Result<Timestamp, &'static str> {
    let day = DateTime::from_timestamp_micros(moment.count())
        .ok_or("the timestamp is out of range")?
        .date_naive();
    NaiveDate::from_ymd_opt(day.year(), day.month(), 1)
        .map(|first| first.and_time(NaiveTime::MIN).and_utc())
        .map(|start| Timestamp::new(start.timestamp_micros()))
        .ok_or("the timestamp is out of range")
}

/// How late a flight is, in words.
#[udf]
pub fn delay_bucket(minutes: i64) -> &'static str {
    match minutes {
        ..=-15 => "early",
        -14..=14 => "on time",
        15..=59 => "late",
        60..=179 => "very late",
        _ => "hopeless",
    }
}

/// Dot product of two vectors.
#[udf]
pub fn dot(left: &[f32], right: &[f32]) -> Result<f32, &'static str> {
    if left.len() != right.len() {
        return Err("the vectors have different numbers of elements");
    }
    Ok(left
        .iter()
        .zip(right)
        .map(|(left, right)| left * right)
        .sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmfusion_udf::testing::call;

    #[test]
    fn rounds_halves_to_even() {
        for (amount, cents) in [
            (1_005_000, Ok(100)),
            (1_015_000, Ok(102)),
            (1_015_001, Ok(102)),
            (-1_005_000, Ok(-100)),
            (-1_015_000, Ok(-102)),
            (0, Ok(0)),
        ] {
            let amount = Decimal::new(amount).expect("it has few digits");
            assert_eq!(round_to_cents(amount).map(Decimal::unscaled), cents);
        }
    }

    #[test]
    fn finds_the_month() {
        const DAY: i64 = 86_400_000_000;
        for (moment, start) in [
            (0, 0),
            (31 * DAY - 1, 0),
            (40 * DAY + 5, 31 * DAY),
            (-1, -31 * DAY),
        ] {
            assert_eq!(
                month_start(Timestamp::new(moment)),
                Ok(Timestamp::new(start))
            );
        }
        assert!(month_start(Timestamp::new(i64::MAX)).is_err());
    }

    #[test]
    fn sorts_delays() {
        let run = call!(delay_bucket)
            .column([-20i64, 0, 15, 60, 180])
            .run::<String>();
        let words = ["early", "on time", "late", "very late", "hopeless"];
        assert_eq!(run, Ok(words.map(str::to_owned).to_vec()));
    }

    #[test]
    fn multiplies() {
        assert_eq!(net_price(100.0, 0.25, 0.5), 112.5);
        assert_eq!(dot(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]), Ok(32.0));
        assert!(dot(&[1.0], &[]).is_err());
    }
}
