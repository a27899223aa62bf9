//! The work: functions, their arguments, and what must come out.

use std::path::Path;
use std::str::FromStr;
use std::{fs, io};

use rivals_algorithms::{add_one, great_circle_km, upper};

/// A function of all rivals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// One column of `i64`.
    AddOne,
    /// Four columns of `f64`.
    GreatCircleKm,
    /// One column of texts.
    Upper,
}

impl Function {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::AddOne, Self::GreatCircleKm, Self::Upper];

    /// Its name in the figures.
    pub fn name(self) -> &'static str {
        match self {
            Self::AddOne => "add_one",
            Self::GreatCircleKm => "great_circle_km",
            Self::Upper => "upper",
        }
    }

    /// Its name in the guests. `upper` is a function of DataFusion's own.
    pub fn export(self) -> &'static str {
        match self {
            Self::Upper => "ascii_upper",
            other => other.name(),
        }
    }
}

impl FromStr for Function {
    type Err = io::Error;

    fn from_str(name: &str) -> io::Result<Self> {
        Self::ALL
            .into_iter()
            .find(|function| function.name() == name)
            .ok_or_else(|| io::Error::other(format!("no function {name}")))
    }
}

/// Arguments of a function: columns without NULLs.
#[derive(Debug)]
pub enum Data {
    /// Of [`Function::AddOne`].
    Ints(Vec<i64>),
    /// Of [`Function::GreatCircleKm`]: latitude and longitude of two places.
    Places([Vec<f64>; 4]),
    /// Of [`Function::Upper`]: 16 ASCII characters each.
    Texts(Vec<String>),
}

/// What a function returned.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Of [`Function::AddOne`].
    Ints(Vec<i64>),
    /// Of [`Function::GreatCircleKm`].
    Floats(Vec<f64>),
    /// Of [`Function::Upper`].
    Texts(Vec<String>),
}

impl Data {
    /// The same for every rival.
    pub fn new(function: Function, rows: usize) -> Self {
        let column = |from: f64, step: f64| {
            (0..rows)
                .map(|row| from + step * (row % 1000) as f64)
                .collect()
        };
        match function {
            Function::AddOne => Self::Ints((0..rows as i64).collect()),
            Function::GreatCircleKm => Self::Places([
                column(-60.0, 0.12),
                column(-179.0, 0.35),
                column(60.0, -0.12),
                column(179.0, -0.35),
            ]),
            Function::Upper => Self::Texts(
                (0..rows)
                    .map(|row| format!("Row of text{:05}", row % 100_000))
                    .collect(),
            ),
        }
    }

    /// Of which function they are arguments.
    pub fn function(&self) -> Function {
        match self {
            Self::Ints(_) => Function::AddOne,
            Self::Places(_) => Function::GreatCircleKm,
            Self::Texts(_) => Function::Upper,
        }
    }

    /// Length of the columns.
    pub fn rows(&self) -> usize {
        match self {
            Self::Ints(column) => column.len(),
            Self::Places(columns) => columns[0].len(),
            Self::Texts(column) => column.len(),
        }
    }

    /// What must come out, computed without any library.
    pub fn expected(&self) -> Output {
        match self {
            Self::Ints(column) => {
                Output::Ints(column.iter().map(|value| add_one(*value)).collect())
            }
            Self::Places([lat1, lon1, lat2, lon2]) => Output::Floats(
                (0..lat1.len())
                    .map(|row| great_circle_km(lat1[row], lon1[row], lat2[row], lon2[row]))
                    .collect(),
            ),
            Self::Texts(column) => Output::Texts(
                column
                    .iter()
                    .map(|text| {
                        let mut out = String::new();
                        upper(text, &mut out).expect("a string takes all");
                        out
                    })
                    .collect(),
            ),
        }
    }

    /// Compares what a rival answered with what must come out, floating-point numbers to twelve digits: sine and arc sine come from different
    /// libraries.
    ///
    /// # Panics
    ///
    /// If they differ.
    pub fn check(&self, output: &Output) {
        let equal = match (output, &self.expected()) {
            (Output::Floats(ours), Output::Floats(theirs)) => {
                ours.len() == theirs.len()
                    && ours.iter().zip(theirs).all(|(ours, theirs)| {
                        (ours - theirs).abs() <= 1e-12 * theirs.abs().max(1.0)
                    })
            }
            (ours, theirs) => ours == theirs,
        };
        assert!(
            equal,
            "{} of {} rows: a wrong answer",
            self.function().name(),
            self.rows()
        );
    }
}

/// A built guest.
///
/// # Panics
///
/// If it is not there.
pub fn module(name: &str) -> Vec<u8> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../built")
        .join(name)
        .with_extension("wasm");
    fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
