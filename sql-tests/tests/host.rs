//! What plugins may ask the host for: grants, settings, secrets, signatures, the audit log, and who is kept waiting.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::util::display::array_value_to_string;
use datafusion::error::DataFusionError;
use datafusion::prelude::{SessionConfig, SessionContext};
use wasmfusion::{
    AuditRecord, Grants, HostContext, HostError, KeyValueTable, LocalContext, Outcome, PluginId,
    PluginSettings, Preset, Registry, RegistryOptions, SecretSource, SessionContextExt,
    SettingsFiles, SnapshotTable, Status, VectorIndex, Visit,
};
use wasmfusion_sql_tests::{DATA, Guest, OUT, Server, built_plugins, new_session};

fn granting(capabilities: &[&str]) -> PluginSettings {
    let grant = |settings: PluginSettings, capability: &&str| {
        settings
            .grant(capability)
            .unwrap_or_else(|error| panic!("{error}"))
    };
    capabilities.iter().fold(PluginSettings::default(), grant)
}

/// A registry with one guest in it, and a session.
fn session(
    guest: &Guest,
    settings: &PluginSettings,
    options: RegistryOptions,
) -> Result<(Registry, SessionContext), String> {
    let registry = Registry::new(options);
    registry
        .load_bytes_with("guest.wat", guest.text().as_bytes(), settings)
        .map_err(|error| error.to_string())?;
    let ctx = new_session(&registry, Arc::default()).map_err(|error| error.to_string())?;
    Ok((registry, ctx))
}

/// The value in the first row and column of a query, or the error.
async fn value(ctx: &SessionContext, sql: &str) -> Result<String, String> {
    let told = |error: DataFusionError| error.strip_backtrace();
    let batches = ctx
        .wasm_sql(sql)
        .await
        .map_err(told)?
        .collect()
        .await
        .map_err(told)?;
    let batch = batches
        .iter()
        .find(|batch| batch.num_rows() > 0)
        .ok_or("no rows")?;
    array_value_to_string(batch.column(0), 0).map_err(|error| error.to_string())
}

/// What one call of a guest that is granted what it asks for returns.
async fn asked(guest: &Guest, capabilities: &[&str]) -> Result<String, String> {
    let (_registry, ctx) = session(guest, &granting(capabilities), RegistryOptions::default())?;
    value(&ctx, "SELECT guest(x) FROM (VALUES (1)) AS t(x)").await
}

fn clock() -> Guest {
    Guest::new("guest", &["clock"], "(call $clock_realtime)").import("clock_realtime", "")
}

/// Asks for the secret `key`, and logs, returns or fails with what it gets.
fn refusal(guest: &Guest, settings: &PluginSettings) -> String {
    match session(guest, settings, RegistryOptions::default()) {
        Ok(_) => panic!("the plugin was loaded"),
        Err(error) => error,
    }
}

#[test]
fn what_was_not_granted_is_refused_at_load_with_the_line_to_add() {
    let guest = Guest::new("guest", &["clock", "table:read:rates_*"], "(i64.const 0)");
    let error = refusal(&guest, &granting(&["clock"]));
    assert!(error.contains("not granted: table:read:rates_*"), "{error}");
    assert!(error.contains("PluginSettings"), "{error}");
    assert!(
        error.contains("grants = [\"table:read:rates_*\"]"),
        "{error}"
    );

    let dir = tempfile::tempdir().expect("a folder");
    let module = dir.path().join("guest.wat");
    std::fs::write(&module, guest.text()).expect("written");
    let error = Registry::default()
        .load_file(&module)
        .expect_err("refused")
        .to_string();
    let toml = dir.path().join("guest.toml");
    assert!(
        error.contains(&format!("add this to {}:", toml.display())),
        "{error}"
    );
    let line = error.lines().last().expect("the line to add").trim();
    // The line works as it is told.
    std::fs::write(&toml, line).expect("written");
    Registry::default().load_file(&module).expect("granted");
    // Where the file is not read, it grants nothing.
    let mut options = RegistryOptions::default();
    options.settings_files = SettingsFiles::Off;
    let error = Registry::new(options)
        .load_file(&module)
        .expect_err("refused")
        .to_string();
    assert!(error.contains("PluginSettings"), "{error}");
}

