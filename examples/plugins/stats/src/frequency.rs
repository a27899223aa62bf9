//! What is there most often.

use std::cmp::Reverse;
use std::collections::HashMap;

use wasmfusion_udf::prelude::*;

/// A text, and how often it is there.
#[derive(Clone, Debug, PartialEq, SqlStruct)]
pub struct Frequency {
    /// The text.
    pub value: String,
    /// How often it is there.
    pub count: i64,
}

/// Texts with their counts: the state of both functions.
#[derive(Debug, Default)]
struct Counts {
    counts: HashMap<String, i64>,
    text_bytes: usize,
}

impl Counts {
    fn add(&mut self, text: &str, count: i64) {
        match self.counts.get_mut(text) {
            Some(known) => *known += count,
            None => {
                self.text_bytes += text.len();
                self.counts.insert(text.to_owned(), count);
            }
        }
    }

    fn remove(&mut self, text: &str) -> Result<(), &'static str> {
        let count = self.counts.get_mut(text);
        let count = count.ok_or("the value was not taken in")?;
        *count -= 1;
        if *count == 0 {
            self.counts.remove(text);
            self.text_bytes -= text.len();
        }
        Ok(())
    }

    fn merge(&mut self, other: Counts) {
        for (text, count) in other.counts {
            self.add(&text, count);
        }
    }

    /// The most frequent ones, of equally frequent ones the first in the alphabet.
    fn most(&self, count: usize) -> Vec<Frequency> {
        let mut all: Vec<(&String, &i64)> = self.counts.iter().collect();
        let order = |(text, count): &(&String, &i64)| (Reverse(**count), (*text).clone());
        if count < all.len() {
            all.select_nth_unstable_by_key(count, order);
            all.truncate(count);
        }
        all.sort_by_key(order);
        let frequencies = all.into_iter().map(|(text, count)| Frequency {
            value: text.clone(),
            count: *count,
        });
        frequencies.collect()
    }

    fn save(self) -> Vec<Frequency> {
        let counts = self.counts.into_iter();
        let frequencies = counts.map(|(value, count)| Frequency { value, count });
        frequencies.collect()
    }

    fn load(saved: Vec<Frequency>) -> Self {
        let mut counts = Counts::default();
        for Frequency { value, count } in saved {
            counts.add(&value, count);
        }
        counts
    }

    fn heap_bytes(&self) -> usize {
        // The table has one byte more for each place.
        self.counts.capacity() * (size_of::<(String, i64)>() + 1) + self.text_bytes
    }
}

/// The most frequent text; of several, the first in the alphabet. NULL if there is none.
#[derive(Debug, Default)]
pub struct Mode(Counts);

impl State for Mode {
    type Saved = Vec<Frequency>;

    const NAMES: &'static [&'static str] = &["counts"];

    fn save(self) -> Vec<Frequency> {
        self.0.save()
    }

    fn load(saved: Vec<Frequency>) -> Result<Self, Error> {
        Ok(Mode(Counts::load(saved)))
    }
}

/// The most frequent text; of several, the first in the alphabet. NULL if there is none.
#[udaf(example("SELECT mode(v) FROM (VALUES ('a'), ('b'), ('b')) AS t(v)", "b"))]
impl Mode {
    fn update(&mut self, value: &str) {
        self.0.add(value, 1);
    }

    fn retract(&mut self, value: &str) -> Result<(), &'static str> {
        self.0.remove(value)
    }

    fn merge(&mut self, other: Self) {
        self.0.merge(other.0);
    }

    fn evaluate(&self) -> Option<String> {
        let counts = self.0.counts.iter();
        let most = counts.max_by_key(|(text, count)| (**count, Reverse(*text)));
        most.map(|(text, _)| text.clone())
    }

    fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }
}

/// The most frequent texts, so many, with their counts.
#[derive(Debug, Default)]
pub struct TopK {
    counts: Counts,
    size: i64,
}

impl State for TopK {
    type Saved = (Vec<Frequency>, i64);

    const NAMES: &'static [&'static str] = &["counts", "size"];

    fn save(self) -> (Vec<Frequency>, i64) {
        (self.counts.save(), self.size)
    }

    fn load((counts, size): (Vec<Frequency>, i64)) -> Result<Self, Error> {
        Ok(TopK {
            counts: Counts::load(counts),
            size,
        })
    }
}

/// The most frequent texts, `k` of them, each a struct of `value` and `count`, the most frequent one first.
#[udaf(example(
    "SELECT top_k(v, 1)[1]['count'] FROM (VALUES ('a'), ('b'), ('b')) AS t(v)",
    "2"
))]
impl TopK {
    fn update(&mut self, value: &str, k: i64) -> Result<(), &'static str> {
        if k < 0 {
            return Err("k must not be negative");
        }
        self.size = k;
        self.counts.add(value, 1);
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        self.size = self.size.max(other.size);
        self.counts.merge(other.counts);
    }

    fn evaluate(&self) -> Vec<Frequency> {
        self.counts.most(self.size as usize)
    }

    fn heap_bytes(&self) -> usize {
        self.counts.heap_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmfusion_udf::testing::aggregate;

    #[test]
    fn finds_the_most_frequent() {
        let modes = aggregate!(Mode)
            .column([Some("b"), Some("a"), None, Some("b"), Some("a"), Some("c")])
            .groups([0, 0, 0, 1, 0, 2]);
        let modes = modes.merge(aggregate!(Mode).column(["b", "b"]).groups([0, 3]));
        let expected = ["a", "b", "c", "b"].map(|text| Some(text.to_owned()));
        assert_eq!(modes.evaluate(), Ok(expected.to_vec()));
        let mode = aggregate!(Mode)
            .column(["a", "b", "b"])
            .update()
            .column(["b", "b"])
            .retract();
        assert_eq!(mode.evaluate(), Ok(vec![Some("a".to_owned())]));
    }

    #[test]
    fn ranks_the_most_frequent() {
        let top = |k: i64| {
            let texts = ["c", "b", "a", "b", "c", "d", "c"];
            let top = aggregate!(TopK).column(texts).constant(k).convert();
            let found = top.evaluate::<Vec<Frequency>>();
            found.map(|all| {
                let all = all.into_iter().flatten();
                all.map(|one| (one.value, one.count)).collect::<Vec<_>>()
            })
        };
        let all =
            [("c", 3), ("b", 2), ("a", 1), ("d", 1)].map(|(text, count)| (text.to_owned(), count));
        assert_eq!(top(9), Ok(all.to_vec()));
        assert_eq!(top(3), Ok(all[..3].to_vec()));
        assert_eq!(top(0), Ok(Vec::new()));
        assert!(top(-1).is_err());
    }

    #[test]
    fn counts_its_memory() {
        let texts = (0..1000).map(|number| format!("{number:04}"));
        let mut mode = aggregate!(Mode).column(texts).update();
        assert!(mode.live_bytes() > 4 * 1000 + 32 * 1000);
        assert!(mode.emit::<Option<String>>(1).is_ok());
        assert_eq!(mode.live_bytes(), 0);
    }
}
