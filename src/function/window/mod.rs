//! A plugin's window function as DataFusion sees it.
//!
//! What the manifest calls `window` decides how the function is asked: for a whole partition ([`whole`]), for one value from a frame
//! ([`framed`]), or row after row ([`streaming`]).

mod call;
mod framed;
mod streaming;
mod whole;

use std::any::Any;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{
    Documentation, PartitionEvaluator, Signature, WindowUDF, WindowUDFImpl,
};
use parking_lot::Mutex;

use self::call::WindowFunctionCall;
use self::framed::Framed;
use self::streaming::Streaming;
use self::whole::Whole;
use super::{SqlFunction, bind};
use crate::error::Error;
use crate::module::{FunctionKind, WindowMode};
use crate::plugin::FunctionRef;

/// A plugin's window function.
#[derive(Clone, Debug)]
pub struct WindowFunction {
    function: SqlFunction,
    /// What functions that bind said that they return for arguments of these types: DataFusion asks for each partition.
    bound: Arc<Mutex<HashMap<Vec<DataType>, Field>>>,
}

impl PartialEq for WindowFunction {
    fn eq(&self, other: &Self) -> bool {
        self.function == other.function
    }
}

impl Eq for WindowFunction {}

impl Hash for WindowFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.hash(state);
    }
}

impl WindowFunction {
    /// `None` if it is of another kind.
    pub fn new(function: SqlFunction) -> Option<Self> {
        matches!(function.kind(), FunctionKind::Window { .. }).then(|| Self {
            function,
            bound: Arc::default(),
        })
    }

    /// The function behind `udwf`, if it is one of ours.
    pub fn of(udwf: &WindowUDF) -> Option<&SqlFunction> {
        let function: &Self = (udwf.inner().as_ref() as &dyn Any).downcast_ref()?;
        Some(&function.function)
    }

    /// The overload for these arguments, and what it returns.
    fn bound(&self, fields: &[FieldRef]) -> Result<(&FunctionRef, Field)> {
        let types: Vec<DataType> = fields.iter().map(|f| f.data_type().clone()).collect();
        let function = self.function.resolve(&types)?;
        let field = match &function.decl().returns {
            Some(returns) => Field::new(self.function.name(), returns.ty.clone(), returns.nullable),
            None => self.bind(function, types)?,
        };
        Ok((function, field))
    }

    /// Asks the guest once for each set of types. It is bound to types alone: constants are not known to all that ask.
    fn bind(&self, function: &FunctionRef, types: Vec<DataType>) -> Result<Field> {
        let known = self.bound.lock().get(&types).cloned();
        if let Some(field) = known {
            return Ok(field);
        }
        let field = bind::result_type(function, &types, &[])?.with_name(self.function.name());
        self.bound.lock().insert(types, field.clone());
        Ok(field)
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
        self.function.name()
    }

    fn aliases(&self) -> &[String] {
        self.function.aliases()
    }

    fn signature(&self) -> &Signature {
        self.function.signature()
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(self.function.coerced(arg_types))
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
        Some(self.function.documentation())
    }
}
