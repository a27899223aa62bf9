//! The batches of a table function, one call each.

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::common::{Result, ScalarValue};
use wasmfusion_abi::TableCall;

use super::TableCallSite;
use crate::columns::{self, ColumnError};
use crate::error::Error;
use crate::function::call::{Argument, Arguments};
use crate::function::frame::{self, Ended, bad_result};
use crate::function::request::{self, Request, Types};
use crate::function::{bind, signature};
use crate::module::Nulls;
use crate::scope::{Lease, with_limits};

/// Most rows that the guest is asked for at once, whatever the session's batch size.
const BATCH_ROWS_MAX: usize = 64 << 10;
/// No limit on the rows of a scan.
const UNLIMITED: u64 = u64::MAX;

/// A scan of a table function. It begins with the first batch, in the instance that the stream's small states share.
pub(super) struct Scan {
    call: Arc<TableCallSite>,
    table: SchemaRef,
    /// What the batches look like.
    schema: SchemaRef,
    /// The columns of `table` that are read; all if there are none.
    projection: Option<Vec<usize>>,
    /// Rows that are still wanted.
    wanted: Option<usize>,
    batch_rows: usize,
    /// Rows that the scan may still return.
    rows_left: u64,
    progress: Progress,
}

enum Progress {
    Begins,
    Open(Open),
    Over,
}

/// A scan that the guest has opened.
struct Open {
    lease: Lease,
    handle: u32,
}

impl Scan {
    pub(super) fn new(
        call: Arc<TableCallSite>,
        table: SchemaRef,
        schema: SchemaRef,
        projection: Option<Vec<usize>>,
        wanted: Option<usize>,
        batch_rows: usize,
    ) -> Self {
        let types: Vec<&DataType> = table.fields().iter().map(|f| f.data_type()).collect();
        let (roomy, rows_left) = with_limits(&call.function.plugin, |limits| {
            (limits.memory_bytes_max / 8, limits.scan_rows_max)
        });
        let rows_max = batch_rows.clamp(1, BATCH_ROWS_MAX);
        Self {
            batch_rows: columns::rows_within(&types, roomy, rows_max),
            call,
            table,
            schema,
            projection,
            wanted,
            rows_left,
            progress: Progress::Begins,
        }
    }

    /// Starts the scan in a guest, unless a NULL makes the table empty.
    fn open(&self) -> Result<Option<Open>> {
        let TableCallSite { function, args, .. } = self.call.as_ref();
        let is_empty = args.iter().enumerate().any(|(place, value)| {
            let param = signature::param(function.decl(), place);
            value.is_null() && param.is_some_and(|param| param.nulls == Nulls::Skip)
        });
        if is_empty || self.wanted == Some(0) {
            return Ok(None);
        }
        let arrays = args
            .iter()
            .map(ScalarValue::to_array)
            .collect::<Result<Vec<_>>>()?;
        let argument = |array| Argument {
            array: Cow::Borrowed(array),
            constant: true,
        };
        let arguments: Arguments<'_> = arrays.iter().map(argument).collect();
        let targets: Types<'_> = arguments
            .iter()
            .enumerate()
            .map(|(place, argument)| frame::target(function, place, &argument.array))
            .collect();
        let lease = request::shared_lease(function)?;
        let handle = request::within(&lease, function, 0, |instance| {
            let bound = if function.decl().bind {
                let row = DataType::Struct(self.table.fields().clone());
                let row = Field::new("", row, false);
                let known = arguments.iter().map(|a| (a.array.as_ref(), true));
                bind::handle(instance, function, known, &row)?
            } else {
                0
            };
            let request = Request {
                rows: 1,
                bound,
                arguments: &arguments,
                targets: &targets,
                ..Request::default()
            };
            let reply = request.send(instance, function, |_| TableCall {
                operation: TableCall::OPEN,
                limit: self.limit(),
                ..TableCall::default()
            })?;
            Ok(reply.tail.state)
        })?;
        Ok(Some(Open { lease, handle }))
    }

    fn limit(&self) -> u64 {
        self.wanted.map_or(UNLIMITED, |wanted| wanted as u64)
    }

    /// The next batch; `None` after the last one.
    fn next_batch(&mut self, open: &Open) -> Result<Option<RecordBatch>> {
        let function = &self.call.function;
        let fields = self.table.fields();
        let types: Vec<&DataType> = fields.iter().map(|field| field.data_type()).collect();
        let rows = self.wanted.unwrap_or(usize::MAX).min(self.batch_rows);
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        if rows == 0 {
            return Ok(None);
        }
        let request = Request {
            rows,
            results: &types,
            result_rows: rows,
            ..Request::default()
        };
        let (columns, count) = request::within(&open.lease, function, rows as usize, |instance| {
            let reply = request.send(instance, function, |_| TableCall {
                operation: TableCall::NEXT,
                state: open.handle,
                limit: self.limit(),
                result_count: types.len() as u32,
                ..TableCall::default()
            })?;
            let count = reply.tail.result_rows;
            if count > rows {
                let problem = format!("it has {count} rows, at most {rows} were asked for");
                let problem = ColumnError::of_type("of a table", problem);
                return Err(Ended::Told(bad_result(function, problem)));
            }
            let mut columns: Vec<ArrayRef> = Vec::with_capacity(types.len());
            let all = 0..if count == 0 { 0 } else { types.len() };
            let places: Vec<usize> = match &self.projection {
                Some(projection) => projection
                    .iter()
                    .copied()
                    .filter(|p| all.contains(p))
                    .collect(),
                None => all.collect(),
            };
            for place in places {
                let field = &fields[place];
                let column = reply.column(instance, function, place, field.data_type(), count)?;
                if !field.is_nullable() && column.logical_null_count() > 0 {
                    let problem = format!(
                        "column {} has NULLs, although the manifest says that it never has",
                        field.name()
                    );
                    let problem = ColumnError::invalid(field.data_type(), problem);
                    return Err(Ended::Told(bad_result(function, problem)));
                }
                columns.push(column);
            }
            Ok((columns, count as usize))
        })?;
        if count == 0 {
            return Ok(None);
        }
        self.rows_left = self.rows_left.checked_sub(count as u64).ok_or_else(|| {
            let max = with_limits(&function.plugin, |limits| limits.scan_rows_max);
            Error::Limit {
                function: function.id(),
                what: format!("returned more than {max} rows"),
                setting: "scan_rows_max",
            }
        })?;
        if let Some(wanted) = &mut self.wanted {
            *wanted -= count;
        }
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        Ok(Some(batch))
    }

    /// Tells the guest that nobody wants more.
    fn close(&mut self) {
        let Progress::Open(Open { lease, handle }) =
            std::mem::replace(&mut self.progress, Progress::Over)
        else {
            return;
        };
        let tail = TableCall {
            operation: TableCall::CLOSE,
            state: handle,
            ..TableCall::default()
        };
        request::give_back(&lease, &self.call.function, tail);
    }
}

impl Iterator for Scan {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Progress::Begins = self.progress {
            match self.open() {
                Ok(Some(open)) => self.progress = Progress::Open(open),
                Ok(None) => self.progress = Progress::Over,
                Err(error) => {
                    self.progress = Progress::Over;
                    return Some(Err(error));
                }
            }
        }
        let Progress::Open(open) = std::mem::replace(&mut self.progress, Progress::Over) else {
            return None;
        };
        let batch = self.next_batch(&open).transpose();
        self.progress = Progress::Open(open);
        if !matches!(batch, Some(Ok(_))) {
            self.close();
        }
        batch
    }
}

impl Drop for Scan {
    fn drop(&mut self) {
        self.close();
    }
}
