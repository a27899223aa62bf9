//! Aggregate functions: of every kind of state, and such that fail.

use std::hint::black_box;

use wasmfusion_udf::prelude::*;

/// The sum of integers, which wraps; NULL if there are none.
#[derive(Default, State)]
pub struct IntegerSum {
    sum: i64,
    count: i64,
}

#[udaf(
    name = "my_sum",
    example("SELECT my_sum(v) FROM (VALUES (1), (2), (NULL)) AS t(v)", "3")
)]
impl IntegerSum {
    fn update(&mut self, value: i64) {
        self.sum = self.sum.wrapping_add(value);
        self.count += 1;
    }

    fn retract(&mut self, value: i64) {
        self.sum = self.sum.wrapping_sub(value);
        self.count -= 1;
    }

    fn merge(&mut self, other: Self) {
        self.sum = self.sum.wrapping_add(other.sum);
        self.count += other.count;
    }

    fn evaluate(&self) -> Option<i64> {
        (self.count > 0).then_some(self.sum)
    }
}

/// The sum of numbers; NULL if there are none.
#[derive(Default, State)]
pub struct FloatSum {
    sum: Option<f64>,
}

#[udaf(name = "my_sum")]
impl FloatSum {
    fn update(&mut self, value: f64) {
        self.sum = Some(self.sum.unwrap_or(0.0) + value);
    }

    fn merge(&mut self, other: Self) {
        if let Some(sum) = other.sum {
            self.update(sum);
        }
    }

    fn evaluate(&self) -> Option<f64> {
        self.sum
    }
}

/// The mean of numbers.
#[derive(Default, State)]
pub struct MyAvg {
    sum: f64,
    count: i64,
}

#[udaf(example("SELECT my_avg(v) FROM (VALUES (1.0), (4.0)) AS t(v)", "2.5"))]
impl MyAvg {
    fn update(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    fn retract(&mut self, value: f64) {
        self.sum -= value;
        self.count -= 1;
    }

    fn merge(&mut self, other: Self) {
        self.sum += other.sum;
        self.count += other.count;
    }

    fn evaluate(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

/// The number of rows, those with NULL as well.
#[derive(Default, State)]
pub struct MyCount {
    count: i64,
}

#[udaf(example("SELECT my_count(v) FROM (VALUES (1), (NULL)) AS t(v)", "2"))]
impl MyCount {
    fn update(&mut self, _value: Option<i64>) {
        self.count += 1;
    }

    fn retract(&mut self, _value: Option<i64>) {
        self.count -= 1;
    }

    fn merge(&mut self, other: Self) {
        self.count += other.count;
    }

    fn evaluate(&self) -> i64 {
        self.count
    }
}

/// The smallest integer.
#[derive(Default, State)]
pub struct MyMin {
    least: Option<i64>,
}

#[udaf]
impl MyMin {
    fn update(&mut self, value: i64) {
        self.least = Some(self.least.map_or(value, |least| least.min(value)));
    }

    fn merge(&mut self, other: Self) {
        if let Some(least) = other.least {
            self.update(least);
        }
    }

    fn evaluate(&self) -> Option<i64> {
        self.least
    }
}

/// The greatest text.
#[derive(Default, State)]
pub struct MyMax {
    greatest: Option<String>,
}

#[udaf(example("SELECT my_max(v) FROM (VALUES ('a'), ('c'), ('b')) AS t(v)", "c"))]
impl MyMax {
    fn update(&mut self, value: &str) {
        if self
            .greatest
            .as_deref()
            .is_none_or(|greatest| greatest < value)
        {
            self.greatest = Some(value.to_owned());
        }
    }

    fn merge(&mut self, other: Self) {
        if let Some(greatest) = other.greatest {
            self.update(&greatest);
        }
    }

    fn evaluate(&self) -> Option<String> {
        self.greatest.clone()
    }

    fn heap_bytes(&self) -> usize {
        self.greatest.as_ref().map_or(0, String::capacity)
    }
}

/// The texts with commas between them, in order.
#[derive(Default, State)]
pub struct MyList {
    texts: Vec<String>,
}

#[udaf(
    ordered,
    example(
        "SELECT my_list(v ORDER BY v) FROM (VALUES ('b'), ('c'), ('a')) AS t(v)",
        "a,b,c"
    )
)]
impl MyList {
    fn update(&mut self, value: String) {
        self.texts.push(value);
    }

    fn merge(&mut self, other: Self) {
        self.texts.extend(other.texts);
    }

    fn evaluate(&self) -> Option<String> {
        (!self.texts.is_empty()).then(|| self.texts.join(","))
    }

