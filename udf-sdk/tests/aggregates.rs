//! Aggregate functions, called as the host would.

use std::collections::BTreeMap;

use wasmfusion_udf::prelude::*;
use wasmfusion_udf::testing::aggregate;

wasmfusion_udf::plugin! { name: "aggregates" }

/// The mean of numbers.
///
/// # Errors
///
/// None.
#[derive(Default, State)]
struct WeightedMean {
    sum: f64,
    weight: f64,
}

#[udaf(aliases("wavg"), ordered, example("SELECT 1", "1"))]
impl WeightedMean {
    fn update(&mut self, value: f64, weight: Option<f64>) -> Result<(), &'static str> {
        let weight = weight.unwrap_or(1.0);
        if weight < 0.0 {
            return Err("a weight is negative");
        }
        self.sum += value * weight;
        self.weight += weight;
        Ok(())
    }

    fn retract(&mut self, value: f64, weight: Option<f64>) {
        let weight = weight.unwrap_or(1.0);
        self.sum -= value * weight;
        self.weight -= weight;
    }

    fn merge(&mut self, other: Self) {
        self.sum += other.sum;
        self.weight += other.weight;
    }

    fn evaluate(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }
}

/// The sum of integers.
#[derive(Default, State)]
struct Sum(i64);

#[udaf(name = "total")]
impl Sum {
    fn update(&mut self, value: i64) {
        self.0 = self.0.wrapping_add(value);
    }

    fn merge(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }

    fn evaluate(&self) -> i64 {
        self.0
    }
}

/// Texts and how often they were there.
#[derive(Default)]
struct Counts(BTreeMap<String, i64>);

#[derive(Clone, Debug, PartialEq, SqlStruct)]
struct Counted {
    text: String,
    count: i64,
}

impl State for Counts {
    type Saved = Vec<Counted>;

    fn save(self) -> Vec<Counted> {
        let counts = self.0.into_iter();
        counts
            .map(|(text, count)| Counted { text, count })
            .collect()
    }

    fn load(saved: Vec<Counted>) -> Result<Self, Error> {
        let counts = saved.into_iter();
        Ok(Counts(counts.map(|one| (one.text, one.count)).collect()))
    }
}

/// How often each text is there.
#[udaf]
impl Counts {
    fn update(&mut self, text: &str) {
        match self.0.get_mut(text) {
            Some(count) => *count += 1,
            None => {
                self.0.insert(text.to_owned(), 1);
            }
        }
    }

    fn merge(&mut self, other: Self) {
        for (text, count) in other.0 {
            *self.0.entry(text).or_default() += count;
        }
    }

    fn evaluate(&self) -> Vec<Counted> {
        let counts = self.0.iter();
        let counted = counts.map(|(text, count)| Counted {
            text: text.clone(),
            count: *count,
        });
        counted.collect()
    }

    fn heap_bytes(&self) -> usize {
        self.0.keys().map(|text| text.capacity() + 64).sum()
    }
}

/// The number of rows.
#[derive(Default, State)]
struct Rows {
    rows: i64,
}

#[udaf(description = "Rows.")]
impl Rows {
    fn update(&mut self) {
        self.rows += 1;
    }

    fn merge(&mut self, other: Self) {
        self.rows += other.rows;
    }

    fn evaluate(&self) -> i64 {
        self.rows
    }
}

fn counted(counts: &[(&str, i64)]) -> Vec<Counted> {
    let counts = counts.iter();
    let counted = counts.map(|(text, count)| Counted {
        text: (*text).to_owned(),
        count: *count,
    });
    counted.collect()
}

