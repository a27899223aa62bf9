//! Modules from object stores, and bytes in SQL text.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::object_store::memory::InMemory;
use datafusion::object_store::path::Path as ObjectPath;
use datafusion::object_store::{ObjectStore, ObjectStoreExt};
use datafusion::prelude::SessionContext;
use url::Url;
use wasmfusion::{
    ArtifactOptions, PluginState, Registry, RegistryOptions, SessionContextExt, SqlModules,
};
use wasmfusion_sql_tests::{built_plugins, new_session};

use super::{adding, events_of, value};

/// A store with a session that knows it as `s3://bucket`.
fn session(registry: &Registry) -> (Arc<dyn ObjectStore>, SessionContext) {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let runtime = RuntimeEnv::default();
    let url = Url::parse("s3://bucket").expect("a URL");
    runtime.register_object_store(&url, Arc::clone(&store));
    let ctx = new_session(registry, Arc::new(runtime)).expect("a session");
    (store, ctx)
}

async fn put(store: &Arc<dyn ObjectStore>, path: &str, text: impl Into<Vec<u8>>) {
    let text: Vec<u8> = text.into();
    store
        .put(&ObjectPath::from(path), text.into())
        .await
        .expect("it is put");
}

async fn create(ctx: &SessionContext, name: &str, from: &str) -> Result<(), String> {
    let sql = format!("CREATE FUNCTION {name}() LANGUAGE WASM AS '{from}'");
    let created = ctx.wasm_sql(&sql).await;
    created.map(drop).map_err(|error| error.strip_backtrace())
}

