//! `DISTINCT` and `ORDER BY` within a call: the rows are kept here until the result is wanted, and then fed to the guest.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, ListArray, StructArray, UInt32Array, make_array,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::{SortColumn, SortOptions, concat, lexsort_to_indices, take};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::scalar::copy_array_data;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Accumulator;
use datafusion::logical_expr::function::AccumulatorArgs;

use super::single::Single;

/// Rows that the guest gets at once.
const FEED_ROWS: usize = 8 << 10;
/// With fewer rows than this, duplicates are not worth looking for.
const COMPACT_ROWS_MIN: usize = 8 << 10;

/// Keeps rows. Its state is one list of them: the arguments, and behind them what they are ordered by.
#[derive(Debug)]
pub(super) struct Buffered {
    single: Single,
    /// Types of the columns that are kept.
    fields: Fields,
    distinct: bool,
    /// How the columns behind the arguments order the rows.
    order: Vec<SortOptions>,
    batches: Vec<Vec<ArrayRef>>,
    /// Bytes of the batches.
    bytes: usize,
    rows: usize,
    /// Rows that were left when duplicates were looked for last.
    distinct_rows: usize,
}

impl Buffered {
    /// `ordered` says whether an order means something to the function. Where it does not, DataFusion gives no columns to order by.
    pub(super) fn new(single: Single, args: &AccumulatorArgs<'_>, ordered: bool) -> Result<Self> {
        let order_bys = if ordered { args.order_bys } else { &[] };
        let ordering = order_bys
            .iter()
            .map(|order| order.expr.return_field(args.schema))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            fields: fields(args.expr_fields, &ordering),
            single,
            distinct: args.is_distinct,
            order: order_bys.iter().map(|order| order.options).collect(),
            batches: Vec::new(),
            bytes: 0,
            rows: 0,
            distinct_rows: 0,
        })
    }

    /// The only column of the state.
    pub(super) fn state_field(arguments: &[FieldRef], ordering: &[FieldRef]) -> Field {
        let row = DataType::Struct(fields(arguments, ordering));
        let item = Arc::new(Field::new_list_field(row, true));
        Field::new("rows", DataType::List(item), true)
    }

    fn keep(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let columns = &columns[..self.fields.len().min(columns.len())];
        let rows = columns.first().map_or(0, |column| column.len());
        if rows == 0 {
            return Ok(());
        }
        // Copied: what comes is often a slice of what many groups share.
        let columns: Vec<ArrayRef> = columns
            .iter()
            .map(|column| make_array(copy_array_data(&column.to_data())))
            .collect();
        self.bytes += bytes_of(&columns);
        self.batches.push(columns);
        self.rows += rows;
        if self.distinct && self.rows >= 2 * self.distinct_rows.max(COMPACT_ROWS_MIN) {
            let columns = self.columns()?;
            self.rows = columns.first().map_or(0, |column| column.len());
            self.distinct_rows = self.rows;
            self.bytes = bytes_of(&columns);
            self.batches = vec![columns];
        }
        Ok(())
    }

    /// All rows, without duplicates if they do not count.
    fn columns(&self) -> Result<Vec<ArrayRef>> {
        let mut columns = Vec::with_capacity(self.fields.len());
        for place in 0..self.fields.len() {
            let parts: Vec<&dyn Array> = self.batches.iter().map(|b| b[place].as_ref()).collect();
            columns.push(concat(&parts)?);
        }
        if !self.distinct {
            return Ok(columns);
        }
        let arguments = &columns[..self.single.parameters()];
        let sort_fields = arguments
            .iter()
            .map(|c| SortField::new(c.data_type().clone()));
        let converter = RowConverter::new(sort_fields.collect())?;
        let rows = converter.convert_columns(arguments)?;
        let mut seen = HashSet::with_capacity(rows.num_rows());
        let first = rows.iter().enumerate().filter(|(_, row)| seen.insert(*row));
        let first: UInt32Array = first.map(|(place, _)| place as u32).collect();
        taken(&columns, &first)
    }

    /// The rows in the order in which the guest shall see them.
    fn ordered(&self) -> Result<Vec<ArrayRef>> {
        let columns = self.columns()?;
        let keys = columns.iter().skip(self.single.parameters());
        let mut keys: Vec<SortColumn> = keys
            .zip(&self.order)
            .map(|(values, options)| SortColumn {
                values: Arc::clone(values),
                options: Some(*options),
            })
            .collect();
        if keys.is_empty() {
            return Ok(columns);
        }
        // Rows that the keys do not tell apart stay as they came.
        let places: ArrayRef = Arc::new(UInt32Array::from_iter_values(0..self.rows_of(&columns)));
        keys.push(SortColumn {
            values: places,
            options: None,
        });
        taken(&columns, &lexsort_to_indices(&keys, None)?)
    }

    fn rows_of(&self, columns: &[ArrayRef]) -> u32 {
        columns.first().map_or(0, |column| column.len() as u32)
    }
}

impl Accumulator for Buffered {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.keep(values)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some(lists) = states.first().and_then(|s| s.as_list_opt::<i32>()) else {
            return Ok(());
        };
        for rows in lists.iter().flatten() {
            self.keep(rows.as_struct().columns())?;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.single.reset();
        if self.rows > 0 {
            let columns = self.ordered()?;
            let arguments = &columns[..self.single.parameters()];
            let rows = self.rows_of(&columns) as usize;
            for start in (0..rows).step_by(FEED_ROWS) {
                let length = FEED_ROWS.min(rows - start);
                let part: Vec<ArrayRef> =
                    arguments.iter().map(|c| c.slice(start, length)).collect();
                self.single.update_batch(&part)?;
            }
        }
        let result = self.single.evaluate();
        self.single.reset();
        result
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let row = DataType::Struct(self.fields.clone());
        let list = if self.rows == 0 {
            let item = Arc::new(Field::new_list_field(row, true));
            ListArray::new_null(item, 1)
        } else {
            let rows = StructArray::try_new(self.fields.clone(), self.columns()?, None)?;
            let length = rows.len();
            let item = Arc::new(Field::new_list_field(row, true));
            let offsets = OffsetBuffer::from_lengths([length]);
            ListArray::try_new(item, offsets, Arc::new(rows), None)?
        };
        Ok(vec![ScalarValue::List(Arc::new(list))])
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.bytes
    }
}

fn bytes_of(columns: &[ArrayRef]) -> usize {
    columns.iter().map(|c| c.get_array_memory_size()).sum()
}

fn fields(arguments: &[FieldRef], ordering: &[FieldRef]) -> Fields {
    let name = |(place, field): (usize, &FieldRef)| {
        Field::new(format!("c{place}"), field.data_type().clone(), true)
    };
    arguments
        .iter()
        .chain(ordering)
        .enumerate()
        .map(name)
        .collect()
}

fn taken(columns: &[ArrayRef], places: &UInt32Array) -> Result<Vec<ArrayRef>> {
    columns
        .iter()
        .map(|column| Ok(take(column, places, None)?))
        .collect()
}
