//! A table that plugins can read and not write, made of the rows of Arrow batches. It is as the rows were when it was made: to refresh
//! it, make another and add that under the same name.

use std::fmt;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;
use bytes::Bytes;

use super::cells;
use super::error::{StoreError, shown};
use super::limits::Figure;
use crate::host::context::{KeyValueTable, Visit};
use crate::host::error::HostError;

/// A table in memory that can only be read: its entries are the rows of a query.
///
/// | what | how |
/// |---|---|
/// | key | the value of the key column: text and bytes as they are, numbers, booleans, decimals, dates and times as the text that SQL shows |
/// | value, if there is one other column | its value, in the same way; lists and structs as the text that SQL shows |
/// | value, if there are more | a JSON object of them, with `null` where they are NULL, bytes in hexadecimal, times as text in ISO 8601 |
/// | value, if there is none | no bytes |
///
/// Rows whose key is NULL are left out, and so are those whose only other column is NULL: there is nothing to be found for them.
pub struct SnapshotTable {
    /// Keys, one behind the other.
    keys: Vec<u8>,
    /// Values, one behind the other.
    values: Bytes,
    /// In the order of their keys.
    entries: Vec<Entry>,
}

/// Where key and value of an entry lie.
#[derive(Clone, Copy)]
struct Entry {
    key: Place,
    value: Place,
}

#[derive(Clone, Copy)]
struct Place {
    start: usize,
    end: usize,
}

impl SnapshotTable {
    /// How large a table may be without saying so, in bytes: keys, values and 32 for each entry. 1 GiB.
    pub const BYTES_MAX: u64 = 1 << 30;

    /// The table of these rows, of at most [`BYTES_MAX`](Self::BYTES_MAX) bytes. Names of columns are matched exactly.
    ///
    /// # Errors
    ///
    /// If the batches differ in their columns, there is no key column, or more than one of this name, a column has values that have no
    /// such form, a key is there more than once, or the table would be too large.
    pub fn from_batches(batches: &[RecordBatch], key_column: &str) -> Result<Self, StoreError> {
        Self::from_batches_within(batches, key_column, Self::BYTES_MAX)
    }

    /// The table of these rows, of at most `bytes_max` bytes; see [`from_batches`](Self::from_batches).
    ///
    /// # Errors
    ///
    /// As [`from_batches`](Self::from_batches).
    pub fn from_batches_within(
        batches: &[RecordBatch],
        key_column: &str,
        bytes_max: u64,
    ) -> Result<Self, StoreError> {
        let mut rows = SnapshotRows::new(key_column, bytes_max);
        for batch in batches {
            rows.push(batch)?;
        }
        rows.finish()
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn key(&self, entry: &Entry) -> &[u8] {
        slice(&self.keys, entry.key)
    }

    /// Place of the first entry whose key is not below this one.
    fn lower_bound(&self, key: &[u8]) -> usize {
        self.entries.partition_point(|entry| self.key(entry) < key)
    }
}

impl fmt::Debug for SnapshotTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotTable")
            .field("entries", &self.entries.len())
            .finish_non_exhaustive()
    }
}

impl KeyValueTable for SnapshotTable {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, HostError> {
        let Some(entry) = self.entries.get(self.lower_bound(key)) else {
            return Ok(None);
        };
        let Place { start, end } = entry.value;
        Ok((self.key(entry) == key && end <= self.values.len())
            .then(|| self.values.slice(start..end)))
    }

    fn scan(
        &self,
        start: &[u8],
        end: Option<&[u8]>,
        visit: &mut Visit<'_>,
    ) -> Result<(), HostError> {
        for entry in self.entries.iter().skip(self.lower_bound(start)) {
            let key = self.key(entry);
            if end.is_some_and(|end| key >= end)
                || visit(key, slice(&self.values, entry.value)).is_break()
            {
                break;
            }
        }
        Ok(())
    }
}

/// Rows that become a table.
pub(super) struct SnapshotRows {
    key_column: String,
    bytes_max: u64,
    schema: Option<SchemaRef>,
    keys: Vec<u8>,
    values: Vec<u8>,
    entries: Vec<Entry>,
}

impl SnapshotRows {
    /// No rows yet.
    pub(super) fn new(key_column: &str, bytes_max: u64) -> Self {
        Self {
            key_column: key_column.to_owned(),
            bytes_max,
            schema: None,
            keys: Vec::new(),
            values: Vec::new(),
            entries: Vec::new(),
        }
    }

    /// Takes the rows of a batch.
    pub(super) fn push(&mut self, batch: &RecordBatch) -> Result<(), StoreError> {
        /// So that the bound is seen before much more was made.
        const ROWS: usize = 1024;
        self.check_schema(batch)?;
        let mut start = 0;
        while start < batch.num_rows() {
            let rows = ROWS.min(batch.num_rows() - start);
            self.push_some(&batch.slice(start, rows))?;
            start += rows;
        }
        Ok(())
    }