#[test]
fn what_was_not_asked_for_cannot_be_imported() {
    let guest =
        Guest::new("guest", &["log"], "(call $clock_realtime)").import("clock_realtime", "");
    let error = refusal(&guest, &granting(&["log", "clock"]));
    assert!(
        error.contains("imports the host function `clock_realtime`"),
        "{error}"
    );
    assert!(error.contains("it needs: clock"), "{error}");
    let guest = Guest::new("guest", &[], "(i64.const 0)").import("reply", "ii");
    assert!(refusal(&guest, &granting(&[])).contains("it needs: any"));
    let guest = Guest::new("guest", &["clock"], "(i64.const 0)").import("clock_realtime", "i");
    let error = refusal(&guest, &granting(&["clock"]));
    assert!(error.contains("the host's is a func () -> i64"), "{error}");
    let guest = Guest::new("guest", &["clock"], "(i64.const 0)").import("clock_mars", "");
    assert!(refusal(&guest, &granting(&["clock"])).contains("that the host does not have"));
}

#[test]
fn a_registry_grants_to_all_its_plugins() {
    let guest = Guest::new("guest", &["log", "metric:emit"], "(i64.const 0)");
    let mut options = RegistryOptions::default();
    options.grants = Grants::from(Preset::Observability);
    session(&guest, &PluginSettings::default(), options).expect("granted");
}

#[tokio::test]
async fn sql_text_grants_itself_nothing() {
    let guest =
        Guest::new("guest", &["clock"], "(call $clock_realtime)").import("clock_realtime", "");
    let dir = tempfile::tempdir().expect("a folder");
    let module = dir.path().join("guest.wat");
    std::fs::write(&module, guest.text()).expect("written");
    // As whoever can write files with SQL could have written it.
    std::fs::write(dir.path().join("guest.toml"), "grants = [\"clock\"]").expect("written");
    let create = async |module: &str, files: SettingsFiles, root: Option<&Path>| {
        let mut options = RegistryOptions::default();
        options.settings_files = files;
        options.module_root = root.map(Into::into);
        let ctx = new_session(&Registry::new(options), Arc::default()).expect("a session");
        let sql = format!("CREATE FUNCTION guest() LANGUAGE WASM AS '{module}'");
        let created = ctx.wasm_sql(&sql).await;
        created.map(drop).map_err(|error| error.to_string())
    };
    let path = module.to_str().expect("text");
    for (files, root, name, granted) in [
        (SettingsFiles::Trusted, None, path, false),
        (SettingsFiles::All, None, path, true),
        (SettingsFiles::Off, None, path, false),
        (SettingsFiles::Trusted, Some(dir.path()), "guest.wat", true),
        (SettingsFiles::Off, Some(dir.path()), "guest.wat", false),
    ] {
        let created = create(name, files, root).await;
        assert_eq!(created.is_ok(), granted, "{files:?} {root:?}: {created:?}");
    }
}

#[tokio::test]
async fn what_is_granted_to_all_widens_no_request() {
    let dir = tempfile::tempdir().expect("a folder");
    for name in ["a.txt", "b.txt"] {
        std::fs::write(dir.path().join(name), name).expect("written");
    }
    let folder = dir.path().to_str().expect("text");
    let body = format!(
        "(call $file_list (i32.const {DATA}) (i32.const {}) (i32.const {OUT}) (i32.const 4096))",
        folder.len()
    );
    let list = async |asked: &str| {
        let guest = Guest::new("guest", &[asked], &body)
            .import("file_list", "iiii")
            .data(folder);
        let mut options = RegistryOptions::default();
        let all = format!("fs:read:{folder}/**");
        options.grants = Grants::default().grant(&all).expect("a capability");
        let (_, ctx) = session(&guest, &PluginSettings::default(), options).expect("granted");
        value(&ctx, "SELECT guest(1)").await.expect("listed")
    };
    assert_eq!(list(&format!("fs:read:{folder}/a.txt")).await, "6");
    assert_eq!(list(&format!("fs:read:{folder}/*")).await, "12");
}

