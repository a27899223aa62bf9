//! Snapshots and vector indexes of tables that a session knows: the way to give plugins what the embedder can query. The one file here
//! that names DataFusion.
//!
//! They are read once, through the DataFrame API, so that no name becomes SQL. To refresh one, make it anew and add it under the same
//! name: who has the old one open keeps that until it is closed, everybody else gets the new one.

use datafusion::common::Column;
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::Expr;
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use tokio::runtime::Handle;

use super::error::StoreError;
use super::nearest::{Metric, NearestNeighbours, VectorRows};
use super::snapshot::{SnapshotRows, SnapshotTable};

impl SnapshotTable {
    /// The rows of a table of this session as they are now, of at most [`BYTES_MAX`](Self::BYTES_MAX) bytes: all columns, found by those
    /// of `key_column`.
    ///
    /// `table` is a name as SQL has it: parts are separated by dots, and what is not in quotation marks is made lower case.
    /// `key_column` is the name of the column, exactly. For other rows or columns, register a view.
    ///
    /// ```ignore
    /// context.add_table("rates", Arc::new(SnapshotTable::of_session(&ctx, "bank.rates", "currency").await?))?;
    /// ```
    ///
    /// # Errors
    ///
    /// If there is no such table, the query fails, or for what [`from_batches`](Self::from_batches) fails for.
    pub async fn of_session(
        ctx: &SessionContext,
        table: &str,
        key_column: &str,
    ) -> Result<Self, StoreError> {
        Self::of_session_within(ctx, table, key_column, Self::BYTES_MAX).await
    }

    /// The rows of a table of this session as they are now, of at most `bytes_max` bytes; see [`of_session`](Self::of_session). No more
    /// than that is read.
    ///
    /// # Errors
    ///
    /// As [`of_session`](Self::of_session).
    pub async fn of_session_within(
        ctx: &SessionContext,
        table: &str,
        key_column: &str,
        bytes_max: u64,
    ) -> Result<Self, StoreError> {
        let rows = ctx.table(table).await.map_err(query)?;
        let mut batches = rows.execute_stream().await.map_err(query)?;
        let mut rows = SnapshotRows::new(key_column, bytes_max);
        rows.begin(&batches.schema())?;
        while let Some(batch) = batches.next().await {
            rows.push(&batch.map_err(query)?)?;
        }
        apart(move || rows.finish()).await
    }
}

impl NearestNeighbours {
    /// The index of the vectors in a table of this session as they are now.
    ///
    /// `table` is a name as SQL has it: parts are separated by dots, and what is not in quotation marks is made lower case.
    /// `key_column` and `vector_column` are the names of the columns, exactly.
    ///
    /// # Errors
    ///
    /// If there is no such table or column, the query fails, or for what [`from_batches`](Self::from_batches) fails for.
    pub async fn of_session(
        ctx: &SessionContext,
        table: &str,
        key_column: &str,
        vector_column: &str,
        metric: Metric,
    ) -> Result<Self, StoreError> {
        let rows = ctx.table(table).await.map_err(query)?;
        let rows = select(rows, &[key_column, vector_column])?;
        let mut batches = rows.execute_stream().await.map_err(query)?;
        let mut rows = VectorRows::new(key_column, vector_column, metric);
        while let Some(batch) = batches.next().await {
            rows.push(&batch.map_err(query)?)?;
        }
        apart(move || rows.finish()).await
    }
}

/// These columns. Their names are not parsed.
fn select(rows: DataFrame, names: &[&str]) -> Result<DataFrame, StoreError> {
    let columns = names
        .iter()
        .map(|&name| Expr::Column(Column::from_name(name)));
    rows.select(columns.collect::<Vec<_>>()).map_err(query)
}

/// Runs what takes long where it keeps no other task waiting.
async fn apart<T: Send + 'static>(
    run: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let Ok(runtime) = Handle::try_current() else {
        return run();
    };
    match runtime.spawn_blocking(run).await {
        Ok(result) => result,
        Err(error) => Err(StoreError::Query(error.into())),
    }
}

fn query(error: datafusion::error::DataFusionError) -> StoreError {
    StoreError::Query(error.into())
}
