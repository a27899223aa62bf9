//! Curves: points that are measured, and their printing.

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{Bencher, BenchmarkGroup, BenchmarkId, Criterion, SamplingMode};
use wasmfusion_benches::{Figures, is_test};

/// What a point's VALUE is.
pub enum Value {
    /// Nanoseconds of one of so many parts of an iteration.
    NsOf(f64),
    /// How often in a second, if an iteration does it so many times.
    PerSecond(f64),
    /// This number.
    Number(f64),
}

struct Point {
    curve: &'static str,
    series: &'static str,
    x: usize,
    value: Value,
}

/// The points of all curves.
#[derive(Default)]
pub struct Points(Vec<Point>);

impl Points {
    /// Adds a point whose value is known.
    pub fn add(&mut self, curve: &'static str, series: &'static str, x: usize, value: f64) {
        self.0.push(Point {
            curve,
            series,
            x,
            value: Value::Number(value),
        });
    }

    /// Prints all of them, with what was measured.
    pub fn print(&self, figures: &Figures) {
        for Point {
            curve,
            series,
            x,
            value,
        } in &self.0
        {
            let benchmark = format!("{}/{series}/{x}", curve.replace('/', "_"));
            let ns = figures.median_ns(&benchmark);
            let value = match value {
                Value::NsOf(parts) => ns.map(|ns| ns / parts),
                Value::PerSecond(times) => ns.map(|ns| times * 1e9 / ns),
                Value::Number(number) => Some(*number),
            };
            if let Some(value) = value {
                println!("point {curve} {series} {x} {value:.4}");
            }
        }
    }
}

/// A curve that is measured.
pub struct Curve<'a> {
    name: &'static str,
    group: BenchmarkGroup<'a, WallTime>,
    points: &'a mut Points,
}

impl<'a> Curve<'a> {
    /// A curve of what takes microseconds.
    pub fn of_calls(c: &'a mut Criterion, points: &'a mut Points, name: &'static str) -> Self {
        let mut group = c.benchmark_group(name);
        group
            .sample_size(10)
            .nresamples(2_000)
            .warm_up_time(Duration::from_millis(100))
            .measurement_time(Duration::from_millis(400));
        Self {
            name,
            group,
            points,
        }
    }

    /// A curve of what takes milliseconds: each sample is as many iterations as the others.
    pub fn of_queries(c: &'a mut Criterion, points: &'a mut Points, name: &'static str) -> Self {
        let mut curve = Self::of_calls(c, points, name);
        curve.group.sampling_mode(SamplingMode::Flat);
        curve
    }

    /// Measures a point.
    pub fn measure(
        &mut self,
        series: &'static str,
        x: usize,
        value: Value,
        mut routine: impl FnMut(&mut Bencher<'_>),
    ) {
        // A filter may leave it out.
        let mut ran = false;
        self.group.bench_function(BenchmarkId::new(series, x), |b| {
            ran = true;
            routine(b);
        });
        if ran {
            self.points.0.push(Point {
                curve: self.name,
                series,
                x,
                value,
            });
        }
    }
}

/// The places of a curve, of which a test has the first ones only.
pub fn places(all: &[usize], as_test: usize) -> &[usize] {
    if is_test() { &all[..as_test] } else { all }
}