#[tokio::test]
async fn a_call_is_checked_against_request_and_grant() {
    let env = |name: &str, capability: &str| {
        let body = format!(
            "(call $env (i32.const {DATA}) (i32.const {}) (i32.const {OUT}) (i32.const 4096))",
            name.len()
        );
        Guest::new("guest", &[capability], &body)
            .import("env", "iiii")
            .data(name)
    };
    // Granted more than it asks for: only what it asks for.
    let (registry, ctx) = session(
        &env("PATH", "env:APP_*"),
        &granting(&["env:*"]),
        RegistryOptions::default(),
    )
    .expect("granted");
    let error = value(&ctx, "SELECT guest(1)").await.expect_err("denied");
    assert!(error.contains("was not granted `env:PATH`"), "{error}");
    let records = registry.audit().expect("there").records();
    let denied = |record: &&AuditRecord| record.outcome == Outcome::Refused(Status::Denied);
    let denied = records
        .iter()
        .find(denied)
        .expect("the denial is on record");
    assert_eq!((&*denied.plugin, &*denied.function), ("guest", "guest"));
    assert_eq!((denied.operation, denied.target.as_str()), ("env", "PATH"));

    let answer = asked(&env("PATH", "env:PATH"), &["env:PATH"])
        .await
        .expect("set");
    assert!(
        answer.parse::<usize>().is_ok_and(|length| length > 0),
        "{answer}"
    );
}

#[tokio::test]
async fn the_host_is_not_there_while_a_plugin_describes_itself() {
    let text = clock().text().replace(
        "(func (export \"wasmfusion_describe\") (result i32) (i32.const 16))",
        "(func (export \"wasmfusion_describe\") (result i32) (drop (call $clock_realtime)) (i32.const 16))",
    );
    let settings = granting(&["clock"]);
    let loaded = Registry::default().load_bytes_with("guest.wat", text.as_bytes(), &settings);
    let error = loaded.expect_err("refused").to_string();
    assert!(error.contains("where it may not: in `start`"), "{error}");
}

