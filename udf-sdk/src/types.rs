//! SQL types that Rust has no type of its own for.

mod decimal;
mod time;

pub use decimal::Decimal;
pub use time::{
    Date, Duration, Interval, Micros, Millis, Nanos, Seconds, Time, TimeUnit, Timestamp,
    TimestampUtc,
};