    fn push_some(&mut self, batch: &RecordBatch) -> Result<(), StoreError> {
        let place = cells::place(batch.schema_ref(), &self.key_column)?;
        let keys = cells::keys(batch.column(place), &self.key_column)?;
        let rest: Vec<usize> = (0..batch.num_columns()).filter(|&i| i != place).collect();
        match rest[..] {
            [] => self.extend(keys.iter().map(|key| Some((key?, &b""[..])))),
            [other] => {
                let name = batch.schema_ref().field(other).name();
                let values = cells::values(batch.column(other), name)?;
                self.extend(
                    keys.iter()
                        .zip(&values)
                        .map(|(key, value)| Some((key?, value?))),
                )
            }
            _ => {
                let objects = objects(batch, &rest)?;
                // Text in JSON has no line breaks.
                let lines = objects.split(|&byte| byte == b'\n');
                self.extend(
                    keys.iter()
                        .zip(lines)
                        .map(|(key, value)| Some((key?, value))),
                )
            }
        }
    }

    fn extend<'a>(
        &mut self,
        rows: impl Iterator<Item = Option<(&'a [u8], &'a [u8])>>,
    ) -> Result<(), StoreError> {
        for (key, value) in rows.flatten() {
            let key = append(&mut self.keys, key);
            let value = append(&mut self.values, value);
            self.entries.push(Entry { key, value });
        }
        let entries = self.entries.len() as u64 * size_of::<Entry>() as u64;
        Figure {
            what: "the snapshot",
            is: (self.keys.len() as u64)
                .saturating_add(self.values.len() as u64)
                .saturating_add(entries),
            max: self.bytes_max,
            unit: "bytes",
            setting: "bytes_max",
        }
        .check()
        .map_err(StoreError::Limit)
    }

    /// Whether the columns are those of the batches before.
    fn check_schema(&mut self, batch: &RecordBatch) -> Result<(), StoreError> {
        let columns = |schema: &SchemaRef| -> Vec<(String, DataType)> {
            let fields = schema.fields().iter();
            fields
                .map(|f| (f.name().clone(), f.data_type().clone()))
                .collect()
        };
        match &self.schema {
            None => self.begin(batch.schema_ref()),
            Some(first) if batch.schema_ref() == first => Ok(()),
            Some(first) if columns(batch.schema_ref()) == columns(first) => Ok(()),
            Some(_) => Err(cells::column(
                &self.key_column,
                "the batches differ in their columns",
            )),
        }
    }

    /// What columns there are, so that a wrong name is told even if there are no rows.
    pub(super) fn begin(&mut self, schema: &SchemaRef) -> Result<(), StoreError> {
        cells::place(schema, &self.key_column)?;
        for field in schema.fields() {
            cells::place(schema, field.name())?;
        }
        self.schema = Some(SchemaRef::clone(schema));
        Ok(())
    }

    /// The table.
    pub(super) fn finish(self) -> Result<SnapshotTable, StoreError> {
        let Self {
            mut keys,
            mut values,
            mut entries,
            ..
        } = self;
        entries.sort_unstable_by(|a, b| slice(&keys, a.key).cmp(slice(&keys, b.key)));
        for pair in entries.windows(2) {
            if let [a, b] = pair
                && slice(&keys, a.key) == slice(&keys, b.key)
            {
                let key = shown(slice(&keys, a.key));
                return Err(StoreError::DuplicateKey { key });
            }
        }
        keys.shrink_to_fit();
        values.shrink_to_fit();
        entries.shrink_to_fit();
        Ok(SnapshotTable {
            keys,
            values: values.into(),
            entries,
        })
    }
}

/// The columns at these places as JSON objects, one a line.
fn objects(batch: &RecordBatch, places: &[usize]) -> Result<Vec<u8>, StoreError> {
    let failed = |error: arrow::error::ArrowError| {
        let names: Vec<&str> = places
            .iter()
            .map(|&place| batch.schema_ref().field(place).name().as_str())
            .collect();
        cells::column(
            &names.join(", "),
            format!("they cannot be told in JSON: {error}"),
        )
    };
    let columns = batch.project(places).map_err(failed)?;
    let mut writer = WriterBuilder::new()
        .with_explicit_nulls(true)
        .build::<_, LineDelimited>(Vec::new());
    writer.write(&columns).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(writer.into_inner())
}

fn append(arena: &mut Vec<u8>, bytes: &[u8]) -> Place {
    let start = arena.len();
    arena.extend_from_slice(bytes);
    Place {
        start,
        end: arena.len(),
    }
}

/// Both ends were lengths of the arena when the place was made, and it has not shrunk since.
fn slice(arena: &[u8], place: Place) -> &[u8] {
    arena.get(place.start..place.end).unwrap_or_default()
}

#[cfg(test)]
mod tests;