#[tokio::test]
async fn an_address_outside_its_memory_ends_the_guest() {
    for (address, length) in [(-1, 8), (0, 8), (262_140, 8), (-8, -1), (4096, 1 << 24)] {
        let body = format!("(call $random (i32.const {address}) (i32.const {length}))");
        let guest = Guest::new("guest", &["random"], &body).import("random", "ii");
        let error = asked(&guest, &["random"]).await.expect_err("refused");
        assert!(error.contains("guest (plugin guest)"), "{error}");
        assert!(
            error.contains("address") || error.contains("the limit is"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn the_configuration_is_checked_when_the_plugin_is_loaded() {
    let guest = || {
        let body = format!(
            "(call $config (i32.const {DATA}) (i32.const 4) (i32.const {OUT}) (i32.const 100))"
        );
        Guest::new("guest", &["config"], &body)
            .import("config", "iiii")
            .data("base")
            .schema(r#"{"required": ["base"], "properties": {"base": {"type": "string"}}}"#)
    };
    let error = refusal(&guest(), &granting(&["config"]));
    assert!(error.contains("\"base\" is a required property"), "{error}");
    let error = refusal(&guest(), &granting(&["config"]).config("base", 7));
    assert!(error.contains("at `/base`"), "{error}");
    let settings = granting(&["config"]).config("base", "EUR");
    let (_registry, ctx) =
        session(&guest(), &settings, RegistryOptions::default()).expect("it fits");
    assert_eq!(value(&ctx, "SELECT guest(1)").await.as_deref(), Ok("5"));

    let error = refusal(
        &Guest::new("guest", &[], "(i64.const 0)"),
        &PluginSettings::default().config("base", "EUR"),
    );
    assert!(error.contains("does not ask for `config`"), "{error}");
}

/// A guest that gets its secret and does `body` with it: `$length` bytes at [`OUT`].
fn with_secret(body: &str) -> Guest {
    let body = format!(
        "(local $length i32)
         (local.set $length (i32.wrap_i64 (call $secret (i32.const {DATA}) (i32.const 3) (i32.const {OUT}) (i32.const 4096))))
         {body}"
    );
    Guest::new("guest", &["secret:key", "env:*", "log"], &body)
        .import("secret", "iiii")
        .import("env", "iiii")
        .import("log", "iiiii")
        .data("key")
}

const SECRET: &str = "correct-horse-battery";

fn with_secret_granted() -> PluginSettings {
    granting(&["secret:key", "env:*", "log"]).secret("key", SecretSource::Value(SECRET.to_owned()))
}

#[tokio::test]
async fn secrets_are_given_to_the_plugin_alone() {
    let returned = with_secret("(i64.extend_i32_u (local.get $length))");
    let error = refusal(&returned, &granting(&["secret:key", "env:*", "log"]));
    assert!(
        error.contains("the secret `key`, which has no value"),
        "{error}"
    );
    let (registry, ctx) = session(
        &returned,
        &with_secret_granted(),
        RegistryOptions::default(),
    )
    .expect("granted");
    let length = value(&ctx, "SELECT guest(1)").await;
    assert_eq!(length, Ok(SECRET.len().to_string()));
    let shown = format!(
        "{registry:?} {:?}",
        registry.audit().expect("there").records()
    );
    assert!(!shown.contains(SECRET), "{shown}");

    let settings = PluginSettings::default().secret("other", SecretSource::Value("x".into()));
    let error = refusal(&Guest::new("guest", &[], "(i64.const 0)"), &settings);
    assert!(error.contains("does not ask for it"), "{error}");
}

#[tokio::test]
async fn secrets_do_not_leave_through_errors_and_audit_records() {
    // As the name of a variable: in the host's message, in the guest's error and in the record.
    let leak = with_secret(&format!(
        "(call $env (i32.const {OUT}) (local.get $length) (i32.const {OUT}) (i32.const 0))"
    ));
    let (registry, ctx) =
        session(&leak, &with_secret_granted(), RegistryOptions::default()).expect("granted");
    let error = value(&ctx, "SELECT guest(1)").await.expect_err("not set");
    assert!(
        error.contains("[redacted]") && !error.contains(SECRET),
        "{error}"
    );
    let records = registry.audit().expect("there").records();
    let record = records
        .iter()
        .find(|record| record.operation == "env")
        .expect("on record");
    assert_eq!(record.target, "[redacted]");

    // As the guest's own message.
    let text = with_secret("(i64.const -1)").text().replace(
        "(i32.store offset=32 (local.get $frame) (i32.const 2048))",
        &format!("(i32.store offset=32 (local.get $frame) (i32.const {OUT}))"),
    );
    let text = text.replace(
        "(i32.wrap_i64 (call $error (i32.const 2048) (i32.const 2048)))",
        "(i32.const 21)",
    );
    let registry = Registry::default();
    registry
        .load_bytes_with("guest.wat", text.as_bytes(), &with_secret_granted())
        .expect("granted");
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    let error = value(&ctx, "SELECT guest(1)").await.expect_err("it fails");
    assert!(
        error.contains("[redacted]") && !error.contains(SECRET),
        "{error}"
    );
}

#[tokio::test]
async fn the_audit_is_a_table_and_a_file() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("audit.jsonl");
    let mut options = RegistryOptions::default();
    options.audit.file = Some(path.clone());
    let (registry, ctx) = session(&clock(), &granting(&["clock"]), options).expect("granted");
    value(&ctx, "SELECT guest(x) FROM (VALUES (1), (2), (3)) AS t(x)")
        .await
        .expect("it answers");
    let calls = "SELECT sum(calls) FROM wasmfusion.audit WHERE plugin = 'guest' AND outcome = 'ok' AND duration_ns < 1000000000 \
                 AND time > now() - INTERVAL '1 minute' AND query > 0";
    assert_eq!(value(&ctx, calls).await.as_deref(), Ok("3"));
    registry.audit().expect("there").flush();
    let lines = std::fs::read_to_string(&path).expect("written");
    // All three were the same, in one call of the guest.
    assert_eq!(lines.lines().count(), 1, "{lines}");
    for part in ["\"operation\":\"clock_realtime\"", "\"calls\":3"] {
        assert!(lines.contains(part), "{lines}");
    }
    // Calls of one query have one number.
    let queries = "SELECT count(DISTINCT query) FROM wasmfusion.audit";
    assert_eq!(value(&ctx, queries).await.as_deref(), Ok("1"));
}

#[tokio::test]
async fn an_embedder_can_bring_its_own_tables() {
    #[derive(Debug)]
    struct Own;
    struct OneEntry;
    impl HostContext for Own {
        fn table(
            &self,
            plugin: PluginId<'_>,
            name: &str,
            _create: bool,
        ) -> Result<Option<Arc<dyn KeyValueTable>>, HostError> {
            let there = plugin.name == "guest" && name == "own";
            Ok(there.then(|| Arc::new(OneEntry) as _))
        }
        fn vector_index(
            &self,
            _plugin: PluginId<'_>,
            _name: &str,
        ) -> Result<Option<Arc<dyn VectorIndex>>, HostError> {
            Ok(None)
        }
    }
    impl KeyValueTable for OneEntry {
        fn get(&self, key: &[u8]) -> Result<Option<bytes::Bytes>, HostError> {
            Ok((key == b"own").then(|| "four".into()))
        }
        fn scan(
            &self,
            _start: &[u8],
            _end: Option<&[u8]>,
            _visit: &mut Visit<'_>,
        ) -> Result<(), HostError> {
            Ok(())
        }
    }
    let capability = "table:read:own";
    let body = format!(
        "(call $table_get (i32.wrap_i64 (call $table_open (i32.const {DATA}) (i32.const 3) (i32.const 1)))
            (i32.const {DATA}) (i32.const 3) (i32.const {OUT}) (i32.const 100))"
    );
    let guest = Guest::new("guest", &[capability], &body)
        .import("table_open", "iii")
        .import("table_get", "iiiii")
        .data("own");
    let mut options = RegistryOptions::default();
    options.context = Arc::new(Own);
    let (_registry, ctx) = session(&guest, &granting(&[capability]), options).expect("granted");
    assert_eq!(value(&ctx, "SELECT guest(1)").await.as_deref(), Ok("4"));
    // Without one there is no table.
    let error = asked(&guest, &[capability]).await.expect_err("no table");
    assert!(
        error.contains("there is no handle") || error.contains("no table `own`"),
        "{error}"
    );
}

#[tokio::test]
async fn a_table_of_the_session_can_be_given_to_plugins() {
    let context = LocalContext::default();
    let mut options = RegistryOptions::default();
    options.context = Arc::new(context.clone());
    let registry = Registry::new(options);
    registry
        .load_file(built_plugins().join("rates.wasm"))
        .expect("granted by the file beside it");
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    let create =
        "CREATE TABLE daily AS SELECT * FROM (VALUES ('USD', 1.25), ('CHF', 0.5)) AS t(code, rate)";
    ctx.wasm_sql(create)
        .await
        .expect("created")
        .collect()
        .await
        .expect("created");
    let convert = "SELECT convert_currency(2.0, 'EUR', 'USD')";
    assert!(value(&ctx, convert).await.is_err(), "there is no table yet");
    let daily = SnapshotTable::of_session(&ctx, "daily", "code")
        .await
        .expect("a snapshot");
    context.add_table("rates", Arc::new(daily)).expect("a name");
    assert_eq!(value(&ctx, convert).await.as_deref(), Ok("2.5"));
    // It can only be read.
    let error = value(&ctx, "SELECT set_rate('USD', 2.0)")
        .await
        .expect_err("read only");
    assert!(error.contains("can only be read"), "{error}");
    let missing = SnapshotTable::of_session(&ctx, "daily", "currency").await;
    assert!(missing.is_err_and(|error| error.to_string().contains("currency")));
}

#[tokio::test]
async fn tables_outlast_the_process_that_wrote_them() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = dir.path().join("store.redb");
    let run = async |sql: &'static str| {
        let mut options = RegistryOptions::default();
        options.context = Arc::new(LocalContext::open(&store).expect("a store"));
        let registry = Registry::new(options);
        registry
            .load_file(built_plugins().join("rates.wasm"))
            .expect("granted by the file beside it");
        let ctx = new_session(&registry, Arc::default()).expect("a session");
        value(&ctx, sql).await
    };
    assert_eq!(
        run("SELECT set_rate('USD', 1.25)").await.as_deref(),
        Ok("1.25")
    );
    assert_eq!(
        run("SELECT convert_currency(2.0, 'EUR', 'USD')")
            .await
            .as_deref(),
        Ok("2.5")
    );
}

/// One thread for all tasks: whoever keeps it waiting is found out.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_slow_server_keeps_no_thread_of_queries_waiting() {
    let server = Server::start(Duration::from_millis(400));
    let registry = Registry::default();
    registry
        .load_file(built_plugins().join("fetch.wasm"))
        .expect("granted by the file beside it");
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    let url = server.url();
    for sql in [
        format!("SELECT http_get('{url}')"),
        format!("SELECT 'hello' FROM (VALUES (1)) AS t(x) WHERE http_get('{url}' || x) = 'hello'"),
        format!("SELECT max(http_get('{url}' || x)) FROM (VALUES (1)) AS t(x)"),
        format!("SELECT http_get('{url}' || x) FROM (VALUES (1), (2)) AS t(x) ORDER BY 1 LIMIT 1"),
        format!("SELECT http_get('{url}' || x) FROM (VALUES (1), (2)) AS t(x) GROUP BY 1"),
    ] {
        let ctx = ctx.clone();
        let query = tokio::spawn({
            let sql = sql.clone();
            async move { value(&ctx, &sql).await }
        });
        // This task runs on the only thread, too.
        let ticks = tokio::spawn(async {
            let mut longest = Duration::ZERO;
            for _ in 0..30 {
                let before = Instant::now();
                tokio::time::sleep(Duration::from_millis(5)).await;
                longest = longest.max(before.elapsed());
            }
            longest
        });
        let longest = ticks.await.expect("it ticks");
        assert!(
            longest < Duration::from_millis(300),
            "{sql}: kept waiting for {longest:?}"
        );
        assert_eq!(
            query.await.expect("it ends").as_deref(),
            Ok("hello"),
            "{sql}"
        );
    }
}

