//! What is sent, and what is refused before anything is.

use super::{client, echo, get, replies, send, text};
use crate::host::error::Status;
use crate::host::net::Bounds;
use crate::host::net::http::HttpRequest;
use crate::host::net::tests::{AnyHost, assert_fails, bounds};

#[test]
fn a_request_arrives_as_it_was_asked_for() {
    let port = echo();
    let url = format!("http://GOOD.test:{port}/a%20b?c=d&e=|f#fragment");
    let response = send(&HttpRequest {
        method: "POST",
        url: &url,
        headers: vec![
            ("Content-Type", b"text/plain"),
            ("X-Bytes", b"caf\xc3\xa9"),
            ("x-bytes", b"2"),
        ],
        body: b"hello",
    })
    .unwrap();
    assert_eq!(response.status, 200);
    assert!(
        response
            .headers
            .contains(&("x-reply".into(), b"yes".to_vec()))
    );
    let mut lines: Vec<_> = text(&response).lines().collect();
    assert_eq!(lines.remove(0), "POST /a%20b?c=d&e=|f HTTP/1.1");
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "",
            "accept-encoding: identity",
            "accept: */*",
            "connection: close",
            "content-length: 5",
            "content-type: text/plain",
            "hello",
            &format!("host: good.test:{port}"),
            &format!("user-agent: wasmfusion/{}", env!("CARGO_PKG_VERSION")),
            "x-bytes: 2",
            "x-bytes: caf\u{e9}",
        ]
    );
}

#[test]
fn bodies_go_along_with_the_methods_that_have_one() {
    let port = echo();
    let url = format!("http://good.test:{port}/");
    let ask = |method, body: &'static [u8]| {
        let request = HttpRequest {
            method,
            body,
            ..get(&url)
        };
        send(&request).map(|response| text(&response).to_owned())
    };
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "GET"] {
        let echoed = ask(method, b"body").unwrap();
        assert!(
            echoed.starts_with(&format!("{method} / HTTP/1.1\r\n")),
            "{echoed}"
        );
        assert!(
            echoed.contains("\r\ncontent-length: 4\r\n") && echoed.ends_with("\r\nbody"),
            "{echoed}"
        );
    }
    assert!(ask("POST", b"").unwrap().contains("content-length: 0"));
    assert!(!ask("GET", b"").unwrap().contains("content-length"));
    assert_eq!(ask("HEAD", b"").unwrap(), "");
    assert_fails(Status::Invalid, "HEAD", || ask("HEAD", b"body"));
    for method in [
        "CONNECT",
        "TRACE",
        "get",
        "",
        "GET / HTTP/1.1\r\nHost: evil",
        "PROPFIND",
    ] {
        assert_fails(Status::Invalid, "is not a method", || ask(method, b""));
    }
}

#[test]
fn a_large_body_arrives_whole() {
    let port = replies(|_, body| {
        let all = body.bytes().all(|b| b == b'x');
        format!("HTTP/1.1 200 OK\r\n\r\n{} {all}", body.len())
    });
    let url = format!("http://good.test:{port}/");
    let body = vec![b'x'; 900_000];
    let request = HttpRequest {
        method: "PUT",
        body: &body,
        ..get(&url)
    };
    assert_eq!(text(&send(&request).unwrap()), "900000 true");
    let bounds = Bounds {
        bytes_max: 900_000,
        ..bounds()
    };
    assert_fails(Status::Limit, "900", || {
        client().send(&request, &super::GRANTED, &bounds)
    });
}

#[test]
fn headers_that_would_change_the_request_are_refused() {
    let ask = |name, value: &'static [u8]| {
        let headers = vec![(name, value)];
        send(&HttpRequest {
            headers,
            ..get("http://good.test:1/")
        })
    };
    for value in [
        &b"a\r\nX-Evil: 1"[..],
        b"a\nb",
        b"a\rb",
        b"a\0b",
        b"\x7f",
        b"a\r\n\r\nGET / HTTP/1.1",
    ] {
        assert_fails(Status::Invalid, "control character", || {
            ask("X-Header", value)
        });
    }
    for name in [
        "",
        "a b",
        "a:b",
        "a\r\nb",
        "a\nb",
        "a\0",
        "caf\u{e9}",
        "(a)",
    ] {
        assert_fails(Status::Invalid, "in its name", || ask(name, b"1"));
    }
    for name in [
        "Host",
        "HOST",
        "Content-Length",
        "Transfer-Encoding",
        "Connection",
        "Keep-Alive",
        "Proxy-Connection",
        "Proxy-Authorization",
        "TE",
        "Trailer",
        "Upgrade",
        "Expect",
    ] {
        assert_fails(Status::Invalid, "set by the host", || ask(name, b"1"));
    }
    let headers = vec![("a", &b"b"[..]); 101];
    assert_fails(Status::Limit, "101 headers", || {
        send(&HttpRequest {
            headers,
            ..get("http://good.test:1/")
        })
    });
    let long = vec![b'x'; 40_000];
    let headers = vec![("a", &long[..])];
    assert_fails(Status::Limit, "40001 bytes", || {
        send(&HttpRequest {
            headers,
            ..get("http://good.test:1/")
        })
    });
}

#[test]
fn only_plain_urls_of_http_are_requested() {
    for url in [
        "",
        "/path",
        "good.test",
        "//good.test/",
        "http://",
        "http:///",
        "ftp://good.test/",
        "file:///etc/passwd",
        "gopher://good.test:6379/_FLUSHALL",
        "data:text/plain,hello",
        "javascript:alert(1)",
        "http://good.test:0/",
        "http://good.test:99999/",
        "http://user@good.test/",
        "http://user:secret@good.test/",
        "http://:secret@good.test/",
        "http://good.test@127.0.0.1/",
        "http://good.test /",
        "http://good.test/\r\nX-Evil: 1",
        "http://good\n.test/",
        "\thttp://good.test/",
        "http://good.test/\u{0}",
        "http://[::1/",
        "http://good.test%00.evil.test/",
        "http://1.2.3.4.5/",
    ] {
        assert_fails(Status::Invalid, "", || send(&get(url)));
    }
    let long = format!("http://good.test/{}", "x".repeat(9000));
    assert_fails(Status::Limit, "too long", || send(&get(&long)));
    // The password is not shown.
    let error = send(&get("http://user:secret@good.test/")).unwrap_err();
    assert!(!error.message().contains("secret"), "{error}");
}

#[test]
fn hosts_and_addresses_that_were_not_granted_are_refused() {
    for url in [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0177.1/",
        "http://127.1:8080/",
        "https://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://0/",
        "http://localhost/",
        "http://\u{2460}\u{2461}\u{2466}.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://inside.test/",
        "http:\\\\127.0.0.1\\",
        "http:127.0.0.1",
    ] {
        let client = super::Client::default();
        let client = if url.contains("inside") {
            super::client()
        } else {
            client
        };
        assert_fails(Status::Denied, "private or reserved", || {
            client.send(&get(url), &AnyHost, &bounds())
        });
    }
    for url in [
        "http://foreign.test/",
        "http://good.test.foreign.test/",
        "http://foreign.test\\@good.test/",
        "http://good.test./",
    ] {
        assert_fails(Status::Denied, "not granted", || send(&get(url)));
    }
}

/// Runs the first test again, in an environment that names a proxy.
#[test]
fn the_environment_has_no_say() {
    let test = "a_request_arrives_as_it_was_asked_for";
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    for name in [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ] {
        again.env(name, "http://127.0.0.1:9");
    }
    let output = again.arg(test).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
}
