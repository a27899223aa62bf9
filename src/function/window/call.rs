//! One call of a window function: which arguments, in which instance.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::Field;
use datafusion::common::Result;
use datafusion::logical_expr::function::PartitionEvaluatorArgs;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Literal;
use wasmfusion_abi::{CONSTANTS_MAX, flag};

use crate::error::Error;
use crate::function::call::{self, Argument, Arguments};
use crate::function::frame::{self, Ended};
use crate::function::request::{self, Types};
use crate::function::{bind, signature};
use crate::instance::Instance;
use crate::module::ParamType;
use crate::plugin::FunctionRef;
use crate::scope::Lease;

/// A window function as one place in a query calls it.
pub(super) struct WindowFunctionCall {
    pub(super) function: FunctionRef,
    pub(super) result: Field,
    pub(super) flags: u32,
    /// The arguments that are literals, as arrays of length 1.
    literals: Vec<Option<ArrayRef>>,
    lease: Option<Lease>,
}

impl WindowFunctionCall {
    pub(super) fn new(
        function: &FunctionRef,
        result: Field,
        args: &PartitionEvaluatorArgs<'_>,
    ) -> Self {
        let literal = |(place, expr): (usize, &Arc<dyn PhysicalExpr>)| {
            let literal = expr.downcast_ref::<Literal>()?;
            (place < CONSTANTS_MAX)
                .then(|| literal.value().to_array().ok())
                .flatten()
        };
        Self {
            function: function.clone(),
            result,
            flags: if args.ignore_nulls() {
                flag::IGNORE_NULLS
            } else {
                0
            },
            literals: args.input_exprs().iter().enumerate().map(literal).collect(),
            lease: None,
        }
    }

    /// The arguments of some of the rows, cast to what the function declares. DataFusion may append columns of its own.
    pub(super) fn arguments<'a>(
        &'a self,
        values: &'a [ArrayRef],
        rows: Option<&Range<usize>>,
    ) -> Result<Arguments<'a>, Error> {
        let decl = self.function.decl();
        let mut arguments = Arguments::new();
        for (place, value) in values.iter().take(self.literals.len()).enumerate() {
            let literal = self.literals.get(place).and_then(Option::as_ref);
            let array = match (literal, rows) {
                (Some(literal), _) => Cow::Borrowed(literal),
                (None, Some(rows)) => Cow::Owned(value.slice(rows.start, rows.len())),
                (None, None) => Cow::Borrowed(value),
            };
            let array = match signature::param(decl, place).map(|param| &param.ty) {
                Some(ParamType::Exact(to)) if !signature::same_type(array.data_type(), to) => {
                    Cow::Owned(call::cast(&self.function, place, &array, to)?)
                }
                _ => array,
            };
            arguments.push(Argument {
                array,
                constant: literal.is_some(),
            });
        }
        Ok(arguments)
    }

    /// The types that the arguments cross as.
    pub(super) fn targets<'a>(&'a self, arguments: &'a Arguments<'_>) -> Types<'a> {
        let target = |(place, argument): (usize, &'a Argument<'_>)| {
            frame::target(&self.function, place, &argument.array)
        };
        arguments.iter().enumerate().map(target).collect()
    }

    /// What the function is bound to in this instance, if it binds.
    pub(super) fn bind(
        &self,
        instance: &mut Instance,
        arguments: &Arguments<'_>,
    ) -> Result<u32, Ended> {
        if !self.function.decl().bind {
            return Ok(0);
        }
        // To the types alone, as when the query was planned.
        let arguments = arguments.iter().map(|a| (a.array.as_ref(), false));
        bind::handle(instance, &self.function, arguments, &self.result)
    }

    /// The instance that the stream's windows share, kept for all calls.
    pub(super) fn lease(&mut self) -> Result<Lease, Error> {
        if let Some(lease) = &self.lease {
            return Ok(lease.clone());
        }
        let lease = request::shared_lease(&self.function)?;
        Ok(self.lease.insert(lease).clone())
    }
}

impl fmt::Debug for WindowFunctionCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WindowFunctionCall")
            .field("function", &self.function.id())
            .finish_non_exhaustive()
    }
}
