//! `figures.toml`: what figures mean, their targets, and what tables and pictures show. People write it.

use std::collections::{BTreeMap, BTreeSet};
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
    /// The command that runs it, words with spaces between. What comes after `--` are arguments of the bench.
    pub command: String,
}

/// A figure, which a bench prints as `figure NAME VALUE`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Figure {
    /// As the bench prints it: `GROUP/NAME`, which ends in its unit, or in `_ratio`.
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
    /// What stops it from reaching its target, as measured. `{NAME}` is the value of the figure of that name.
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
    /// What values are multiplied by; 1 by default.
    pub scale: Option<f64>,
    /// A series: what is drawn is the values over those of it at the same place.
    pub over: Option<String>,
    /// What bends the curve. `{NAME}` is the value of the figure of that name.
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
    /// If it is not TOML, has a key that has no meaning, says a thing twice, or names a series that it does not describe.
    pub fn parse(text: &str) -> Result<Self> {
        let figures: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        figures.check_names()?;
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
        let curves = figures.curves.iter();
        let curves = curves.flat_map(|curve| curve.series.iter().chain(&curve.over));
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

    /// Checks that nothing is described twice: the second one would not be seen.
    fn check_names(&self) -> Result<()> {
        check("bench", self.benches.iter().map(|bench| &bench.name))?;
        check("figure", self.figures.iter().map(|figure| &figure.name))?;
        check("series", self.series.iter().map(|series| &series.name))?;
        check("rivals.row", self.rivals.rows.iter().map(|row| &row.label))?;
        check("curve", self.curves.iter().map(|curve| &curve.name))
    }

    /// The figure of this name.
    pub fn figure(&self, name: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.name == name)
    }

    /// The series of this name.
    pub fn series(&self, name: &str) -> Option<&Series> {
        self.series.iter().find(|series| series.name == name)
    }
}

fn check<'a>(kind: &str, names: impl Iterator<Item = &'a String>) -> Result<()> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(format!(
                "there are two [[{kind}]] with the name {name:?}: remove one"
            ));
        }
    }
    Ok(())
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
        let curve = "[[curve]]\nname = 'a'\ntitle = 'A'\nx = 'x'\ny = 'y'\ntext = ''\nseries = []\nover = 'nobody'";
        assert!(refused(curve).contains("nobody"));
    }

    #[test]
    fn what_is_described_twice_is_refused() {
        for (kind, one) in [
            ("bench", "name = 'twice'\ncommand = 'a'"),
            ("figure", "name = 'twice'"),
            ("series", "name = 'twice'\nlabel = 'a'\ncolor = '#000000'"),
            ("rivals.row", "label = 'twice'\nfigure = 'a'"),
            (
                "curve",
                "name = 'twice'\ntitle = 'a'\nx = 'a'\ny = 'a'\ntext = 'a'\nseries = []",
            ),
        ] {
            let one = format!("[[{kind}]]\n{one}\n");
            Figures::parse(&one).expect("one is right");
            let error = Figures::parse(&one.repeat(2)).expect_err("two are not");
            assert!(error.contains("twice") && error.contains(kind), "{error}");
        }
    }

    #[test]
    fn the_file_of_this_checkout_can_be_read() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        Figures::load(&root).expect("it can be read");
    }
}
