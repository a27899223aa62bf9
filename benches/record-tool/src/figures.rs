//! `figures.toml`: what figures mean, their targets, and what tables and pictures show. People write it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::{Result, read};

/// Where it lies in the checkout.
pub const FILE: &str = "benches/record/figures.toml";

/// All that `figures.toml` says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Figures {
    /// The benches, in the order in which they run.
    #[serde(rename = "bench")]
    pub benches: Vec<Bench>,
    /// The figures, in the order in which tables show them.
    #[serde(rename = "figure")]
    pub figures: Vec<Figure>,
    /// Names and colours of series.
    pub series: Vec<Series>,
    /// The table of the project beside its rivals.
    pub rivals: Rivals,
    /// The pictures.
    #[serde(rename = "curve")]
    pub curves: Vec<Curve>,
}

/// A bench.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bench {
    /// Its name in the record.
    pub name: String,
    /// The command that runs it, words with spaces between.
    pub command: String,
}

/// A figure, which a bench prints as `figure NAME VALUE`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Figure {
    /// `BENCH/NAME_UNIT`.
    pub name: String,
    /// What it is, in one line.
    pub what: String,
    /// Its unit; none for a ratio.
    pub unit: String,
    /// Digits after the point.
    pub digits: usize,
    /// What it is to be, at most.
    pub target: Option<f64>,
    /// Whether more is better, so that the target is the least that it may be.
    pub at_least: bool,
    /// What stops it from reaching its target, as measured.
    pub limit: Option<String>,
    /// The table that it stands in.
    pub table: String,
    /// Whether the README shows it, too.
    pub readme: bool,
}

impl Figure {
    /// Whether a value meets the target, if there is one.
    pub fn is_met(&self, value: f64) -> Option<bool> {
        let target = self.target?;
        Some(if self.at_least {
            value >= target
        } else {
            value <= target
        })
    }
}

/// A series: one of those that are compared.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// As benches print it.
    pub name: String,
    /// As people read it.
    pub label: String,
    /// `#rrggbb`.
    pub color: String,
    /// Whether it is one of those of which the best is in bold.
    #[serde(default)]
    pub races: bool,
}

/// The table of the project beside its rivals.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rivals {
    /// Names of series.
    pub columns: Vec<String>,
    /// Its rows.
    #[serde(rename = "row")]
    pub rows: Vec<Row>,
}

/// A row of that table: of a figure, of a point of a curve, or text.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Row {
    /// What it shows.
    pub label: String,
    /// Name of a figure with `{series}` in it, in which `-` becomes `_`.
    pub figure: Option<String>,
    /// A point of each series.
    pub point: Option<Point>,
    /// What is true of each series.
    pub text: BTreeMap<String, String>,
    /// Unit, after scaling.
    pub unit: String,
    /// What values are multiplied by; 1 by default.
    pub scale: Option<f64>,
    /// Whether more is better.
    pub at_least: bool,
    /// Whether the README shows it, too.
    pub readme: bool,
}

/// A point of a curve.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// The curve.
    pub curve: String,
    /// Where on it.
    pub x: f64,
}

/// A picture of a curve, whose points a bench prints as `point CURVE SERIES X VALUE`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Curve {
    /// As the bench prints it; the picture is `docs/performance/NAME.svg`.
    pub name: String,
    /// Its title.
    pub title: String,
    /// Label of the horizontal axis, with its unit.
    pub x: String,
    /// Label of the vertical axis, with its unit.
    pub y: String,
    /// Whether the horizontal axis is logarithmic.
    #[serde(default)]
    pub x_log: bool,
    /// Whether the vertical axis is logarithmic.
    #[serde(default)]
    pub y_log: bool,
    /// What bends the curve.
    pub text: String,
    /// Names of series, in the order of the legend.
    pub series: Vec<String>,
}

impl Figures {
    /// Reads those of a checkout.
    ///
    /// # Errors
    ///
    /// If the file is not there, or says what it must not.
    pub fn load(root: &Path) -> Result<Self> {
        Self::parse(&read(&root.join(FILE))?).map_err(|error| format!("{FILE}: {error}"))
    }

    /// Reads such a text.
    ///
    /// # Errors
    ///
    /// If it is not TOML, has a key that has no meaning, or names a series that it does not describe.
    pub fn parse(text: &str) -> Result<Self> {
        let figures: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        for row in &figures.rivals.rows {
            let kinds = [
                row.figure.is_some(),
                row.point.is_some(),
                !row.text.is_empty(),
            ];
            if kinds.iter().filter(|kind| **kind).count() != 1 {
                return Err(format!(
                    "the row {:?} must have one of figure, point and text",
                    row.label
                ));
            }
        }
        let curves = figures.curves.iter().flat_map(|curve| &curve.series);
        let rows = figures.rivals.rows.iter().flat_map(|row| row.text.keys());
        for name in figures.rivals.columns.iter().chain(curves).chain(rows) {
            if figures.series(name).is_none() {
                return Err(format!(
                    "there is no [[series]] with the name {name:?}: add it"
                ));
            }
        }
        Ok(figures)
    }

    /// The series of this name.
    pub fn series(&self, name: &str) -> Option<&Series> {
        self.series.iter().find(|series| series.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_the_most_or_the_least() {
        let mut figure = Figure::default();
        assert_eq!(figure.is_met(1.0), None);
        figure.target = Some(2.0);
        assert_eq!(
            (figure.is_met(2.0), figure.is_met(2.1)),
            (Some(true), Some(false))
        );
        figure.at_least = true;
        assert_eq!(
            (figure.is_met(2.0), figure.is_met(1.9)),
            (Some(true), Some(false))
        );
    }

    #[test]
    fn what_has_no_meaning_is_refused() {
        let refused = |text: &str| Figures::parse(text).expect_err("it is refused");
        assert!(refused("[[figure]]\nname = 'a/b'\ntargte = 1").contains("targte"));
        assert!(refused("[rivals]\ncolumns = ['nobody']").contains("nobody"));
        assert!(refused("[[rivals.row]]\nlabel = 'empty'").contains("one of"));
    }

    #[test]
    fn the_file_of_this_checkout_can_be_read() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        Figures::load(&root).expect("it can be read");
    }
}
