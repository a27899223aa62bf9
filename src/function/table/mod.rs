//! A plugin's table function as DataFusion sees it: `SELECT * FROM f(…)`.

mod exec;
mod scan;

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use datafusion::catalog::{Session, TableFunction as NamedTableFunction, TableFunctionArgs};
use datafusion::catalog::{TableFunctionImpl, TableProvider};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

pub(crate) use self::exec::TableExec;
use super::{SqlFunction, bind};
use crate::error::Error;
use crate::module::{self, FunctionKind, ParamType};
use crate::plugin::FunctionRef;

/// How much is shown of why an argument is not a constant, in bytes.
const REASON_BYTES_MAX: usize = 160;

/// A plugin's table function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableFunction(SqlFunction);

impl TableFunction {
    /// `None` if it is of another kind.
    pub fn new(function: SqlFunction) -> Option<Self> {
        matches!(function.kind(), FunctionKind::Table { .. }).then_some(Self(function))
    }

    /// The function behind `udtf`, if it is one of ours.
    pub fn of(udtf: &NamedTableFunction) -> Option<&SqlFunction> {
        let function: &Self = (udtf.function().as_ref() as &dyn Any).downcast_ref()?;
        Some(&function.0)
    }

    /// What an argument is. Only constants can be arguments: the table is made before there are rows.
    fn constant(&self, session: &dyn Session, place: usize, expr: &Expr) -> Result<ScalarValue> {
        let refused = |reason: String| {
            Error::Usage(format!(
                "table function {} (plugin {}): argument {} is {expr}, which is not a constant{reason}; write a value, or an expression of values",
                self.0.name(),
                self.0.plugin().name(),
                place + 1,
            ))
        };
        if expr.any_column_refs() || expr.contains_outer() {
            return Err(refused(String::new()).into());
        }
        if let Expr::Literal(value, _) = expr {
            return Ok(value.clone());
        }
        let value = session
            .create_physical_expr(expr.clone(), &DFSchema::empty())
            .and_then(|expr| {
                let row = RecordBatch::try_new_with_options(
                    Arc::new(Schema::empty()),
                    Vec::new(),
                    &RecordBatchOptions::new().with_row_count(Some(1)),
                )?;
                match expr.evaluate(&row)? {
                    ColumnarValue::Scalar(value) => Ok(value),
                    ColumnarValue::Array(array) => ScalarValue::try_from_array(&array, 0),
                }
            })
            .map_err(|error| {
                // Of an expression that needs rows, DataFusion shows all it knows.
                let reason = error.strip_backtrace();
                refused(format!(
                    " ({})",
                    module::escape_cut(&reason, REASON_BYTES_MAX)
                ))
            })?;
        Ok(value)
    }
}

impl TableFunctionImpl for TableFunction {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let mut values = Vec::with_capacity(args.exprs().len());
        for (place, expr) in args.exprs().iter().enumerate() {
            values.push(self.constant(args.session(), place, expr)?);
        }
        let types: Vec<DataType> = values.iter().map(ScalarValue::data_type).collect();
        let function = self.0.resolve(&types)?;
        for (place, value) in values.iter_mut().enumerate() {
            if let Some(ParamType::Exact(to)) =
                super::signature::param(function.decl(), place).map(|param| &param.ty)
                && value.data_type() != *to
            {
                *value = value.cast_to(to).map_err(|error| {
                    Error::Usage(format!(
                        "table function {}: argument {} cannot become {to}: {}",
                        function.id(),
                        place + 1,
                        error.strip_backtrace()
                    ))
                })?;
            }
        }
        Ok(Arc::new(Table {
            schema: schema(function, &values)?,
            call: Arc::new(TableCallSite {
                name: self.0.name().to_owned(),
                label: self.0.label(),
                function: function.clone(),
                args: values,
            }),
        }))
    }
}

/// A table function with its arguments.
#[derive(Debug)]
pub(super) struct TableCallSite {
    name: String,
    label: String,
    function: FunctionRef,
    args: Vec<ScalarValue>,
}

/// The columns of the table for these arguments.
fn schema(function: &FunctionRef, args: &[ScalarValue]) -> Result<SchemaRef> {
    if let FunctionKind::Table {
        columns: Some(columns),
    } = &function.decl().kind
    {
        let field = |c: &module::Column| Field::new(&c.name, c.ty.clone(), c.nullable);
        return Ok(Arc::new(Schema::new(
            columns.iter().map(field).collect::<Fields>(),
        )));
    }
    let types: Vec<DataType> = args.iter().map(ScalarValue::data_type).collect();
    let constants: Vec<Option<&ScalarValue>> = args.iter().map(Some).collect();
    let bound = bind::result_type(function, &types, &constants)?;
    match bound.data_type() {
        DataType::Struct(fields) if !fields.is_empty() => {
            let names = fields.iter().map(|field| field.name().as_str());
            module::check_column_names(names).map_err(|problem| {
                Error::Usage(format!(
                    "table function {}: the columns that wasmfusion_bind returned: {problem}; this is a fault of the plugin, tell its author",
                    function.id()
                ))
            })?;
            Ok(Arc::new(Schema::new(fields.clone())))
        }
        found => Err(Error::Usage(format!(
            "table function {}: wasmfusion_bind returned {found}, expected a struct with the table's columns; this is a fault of the plugin, tell its \
             author",
            function.id()
        ))
        .into()),
    }
}

/// What a table function returns, as a table.
#[derive(Debug)]
struct Table {
    call: Arc<TableCallSite>,
    schema: SchemaRef,
}

#[async_trait]
impl TableProvider for Table {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(TableExec::new(
            Arc::clone(&self.call),
            Arc::clone(&self.schema),
            projection.cloned(),
            limit,
        )?))
    }
}