#[tokio::test]
async fn a_blocking_function_works_on_a_single_thread_too() {
    let server = Server::start(Duration::ZERO);
    let registry = Registry::default();
    registry
        .load_file(built_plugins().join("fetch.wasm"))
        .expect("granted by the file beside it");
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    let sql = format!("SELECT http_get('{}')", server.url());
    assert_eq!(value(&ctx, &sql).await.as_deref(), Ok("hello"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_planner_is_not_kept_waiting() {
    let server = Server::start(Duration::ZERO);
    let request = format!("GET{}", server.url());
    // HttpRequest at 3072: method, url, no headers, no body, no timeout.
    let body = format!(
        "(i32.store (i32.const 3072) (i32.const {DATA})) (i32.store (i32.const 3076) (i32.const 3))
         (i32.store (i32.const 3080) (i32.const {})) (i32.store (i32.const 3084) (i32.const {}))
         (call $http (i32.const 3072) (i32.const {OUT}) (i32.const 4096))",
        DATA + 3,
        request.len() - 3
    );
    let capability = "net:http:127.0.0.1:*";
    let guest = Guest::new("guest", &[capability], &body)
        .import("http", "iii")
        .data(&request);
    let answer = asked(&guest.immutable(), &[capability]).await;
    // Not computed while it was planned, but when it ran.
    assert!(answer.is_ok_and(|length| length.parse::<u32>().is_ok_and(|length| length > 12)));
    assert_eq!(server.requests(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_is_dropped_ends_its_host_calls() {
    let server = Server::start(Duration::from_secs(20));
    let registry = Registry::default();
    registry
        .load_file(built_plugins().join("fetch.wasm"))
        .expect("granted by the file beside it");
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    let sql = format!("SELECT http_get('{}')", server.url());
    let begun = Instant::now();
    let query = tokio::spawn(async move { value(&ctx, &sql).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    query.abort();
    let log = registry.audit().expect("there");
    while log.records().is_empty() && begun.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let records = log.records();
    assert_eq!(
        records[0].outcome,
        Outcome::Refused(Status::Timeout),
        "{records:?}"
    );
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn modules_are_signed_and_pinned() {
    let pair = minisign::KeyPair::generate_unencrypted_keypair().expect("a key");
    let dir = tempfile::tempdir().expect("a folder");
    let module = dir.path().join("guest.wat");
    let text = Guest::new("guest", &[], "(i64.const 7)").text();
    std::fs::write(&module, &text).expect("written");
    let registry = || {
        let mut options = RegistryOptions::default();
        options.require_signed = true;
        options.trusted_keys = vec![pair.pk.to_base64().parse().expect("a key")];
        options.module_root = Some(dir.path().to_owned());
        Registry::new(options)
    };
    let error = registry()
        .load_file(&module)
        .expect_err("not signed")
        .to_string();
    assert!(error.contains("only signed modules are taken"), "{error}");
    let sign = |bytes: &[u8], path: &Path| {
        let signature = minisign::sign(Some(&pair.pk), &pair.sk, bytes, None, None);
        std::fs::write(path, signature.expect("signed").to_string()).expect("written");
    };
    sign(text.as_bytes(), &dir.path().join("guest.wat.minisig"));
    registry().load_file(&module).expect("signed");

    // CREATE FUNCTION is held to the same.
    let ctx = new_session(&registry(), Arc::default()).expect("a session");
    let create = "CREATE FUNCTION guest(x BIGINT) RETURNS BIGINT LANGUAGE WASM AS 'guest.wat'";
    ctx.wasm_sql(create).await.expect("signed");
    assert_eq!(value(&ctx, "SELECT guest(1)").await.as_deref(), Ok("7"));
    std::fs::write(&module, text.replace("i64.const 7", "i64.const 8")).expect("written");
    let error = registry()
        .load_file(&module)
        .expect_err("changed")
        .to_string();
    assert!(error.contains("was changed after it was signed"), "{error}");
    let replace = create.replace("CREATE", "CREATE OR REPLACE");
    let error = ctx
        .wasm_sql(&replace)
        .await
        .expect_err("changed")
        .strip_backtrace();
    assert!(error.contains("was changed after it was signed"), "{error}");

    // Elsewhere, as the settings say.
    let changed = std::fs::read(&module).expect("there");
    sign(&changed, &dir.path().join("other.sig"));
    std::fs::write(dir.path().join("guest.toml"), "signature = \"other.sig\"").expect("written");
    registry().load_file(&module).expect("signed");

    let pinned = PluginSettings::parse(&format!("digest = \"sha256:{}\"", "0".repeat(64)));
    let error = Registry::default()
        .load_file_with(&module, &pinned.expect("right"))
        .expect_err("another module")
        .to_string();
    assert!(
        error.contains("is pinned in the plugin's settings"),
        "{error}"
    );
}

#[tokio::test]
async fn a_session_lowers_limits_also_where_the_planner_computes() {
    let guest = Guest::new("guest", &[], "(loop $forever (br $forever)) (i64.const 0)").immutable();
    let (_registry, ctx) = session(
        &guest,
        &PluginSettings::default(),
        RegistryOptions::default(),
    )
    .expect("loaded");
    ctx.wasm_sql("SET wasmfusion.call_timeout_ms = 20")
        .await
        .expect("lower");
    for sql in [
        "SELECT guest(1)",
        "SELECT guest(x) FROM (VALUES (1)) AS t(x)",
    ] {
        let begun = Instant::now();
        let error = value(&ctx, sql).await.expect_err("endless");
        assert!(error.contains("longer than 20 ms"), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(2));
    }
}

#[tokio::test]
async fn two_sets_of_settings_are_two_plugins() {
    let guest = clock();
    let registry = Registry::default();
    let load = |settings: &PluginSettings| {
        registry.load_bytes_with("guest.wat", guest.text().as_bytes(), settings)
    };
    let first = load(&granting(&["clock"])).expect("granted");
    let again = load(&granting(&["clock"])).expect("the same");
    assert!(Arc::ptr_eq(&first, &again));
    let error = load(&granting(&["clock", "log"]))
        .expect_err("another one")
        .to_string();
    assert!(error.contains("is loaded already"), "{error}");
    // Without the grant it is refused, whoever else has it.
    let error = load(&PluginSettings::default())
        .expect_err("not granted")
        .to_string();
    assert!(error.contains("not granted: clock"), "{error}");
}

#[tokio::test]
async fn a_session_without_a_schema_of_ours_is_left_alone() {
    let config = SessionConfig::new().with_create_default_catalog_and_schema(false);
    let ctx = SessionContext::new_with_config(config);
    ctx.register_plugins(&Registry::default())
        .expect("nothing to register a schema in");
}

#[tokio::test]
async fn an_operator_chooses_functions_and_their_names() {
    let stats = built_plugins().join("stats.wasm");
    let load = |settings: PluginSettings| {
        let registry = Registry::default();
        let loaded = registry.load_file_with(&stats, &settings);
        loaded.map(|_| registry).map_err(|error| error.to_string())
    };
    let all = load(PluginSettings::default())
        .expect("it loads")
        .functions();
    let name = all.first().expect("it has some").name().to_owned();
    assert!(all.len() > 1);

    let chosen = PluginSettings::default()
        .function(&name.to_uppercase())
        .alias("my_name_for_it", &name);
    let registry = load(chosen).expect("it loads");
    let [function] = registry.functions().try_into().expect("one is left");
    assert_eq!(function.name(), name);
    assert!(function.aliases().contains(&"my_name_for_it".to_owned()));
    // The others cannot be had by their names either.
    let plugin = registry.plugin("stats").expect("it is there");
    let other = all.last().expect("it has some").name();
    assert!(wasmfusion::SqlFunction::named(&plugin, other).is_none());
    assert!(wasmfusion::SqlFunction::named(&plugin, &name).is_some());

    for (settings, problem) in [
        (
            PluginSettings::default().function("nothing"),
            "there is no function `nothing`; there are ",
        ),
        (
            PluginSettings::default().alias("x", "nothing"),
            "there is no function `nothing`",
        ),
        (
            PluginSettings::default().alias("not a name", &name),
            "is not a name for a function",
        ),
        (
            PluginSettings::default().alias(other, &name),
            "is the name of a function",
        ),
        (
            PluginSettings::default().function(&name).alias("x", other),
            "there is no function",
        ),
    ] {
        let error = load(settings).map(drop).expect_err("refused");
        assert!(error.contains(problem), "{error}");
    }
}
