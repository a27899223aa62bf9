//! `--log`: what plugins and the host log is on stderr, as far as it is asked for.

use crate::common::{CHATTY, Outcome, Place, assert_has};

const CHAT: &str = "SELECT chat(1) AS c";
/// The audit has written the records of what came before when it is read.
const CHAT_AND_AUDIT: &str = "SELECT chat(1) AS c; SELECT count(*) AS n FROM wasmfusion.audit";

/// A place with a plugin that logs and may.
fn place() -> Place {
    let place = Place::new();
    let (module, settings) = CHATTY;
    place.file("plugins/chatty.wat", module);
    place.file("plugins/chatty.toml", settings);
    place
}

/// Runs SQL with these options, and with this in `WASMFUSION_LOG`.
fn run_with(variable: Option<&str>, options: &[&str], sql: &str) -> Outcome {
    let shell = ["-q", "--format", "csv", "--plugins", "plugins", "-c", sql];
    let place = place();
    let mut command = place.command(&[options, &shell].concat());
    if let Some(filter) = variable {
        command.env("WASMFUSION_LOG", filter);
    }
    command.output().unwrap().into()
}

fn run(options: &[&str], sql: &str) -> Outcome {
    run_with(None, options, sql)
}

/// Stderr of a run that went well.
#[track_caller]
fn logged(outcome: Outcome) -> String {
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.out.starts_with("c\n0\n"), "{outcome:?}");
    outcome.err
}

#[test]
fn plugins_are_heard() {
    for variable in [None, Some("")] {
        let err = logged(run_with(variable, &[], CHAT));
        assert_has(
            &err,
            &[
                "INFO wasmfusion::plugin: good morning\\u{1b}[2J",
                "wasmfusion.plugin.name=\"chatty\"",
                "code.function.name=\"chatty::chat\"",
                "who=me",
            ],
        );
        // Neither what is said in detail nor the audit, no colours, and no control characters of the plugin's.
        assert_eq!(err.lines().count(), 1, "{err}");
        assert!(!err.contains('\u{1b}'), "{err:?}");
    }
}

#[test]
fn off_is_silence() {
    run(&["--log", "off"], CHAT).succeeded();
    run_with(Some("off"), &[], CHAT).succeeded();
    run(&["--log", "wasmfusion::plugin=warn"], CHAT).succeeded();
}

#[test]
fn details() {
    let err = logged(run(&["--log", "wasmfusion::plugin=debug"], CHAT));
    assert_has(&err, &["INFO", "good morning", "DEBUG", "a detail"]);
    // The option counts, not the variable.
    let err = logged(run_with(
        Some("off"),
        &["--log", "wasmfusion::plugin=debug"],
        CHAT,
    ));
    assert_has(&err, &["a detail"]);
}

#[test]
fn the_audit_on_demand() {
    let err = logged(run(&["--log", "wasmfusion::audit=info"], CHAT_AND_AUDIT));
    assert_has(
        &err,
        &[
            "INFO wasmfusion::audit: host call",
            "wasmfusion.host.operation=\"log\"",
        ],
    );
    assert!(!err.contains("good morning"), "{err}");
}

/// A device that is always full.
#[test]
#[cfg(target_os = "linux")]
fn warnings_of_the_host() {
    let err = logged(run(&["--audit", "/dev/full"], CHAT_AND_AUDIT));
    assert_has(
        &err,
        &["ERROR wasmfusion::audit: the audit log cannot be written"],
    );
    assert!(!err.contains("host call"), "{err}");
}

#[test]
fn bad_filters() {
    for filter in [
        "loud",
        "wasmfusion=loud",
        "wasmfusion=",
        "a=b=info",
        "info,",
    ] {
        for outcome in [
            run(&["--log", filter], CHAT),
            run_with(Some(filter), &[], CHAT),
        ] {
            assert_eq!(outcome.out, "");
            assert_has(
                &outcome.failed(2),
                &[
                    "error: ",
                    "--log",
                    "TARGET=LEVEL",
                    "wasmfusion=debug,wasmfusion::audit=info",
                    "off, error, warn, info, debug and trace",
                ],
            );
        }
    }
}

/// The variable is for the tools, too, which have no such option.
#[test]
fn tools() {
    let place = Place::with_plugin();
    let inspect = |filter: &str| -> Outcome {
        place
            .command(&["inspect", "plugins/test.wat"])
            .env("WASMFUSION_LOG", filter)
            .output()
            .unwrap()
            .into()
    };
    let outcome = inspect("wasmfusion=debug");
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_has(
        &outcome.err,
        &["DEBUG wasm_load: wasmfusion::registry: plugin compiled"],
    );
    inspect("off").succeeded();
}
