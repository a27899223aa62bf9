//! Rows on their way into a state: columns of the declared types, and which rows count.

use std::borrow::Cow;

use datafusion::arrow::array::{Array, ArrayRef, BooleanArray};
use datafusion::arrow::buffer::{BooleanBuffer, NullBuffer};
use datafusion::arrow::datatypes::DataType;

use crate::error::Result;
use crate::function::{call, nulls, signature};
use crate::module::{Nulls, Param, ParamType};
use crate::plugin::FunctionRef;

/// How the arguments of one aggregate in a query reach its function.
#[derive(Clone, Debug)]
pub(super) struct Input {
    pub(super) function: FunctionRef,
    /// Whether the query says `IGNORE NULLS`: then a row with any NULL does not count.
    ignore_nulls: bool,
}

/// Rows, ready for the guest.
pub(super) struct Prepared<'a> {
    pub(super) columns: Cow<'a, [ArrayRef]>,
    /// Which rows count; all if there is none.
    pub(super) filter: Option<BooleanBuffer>,
}

impl Input {
    pub(super) fn new(function: &FunctionRef, ignore_nulls: bool) -> Self {
        Self {
            function: function.clone(),
            ignore_nulls,
        }
    }

    /// `values` may have more columns than the function has parameters.
    pub(super) fn prepare<'a>(
        &self,
        values: &'a [ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Prepared<'a>> {
        let params = &self.function.decl().params;
        let mut filter = filter.map(|filter| match filter.nulls() {
            Some(nulls) => filter.values() & nulls.inner(),
            None => filter.values().clone(),
        });
        let mut columns = Cow::Borrowed(&values[..params.len().min(values.len())]);
        for (place, (param, value)) in params.iter().zip(values).enumerate() {
            if (param.nulls == Nulls::Skip || self.ignore_nulls)
                && let Some(nulls) = nulls::nulls_of(value)
            {
                filter = Some(both(filter, &nulls));
            }
            if let ParamType::Exact(to) = &param.ty
                && !signature::same_type(value.data_type(), to)
            {
                columns.to_mut()[place] = call::cast(&self.function, place, value, to)?;
            }
        }
        Ok(Prepared { columns, filter })
    }

    /// The types that the arguments cross as.
    pub(super) fn targets(&self) -> Vec<&DataType> {
        self.function.decl().params.iter().map(exact).collect()
    }
}

fn exact(param: &Param) -> &DataType {
    match &param.ty {
        ParamType::Exact(target) => target,
        // Refused in a manifest.
        ParamType::Any => &DataType::Null,
    }
}

fn both(filter: Option<BooleanBuffer>, nulls: &NullBuffer) -> BooleanBuffer {
    match filter {
        Some(filter) => &filter & nulls.inner(),
        None => nulls.inner().clone(),
    }
}
