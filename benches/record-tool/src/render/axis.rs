//! An axis of a picture, linear or logarithmic, with ticks where points are or at round values.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use super::numbers;

/// An axis. Places on it are values, or their logarithms to the base of ten.
pub struct Axis {
    log: bool,
    places: Range<f64>,
    /// Values that have a label.
    ticks: Vec<f64>,
}

impl Axis {
    /// An axis for these values, with round ticks. A linear one begins at zero.
    pub fn new(values: Vec<f64>, log: bool) -> Self {
        let places = values.iter().map(|value| place(*value, log));
        let (mut low, mut high) = places
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), place| {
                (low.min(place), high.max(place))
            });
        if !log {
            low = low.min(0.0);
        }
        let room = if high > low { (high - low) * 0.05 } else { 0.5 };
        high += room;
        if log || low < 0.0 {
            low -= room;
        }
        let places = low..high;
        Self {
            log,
            ticks: ticks(&places, log),
            places,
        }
    }

    /// An axis for these values, with ticks where they are, if they are few and apart.
    pub fn of_points(mut values: Vec<f64>, log: bool) -> Self {
        let mut axis = Self::new(values.clone(), log);
        values.sort_by(f64::total_cmp);
        values.dedup();
        let apart = (axis.places.end - axis.places.start) * 0.06;
        if values.len() <= 10
            && values
                .windows(2)
                .all(|pair| place(pair[1], log) - place(pair[0], log) > apart)
        {
            axis.ticks = values;
        }
        axis
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (start, end): (i32, i32)) -> i32 {
        let part =
            (place(*value, self.log) - self.places.start) / (self.places.end - self.places.start);
        start + (f64::from(end - start) * part).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() {
            Vec::new()
        } else {
            self.ticks.clone()
        }
    }

    fn range(&self) -> Range<f64> {
        value(self.places.start, self.log)..value(self.places.end, self.log)
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        numbers::short(*value)
    }
}

fn place(value: f64, log: bool) -> f64 {
    if log { value.log10() } else { value }
}

fn value(place: f64, log: bool) -> f64 {
    if log { 10f64.powf(place) } else { place }
}

/// Round values: of powers of ten, these with 2 and 5, and all multiples of a step, the first that are three at least.
fn ticks(places: &Range<f64>, log: bool) -> Vec<f64> {
    let (low, high) = (value(places.start, log), value(places.end, log));
    let shown = |values: Vec<f64>| -> Vec<f64> {
        values
            .into_iter()
            .filter(|value| (low..=high).contains(value))
            .collect()
    };
    if log {
        let decades = || places.start.floor() as i32..=places.end.ceil() as i32;
        for factors in [&[1.0][..], &[1.0, 2.0, 5.0]] {
            let all = decades().flat_map(|decade| {
                factors
                    .iter()
                    .map(move |factor| factor * 10f64.powi(decade))
            });
            let ticks = shown(all.collect());
            if ticks.len() >= 3 {
                return ticks;
            }
        }
    }
    let power = 10f64.powf(((high - low) / 7.0).log10().floor());
    let mut steps = [1.0, 2.0, 5.0].map(|factor| factor * power).into_iter();
    let step = steps
        .find(|step| (high - low) / step <= 7.0)
        .unwrap_or(10.0 * power);
    let numbers = (low / step).floor() as i64..=(high / step).ceil() as i64;
    shown(numbers.map(|number| number as f64 * step).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks
            .iter()
            .map(|value| axis.format_ext(value))
            .collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(
            labels(&Axis::new(vec![1.0, 1000.0], true)),
            ["1", "10", "100", "1,000"]
        );
        assert_eq!(
            labels(&Axis::new(vec![2.0, 20.0], true)),
            ["2", "5", "10", "20"]
        );
        assert_eq!(
            labels(&Axis::new(vec![200.0, 260.0], true)),
            ["200", "210", "220", "230", "240", "250", "260"]
        );
        assert_eq!(
            labels(&Axis::new(vec![2.0], false)),
            ["0", "0.5", "1", "1.5", "2"]
        );
    }

    #[test]
    fn ticks_stand_where_points_are() {
        let points = vec![8192.0, 1.0, 64.0, 1.0];
        assert_eq!(
            labels(&Axis::of_points(points.clone(), true)),
            ["1", "64", "8,192"]
        );
        // They would lie on one another.
        assert_eq!(
            labels(&Axis::of_points(points, false)),
            ["0", "2,000", "4,000", "6,000", "8,000"]
        );
    }

    #[test]
    fn values_are_mapped_by_their_size() {
        let axis = Axis::new(vec![1.0, 100.0], true);
        let middle = axis.map(&10.0, (0, 1000));
        assert_eq!(middle, 500);
        assert_eq!(axis.map(&10.0, (1000, 0)), 500);
        let axis = Axis::new(vec![0.0, 100.0], false);
        assert_eq!(axis.map(&0.0, (0, 100)), 0);
    }
}
