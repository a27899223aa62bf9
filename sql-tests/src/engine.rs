//! The engine under the `.slt` files: a DataFusion session whose statements go through [`SessionContextExt::wasm_sql`].

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use datafusion::physical_plan::common::collect;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::SessionContext;
use datafusion_sqllogictest::{
    DFColumnType, DFOutput, DFSqlLogicTestError, convert_batches, convert_schema_to_types,
};
use sqllogictest::{AsyncDB, DBOutput};
use wasmfusion::SessionContextExt;

/// Runs statements in one session, and counts them.
pub struct Engine {
    ctx: SessionContext,
    records: Arc<AtomicUsize>,
}

impl Engine {
    /// An engine on `ctx` that adds every statement that it runs to `records`.
    pub fn new(ctx: SessionContext, records: Arc<AtomicUsize>) -> Self {
        Self { ctx, records }
    }
}

#[async_trait]
impl AsyncDB for Engine {
    type Error = DFSqlLogicTestError;
    type ColumnType = DFColumnType;

    async fn run(&mut self, sql: &str) -> Result<DFOutput, DFSqlLogicTestError> {
        self.records.fetch_add(1, Ordering::Relaxed);
        let frame = self.ctx.wasm_sql(sql).await?;
        let context = Arc::new(frame.task_ctx());
        let plan = frame.create_physical_plan().await?;
        let schema = plan.schema();
        let types = convert_schema_to_types(schema.fields());
        let batches = collect(execute_stream(plan, context)?).await?;
        let rows = convert_batches(&schema, batches, false)?;
        // What DataFusion's statements without a result return is an empty table without columns.
        if types.is_empty() && rows.is_empty() {
            return Ok(DBOutput::StatementComplete(0));
        }
        Ok(DBOutput::Rows { types, rows })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        "wasmfusion"
    }

    async fn sleep(duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
