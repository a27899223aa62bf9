//! The record: what each bench last measured, when, where and of which commit. One JSON file; its history is git's.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Result, read, write};

/// Where it lies in the checkout.
pub const FILE: &str = "benches/record/record.json";

/// What all benches measured.
#[derive(Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Record {
    /// The last run of each bench.
    pub benches: BTreeMap<String, Entry>,
}

/// The run of a bench.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Entry {
    /// The command that ran it.
    pub command: String,
    /// The commit that was checked out.
    pub commit: String,
    /// The day, in UTC.
    pub date: String,
    /// `figure NAME VALUE`.
    pub figures: BTreeMap<String, f64>,
    /// How many processes ran or waited to in the minute before it began; not known of a run by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_average: Option<f64>,
    /// Where it ran.
    pub machine: Machine,
    /// Whether files were not as in the commit.
    pub modified: bool,
    /// `point CURVE SERIES X VALUE`: values by curve, series and x.
    pub points: BTreeMap<String, BTreeMap<String, BTreeMap<X, f64>>>,
    /// How long it took; not known of a run by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}

/// A machine, and the compiler on it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Machine {
    /// `x86_64`.
    pub arch: String,
    /// Cores that the process may use.
    pub cores: usize,
    /// The processor's model, as Linux names it, with what tells it from others of that name.
    pub cpu: String,
    /// Release of Linux.
    pub kernel: String,
    /// Memory in GiB.
    pub memory_gib: u64,
    /// `rustc -V`.
    pub rustc: String,
}

/// Place on the horizontal axis; ordered by its size, also as a key in JSON.
#[derive(Clone, Copy, Debug)]
pub struct X(pub f64);

impl Ord for X {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for X {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Eq for X {}

impl PartialEq for X {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Serialize for X {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for X {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(X).map_err(de::Error::custom)
    }
}

impl Record {
    /// Reads the record of a checkout; it is empty if there is none.
    ///
    /// # Errors
    ///
    /// If the file is not a record.
    pub fn load(root: &Path) -> Result<Self> {
        let path = root.join(FILE);
        if !path.exists() {
            return Ok(Self::default());
        }
        serde_json::from_str(&read(&path)?)
            .map_err(|error| format!("{FILE} is not a record: {error}; take it from git again"))
    }

    /// Writes it.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn save(&self, root: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        write(&root.join(FILE), &(text + "\n"))
    }

    /// Whether the bench has run that a figure or curve of this name is of. Names begin with that of the bench, most of them.
    pub fn has_bench_of(&self, name: &str) -> bool {
        let bench = name.split('/').next().unwrap_or(name);
        self.benches.contains_key(bench)
    }

    /// A figure's value.
    pub fn figure(&self, name: &str) -> Option<f64> {
        let mut entries = self.benches.values();
        entries.find_map(|entry| entry.figures.get(name).copied())
    }

    /// A series of a curve.
    pub fn points(&self, curve: &str, series: &str) -> Option<&BTreeMap<X, f64>> {
        let mut entries = self.benches.values();
        entries.find_map(|entry| entry.points.get(curve)?.get(series))
    }
}

impl Entry {
    /// Takes a line that the bench printed; what is no figure and no point is passed over.
    ///
    /// # Errors
    ///
    /// If the line begins as a figure or a point, and is none.
    pub fn take(&mut self, line: &str) -> Result<()> {
        let number = |word: &str| {
            let value = word.parse().ok().filter(|value: &f64| value.is_finite());
            value.ok_or_else(|| {
                format!(
                    "{word:?} in the line {line:?} of the bench is not a number: mend the bench"
                )
            })
        };
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match *words.as_slice() {
            ["figure", name, value] => {
                self.figures
                    .insert(name.to_owned(), rounded(number(value)?));
            }
            ["point", curve, series, x, value] => {
                let curve = self.points.entry(curve.to_owned()).or_default();
                let series = curve.entry(series.to_owned()).or_default();
                series.insert(X(number(x)?), rounded(number(value)?));
            }
            ["figure" | "point", ..] => {
                return Err(format!(
                    "the line {line:?} of the bench is neither `figure NAME VALUE` nor `point CURVE SERIES X VALUE`: mend the bench"
                ));
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether no figure and no point was printed.
    pub fn is_empty(&self) -> bool {
        self.figures.is_empty() && self.points.is_empty()
    }
}

/// Five significant digits, which is more than any measurement has.
fn rounded(value: f64) -> f64 {
    // A number in this form is one.
    format!("{value:.4e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken() {
        let mut entry = Entry::default();
        for line in [
            "add_one/wasm/1   time: [1 ns 2 ns 3 ns]",
            "figure a/b_ns 123456.789",
            "point a/rows native 64 2.5",
            "point a/rows native 1024 3",
            "point a/rows native 64 3.5",
            "figures are below",
            "",
        ] {
            entry.take(line).expect("it is taken");
        }
        assert_eq!(entry.figures["a/b_ns"], 123_460.0);
        let points: Vec<_> = entry.points["a/rows"]["native"]
            .iter()
            .map(|(x, y)| (x.0, *y))
            .collect();
        assert_eq!(points, [(64.0, 3.5), (1024.0, 3.0)]);
    }

    #[test]
    fn broken_lines_are_refused() {
        for line in [
            "figure a",
            "figure a NaN",
            "figure a b c",
            "point a b 1",
            "point a b x 1",
            "point a b 1 inf",
        ] {
            let error = Entry::default().take(line).expect_err("it is refused");
            assert!(error.contains(line), "{error}");
        }
    }

    #[test]
    fn a_record_is_the_same_after_it_was_written() {
        let folder = tempfile::TempDir::new().expect("a folder");
        assert_eq!(
            Record::load(folder.path()).expect("none is empty"),
            Record::default()
        );
        let mut entry = Entry::default();
        for x in [8192, 1, 64] {
            entry
                .take(&format!("point a/rows native {x} {x}.25"))
                .expect("it is taken");
        }
        let record = Record {
            benches: [("a".to_owned(), entry)].into(),
        };
        record.save(folder.path()).expect("it is written");
        assert_eq!(Record::load(folder.path()).expect("it is read"), record);
        let text = read(&folder.path().join(FILE)).expect("it is read");
        let place = |key: &str| text.find(key).expect("it is there");
        assert!(place("\"1\"") < place("\"64\"") && place("\"64\"") < place("\"8192\""));
        assert_eq!(
            record.points("a/rows", "native").map(BTreeMap::len),
            Some(3)
        );
        assert_eq!(record.figure("a/none"), None);
    }
}
