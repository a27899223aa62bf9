//! Columns with a dictionary: a function that returns the same for the same value is called once for each value, not for each row.

use arrow_select::dictionary::garbage_collect_any_dictionary;
use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use datafusion::logical_expr::ColumnarValue;

use super::signature;
use crate::module::{FunctionDecl, Nulls, ParamType};

/// So many rows must a value have on average, or calling the function for each row costs less than finding out which values there are.
const ROWS_PER_VALUE_MIN: usize = 2;

/// The values that a call is made for in place of rows.
pub(super) struct Distinct {
    /// The arguments, with a row for each value.
    pub(super) args: Vec<ColumnarValue>,
    /// How many values there are.
    pub(super) rows: usize,
    /// Which value each row has.
    dictionary: ArrayRef,
}

impl Distinct {
    /// The values of the only column among the arguments, if that has a dictionary with few of them. They are those that a row has: what
    /// the function would do with others nobody has asked.
    pub(super) fn of(
        decl: &FunctionDecl,
        args: &[ColumnarValue],
        rows: usize,
    ) -> Result<Option<Self>, ArrowError> {
        let mut columns = args
            .iter()
            .enumerate()
            .filter_map(|(place, arg)| match arg {
                ColumnarValue::Array(array) => Some((place, array)),
                ColumnarValue::Scalar(_) => None,
            });
        let (Some((place, column)), None) = (columns.next(), columns.next()) else {
            return Ok(None);
        };
        let Some(dictionary) = column.as_any_dictionary_opt() else {
            return Ok(None);
        };
        let Some(param) = signature::param(decl, place) else {
            return Ok(None);
        };
        let crosses_plain = match &param.ty {
            ParamType::Exact(to) => !matches!(to, DataType::Dictionary(..)),
            ParamType::Any => false,
        };
        // A row without a key has no value that the function could be called for.
        let sees_nulls = param.nulls != Nulls::Skip && dictionary.keys().null_count() > 0;
        let few = dictionary.values().len() <= rows / ROWS_PER_VALUE_MIN;
        if !crosses_plain || sees_nulls || !few || column.len() != rows {
            return Ok(None);
        }
        let dictionary = garbage_collect_any_dictionary(dictionary)?;
        let values = dictionary.as_any_dictionary().values();
        if values.is_empty() {
            return Ok(None);
        }
        let mut args = args.to_vec();
        args[place] = ColumnarValue::Array(ArrayRef::clone(values));
        Ok(Some(Self {
            rows: values.len(),
            args,
            dictionary,
        }))
    }

    /// A column with the result of its value for each row.
    pub(super) fn rows_of(&self, results: &ArrayRef) -> Result<ArrayRef, ArrowError> {
        take(results, self.dictionary.as_any_dictionary().keys(), None)
    }
}
