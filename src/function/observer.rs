//! The call of an observer: columns of events go in, and nothing comes out.

use std::borrow::Cow;

use datafusion::arrow::array::ArrayRef;

use super::call::{Argument, Arguments};
use super::frame::{Ended, row_count, settle};
use super::request::{Request, Types};
use crate::error::Result;
use crate::instance::Instance;
use crate::plugin::FunctionRef;

/// Calls an observer in `instance`, with a column for each of its parameters: in parts, if they are too large for the guest's memory.
pub(crate) fn observe(
    instance: &mut Instance,
    function: &FunctionRef,
    columns: &[ArrayRef],
) -> Result<()> {
    let rows = columns.first().map_or(0, |column| column.len());
    if rows == 0 {
        return Ok(());
    }
    let types: Types<'_> = columns.iter().map(|column| column.data_type()).collect();
    let arguments: Arguments<'_> = columns
        .iter()
        .map(|column| Argument {
            array: Cow::Borrowed(column),
            constant: false,
        })
        .collect();
    let limits = instance.limits();
    let (roomy, rows_max) = (limits.memory_bytes_max / 4, limits.call_rows_max as usize);
    let fits = |request: &Request<'_>| -> Result<bool> {
        Ok(rows == 1 || (rows <= rows_max && request.measure::<()>(function)? <= roomy))
    };
    let request = Request {
        rows: row_count(function, rows.min(rows_max))?,
        arguments: &arguments,
        targets: &types,
        ..Request::default()
    };
    if !fits(&request)? {
        let half = rows / 2;
        for (start, length) in [(0, half), (half, rows - half)] {
            let part: Vec<ArrayRef> = columns.iter().map(|c| c.slice(start, length)).collect();
            observe(instance, function, &part)?;
        }
        return Ok(());
    }
    instance.begin(function.plugin.module(), function.place);
    let outcome = request.send(instance, function, |_| ()).map(|_| ());
    instance.end(function.place, rows);
    settle(instance, outcome).map_err(|ended: Ended| ended.into_error(function))
}
