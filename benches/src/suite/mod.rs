//! The workload suite: functions that people really write, one source of each, called through the sandbox and natively.

mod columns;
mod functions;
mod native;

use arrow::array::{Array, ArrayRef, make_array};
use arrow::buffer::NullBuffer;
use datafusion::logical_expr::ScalarUDF;

pub use functions::natives;

/// A function of the suite with what it is called with.
pub struct Case {
    /// Its name in the plugin; that of the native one has `native_` in front.
    pub name: &'static str,
    /// The arguments, without NULLs.
    pub columns: Vec<ArrayRef>,
}

impl Case {
    /// Every function of the suite on `rows` rows.
    pub fn all(rows: usize) -> Vec<Self> {
        columns::all(rows)
            .into_iter()
            .map(|(name, columns)| Self { name, columns })
            .collect()
    }

    /// Whether the function counts for the suite's mean. SHA-256 does not: processors have instructions for it, which wasm has not.
    pub fn counts(&self) -> bool {
        self.name != "sha256"
    }

    /// The arguments with a NULL in one row of ten, in one column or the other.
    pub fn columns_with_nulls(&self) -> Vec<ArrayRef> {
        let count = self.columns.len();
        let mut random = columns::Random::new(3);
        let rows = self.columns.first().map_or(0, |column| column.len());
        let places: Vec<Option<usize>> = (0..rows)
            .map(|_| (random.below(10) == 0).then(|| random.below(count)))
            .collect();
        let nulled = |(index, column): (usize, &ArrayRef)| {
            let valid = places.iter().map(|place| *place != Some(index));
            let nulls = NullBuffer::from_iter(valid);
            let data = column.to_data().into_builder().nulls(Some(nulls));
            make_array(data.build().expect("a bit for each row"))
        };
        self.columns.iter().enumerate().map(nulled).collect()
    }
}

/// The native function of this name.
///
/// # Panics
///
/// If there is none.
pub fn native_function(name: &str) -> ScalarUDF {
    let name = format!("native_{name}");
    let mut all = natives().into_iter();
    all.find(|udf| udf.name() == name)
        .unwrap_or_else(|| panic!("there is no {name}"))
}