#[tokio::test]
async fn sql_names_objects_of_stores_that_the_session_knows() {
    let registry = Registry::default();
    let (store, ctx) = session(&registry);
    put(&store, "plugins/first.wat", adding("first", 1)).await;
    create(&ctx, "first", "s3://bucket/plugins/first.wat")
        .await
        .expect("it is created");
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("2"));
    create(&ctx, "other", "s3://bucket/plugins/first.wat#first")
        .await
        .expect("it is created");
    assert_eq!(value(&ctx, "SELECT other(1)").await.as_deref(), Ok("2"));
    let digest = Registry::default()
        .load_bytes("first", adding("first", 1).as_bytes())
        .expect("it loads")
        .digest();
    let pinned = format!("s3://bucket/plugins/first.wat@sha256:{digest}#first");
    create(&ctx, "pinned", &pinned)
        .await
        .expect("it is that one");
    put(&store, "plugins/first.wat", adding("first", 2)).await;
    let error = create(&ctx, "more", &pinned).await.expect_err("another");
    assert!(error.contains("sha256"), "{error}");
    // What was made before stays.
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("2"));

    for (from, expected) in [
        (
            "s3://bucket/nowhere.wasm",
            "s3://bucket/nowhere.wasm: the file does not exist",
        ),
        ("s3://other/first.wat", "no object store for it"),
        ("s3://bucket/", "names no object"),
        ("s3://user:secret@bucket/x.wasm", "s3://bucket/x.wasm"),
    ] {
        let error = create(&ctx, "x", from).await.expect_err(from);
        assert!(error.contains(expected), "{from}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn no_more_is_read_than_a_module_may_have() {
    let mut options = RegistryOptions::default();
    options.limits.module_bytes_max = 100;
    let registry = Registry::new(options);
    let (store, ctx) = session(&registry);
    put(&store, "large.wasm", vec![0; 101]).await;
    let error = create(&ctx, "x", "s3://bucket/large.wasm").await;
    let error = error.expect_err("it is too large");
    assert!(
        error.contains("101 bytes") && error.contains("module_bytes_max"),
        "{error}"
    );
    let data = format!("data:application/wasm;base64,{}", STANDARD.encode([0; 200]));
    let error = create(&ctx, "x", &data).await.expect_err("too large");
    assert!(error.contains("module_bytes_max"), "{error}");
    assert!(!error.contains("AAAAAAAA"), "{error}");
}

#[tokio::test]
async fn what_sql_may_name_is_for_the_embedder_to_say() {
    let url = "s3://bucket/first.wat";
    let data = format!("data:;base64,{}", STANDARD.encode(adding("first", 1)));
    let data = data.as_str();
    let file = "hello.wasm";
    let cases = [
        // With a directory of plugins: files of it.
        (Some(built_plugins()), None, [true, false, false]),
        // Without: everything, but a file that is not there.
        (None, None, [false, true, true]),
        (
            Some(built_plugins()),
            Some(SqlModules::ALL),
            [true, true, true],
        ),
        (
            Some(built_plugins()),
            Some(SqlModules::NONE),
            [false, false, false],
        ),
        (None, Some(SqlModules::FILES), [false, false, false]),
    ];
    for (root, modules, expected) in cases {
        let shown = format!("{modules:?}");
        let mut options = RegistryOptions::default();
        options.module_root = root;
        options.sql_modules = modules;
        let registry = Registry::new(options);
        let (store, ctx) = session(&registry);
        put(&store, "first.wat", adding("first", 1)).await;
        let made = [
            create(&ctx, "a", &format!("{file}#*")).await,
            create(&ctx, "b", &format!("{url}#first")).await,
            create(&ctx, "c", &format!("{data}#first")).await,
        ];
        assert_eq!(
            made.each_ref().map(Result::is_ok),
            expected,
            "{shown}: {made:?}"
        );
        let refused = made.iter().skip(1).filter_map(|made| made.as_ref().err());
        for error in refused {
            assert!(error.contains("sql_modules"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_module_comes_in_sql_text() {
    let registry = Registry::default();
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    let encoded = STANDARD.encode(adding("first", 1));
    let data = format!("data:application/wasm;base64,{encoded}");
    create(&ctx, "first", &data).await.expect("it is created");
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("2"));
    create(&ctx, "other", &format!("{data}#first"))
        .await
        .expect("it is created");
    assert_eq!(value(&ctx, "SELECT other(1)").await.as_deref(), Ok("2"));
    let error = create(&ctx, "x", &format!("{data}#nix")).await;
    let error = error.expect_err("there is no such function");
    assert!(
        error.contains("has no function nix") && error.len() < 500,
        "{error}"
    );
    let pinned = format!("{data}@sha256:{}", "0".repeat(64));
    let error = create(&ctx, "x", &pinned).await.expect_err("another");
    assert!(error.contains("sha256") && error.len() < 700, "{error}");
    // The same bytes are one plugin, which is in no registry.
    let statuses = registry.statuses();
    assert_eq!(statuses.len(), 1);
    assert_eq!(statuses[0].state, PluginState::Held);
    assert!(statuses[0].source.starts_with("data:"));
    // It is granted nothing, whatever there is beside files.
    let asks = wasmfusion_sql_tests::Guest::new("asks", &["clock"], "(call $clock_realtime)");
    let asks = STANDARD.encode(asks.import("clock_realtime", "").text());
    let error = create(&ctx, "asks", &format!("data:;base64,{asks}")).await;
    assert!(error.is_err_and(|error| error.contains("clock")));
}

#[tokio::test]
async fn an_embedder_loads_objects_and_reloads_them() {
    let registry = Registry::default();
    let (store, ctx) = session(&registry);
    put(&store, "first.wat", adding("first", 1)).await;
    let plugin = registry.load_url("s3://bucket/first.wat", &store).await;
    let plugin = plugin.expect("it loads");
    assert_eq!(plugin.source(), "s3://bucket/first.wat");
    ctx.register_plugins(&registry).expect("registered");
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("2"));
    put(&store, "first.wat", adding("first", 2)).await;
    registry.reload("first").await.expect("it is read again");
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("3"));
    put(&store, "first.wat", "(module").await;
    registry.reload("first").await.expect_err("it is refused");
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("3"));
    assert_eq!(
        events_of(&registry, "first"),
        ["loaded", "reloaded", "refused"]
    );
    put(&store, "second.wat", adding("second", 2)).await;
    let path = ObjectPath::from("second.wat");
    let plugin = registry.load_object(&store, &path).await;
    assert!(plugin.expect("it loads").source().ends_with("/second.wat"));
    let gone = registry.load_object(&store, &ObjectPath::from("x")).await;
    gone.expect_err("it is not there");
    assert_eq!(registry.state("x"), Some(PluginState::Failed));
}

#[tokio::test]
async fn objects_are_held_to_signatures() {
    let pair = minisign::KeyPair::generate_unencrypted_keypair().expect("a key");
    let mut options = RegistryOptions::default();
    options.require_signed = true;
    options.trusted_keys = vec![pair.pk.to_base64().parse().expect("a key")];
    let registry = Registry::new(options);
    let (store, ctx) = session(&registry);
    let text = adding("first", 1);
    put(&store, "first.wat", text.clone()).await;
    let error = create(&ctx, "first", "s3://bucket/first.wat").await;
    assert!(error.is_err_and(|error| error.contains("only signed modules")));
    let signature = minisign::sign(Some(&pair.pk), &pair.sk, text.as_bytes(), None, None);
    let signature = signature.expect("signed").to_string();
    put(&store, "first.wat.minisig", signature).await;
    create(&ctx, "first", "s3://bucket/first.wat")
        .await
        .expect("it is signed");
    put(&store, "first.wat", adding("first", 2)).await;
    let error = create(&ctx, "other", "s3://bucket/first.wat#first").await;
    assert!(error.is_err_and(|error| error.contains("changed after it was signed")));
    let data = format!("data:;base64,{}", STANDARD.encode(text));
    let error = create(&ctx, "other", &format!("{data}#first")).await;
    assert!(error.is_err_and(|error| error.contains("only signed modules")));
}

#[tokio::test]
async fn a_compiled_module_that_was_changed_is_on_record() {
    let folder = tempfile::tempdir().expect("a folder");
    let kept = folder.path().join("kept");
    let registry = || {
        let mut options = RegistryOptions::default();
        options.artifacts = Some(ArtifactOptions::new(&kept));
        let registry = Registry::new(options);
        registry
            .load_bytes("first.wat", adding("first", 1).as_bytes())
            .expect("it loads");
        registry
    };
    registry();
    for file in std::fs::read_dir(&kept).expect("it was made") {
        let file = file.expect("a file").path();
        if file
            .extension()
            .is_some_and(|extension| extension == "cwasm")
        {
            let mut bytes = std::fs::read(&file).expect("ours");
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(&file, bytes).expect("ours");
        }
    }
    let registry = registry();
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("2"));
    let kinds = "SELECT string_agg(event, ' ') FROM wasmfusion.events WHERE event LIKE 'artifact%'";
    let kinds = value(&ctx, kinds).await;
    assert_eq!(kinds.as_deref(), Ok("artifact_refused"));
}

/// What the URL parser drops does not make a file of another kind.
#[tokio::test]
async fn a_url_of_a_file_is_a_file_however_it_is_spelt() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("first.wat");
    std::fs::write(&file, adding("first", 1)).expect("written");
    let mut options = RegistryOptions::default();
    options.module_root = Some(folder.path().join("elsewhere"));
    let mut modules = SqlModules::ALL;
    modules.files = false;
    options.sql_modules = Some(modules);
    let registry = Registry::new(options);
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    let path = file.display();
    for url in [
        format!("file://{path}"),
        format!(" file://{path}"),
        format!("\tfile://{path}"),
        format!("fi\tle://{path}"),
        format!("FILE://{path}"),
    ] {
        let error = create(&ctx, "first", &url).await.expect_err(&url);
        assert!(error.contains("may not name files"), "{url:?}: {error}");
    }
}

/// An operator's plugin is read again from where the operator said, whatever statements have named before.
#[tokio::test]
async fn a_statement_does_not_say_where_an_operator_reloads_from() {
    let folder = tempfile::tempdir().expect("a folder");
    let (theirs, ours) = (
        folder.path().join("theirs.wat"),
        folder.path().join("ours.wat"),
    );
    for file in [&theirs, &ours] {
        std::fs::write(file, adding("first", 1)).expect("written");
    }
    let registry = Registry::default();
    let tenant = new_session(&registry, Arc::default()).expect("a session");
    create(&tenant, "first", &theirs.display().to_string())
        .await
        .expect("it is created");
    let plugin = registry.load_file(&ours).expect("it loads");
    assert_eq!(plugin.source(), ours.display().to_string());
    std::fs::write(&theirs, adding("first", 100)).expect("written");
    registry.reload("first").await.expect("it is there");
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("2"));
}
