//! What an embedder does: load plugins, register them, restrict them, drop them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{Float64Type, Int64Type};
use datafusion::error::Result;
use datafusion::prelude::{SessionConfig, SessionContext};
use wasmfusion::{Error, Interruption, Registry, RegistryOptions, SessionContextExt};

fn built(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples/plugins/built")
        .join(file)
}

fn session(options: RegistryOptions, files: &[&str]) -> Result<SessionContext> {
    let registry = Registry::new(options);
    for file in files {
        registry.load_file(built(file))?;
    }
    let ctx = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2));
    ctx.register_plugins(&registry)?;
    Ok(ctx)
}

async fn number(ctx: &SessionContext, sql: &str) -> Result<i64> {
    let batches = ctx.sql(sql).await?.collect().await?;
    Ok(batches[0].column(0).as_primitive::<Int64Type>().value(0))
}

async fn failure(ctx: &SessionContext, sql: &str) -> String {
    match ctx.wasm_sql(sql).await {
        Err(error) => error.to_string(),
        Ok(query) => query.collect().await.expect_err(sql).to_string(),
    }
}

#[tokio::test]
async fn five_lines_are_enough() -> Result<()> {
    let registry = Registry::default();
    registry.load_file(built("geo.wasm"))?;
    let ctx = SessionContext::new();
    ctx.register_plugins(&registry)?;
    let batches = ctx
        .sql("SELECT great_circle_km(52.5, 13.4, 48.9, 2.4)")
        .await?
        .collect()
        .await?;
    let distance = batches[0].column(0).as_primitive::<Float64Type>().value(0);
    assert!((distance - 870.0).abs() < 10.0, "{distance}");
    Ok(())
}

#[tokio::test]
async fn a_bad_file_does_not_keep_the_others_out() -> Result<()> {
    let directory = tempfile::tempdir()?;
    std::fs::copy(built("geo.wasm"), directory.path().join("geo.wasm"))?;
    std::fs::write(directory.path().join("bad.wasm"), b"not a module")?;
    std::fs::write(directory.path().join("notes.txt"), b"not looked at")?;
    let registry = Registry::default();
    let loaded = registry.load_dir(directory.path())?;
    let outcomes: Vec<_> = loaded
        .iter()
        .map(|(file, outcome)| {
            (
                file.file_name().expect("a file").to_owned(),
                outcome.is_ok(),
            )
        })
        .collect();
    assert_eq!(
        outcomes,
        [("bad.wasm".into(), false), ("geo.wasm".into(), true)]
    );
    assert_eq!(registry.plugins().len(), 1);
    assert!(matches!(
        registry.load_dir(directory.path().join("missing")),
        Err(Error::Host { .. })
    ));
    Ok(())
}

#[test]
fn the_same_bytes_are_compiled_once_and_a_name_belongs_to_one_plugin() -> Result<()> {
    let registry = Registry::default();
    let first = registry.load_file(built("geo.wasm"))?;
    let again = registry.load_file(built("geo.wasm"))?;
    assert!(std::sync::Arc::ptr_eq(&first, &again));

    let other = module_text("geo", "other");
    let error = registry
        .load_bytes("other.wat", other.as_bytes())
        .expect_err("the name is taken")
        .to_string();
    assert!(
        error.contains("a plugin of this name is loaded already"),
        "{error}"
    );
    registry.unload("geo").expect("it was loaded");
    registry.load_bytes("other.wat", other.as_bytes())?;
    assert_eq!(
        registry.plugin("geo").expect("the other one").source(),
        "other.wat"
    );
    Ok(())
}

#[tokio::test]
async fn a_name_that_is_taken_registers_nothing() -> Result<()> {
    let registry = Registry::default();
    registry.load_bytes("a.wat", module_text("mine", "first_one").as_bytes())?;
    registry.load_bytes("b.wat", module_text("theirs", "abs").as_bytes())?;
    let ctx = SessionContext::new();
    let error = ctx
        .register_plugins(&registry)
        .expect_err("abs is built in")
        .to_string();
    assert!(error.contains("has a function abs already"), "{error}");
    assert!(
        ctx.sql("SELECT first_one()").await.is_err(),
        "nothing was registered"
    );
    Ok(())
}

#[tokio::test]
async fn a_name_in_two_plugins_registers_nothing() -> Result<()> {
    let registry = Registry::default();
    registry.load_bytes("a.wat", module_text("mine", "answer").as_bytes())?;
    registry.load_bytes("b.wat", module_text("theirs", "answer").as_bytes())?;
    let ctx = SessionContext::new();
    let error = ctx
        .register_plugins(&registry)
        .expect_err("both have it")
        .to_string();
    assert!(
        error.contains("mine and theirs both have a function answer"),
        "{error}"
    );
    assert!(ctx.sql("SELECT answer()").await.is_err());
    Ok(())
}

