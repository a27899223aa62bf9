//! A plugin's aggregate function as DataFusion sees it.
//!
//! ```text
//! groups.rs    GroupsAccumulator: all groups of a partition in one state, in an instance of its own   ──┐
//! single.rs    Accumulator: one group, in the instance that the stream's small states share           ──┤ state.rs ─▶ request.rs
//! buffered.rs  Accumulator for DISTINCT and ORDER BY: keeps the rows, and feeds them to a `Single`    ──┘
//! ```
//!
//! Most updates are like the one before and go through `repeat.rs`.

mod buffered;
mod groups;
mod repeat;
mod rows;
mod single;
mod state;

use std::any::Any;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, GroupsAccumulator, ReversedUDAF,
    Signature,
};

use self::buffered::Buffered;
use self::groups::Groups;
use self::rows::Input;
use self::single::Single;
use super::SqlFunction;
use crate::error::Error;
use crate::module::{Column, FunctionKind};
use crate::plugin::FunctionRef;

/// A plugin's aggregate function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AggregateFunction(SqlFunction);

impl AggregateFunction {
    /// `None` if it is of another kind.
    pub fn new(function: SqlFunction) -> Option<Self> {
        matches!(function.kind(), FunctionKind::Aggregate { .. }).then_some(Self(function))
    }

    /// The function behind `udaf`, if it is one of ours.
    pub fn of(udaf: &AggregateUDF) -> Option<&SqlFunction> {
        let function: &Self = (udaf.inner().as_ref() as &dyn Any).downcast_ref()?;
        Some(&function.0)
    }

    fn overload(&self, fields: &[FieldRef]) -> Result<&FunctionRef> {
        let types = || fields.iter().map(|f| f.data_type().clone()).collect();
        Ok(self.0.overload(types)?)
    }

    /// Whether `ORDER BY` within a call means something to any of the overloads.
    fn is_ordered(&self) -> bool {
        self.0
            .declarations()
            .any(|decl| matches!(decl.kind, FunctionKind::Aggregate { ordered, .. } if ordered))
    }

    fn input(&self, args: &AccumulatorArgs<'_>) -> Result<Input> {
        let function = self.overload(args.expr_fields)?;
        Ok(Input::new(function, args.ignore_nulls))
    }
}

/// Columns of the state, and whether rows can be taken out again.
fn declaration(function: &FunctionRef) -> (&[Column], bool) {
    match &function.decl().kind {
        FunctionKind::Aggregate { state, retract, .. } => (state, *retract),
        // An aggregate function is made of no other.
        _ => (&[], false),
    }
}

/// Whether the rows must be kept before the guest can have them.
fn is_buffered(args: &AccumulatorArgs<'_>, ordered: bool) -> bool {
    args.is_distinct || (ordered && !args.order_bys.is_empty())
}

impl AggregateUDFImpl for AggregateFunction {
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
        let function = self.0.resolve(arg_types)?;
        let returns = function.decl().returns.as_ref();
        Ok(returns.map_or(DataType::Null, |returns| returns.ty.clone()))
    }

    fn return_field(&self, arg_fields: &[FieldRef]) -> Result<FieldRef> {
        let types: Vec<DataType> = arg_fields.iter().map(|f| f.data_type().clone()).collect();
        let nullable = self.0.resolve(&types)?.decl().returns.as_ref();
        let nullable = nullable.is_none_or(|returns| returns.nullable);
        let data_type = self.return_type(&types)?;
        Ok(Arc::new(Field::new(self.0.name(), data_type, nullable)))
    }

    fn is_nullable(&self) -> bool {
        self.0
            .declarations()
            .any(|decl| decl.returns.as_ref().is_none_or(|returns| returns.nullable))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let function = self.overload(args.input_fields)?;
        let ordered = self.is_ordered() && !args.ordering_fields.is_empty();
        if args.is_distinct || ordered {
            let ordering = if ordered { args.ordering_fields } else { &[] };
            let field = Buffered::state_field(args.input_fields, ordering);
            let name = format_state_name(args.name, field.name());
            return Ok(vec![Arc::new(field.with_name(name))]);
        }
        let field = |column: &Column| {
            let name = format_state_name(args.name, &column.name);
            Arc::new(Field::new(name, column.ty.clone(), true))
        };
        Ok(declaration(function).0.iter().map(field).collect())
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let single = Single::new(self.input(&args)?, &args.return_field);
        if is_buffered(&args, self.is_ordered()) {
            return Ok(Box::new(Buffered::new(single, &args, self.is_ordered())?));
        }
        Ok(Box::new(single))
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        let function = self.overload(args.expr_fields)?;
        let slides = declaration(function).1;
        if slides && !is_buffered(&args, self.is_ordered()) {
            return self.accumulator(args);
        }
        let problem = if slides {
            "DISTINCT and ORDER BY cannot be taken back"
        } else {
            "it does not declare `retract`"
        };
        Err(Error::Usage(format!(
            "function {}: rows cannot be taken out of it again, so its frame cannot slide ({problem}); let the frame begin with UNBOUNDED PRECEDING",
            function.id()
        ))
        .into())
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        !is_buffered(&args, self.is_ordered())
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Groups::new(
            self.input(&args)?,
            &args.return_field,
        )))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        // With an `ORDER BY`, the rows are sorted in `buffered.rs`: no order is asked of the plan, and partial results carry theirs.
        if self.is_ordered() {
            AggregateOrderSensitivity::Beneficial
        } else {
            AggregateOrderSensitivity::Insensitive
        }
    }

    fn with_beneficial_ordering(
        self: Arc<Self>,
        _beneficial_ordering: bool,
    ) -> Result<Option<Arc<dyn AggregateUDFImpl>>> {
        Ok(Some(self))
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::NotSupported
    }

    fn supports_null_handling_clause(&self) -> bool {
        true
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        // All that is known of the overload is what it returns.
        let field = Arc::new(Field::new(self.0.name(), data_type.clone(), true));
        let mut value = None;
        for function in self.0.returning(data_type) {
            let found = Single::new(Input::new(function, false), &field).evaluate()?;
            match &value {
                Some(other) if *other != found => {
                    return Err(Error::Usage(format!(
                        "function {}: for no rows, one of its overloads gives {other} and another {found}, and it is not known here which one is meant; let \
                         the query not be empty, or load the overloads under different names",
                        function.id()
                    ))
                    .into());
                }
                _ => value = Some(found),
            }
        }
        value.map_or_else(|| ScalarValue::try_from(data_type), Ok)
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(self.0.documentation())
    }
}
