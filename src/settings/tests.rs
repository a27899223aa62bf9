//! Settings files, right and wrong.

use super::*;

fn error(text: &str) -> String {
    match PluginSettings::parse(text) {
        Ok(_) => panic!("taken: {text}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn everything_that_can_be_said() {
    let digest = "0".repeat(64);
    let settings = PluginSettings::parse(&format!(
        r#"
        preset = "read-only"
        grants = ["random", "secret:key"]
        digest = "sha256:{digest}"
        signature = "geo.sig"
        functions = ["distance", "bearing"]
        [aliases]
        km = "distance"
        [limits]
        call_timeout_ms = 250
        call_fuel_max = 1000
        [config]
        base = "EUR"
        places = {{ a = [1, 2.5, true] }}
        [secrets]
        key = {{ env = "KEY" }}
        other = {{ file = "/run/secrets/other" }}
        third = {{ value = "hunter22" }}
        "#
    ))
    .expect("the file is right");
    assert_eq!(
        settings.grants.to_string(),
        "log, metric:emit, config, clock, table:read:*, vector:search:*, random, secret:key"
    );
    let limits = settings
        .limits_over(&Limits::default())
        .expect("both are limits");
    assert_eq!(
        (limits.call_timeout_ms, limits.call_fuel_max),
        (250, Some(1000))
    );
    assert_eq!(settings.config["places"]["a"][1], 2.5);
    assert_eq!(settings.secrets["key"], SecretSource::Env("KEY".into()));
    assert_eq!(settings.digest, Some(Digest([0; 32])));
    assert_eq!(
        settings.signature,
        Some(SignatureSource::File("geo.sig".into()))
    );
    assert!(!format!("{settings:?}").contains("hunter22"));
    let functions = ["distance".to_owned(), "bearing".to_owned()];
    assert_eq!(settings.functions.as_deref(), Some(&functions[..]));
    assert_eq!(settings.aliases["km"], "distance");
}

#[test]
fn nothing_is_granted_by_default() {
    let settings = PluginSettings::parse("").expect("an empty file is right");
    assert_eq!(settings, PluginSettings::default());
    assert!(settings.grants.capabilities().is_empty());
}

#[test]
fn mistakes_are_named() {
    assert!(error("grant = []").contains("unknown field `grant`"));
    assert!(error("grants = \"log\"").contains("grants"));
    assert!(error("grants = [\"logs\"]").contains("key `grants`: `logs` is not a capability"));
    assert!(error("preset = \"all\"").contains("unknown variant `all`"));
    assert!(
        error("[limits]\ncall_timeout = 1").contains("key `limits`: unknown field `call_timeout`")
    );
    assert!(error("[limits]\ncall_timeout_ms = \"1 s\"").contains("`call_timeout_ms`"));
    assert!(error("digest = \"abc\"").contains("`abc` is not a digest"));
    for secret in [
        "\"hunter22\"",
        "{ url = \"hunter22\" }",
        "{ env = [\"hunter22\"] }",
    ] {
        let error = error(&format!("[secrets]\nkey = {secret}"));
        assert!(
            error.contains("line 2, key `secrets.key") && !error.contains("hunter22"),
            "{error}"
        );
    }
    assert!(error("grants = [").contains("line 1"));
    assert!(!error("a = \"\u{1b}[31m\"").contains('\u{1b}'));
}

#[test]
fn the_file_stands_beside_the_module() {
    let dir = tempfile::tempdir().expect("a folder");
    let module = dir.path().join("geo.wasm");
    assert_eq!(PluginSettings::beside(&module), Ok(None));
    std::fs::write(dir.path().join("geo.toml"), "grants = [\"log\"]").expect("written");
    let settings = PluginSettings::beside(&module)
        .expect("right")
        .expect("there");
    assert_eq!(settings.grants.to_string(), "log");
    std::fs::write(dir.path().join("geo.toml"), "grants = [\"logs\"]").expect("written");
    let error = PluginSettings::beside(&module)
        .expect_err("wrong")
        .to_string();
    assert!(error.contains("geo.toml: key `grants`"), "{error}");
    std::fs::write(dir.path().join("geo.toml"), vec![b' '; 2 << 20]).expect("written");
    assert!(PluginSettings::beside(&module).is_err());
}

#[test]
fn secrets_come_from_where_they_are() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("key");
    std::fs::write(&path, "hunter22\n").expect("written");
    let secret = SecretSource::File(path).value().expect("it is there");
    assert_eq!(secret.reveal(), "hunter22");
    assert_eq!(format!("{secret:?}"), "[redacted]");
    let missing = SecretSource::Env("WASMFUSION_NO_SUCH_VARIABLE".into()).value();
    assert!(
        missing
            .expect_err("not there")
            .contains("WASMFUSION_NO_SUCH_VARIABLE")
    );
    let missing = SecretSource::File(dir.path().join("none")).value();
    assert!(missing.expect_err("not there").contains("cannot be opened"));
    assert!(SecretSource::Value(String::new()).value().is_err());
}