#[tokio::test]
async fn plugins_can_be_registered_again_after_more_were_loaded() -> Result<()> {
    let registry = Registry::default();
    let ctx = SessionContext::new();
    ctx.register_plugins(&registry)?;
    registry.load_bytes("a.wat", module_text("mine", "answer").as_bytes())?;
    ctx.register_plugins(&registry)?;
    ctx.register_plugins(&registry)?;
    assert_eq!(number(&ctx, "SELECT answer()").await?, 0);
    let rules = ctx
        .state()
        .physical_optimizers()
        .iter()
        .filter(|rule| rule.name() == "wasm")
        .count();
    assert_eq!(rules, 1);
    Ok(())
}

#[tokio::test]
async fn create_function_stays_below_the_module_root() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let root = directory.path().join("plugins");
    std::fs::create_dir(&root)?;
    std::fs::copy(built("geo.wasm"), root.join("geo.wasm"))?;
    std::fs::copy(built("text.wasm"), directory.path().join("text.wasm"))?;
    #[cfg(unix)]
    std::os::unix::fs::symlink(directory.path().join("text.wasm"), root.join("link.wasm"))?;
    let mut options = RegistryOptions::default();
    options.module_root = Some(root);
    let ctx = session(options, &[])?;
    let create = |file: &str| format!("CREATE FUNCTION slugify() LANGUAGE WASM AS '{file}'");
    let absolute = directory.path().join("text.wasm").display().to_string();
    for file in [
        "../text.wasm",
        "../missing.wasm",
        absolute.as_str(),
        "link.wasm",
        "/etc/hostname",
    ] {
        let error = failure(&ctx, &create(file)).await;
        assert!(
            error.contains("may only name files below"),
            "{file}: {error}"
        );
    }
    ctx.sql("CREATE FUNCTION great_circle_km() LANGUAGE WASM AS 'geo.wasm'")
        .await?;
    ctx.sql("SELECT great_circle_km(1, 2, 3, 4)")
        .await?
        .collect()
        .await?;
    Ok(())
}

#[tokio::test]
async fn an_alias_neither_hides_what_is_built_in_nor_outlives_its_function() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let module = |file: &str, function: &str, alias: &str| {
        let text = module_with_alias("mine", function, Some(alias));
        std::fs::write(directory.path().join(file), text)
    };
    module("a.wat", "shade", "upper")?;
    module("b.wat", "shade", "tint")?;
    module("c.wat", "tint", "hue")?;
    let mut options = RegistryOptions::default();
    options.module_root = Some(directory.path().to_owned());
    let ctx = session(options, &[])?;

    let error = failure(&ctx, "CREATE FUNCTION shade() LANGUAGE WASM AS 'a.wat'").await;
    assert!(
        error.contains("upper: a function of this name is built in"),
        "{error}"
    );
    ctx.sql("SELECT upper('still there')")
        .await?
        .collect()
        .await?;

    ctx.wasm_sql("CREATE FUNCTION shade() LANGUAGE WASM AS 'b.wat'")
        .await?;
    assert_eq!(number(&ctx, "SELECT tint()").await?, 0);
    let error = failure(&ctx, "DROP FUNCTION tint").await;
    assert!(error.contains("another name of shade"), "{error}");
    // The alias becomes a function of its own, and stays when the first function goes.
    ctx.wasm_sql("CREATE OR REPLACE FUNCTION tint() LANGUAGE WASM AS 'c.wat'")
        .await?;
    ctx.wasm_sql("DROP FUNCTION shade, shade").await?;
    assert_eq!(number(&ctx, "SELECT tint() + hue()").await?, 0);
    assert!(ctx.sql("SELECT shade()").await.is_err());
    ctx.wasm_sql("DROP FUNCTION tint").await?;
    assert!(ctx.sql("SELECT hue()").await.is_err());
    Ok(())
}

#[tokio::test]
async fn both_ways_of_interruption_stop_a_guest() -> Result<()> {
    for interruption in [Interruption::WatchPage, Interruption::Epoch] {
        let mut options = RegistryOptions::default();
        options.interruption = interruption;
        options.limits.call_timeout_ms = 100;
        let ctx = session(options, &["testing.wasm"])?;
        let started = Instant::now();
        let error = failure(&ctx, "SELECT spin()").await;
        assert!(
            error.contains("ran longer than 100 ms"),
            "{interruption:?}: {error}"
        );
        assert!(
            error.contains("call_timeout_ms"),
            "{interruption:?}: {error}"
        );
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "{interruption:?}"
        );
        assert_eq!(
            number(&ctx, "SELECT add_one(1)").await?,
            2,
            "the plugin stays usable"
        );
    }
    Ok(())
}

