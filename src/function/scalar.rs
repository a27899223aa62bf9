//! A plugin's scalar function as DataFusion sees it.

use std::any::Any;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};

use super::{SqlFunction, bind, call, signature};
use crate::module::{FunctionKind, Nulls};
use crate::plugin::Plugin;

/// A plugin's scalar function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ScalarFunction(SqlFunction);

impl ScalarFunction {
    /// The scalar functions of a plugin, one for each name.
    pub fn all(plugin: &Arc<Plugin>) -> Vec<Self> {
        SqlFunction::all(plugin)
            .into_iter()
            .filter_map(Self::new)
            .collect()
    }

    /// The scalar function `name` of a plugin, where `name` may be that of an export.
    pub fn named(plugin: &Arc<Plugin>, name: &str) -> Option<Self> {
        SqlFunction::named(plugin, name).and_then(Self::new)
    }

    /// `None` if it is of another kind.
    pub fn new(function: SqlFunction) -> Option<Self> {
        matches!(function.kind(), FunctionKind::Scalar).then_some(Self(function))
    }

    /// The function behind `udf`, if it is one of ours.
    pub fn of(udf: &ScalarUDF) -> Option<&SqlFunction> {
        let function: &Self = (udf.inner().as_ref() as &dyn Any).downcast_ref()?;
        Some(&function.0)
    }
}

impl ScalarUDFImpl for ScalarFunction {
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

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        let fields: Vec<FieldRef> = arg_types
            .iter()
            .map(|t| Arc::new(Field::new("", t.clone(), true)))
            .collect();
        let constants = vec![None; fields.len()];
        let args = ReturnFieldArgs {
            arg_fields: &fields,
            scalar_arguments: &constants,
        };
        Ok(self.return_field_from_args(args)?.data_type().clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> = args
            .arg_fields
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        let function = self.0.resolve(&types)?;
        let decl = function.decl();
        let (data_type, nullable) = match &decl.returns {
            Some(returns) => (returns.ty.clone(), returns.nullable),
            None => {
                let bound = bind::result_type(function, &types, args.scalar_arguments)?;
                (bound.data_type().clone(), bound.is_nullable())
            }
        };
        // A row that the guest never sees has a NULL result.
        let skips = args.arg_fields.iter().enumerate().any(|(place, field)| {
            field.is_nullable()
                && signature::param(decl, place).is_some_and(|param| param.nulls == Nulls::Skip)
        });
        Ok(Arc::new(Field::new(
            self.0.name(),
            data_type,
            nullable || skips,
        )))
    }

    fn is_strict(&self) -> bool {
        self.0
            .declarations()
            .all(|decl| decl.params.iter().all(|param| param.nulls == Nulls::Skip))
    }

    #[inline]
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let function = self
            .0
            .overload(|| args.args.iter().map(ColumnarValue::data_type).collect())?;
        let volatile = self.0.signature().volatility == Volatility::Volatile;
        Ok(call::invoke(function, &args, volatile)?)
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(self.0.documentation())
    }
}
