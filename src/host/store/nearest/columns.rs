//! Vectors out of columns.

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, LargeListArray, ListArray, RecordBatch,
};
use arrow::datatypes::{DataType, Float32Type, Float64Type};

use super::{Metric, NearestNeighbours, space, wrong};
use crate::host::store::cells;
use crate::host::store::error::StoreError;

/// Rows that become an index.
pub(in crate::host::store) struct VectorRows {
    key_column: String,
    vector_column: String,
    metric: Metric,
    keys: Vec<Vec<u8>>,
    numbers: Vec<f32>,
    dimensions: Option<usize>,
    /// Rows that were seen, for errors.
    rows: u64,
}

impl VectorRows {
    /// No rows yet.
    pub(in crate::host::store) fn new(
        key_column: &str,
        vector_column: &str,
        metric: Metric,
    ) -> Self {
        Self {
            key_column: key_column.to_owned(),
            vector_column: vector_column.to_owned(),
            metric,
            keys: Vec::new(),
            numbers: Vec::new(),
            dimensions: None,
            rows: 0,
        }
    }

    /// Takes the rows of a batch.
    pub(in crate::host::store) fn push(&mut self, batch: &RecordBatch) -> Result<(), StoreError> {
        let schema = batch.schema_ref();
        let key_column = batch.column(cells::place(schema, &self.key_column)?);
        let keys = cells::keys(key_column, &self.key_column)?;
        let vectors = batch.column(cells::place(schema, &self.vector_column)?);
        let lists = self.lists(vectors)?;
        for (row, key) in keys.iter().enumerate() {
            self.rows = self.rows.saturating_add(1);
            if let (Some(key), Some(vector)) = (key, lists.value(row)) {
                self.push_row(key, &vector)
                    .map_err(|reason| StoreError::Row {
                        row: self.rows,
                        reason,
                    })?;
            }
        }
        Ok(())
    }

    /// The index.
    pub(in crate::host::store) fn finish(self) -> Result<NearestNeighbours, StoreError> {
        let dimensions = self.dimensions.ok_or_else(|| {
            wrong("there is no vector, so that it is not known how long they would be".to_owned())
        })?;
        NearestNeighbours::build(self.keys, self.numbers, dimensions, self.metric)
    }

    /// The lists of a column, if there are numbers in them.
    fn lists<'a>(&self, array: &'a ArrayRef) -> Result<Lists<'a>, StoreError> {
        let (item, lists) = match array.data_type() {
            DataType::List(item) => (item, Lists::Small(array.as_list())),
            DataType::LargeList(item) => (item, Lists::Large(array.as_list())),
            DataType::FixedSizeList(item, _) => (item, Lists::Fixed(array.as_fixed_size_list())),
            other => return Err(self.wrong_type(other)),
        };
        match item.data_type() {
            DataType::Float32 | DataType::Float64 => Ok(lists),
            _ => Err(self.wrong_type(array.data_type())),
        }
    }

    fn wrong_type(&self, kind: &DataType) -> StoreError {
        let reason = format!("vectors are lists of Float32 or Float64, but it has {kind}");
        cells::column(&self.vector_column, reason)
    }

    fn push_row(&mut self, key: &[u8], vector: &ArrayRef) -> Result<(), String> {
        if let Some(place) = (0..vector.len()).find(|&place| vector.is_null(place)) {
            return Err(format!(
                "number {place} (the first is 0) of the vector is NULL"
            ));
        }
        let dimensions = *self.dimensions.get_or_insert(vector.len());
        if vector.len() != dimensions {
            return Err(format!(
                "the vector has {} numbers, but the first one has {dimensions}",
                vector.len()
            ));
        }
        let start = self.numbers.len();
        match vector.data_type() {
            DataType::Float64 => {
                let numbers = vector.as_primitive::<Float64Type>().values();
                // What is too large becomes infinite, and is refused as that.
                self.numbers
                    .extend(numbers.iter().map(|&number| number as f32));
            }
            _ => {
                let numbers = vector.as_primitive::<Float32Type>().values();
                self.numbers.extend_from_slice(numbers);
            }
        }
        space::check(self.numbers.get(start..).unwrap_or_default(), self.metric)?;
        self.keys.push(key.to_vec());
        Ok(())
    }
}

/// The three layouts of lists.
enum Lists<'a> {
    Small(&'a ListArray),
    Large(&'a LargeListArray),
    Fixed(&'a FixedSizeListArray),
}

impl Lists<'_> {
    /// The list of a row. `None` if it is NULL.
    fn value(&self, row: usize) -> Option<ArrayRef> {
        match self {
            Self::Small(lists) => lists.is_valid(row).then(|| lists.value(row)),
            Self::Large(lists) => lists.is_valid(row).then(|| lists.value(row)),
            Self::Fixed(lists) => lists.is_valid(row).then(|| lists.value(row)),
        }
    }
}
