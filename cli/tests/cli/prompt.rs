//! The prompt on a terminal: editing, history, Ctrl-C.

use std::process::Stdio;
use std::time::{Duration, Instant};

use rexpect::session::{PtySession, spawn_command};

use crate::common::Place;

/// Much longer than any answer takes, much shorter than the limit on calls that these tests set.
const PATIENCE_MS: u64 = 60_000;

fn prompt(place: &Place, args: &[&str]) -> PtySession {
    let mut command = place.command(
        &[
            &["--plugins", "plugins", "--limit", "call_timeout_ms=600000"],
            args,
        ]
        .concat(),
    );
    command
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .stdin(Stdio::inherit());
    let mut session = spawn_command(command, Some(PATIENCE_MS)).unwrap();
    session.exp_string("> ").unwrap();
    session
}

fn leave(mut session: PtySession) {
    session.send_line("\\q").unwrap();
    session.exp_eof().unwrap();
}

#[test]
fn statements_over_several_lines() {
    let place = Place::with_plugin();
    let mut session = prompt(&place, &[]);
    session.send_line("SELECT").unwrap();
    session.send_line("answer('?') + 1 AS a;").unwrap();
    session.exp_string("| 43 |").unwrap();
    session.send_line("CREATE FUNCTION again() LANGUAGE WASM AS 'plugins/test.wat', 'answer'; SELECT again('?') + 2 AS b;").unwrap();
    session.exp_string("| 44 |").unwrap();
    session
        .send_line("CREATE FUNCTION x() LANGUAGE WASM PARALLEL SAFE AS 'plugins/test.wat';")
        .unwrap();
    session.exp_string("PARALLEL has no effect").unwrap();
    leave(session);
    let history = std::fs::read_to_string(place.path().join(".history")).unwrap();
    assert!(history.contains("again()"), "{history}");
}

#[test]
fn ctrl_c_stops_a_guest() {
    let place = Place::with_plugin();
    let mut session = prompt(&place, &["-q"]);
    for sql in [
        "SELECT forever(1);",
        "SELECT sum(forever(x)) FROM generate_series(1, 100000) t(x);",
    ] {
        session.send_line(sql).unwrap();
        // The statement has no sign of having started: give it time.
        std::thread::sleep(Duration::from_secs(2));
        let pressed = Instant::now();
        session.send_control('c').unwrap();
        session.exp_string("^C").unwrap();
        let before = session.exp_string("> ").unwrap();
        // No word of a statement that goes on in the background: the guest is dead.
        assert!(!before.contains("Warning"), "{before}");
        assert!(pressed.elapsed() < Duration::from_secs(30));
        // The plugin is still there.
        session.send_line("SELECT answer('?') * 2 AS a;").unwrap();
        session.exp_string("| 84 |").unwrap();
    }
    leave(session);
}

/// The planner computes calls whose arguments are all constant.
#[test]
fn ctrl_c_leaves_the_planner() {
    let place = Place::with_plugin();
    let mut session = prompt(&place, &["-q"]);
    session.send_line("SELECT forever_in_planner(1);").unwrap();
    std::thread::sleep(Duration::from_secs(2));
    session.send_control('c').unwrap();
    session.exp_string("^C").unwrap();
    session.exp_string("> ").unwrap();
    session.send_line("SELECT answer('?') * 2 AS a;").unwrap();
    session.exp_string("| 84 |").unwrap();
    // Also with a guest that is still running.
    leave(session);
}

#[test]
fn errors_are_red() {
    let place = Place::with_plugin();
    let mut session = prompt(&place, &[]);
    session.send_line("SELECT nope;").unwrap();
    session.exp_string("\u{1b}[1m\u{1b}[31mError:").unwrap();
    leave(session);
}
