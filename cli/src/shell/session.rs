//! The session: configuration, memory, disk, object stores, table functions; the same as in datafusion-cli.

use std::env;
use std::num::NonZeroUsize;
use std::sync::Arc;

use datafusion::catalog::TableFunctionImpl;
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{
    FairSpillPool, GreedyMemoryPool, MemoryPool, TrackConsumersPool,
};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::ExplainFormat;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_cli::catalog::DynamicObjectStoreCatalog;
use datafusion_cli::functions::{
    ListFilesCacheFunc, MetadataCacheFunc, ParquetMetadataFunc, StatisticsCacheFunc,
};
use datafusion_cli::object_storage::StdinCarriesCommands;
use datafusion_cli::object_storage::instrumented::InstrumentedObjectStoreRegistry;
use datafusion_cli::pool_type::PoolType;
use datafusion_cli::print_options::PrintOptions;

use crate::args::ShellArgs;

/// A session, and how results are printed.
pub async fn new(args: &ShellArgs) -> Result<(SessionContext, PrintOptions)> {
    let stores = Arc::new(
        InstrumentedObjectStoreRegistry::new().with_profile_mode(args.object_store_profiling),
    );
    let mut runtime = RuntimeEnvBuilder::new().with_object_store_registry(stores.clone());
    if let Some(bytes) = args.memory_limit {
        runtime = runtime.with_memory_pool(memory_pool(bytes, args));
    }
    if let Some(bytes) = args.disk_limit {
        let disk = DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::OsTmpDirectory)
            .with_max_temp_directory_size(bytes);
        runtime = runtime.with_disk_manager_builder(disk);
    }
    // With the table of URLs, `SELECT * FROM 'file.csv'` reads files.
    let session =
        SessionContext::new_with_config_rt(config(args)?, runtime.build_arc()?).enable_url_table();
    session.refresh_catalogs().await?;
    let catalogs = DynamicObjectStoreCatalog::new(
        Arc::clone(session.state().catalog_list()),
        session.state_weak_ref(),
    );
    session.register_catalog_list(Arc::new(catalogs));
    register_table_functions(&session);
    let options = PrintOptions {
        format: args.format,
        quiet: args.quiet,
        maxrows: args.maxrows,
        color: args.color,
        instrumented_registry: stores,
    };
    Ok((session, options))
}

/// What the environment says (`DATAFUSION_…`), then the command line; in a shell, plans are trees and NULLs are visible.
fn config(args: &ShellArgs) -> Result<SessionConfig> {
    let mut options = ConfigOptions::from_env()?;
    if env::var_os("DATAFUSION_EXPLAIN_FORMAT").is_none() {
        options.explain.format = ExplainFormat::Tree;
    }
    if env::var_os("DATAFUSION_FORMAT_NULL").is_none() {
        "NULL".clone_into(&mut options.format.null);
    }
    let mut config = SessionConfig::from(options).with_information_schema(true);
    if let Some(rows) = args.batch_size {
        config = config.with_batch_size(rows.get());
    }
    if args.reads_sql_from_stdin() {
        config = config.with_extension(Arc::new(StdinCarriesCommands));
    }
    Ok(config)
}

fn memory_pool(bytes: usize, args: &ShellArgs) -> Arc<dyn MemoryPool> {
    fn tracked<P: MemoryPool + 'static>(pool: P, consumers: usize) -> Arc<dyn MemoryPool> {
        match NonZeroUsize::new(consumers) {
            Some(consumers) => Arc::new(TrackConsumersPool::new(pool, consumers)),
            None => Arc::new(pool),
        }
    }
    match args.mem_pool_type {
        PoolType::Fair => tracked(FairSpillPool::new(bytes), args.top_memory_consumers),
        PoolType::Greedy => tracked(GreedyMemoryPool::new(bytes), args.top_memory_consumers),
    }
}

fn register_table_functions(session: &SessionContext) {
    let caches = || Arc::clone(&session.runtime_env().cache_manager);
    let functions: [(&str, Arc<dyn TableFunctionImpl>); 4] = [
        ("parquet_metadata", Arc::new(ParquetMetadataFunc {})),
        ("metadata_cache", Arc::new(MetadataCacheFunc::new(caches()))),
        (
            "statistics_cache",
            Arc::new(StatisticsCacheFunc::new(caches())),
        ),
        (
            "list_files_cache",
            Arc::new(ListFilesCacheFunc::new(caches())),
        ),
    ];
    for (name, function) in functions {
        session.register_udtf(name, function);
    }
}