    fn heap_bytes(&self) -> usize {
        let texts = self.texts.iter().map(String::capacity).sum::<usize>();
        self.texts.capacity() * size_of::<String>() + texts
    }
}

/// The number in the middle of all of them, the lower one of two.
#[derive(Default)]
pub struct MyMedian {
    numbers: Vec<f64>,
}

impl State for MyMedian {
    type Saved = Vec<f64>;

    const NAMES: &'static [&'static str] = &["numbers"];

    fn save(self) -> Vec<f64> {
        self.numbers
    }

    fn load(numbers: Vec<f64>) -> Result<Self, Error> {
        Ok(MyMedian { numbers })
    }
}

/// The number in the middle of all of them, the lower one of two.
#[udaf(example("SELECT my_median(v) FROM (VALUES (1.0), (9.0), (4.0)) AS t(v)", "4.0"))]
impl MyMedian {
    fn update(&mut self, value: f64) {
        self.numbers.push(value);
    }

    fn retract(&mut self, value: f64) -> Result<(), &'static str> {
        let place = self.numbers.iter().position(|number| *number == value);
        let place = place.ok_or("the number was not taken in")?;
        self.numbers.swap_remove(place);
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        self.numbers.extend(other.numbers);
    }

    fn evaluate(&self) -> Option<f64> {
        let mut numbers = self.numbers.clone();
        numbers.sort_unstable_by(f64::total_cmp);
        let middle = numbers.len().checked_sub(1)? / 2;
        numbers.get(middle).copied()
    }

    fn heap_bytes(&self) -> usize {
        self.numbers.capacity() * size_of::<f64>()
    }
}

/// The mean place of points.
#[derive(Default, State)]
pub struct MiddlePoint {
    sum: Option<super::Point>,
    count: i64,
}

#[udaf]
impl MiddlePoint {
    fn update(&mut self, x: f64, y: f64) {
        let sum = self.sum.get_or_insert(super::Point { x: 0.0, y: 0.0 });
        sum.x += x;
        sum.y += y;
        self.count += 1;
    }

    fn merge(&mut self, other: Self) {
        if let Some(sum) = other.sum {
            self.update(sum.x, sum.y);
            self.count += other.count - 1;
        }
    }

    fn evaluate(&self) -> Option<super::Point> {
        let count = self.count as f64;
        self.sum.as_ref().map(|sum| super::Point {
            x: sum.x / count,
            y: sum.y / count,
        })
    }
}

/// Panics at the number 13.
#[derive(Default, State)]
pub struct PanicAt13 {
    count: i64,
}

#[udaf(name = "panic_at_13")]
impl PanicAt13 {
    fn update(&mut self, value: i64) {
        assert!(value != 13, "13 is not welcome");
        self.count += 1;
    }

    fn merge(&mut self, other: Self) {
        self.count += other.count;
    }

    fn evaluate(&self) -> i64 {
        self.count
    }
}

/// Fails at the number 13.
#[derive(Default, State)]
pub struct FailAt13 {
    count: i64,
}

#[udaf(name = "fail_at_13")]
impl FailAt13 {
    fn update(&mut self, value: i64) -> Result<(), &'static str> {
        self.count += 1;
        if value == 13 {
            Err("13 is not welcome")
        } else {
            Ok(())
        }
    }

    fn merge(&mut self, other: Self) {
        self.count += other.count;
    }

    fn evaluate(&self) -> i64 {
        self.count
    }
}

/// Does not come back from its first row.
#[derive(Default, State)]
pub struct SpinForever {
    turns: i64,
}

#[udaf]
impl SpinForever {
    fn update(&mut self, _value: i64) {
        loop {
            self.turns = black_box(self.turns.wrapping_add(1));
        }
    }

    fn merge(&mut self, other: Self) {
        self.turns += other.turns;
    }

    fn evaluate(&self) -> i64 {
        self.turns
    }
}

/// Keeps so many MiB for each row; the number of MiB.
#[derive(Default, State)]
pub struct Hoard {
    blocks: Vec<Vec<u8>>,
}

#[udaf]
impl Hoard {
    fn update(&mut self, mib: i64) {
        for _ in 0..mib {
            self.blocks.push(black_box(vec![1; 1 << 20]));
        }
    }

    fn merge(&mut self, other: Self) {
        self.blocks.extend(other.blocks);
    }

    fn evaluate(&self) -> i64 {
        self.blocks.len() as i64
    }

    fn heap_bytes(&self) -> usize {
        self.blocks.len() << 20
    }
}