#[tokio::test]
async fn only_the_first_64_arguments_can_be_constants() -> Result<()> {
    // Returns the length of its last argument's array for each row.
    let manifest = r#"{"name":"many","version":"1","functions":[{"name":"length_of_last","variadic":true,"params":[{"name":"x","type":"Int64"}],"returns":{"type":"Int64"}}]}"#;
    let text = format!(
        r#"(module
          (memory (export "memory") 2)
          (data (i32.const 8) "\10\00\00\00\{length:02x}\00\00\00{manifest}")
          (func (export "wasmfusion_abi_version") (result i32) (i32.const 1))
          (func (export "wasmfusion_describe") (result i32) (i32.const 8))
          (func (export "wasmfusion_alloc") (param i32 i32) (result i32) (i32.const 65536))
          (func (export "length_of_last") (param $frame i32) (result i32)
            (local $at i32) (local $end i32) (local $length i64)
            (local.set $length (i64.load (i32.add (i32.load offset=8 (local.get $frame))
              (i32.mul (i32.const 64) (i32.sub (i32.load offset=4 (local.get $frame)) (i32.const 1))))))
            (local.set $at (i32.load offset=4 (i32.load offset=40 (i32.load offset=12 (local.get $frame)))))
            (local.set $end (i32.add (local.get $at) (i32.mul (i32.const 8) (i32.load (local.get $frame)))))
            (block $done (loop $next
              (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
              (i64.store (local.get $at) (local.get $length))
              (local.set $at (i32.add (local.get $at) (i32.const 8)))
              (br $next)))
            (i32.const 0)))"#,
        length = manifest.len(),
        manifest = manifest.replace('"', "\\\""),
    );
    let registry = Registry::default();
    registry.load_bytes("many.wat", text.as_bytes())?;
    let ctx = SessionContext::new();
    ctx.register_plugins(&registry)?;
    // The first argument is a constant, the 65th is a column.
    let columns = ", value".repeat(64);
    let sql = format!("SELECT length_of_last(1{columns}) FROM range(0, 10)");
    assert_eq!(number(&ctx, &sql).await?, 10);
    // And a constant that far behind is expanded.
    let sql = format!("SELECT length_of_last(1{columns}, 2) FROM range(0, 10)");
    assert_eq!(number(&ctx, &sql).await?, 10);
    Ok(())
}

#[tokio::test]
async fn no_state_crosses_queries_or_calls_outside_streams() -> Result<()> {
    let ctx = session(RegistryOptions::default(), &["testing.wasm"])?;
    let rows = "FROM (VALUES (1), (2), (3)) t(x)";
    for _ in 0..2 {
        assert_eq!(
            number(&ctx, &format!("SELECT max(counter()) {rows}")).await?,
            3
        );
    }
    Ok(())
}

/// A module whose plugin and only function have these names; the function returns 0.
fn module_text(plugin: &str, function: &str) -> String {
    module_with_alias(plugin, function, None)
}

/// As [`module_text`], with an alias.
fn module_with_alias(plugin: &str, function: &str, alias: Option<&str>) -> String {
    let aliases = alias.map_or(String::new(), |alias| format!(r#""{alias}""#));
    let manifest = format!(
        r#"{{"name":"{plugin}","version":"1","functions":[{{"name":"{function}","aliases":[{aliases}],"params":[],"returns":{{"type":"Int64"}}}}]}}"#
    );
    format!(
        r#"(module
          (memory (export "memory") 2)
          (data (i32.const 8) "\10\00\00\00\{length:02x}\00\00\00{text}")
          (func (export "wasmfusion_abi_version") (result i32) (i32.const 1))
          (func (export "wasmfusion_describe") (result i32) (i32.const 8))
          (func (export "wasmfusion_alloc") (param i32 i32) (result i32) (i32.const 65536))
          (func (export "{function}") (param $frame i32) (result i32)
            (local $buffers i32)
            (local.set $buffers (i32.load offset=40 (i32.load offset=12 (local.get $frame))))
            (memory.fill (i32.load offset=4 (local.get $buffers)) (i32.const 0)
              (i32.mul (i32.const 8) (i32.load (local.get $frame))))
            (i32.const 0)))"#,
        length = manifest.len(),
        text = manifest.replace('"', "\\\""),
    )
}