#[test]
fn is_in_the_manifest() {
    let json = aggregate!(WeightedMean).function().json;
    for part in [
        r#""name":"weighted_mean""#,
        r#""export":"udaf_WeightedMean""#,
        r#""kind":"aggregate""#,
        r#""aliases":["wavg"]"#,
        r#""ordered":true"#,
        r#""retract":true"#,
        r#""description":"The mean of numbers.""#,
        r#""params":[{"name":"value","type":"Float64"},{"name":"weight","type":"Float64","nulls":"pass"}]"#,
        r#""returns":{"type":"Float64"}"#,
        r#""state":[{"name":"sum","type":"Float64"},{"name":"weight","type":"Float64"}]"#,
    ] {
        assert!(json.contains(part), "{json} has no {part}");
    }
    let json = aggregate!(Sum).function().json;
    assert!(json.contains(r#""name":"total""#) && json.contains(r#""name":"state1""#));
    assert!(!json.contains("retract") && !json.contains("ordered"));
    let json = aggregate!(Counts).function().json;
    assert!(json.contains(
        r#""state":[{"name":"column1","type":"List(Struct(\"text\": Utf8, \"count\": Int64))""#
    ));
    let json = aggregate!(Rows).function().json;
    assert!(json.contains(r#""description":"Rows.""#) && json.matches("description").count() == 1);
}

#[test]
fn takes_rows_in_of_every_number() {
    for rows in [0, 1, 15, 16, 17, 255, 256, 257, 1000] {
        let values = || (0..rows).map(|row| row * 7 % 101);
        let sum: i64 = values().sum();
        assert_eq!(aggregate!(Sum).column(values()).evaluate(), Ok(vec![sum]));
        let even: i64 = values().step_by(2).sum();
        let filtered = aggregate!(Sum)
            .column(values())
            .filter((0..rows).map(|row| row % 2 == 0))
            .evaluate();
        assert_eq!(filtered, Ok(vec![even]));
        let constant = aggregate!(Sum).constant(3i64).rows(rows as usize);
        assert_eq!(constant.evaluate(), Ok(vec![3 * rows]));
        let counted = aggregate!(Rows).rows(rows as usize).evaluate();
        assert_eq!(counted, Ok(vec![rows]));
    }
}

#[test]
fn leaves_out_rows_with_null_unless_they_are_wanted() {
    let mean = aggregate!(WeightedMean)
        .column([Some(1.0), None, Some(3.0), Some(100.0)])
        .column([None, Some(2.0), Some(3.0), Some(1.0)])
        .filter([true, true, true, false]);
    assert_eq!(mean.evaluate(), Ok(vec![Some(2.5)]));
    assert_eq!(aggregate!(WeightedMean).evaluate(), Ok(vec![None::<f64>]));
}

#[test]
fn says_what_a_method_says() {
    let mean = aggregate!(WeightedMean)
        .column([1.0, 2.0])
        .column([1.0, -1.0]);
    assert_eq!(
        mean.evaluate::<Option<f64>>(),
        Err("a weight is negative".to_owned())
    );
}

#[test]
fn takes_rows_out_again() {
    let mean = aggregate!(WeightedMean)
        .column([1.0, 2.0, 6.0])
        .constant(Some(1.0))
        .update()
        .column([1.0])
        .constant(Some(1.0))
        .retract();
    assert_eq!(mean.evaluate(), Ok(vec![Some(4.0)]));
    let refused = aggregate!(Sum).column([1i64]).retract().evaluate::<i64>();
    assert_eq!(
        refused,
        Err("the function cannot take rows out again".to_owned())
    );
}

#[test]
fn carries_states_that_are_no_fields() {
    let left = aggregate!(Counts)
        .column(["a", "b", "a", "c"])
        .groups([0, 1, 0, 1]);
    let right = aggregate!(Counts).column(["a", "d"]).groups([0, 2]);
    let expected = vec![
        counted(&[("a", 3)]),
        counted(&[("b", 1), ("c", 1)]),
        counted(&[("d", 1)]),
    ];
    assert_eq!(left.merge(right).evaluate(), Ok(expected));
    let converted = aggregate!(Counts)
        .column([Some("a"), None, Some("a"), Some("b")])
        .groups([0, 0, 0, 1])
        .filter([true, true, true, false])
        .convert();
    assert_eq!(
        converted.evaluate(),
        Ok(vec![counted(&[("a", 2)]), counted(&[])])
    );
}

#[test]
fn counts_what_it_holds() {
    let mut counts = aggregate!(Counts)
        .column(["a", "b"])
        .groups([0, 1])
        .update();
    let held = counts.live_bytes();
    assert!(held >= 128);
    assert_eq!(counts.peek::<Vec<Counted>>().map(|all| all.len()), Ok(2));
    assert_eq!(counts.live_bytes(), held);
    assert!(counts.emit::<Vec<Counted>>(1).is_ok());
    assert!(counts.live_bytes() < held);
    assert!(counts.emit::<Vec<Counted>>(1).is_ok());
    assert_eq!(counts.live_bytes(), 0);
}

/// Numbers that look like chance, and are the same every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

#[test]
fn does_what_a_plain_model_does() {
    for seed in 0..200 {
        let mut numbers = Numbers(seed);
        let mut groups = aggregate!(Sum);
        let mut model: Vec<i64> = Vec::new();
        for _ in 0..40 {
            match numbers.below(6) {
                0..=2 => {
                    let rows = numbers.below(50);
                    let count = model.len() as u64 + 1 + numbers.below(5);
                    let rows: Vec<(u32, Option<i64>, bool)> = (0..rows)
                        .map(|_| {
                            let value = numbers.below(100) as i64;
                            let is_some = numbers.below(4) > 0;
                            let id = numbers.below(count) as u32;
                            (id, is_some.then_some(value), numbers.below(3) > 0)
                        })
                        .collect();
                    for (id, value, counts) in &rows {
                        let id = *id as usize;
                        model.resize(model.len().max(id + 1), 0);
                        model[id] += value.filter(|_| *counts).unwrap_or(0);
                    }
                    groups = groups
                        .column(rows.iter().map(|row| row.1))
                        .groups(rows.iter().map(|row| row.0))
                        .filter(rows.iter().map(|row| row.2));
                    groups = if numbers.below(3) == 0 {
                        groups.convert()
                    } else {
                        groups.update()
                    };
                }
                3 => {
                    let ids: Vec<u32> = (0..numbers.below(20) as u32).collect();
                    let other = aggregate!(Sum)
                        .column(ids.iter().map(|id| i64::from(*id)))
                        .groups(ids.iter().copied());
                    model.resize(model.len().max(ids.len()), 0);
                    for id in &ids {
                        model[*id as usize] += i64::from(*id);
                    }
                    groups = groups.merge(other);
                }
                4 => {
                    let count = numbers.below(model.len() as u64 + 1) as usize;
                    let emitted: Vec<i64> = model.drain(..count).collect();
                    assert_eq!(groups.emit(count), Ok(emitted));
                }
                _ if !model.is_empty() => assert_eq!(groups.peek(), Ok(model.clone())),
                _ => {}
            }
        }
        assert_eq!(groups.emit(model.len()), Ok(model));
        assert_eq!(groups.live_bytes(), 0);
    }
}
