//! Where redirects lead, and what goes along.

use ureq::http::{HeaderValue, StatusCode};

use super::{GRANTED, client, echo, get, replies, send, text};
use crate::host::error::Status;
use crate::host::net::Bounds;
use crate::host::net::http::HttpRequest;
use crate::host::net::http::request::Prepared;
use crate::host::net::tests::{assert_fails, bounds};

/// A server that redirects everything.
fn redirector(status: u16, location: String) -> u16 {
    replies(move |_, _| {
        format!("HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
    })
}

#[test]
fn a_redirect_is_followed() {
    let port = echo();
    for location in [
        format!("http://other.test:{port}/there?a=b"),
        format!("//other.test:{port}/there?a=b"),
    ] {
        let from = redirector(302, location);
        let response = send(&get(&format!("http://good.test:{from}/here"))).unwrap();
        assert!(text(&response).starts_with("GET /there?a=b HTTP/1.1\r\n"));
        assert!(text(&response).contains(&format!("\r\nhost: other.test:{port}\r\n")));
    }
    let port = replies(|head, _| {
        if head.starts_with("GET /a/b ") {
            "HTTP/1.1 301 Moved\r\nLocation: ../c\r\n\r\n".into()
        } else {
            format!("HTTP/1.1 200 OK\r\n\r\n{head}")
        }
    });
    let response = send(&get(&format!("http://good.test:{port}/a/b"))).unwrap();
    assert!(text(&response).starts_with("GET /c HTTP/1.1\r\n"));
}

#[test]
fn a_redirect_goes_nowhere_that_the_plugin_may_not() {
    for (location, says) in [
        ("http://10.0.0.1/", "not granted"),
        ("http://foreign.test/", "not granted"),
        ("http://[::1]/", "not granted"),
        ("http://169.254.169.254/latest/", "not granted"),
        ("http://inside.test/", "private or reserved"),
    ] {
        let port = redirector(302, location.into());
        assert_fails(Status::Denied, says, || {
            send(&get(&format!("http://good.test:{port}/")))
        });
    }
    for location in [
        "ftp://good.test/",
        "file:///etc/passwd",
        "http://user@good.test/",
        "http://",
        "javascript:x",
        "http://a b/",
    ] {
        let port = redirector(302, location.into());
        assert_fails(Status::Failed, "good.test redirects to", || {
            send(&get(&format!("http://good.test:{port}/")))
        });
    }
}

#[test]
fn a_name_that_points_inside_after_a_redirect_is_refused() {
    let port = replies(|_, _| "HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n".into());
    assert_fails(Status::Denied, "private or reserved", || {
        send(&get(&format!("http://rebinding.test:{port}/")))
    });
}

#[test]
fn redirects_end() {
    let port = replies(|_, _| "HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n".into());
    let url = format!("http://good.test:{port}/");
    assert_fails(Status::Limit, "5 redirects", || send(&get(&url)));

    let none = Bounds {
        redirects_max: 0,
        ..bounds()
    };
    let response = client().send(&get(&url), &GRANTED, &none).unwrap();
    assert_eq!(response.status, 302);
    assert!(
        response
            .headers
            .contains(&("location".into(), b"/again".to_vec()))
    );
}

#[test]
fn replies_that_only_look_like_redirects_are_replies() {
    for reply in [
        "304 Not Modified\r\nLocation: /x",
        "300 Multiple\r\nLocation: /x",
        "302 Found",
        "200 OK\r\nLocation: /x",
    ] {
        let port = replies(move |_, _| format!("HTTP/1.1 {reply}\r\nContent-Length: 0\r\n\r\n"));
        let response = send(&get(&format!("http://good.test:{port}/"))).unwrap();
        assert!(reply.starts_with(&response.status.to_string()));
    }
}

#[test]
fn methods_and_bodies_change_as_in_browsers() {
    for (status, method, expected) in [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
        (301, "PUT", "PUT"),
        (302, "DELETE", "DELETE"),
        (303, "PUT", "GET"),
    ] {
        let from = redirector(status, format!("http://good.test:{}/", echo()));
        let url = format!("http://good.test:{from}/");
        let headers = vec![("Content-Type", &b"text/plain"[..]), ("Accept", b"x/y")];
        let response = send(&HttpRequest {
            method,
            url: &url,
            headers,
            body: b"body",
        })
        .unwrap();
        let echoed = text(&response);
        assert!(
            echoed.starts_with(&format!("{expected} / ")),
            "{status} {method}: {echoed}"
        );
        assert_eq!(
            echoed.ends_with("\r\n\r\nbody"),
            method == expected,
            "{status} {method}: {echoed}"
        );
        assert_eq!(
            echoed.contains("content-type"),
            method == expected,
            "{status} {method}: {echoed}"
        );
        assert!(echoed.contains("accept: x/y"), "{echoed}");
    }
    let from = redirector(303, format!("http://good.test:{}/", echo()));
    let url = format!("http://good.test:{from}/");
    assert_eq!(
        text(
            &send(&HttpRequest {
                method: "HEAD",
                ..get(&url)
            })
            .unwrap()
        ),
        ""
    );
}

#[test]
fn who_somebody_is_stays_with_the_host_that_was_told() {
    let headers = vec![
        ("Authorization", &b"Bearer x"[..]),
        ("Cookie", b"a=b"),
        ("X-Api-Key", b"1"),
        ("Accept", b"x/y"),
    ];
    let prepared = |url| {
        let headers = headers.clone();
        Prepared::new(
            &HttpRequest {
                headers,
                ..get(url)
            },
            1 << 20,
        )
        .unwrap()
    };
    for (from, to, stays) in [
        ("https://good.test/", "/other", true),
        ("https://good.test/", "https://good.test:443/other", true),
        ("https://good.test/", "https://GOOD.test/other", true),
        ("https://good.test/", "https://other.test/", false),
        ("https://good.test/", "https://www.good.test/", false),
        ("https://good.test/", "https://good.test:444/", false),
        ("http://good.test/", "https://good.test/", false),
    ] {
        let mut request = prepared(from);
        request
            .redirect(StatusCode::FOUND, &HeaderValue::from_static(to))
            .unwrap();
        let has = |name| request.headers.contains_key(name);
        assert_eq!(
            (has("authorization"), has("cookie"), has("x-api-key")),
            (stays, stays, stays),
            "{from} to {to}"
        );
        assert!(has("accept"));
    }
    for to in ["http://good.test/", "http://other.test/"] {
        let to = HeaderValue::from_static(to);
        assert_fails(Status::Denied, "not encrypted", || {
            prepared("https://good.test/").redirect(StatusCode::FOUND, &to)
        });
    }
}
