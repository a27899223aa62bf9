//! Sessions as the tests use them: the same everywhere, so that plans and row orders can be written down.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::prelude::{CsvReadOptions, ParquetReadOptions, SessionConfig, SessionContext};
use wasmfusion::{
    Distance, LocalContext, NearestNeighbours, Registry, RegistryOptions, SessionContextExt,
    SqlModules, StoreError,
};

/// Threads that a query may use, whatever the machine has.
const PARTITIONS: usize = 4;
/// Rows of a batch.
const BATCH_ROWS: usize = 8_192;

/// The directory of the plugins that come with the project: those that are committed, or, where `WASMFUSION_PLUGINS` says so, others that
/// were built just now.
pub fn built_plugins() -> PathBuf {
    match std::env::var_os("WASMFUSION_PLUGINS") {
        Some(directory) => directory.into(),
        None => examples().join("plugins/built"),
    }
}

/// The directory of the `.slt` files.
pub fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

/// The directory of the plugins that the tests have to themselves.
pub fn test_plugins() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins")
}

/// The directory of the hostile guests.
pub fn evil_guests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("evil")
}

/// A session that takes the plugins of `registry`, on top of `runtime`.
///
/// # Errors
///
/// If two plugins have a function of one name.
pub fn new_session(registry: &Registry, runtime: Arc<RuntimeEnv>) -> Result<SessionContext> {
    let config = SessionConfig::new()
        .with_target_partitions(PARTITIONS)
        .with_batch_size(BATCH_ROWS)
        .with_information_schema(true);
    let ctx = SessionContext::new_with_config_rt(config, runtime);
    ctx.register_plugins(registry)?;
    Ok(ctx)
}

/// A session in which the [`test_plugins`] are loaded, `CREATE FUNCTION` finds the [`built_plugins`], and `flights` and `airports` are tables.
///
/// # Errors
///
/// If the plugins or the data cannot be read.
pub async fn session_with_data() -> Result<SessionContext> {
    let context = LocalContext::default();
    let mut options = RegistryOptions::default();
    options.module_root = Some(built_plugins());
    options.sql_modules = Some(SqlModules::ALL);
    options.sql_admin = true;
    options.context = Arc::new(context.clone());
    let registry = Registry::new(options);
    for (_, loaded) in registry.load_dir(test_plugins())? {
        loaded?;
    }
    let ctx = new_session(&registry, Arc::default())?;
    let data = |file: &str| examples().join("data").join(file).display().to_string();
    ctx.register_parquet(
        "flights",
        data("flights-3m.parquet"),
        ParquetReadOptions::new(),
    )
    .await?;
    ctx.register_csv("airports", data("airports.csv"), CsvReadOptions::new())
        .await?;
    add_places(&ctx, &context).await?;
    Ok(ctx)
}

/// Gives plugins the index `places`, of where the airports are.
async fn add_places(ctx: &SessionContext, context: &LocalContext) -> Result<()> {
    let failed = |error: StoreError| DataFusionError::External(Box::new(error));
    let places = "SELECT iata, make_array(CAST(latitude AS REAL), CAST(longitude AS REAL)) AS place FROM airports";
    let places = ctx.sql(places).await?.into_view();
    ctx.register_table("places", places)?;
    let index = NearestNeighbours::of_session(ctx, "places", "iata", "place", Distance::Euclidean);
    let index = index.await.map_err(failed)?;
    ctx.deregister_table("places")?;
    context
        .add_index("places", Arc::new(index))
        .map_err(failed)?;
    Ok(())
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}
