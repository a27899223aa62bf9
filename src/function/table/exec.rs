//! The operator that streams a table function's rows.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::coop::cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
    ReplaceChildrenOptions,
};
use futures::stream;

use super::TableCallSite;
use super::scan::Scan;
use crate::module;
use crate::plugin::Plugin;

/// Reads the rows of a table function.
#[derive(Clone, Debug)]
pub(crate) struct TableExec {
    call: Arc<TableCallSite>,
    /// All columns of the table.
    table: SchemaRef,
    /// Those that are wanted.
    projection: Option<Vec<usize>>,
    fetch: Option<usize>,
    properties: Arc<PlanProperties>,
}

impl TableExec {
    pub(super) fn new(
        call: Arc<TableCallSite>,
        table: SchemaRef,
        projection: Option<Vec<usize>>,
        fetch: Option<usize>,
    ) -> Result<Self> {
        let schema = match &projection {
            Some(projection) => Arc::new(table.project(projection)?),
            None => Arc::clone(&table),
        };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Ok(Self {
            call,
            table,
            projection,
            fetch,
            properties: Arc::new(properties),
        })
    }

    /// The plugin of the function.
    pub(crate) fn plugin(&self) -> &Plugin {
        &self.call.function.plugin
    }

    /// For plans: `series@numbers`.
    pub(crate) fn label(&self) -> &str {
        &self.call.label
    }
}

impl DisplayAs for TableExec {
    fn fmt_as(&self, t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let args: Vec<String> = self.call.args.iter().map(shown).collect();
        let call = format!("{}({})", self.call.name, args.join(", "));
        match t {
            DisplayFormatType::TreeRender => {
                writeln!(f, "{call}")?;
                self.fetch.map_or(Ok(()), |n| writeln!(f, "fetch={n}"))
            }
            _ => {
                write!(f, "WasmTableExec: {call}")?;
                self.fetch.map_or(Ok(()), |n| write!(f, ", fetch={n}"))
            }
        }
    }
}

impl ExecutionPlan for TableExec {
    fn name(&self) -> &str {
        "WasmTableExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() {
            Ok(self)
        } else {
            internal_err!("a table function has no input")
        }
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() {
            Ok(self)
        } else {
            internal_err!("a table function has no input")
        }
    }

    fn execute(
        &self,
        _partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let schema = self.schema();
        let scan = Scan::new(
            Arc::clone(&self.call),
            Arc::clone(&self.table),
            Arc::clone(&schema),
            self.projection.clone(),
            self.fetch,
            context.session_config().batch_size(),
        );
        // One batch a poll, made when it is asked for.
        let batches = stream::iter(scan);
        Ok(Box::pin(cooperative(RecordBatchStreamAdapter::new(
            schema, batches,
        ))))
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        Some(Arc::new(Self {
            fetch: limit,
            ..self.clone()
        }))
    }

    fn fetch(&self) -> Option<usize> {
        self.fetch
    }
}

/// An argument as SQL would have it: texts in quotes, so that `'3'` is not taken for 3.
fn shown(value: &ScalarValue) -> String {
    match value.try_as_str() {
        Some(Some(text)) => format!("'{}'", module::escape(text).replace('\'', "''")),
        _ => value.to_string(),
    }
}
