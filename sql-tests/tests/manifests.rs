//! The plugins that come with the project, by their own words: every example in a manifest runs and returns what it says.

use std::sync::Arc;

use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::error::Result;
use datafusion::prelude::SessionContext;
use wasmfusion::{
    AggregateFunction, Plugin, Registry, ScalarFunction, SessionContextExt, SqlFunction,
    TableFunction, WindowFunction,
};
use wasmfusion_sql_tests::{built_plugins, new_session};

/// A session with the functions of one plugin, also where DataFusion has one of the same name: the plugin's is looked at here.
fn session(plugin: &Arc<Plugin>) -> Result<SessionContext> {
    let ctx = new_session(&Registry::default(), Arc::default())?;
    for function in SqlFunction::all(plugin) {
        let name = function.name().to_owned();
        if let Some(scalar) = ScalarFunction::new(function.clone()) {
            ctx.register_udf(scalar.into());
        } else if let Some(aggregate) = AggregateFunction::new(function.clone()) {
            ctx.register_udaf(aggregate.into());
        } else if let Some(window) = WindowFunction::new(function.clone()) {
            ctx.register_udwf(window.into());
        } else if let Some(table) = TableFunction::new(function) {
            ctx.register_udtf(&name, Arc::new(table));
        }
    }
    Ok(ctx)
}

/// The one value that a query returns, as a terminal shows it.
async fn value(ctx: &SessionContext, sql: &str) -> Result<String> {
    let batches = ctx.wasm_sql(sql).await?.collect().await?;
    let options = FormatOptions::new().with_null("NULL");
    Ok(ArrayFormatter::try_new(batches[0].column(0), &options)?
        .value(0)
        .to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_example_returns_what_its_manifest_says() {
    let mut examples = 0;
    let mut wrong = Vec::new();
    let registry = Registry::default();
    for (file, loaded) in registry.load_dir(built_plugins()).unwrap() {
        let plugin = loaded.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        // A session for each plugin: two of them may have functions of one name.
        let ctx = session(&plugin).unwrap();
        for function in &plugin.manifest().functions {
            for example in &function.examples {
                examples += 1;
                let found = value(&ctx, &example.sql).await;
                let place = format!(
                    "{} of plugin {}: {}",
                    function.name,
                    plugin.name(),
                    example.sql
                );
                match (found, &example.result) {
                    (Err(error), _) => wrong.push(format!("{place}: {}", error.strip_backtrace())),
                    (Ok(found), Some(expected)) if found != *expected => {
                        wrong.push(format!("{place}: found {found}, expected {expected}"))
                    }
                    _ => {}
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {examples} examples:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(examples > 0, "no plugin has an example");
}

#[test]
fn plugins_that_come_with_the_project_describe_every_function() {
    let registry = Registry::default();
    for (file, loaded) in registry.load_dir(built_plugins()).unwrap() {
        let plugin = loaded.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for function in &plugin.manifest().functions {
            assert!(
                function.description.is_some(),
                "{} of plugin {} has no description",
                function.name,
                plugin.name()
            );
        }
    }
}
