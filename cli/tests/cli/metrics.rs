//! `--metrics-addr`: Prometheus fetches what the registry knows.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Place, assert_has};

/// An address of this machine where nobody listens.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

fn fetch(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// What is told as soon as it has all of these parts.
#[track_caller]
fn fetch_until(address: &str, parts: &[&str]) -> String {
    let began = Instant::now();
    loop {
        let text = fetch(address).unwrap_or_default();
        if parts.iter().all(|part| text.contains(part)) {
            return text;
        }
        if began.elapsed() > Duration::from_secs(30) {
            assert_has(&text, parts);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Runs SQL in a shell that goes on.
fn shell(place: &Place, address: &str, sql: &str) -> Child {
    let options = ["-q", "--format", "csv", "--plugins", "plugins"];
    let metrics = ["--metrics-addr", address];
    let mut shell = place
        .command(&[&options[..], &metrics].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(shell.stdin.as_mut().unwrap(), "{sql}").unwrap();
    let mut lines = BufReader::new(shell.stdout.as_mut().unwrap());
    // The header says that the query is done.
    lines.read_line(&mut String::new()).unwrap();
    shell
}

#[test]
fn what_functions_cost_can_be_fetched() {
    let place = Place::with_plugin();
    let address = free_address();
    let mut shell = shell(
        &place,
        &address,
        "SELECT sum(answer(CAST(value AS VARCHAR))) AS n FROM range(0, 1000);",
    );
    let labels = "{plugin=\"test\",function=\"answer\"}";
    let rows = format!("wasmfusion_function_rows_total{labels} 1000\n");
    let text = fetch_until(&address, &[&rows]);
    assert_has(
        &text,
        &[
            "HTTP/1.1 200 OK",
            "# TYPE wasmfusion_function_calls_total counter\n",
            "# HELP wasmfusion_function_calls_total Calls of guests",
            "# TYPE wasmfusion_function_guest_seconds_total gauge\n",
            "wasmfusion_function_call_duration_seconds{plugin=\"test\",function=\"answer\",quantile=\"0.99\"} 0.",
            "wasmfusion_function_failures_total{plugin=\"test\",function=\"answer\",reason=\"trap\"} 0\n",
            "wasmfusion_instances{plugin=\"test\"} 0\n",
            "wasmfusion_info{plugin=\"test\",version=\"1.2.3\",digest=\"",
            "wasmfusion_audit_lost_total 0\n",
        ],
    );
    // Functions that nobody calls are no series.
    assert!(!text.contains("forever"), "{text}");
    drop(shell.stdin.take());
    assert!(shell.wait().unwrap().success());
}

#[test]
fn addresses_that_are_refused() {
    let place = Place::new();
    let run = |options: &[&str]| place.run(&[options, &["-c", "SELECT 1"]].concat());
    let err = run(&["--metrics-addr", "0.0.0.0:0"]).failed(2);
    assert_has(
        &err,
        &["other machines could ask there", "--metrics-allow-remote"],
    );
    run(&[
        "-q",
        "--metrics-addr",
        "0.0.0.0:0",
        "--metrics-allow-remote",
    ])
    .succeeded();

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let err = run(&["--metrics-addr", &address]).failed(2);
    assert_has(&err, &[&address, "cannot listen there", "another port"]);

    let err = run(&["--metrics-addr", "here"]).failed(2);
    assert_has(&err, &["--metrics-addr"]);
    let err = run(&["--metrics-allow-remote"]).failed(2);
    assert_has(&err, &["--metrics-addr"]);
}
