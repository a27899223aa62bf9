//! Window functions over moments.

use wasmfusion_udf::prelude::*;

const NANOS_PER_DAY: i64 = 86_400_000_000_000;

/// The session that is going on.
#[derive(Debug, Default)]
pub struct Sessionize {
    number: i64,
    last: Option<i64>,
}

/// Number of a session, from 1: a new one begins where more than `gap` lies between a moment and the one before, as in `sessionize(at, INTERVAL '30 minutes')
/// OVER (PARTITION BY visitor ORDER BY at)`. NULL where the moment is.
#[udwf(example(
    "SELECT sessionize(at, INTERVAL '30 minutes') OVER (ORDER BY at) AS s FROM (VALUES (TIMESTAMP '2026-01-01 12:00:00'), (TIMESTAMP '2026-01-01 12:31:00')) AS t(at) ORDER BY at DESC LIMIT 1",
    "2"
))]
impl Sessionize {
    fn next(&mut self, at: Timestamp<Nanos>, gap: Interval) -> Result<i64, &'static str> {
        if gap.months != 0 {
            return Err("a gap has no months: they are not all of one length");
        }
        let gap = i64::from(gap.days)
            .checked_mul(NANOS_PER_DAY)
            .and_then(|days| days.checked_add(gap.nanos))
            .ok_or("the gap is longer than 292 years")?;
        let goes_on = self.last.is_some_and(|last| {
            let since = at.count().saturating_sub(last);
            since.saturating_abs() <= gap
        });
        self.number += i64::from(!goes_on);
        self.last = Some(at.count());
        Ok(self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmfusion_udf::testing::window;

    #[test]
    fn cuts_where_nothing_happened() {
        let at = |seconds: i64| Some(Timestamp::<Nanos>::new(seconds * 1_000_000_000));
        let gap = Interval {
            months: 0,
            days: 0,
            nanos: 60_000_000_000,
        };
        let run = window!(Sessionize)
            .column([at(0), at(60), None, at(100), at(161)])
            .constant(gap)
            .then()
            .column([at(200), at(300)])
            .constant(gap)
            .run();
        let expected = [
            Some(1i64),
            Some(1),
            None,
            Some(1),
            Some(2),
            Some(2),
            Some(3),
        ];
        assert_eq!(run, Ok(expected.to_vec()));
        let months = Interval { months: 1, ..gap };
        let run = window!(Sessionize).column([at(0)]).constant(months);
        assert!(run.run::<i64>().is_err());
    }
}
