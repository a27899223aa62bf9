//! A plugin's window function as DataFusion sees it.
//!
//! What the manifest calls `window` decides how the function is asked: for a whole partition ([`whole`]), for one value from a frame
//! ([`framed`]), or row after row ([`streaming`]).

mod call;
mod framed;
mod streaming;
mod whole;

use std::any::Any;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{
    Documentation, PartitionEvaluator, Signature, WindowUDF, WindowUDFImpl,
};

use self::call::WindowFunctionCall;
use self::framed::Framed;
use self::streaming::Streaming;
use self::whole::Whole;
use super::{SqlFunction, bind};
use crate::error::Error;
use crate::module::{FunctionKind, WindowMode};
use crate::plugin::FunctionRef;

/// A plugin's window function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WindowFunction(SqlFunction);

impl WindowFunction {
    /// `None` if it is of another kind.
    pub fn new(function: SqlFunction) -> Option<Self> {
        matches!(function.kind(), FunctionKind::Window { .. }).then_some(Self(function))
    }

    /// The function behind `udwf`, if it is one of ours.
    pub fn of(udwf: &WindowUDF) -> Option<&SqlFunction> {
        let function: &Self = (udwf.inner().as_ref() as &dyn Any).downcast_ref()?;
        Some(&function.0)
    }

    /// The overload for these arguments, and what it returns.
    fn bound(&self, fields: &[FieldRef]) -> Result<(&FunctionRef, Field)> {
        let types: Vec<DataType> = fields.iter().map(|f| f.data_type().clone()).collect();
        let function = self.0.resolve(&types)?;
        let field = match &function.decl().returns {
            Some(returns) => Field::new(self.0.name(), returns.ty.clone(), returns.nullable),
            None => bind::result_type(function, &types, &[])?.with_name(self.0.name()),
        };
        Ok((function, field))
    }
}

/// What a manifest says of a window function.
fn declaration(function: &FunctionRef) -> (WindowMode, bool) {
    match function.decl().kind {
        FunctionKind::Window { mode, ignore_nulls } => (mode, ignore_nulls),
        // A window function is made of no other.
        _ => (WindowMode::Partition, false),
    }
}

impl WindowUDFImpl for WindowFunction {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn aliases(&self) -> &[String] {
        self.0.aliases()
    }

    fn signature(&self) -> &Signature {
        self.0.signature()
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(self.0.coerced(arg_types))
    }

    fn field(&self, args: WindowUDFFieldArgs<'_>) -> Result<FieldRef> {
        let (_, field) = self.bound(args.input_fields())?;
        Ok(Arc::new(field.with_name(args.name())))
    }

    fn partition_evaluator(
        &self,
        args: PartitionEvaluatorArgs<'_>,
    ) -> Result<Box<dyn PartitionEvaluator>> {
        let (function, result) = self.bound(args.input_fields())?;
        let (mode, ignores_nulls) = declaration(function);
        if args.ignore_nulls() && !ignores_nulls {
            return Err(Error::Usage(format!(
                "function {}: it does not know IGNORE NULLS; leave the clause out",
                function.id()
            ))
            .into());
        }
        let call = WindowFunctionCall::new(function, result, &args);
        Ok(match mode {
            WindowMode::Partition => Box::new(Whole::new(call, false)),
            WindowMode::Ranked => Box::new(Whole::new(call, true)),
            WindowMode::Framed => Box::new(Framed::new(call)),
            WindowMode::Streaming => Box::new(Streaming::new(call)),
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(self.0.documentation())
    }
}
