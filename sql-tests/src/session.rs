//! Sessions as the tests use them: the same everywhere, so that plans and row orders can be written down.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::prelude::{CsvReadOptions, ParquetReadOptions, SessionConfig, SessionContext};
use wasmfusion::{Registry, RegistryOptions, SessionContextExt};

/// Threads that a query may use, whatever the machine has.
const PARTITIONS: usize = 4;
/// Rows of a batch.
const BATCH_ROWS: usize = 8_192;

/// The directory of the plugins that come with the project.
pub fn built_plugins() -> PathBuf {
    examples().join("plugins/built")
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
    let mut options = RegistryOptions::default();
    options.module_root = Some(built_plugins());
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
    Ok(ctx)
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}
