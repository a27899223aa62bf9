//! Servers that mean no good.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use proptest::prelude::*;

use super::{GRANTED, client, get, replies, send, text};
use crate::host::error::{HostError, Status};
use crate::host::net::Bounds;
use crate::host::net::http::{HttpRequest, HttpResponse};
use crate::host::net::tests::{assert_fails, bounds, cancelled_after, received, serve, within};

fn ask(port: u16, bounds: &Bounds) -> Result<HttpResponse, HostError> {
    client().send(&get(&format!("http://good.test:{port}/")), &GRANTED, bounds)
}

/// A server that sends `first`, and `again` until nobody listens any more.
fn endless(first: &'static str, again: &'static str, pause: Duration) -> u16 {
    serve(move |mut stream: TcpStream| {
        received(&stream);
        let mut sent = stream.write_all(first.as_bytes());
        while sent.is_ok() {
            thread::sleep(pause);
            sent = stream.write_all(again.as_bytes());
        }
    })
}

#[test]
fn every_way_to_end_a_body_is_understood() {
    for (reply, expected) in [
        ("200 OK\r\nContent-Length: 3\r\n\r\nabcdef", "abc"),
        ("200 OK\r\n\r\nabc", "abc"),
        (
            "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n",
            "abc",
        ),
        ("204 No Content\r\n\r\nabc", ""),
        ("304 Not Modified\r\nContent-Length: 3\r\n\r\n", ""),
        ("404 Not Found\r\nContent-Length: 3\r\n\r\nabc", "abc"),
        ("500 Oops\r\nContent-Length: 3\r\n\r\nabc", "abc"),
        (
            "100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
            "abc",
        ),
        // What is compressed stays so, however much it would become.
        (
            "200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
            "abc",
        ),
    ] {
        let port = replies(move |_, _| format!("HTTP/1.1 {reply}"));
        assert_eq!(text(&ask(port, &bounds()).unwrap()), expected, "{reply}");
    }
    let port = replies(|_, _| "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n".into());
    let url = format!("http://good.test:{port}/");
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
fn replies_that_are_none_fail() {
    for reply in [
        "",
        "\r\n",
        "SSH-2.0-OpenSSH_9.9\r\n",
        "HTTP/1.1\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nNo colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA\0: b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc",
    ] {
        let port = replies(move |_, _| reply.into());
        assert_fails(Status::Failed, "the request to good.test", || {
            ask(port, &bounds())
        });
    }
}

#[test]
fn a_header_cannot_smuggle_another_one_in() {
    let port =
        replies(|_, _| "HTTP/1.1 200 OK\r\nX-A: 1\rX-B: 2\r\nContent-Length: 0\r\n\r\n".into());
    assert_fails(Status::Failed, "header", || ask(port, &bounds()));
    let port = replies(|_, _| "HTTP/1.1 302 Found\r\nLocation: /a\rX: 2\r\n\r\n".into());
    assert_fails(Status::Failed, "header", || ask(port, &bounds()));
}

#[test]
fn headers_do_not_grow_for_ever() {
    let port = endless(
        "HTTP/1.1 200 OK\r\nX: ",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        Duration::ZERO,
    );
    assert_fails(Status::Limit, "bytes of headers", || ask(port, &bounds()));
    let port = endless("HTTP/1.1 200 OK\r\n", "a: b\r\n", Duration::ZERO);
    assert_fails(Status::Failed, "headers", || ask(port, &bounds()));
    let port = endless("", "HTTP/1.1 102 Processing\r\n\r\n", Duration::ZERO);
    assert_fails(Status::Limit, "bytes of headers", || ask(port, &bounds()));
    let port = replies(|_, _| format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(2000)));
    let few = Bounds {
        bytes_max: 1000,
        ..bounds()
    };
    assert_fails(Status::Limit, "longer than the 1000 bytes", || {
        ask(port, &few)
    });
}

#[test]
fn bodies_do_not_grow_for_ever() {
    let chunk = "8\r\nabcdefgh\r\n";
    for (first, again) in [
        (
            "HTTP/1.1 200 OK\r\n\r\n",
            "abcdefghabcdefghabcdefghabcdefgh",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            chunk,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
            "abcdefgh",
        ),
    ] {
        let port = endless(first, again, Duration::ZERO);
        assert_fails(Status::Limit, "longer than the 1048576 bytes", || {
            ask(port, &bounds())
        });
    }
    let exactly = replies(|_, _| format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(1000)));
    let bytes = |bytes_max| Bounds {
        bytes_max,
        ..bounds()
    };
    assert_eq!(ask(exactly, &bytes(1000)).unwrap().body.len(), 1000);
    assert_fails(Status::Limit, "longer than the 999 bytes", || {
        ask(exactly, &bytes(999))
    });
}

#[test]
fn the_deadline_holds_whatever_a_server_does() {
    let slowly = Duration::from_millis(20);
    for port in [
        serve(|stream| {
            thread::sleep(Duration::from_secs(30));
            drop(stream);
        }),
        endless("", "", slowly),
        endless("HTTP/1.1 200 O", "K", slowly),
        endless("HTTP/1.1 200 OK\r\nX: ", "x", slowly),
        endless("HTTP/1.1 200 OK\r\n\r\n", "x", slowly),
        endless(
            "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
            "x",
            slowly,
        ),
        endless(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "1\r\nx\r\n",
            slowly,
        ),
        endless(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;",
            "x",
            slowly,
        ),
        endless("", "HTTP/1.1 102 Processing\r\n\r\n", slowly),
        endless("", "HTTP/1.1 100 Continue\r\n\r\n", slowly),
    ] {
        assert_fails(Status::Timeout, "time", || {
            ask(port, &within(Duration::from_millis(300)))
        });
        assert_fails(Status::Timeout, "cancelled", || {
            ask(port, &cancelled_after(Duration::from_millis(300)))
        });
    }
}

#[test]
fn a_server_that_does_not_read_is_given_up() {
    let port = serve(|stream| {
        thread::sleep(Duration::from_secs(30));
        drop(stream);
    });
    let url = format!("http://good.test:{port}/");
    let body = vec![0; 64 << 20];
    let request = HttpRequest {
        method: "POST",
        body: &body,
        ..get(&url)
    };
    let bounds = Bounds {
        bytes_max: 65 << 20,
        ..within(Duration::from_millis(500))
    };
    assert_fails(Status::Timeout, "time", || {
        client().send(&request, &GRANTED, &bounds)
    });
}

/// Pieces of replies, in no order.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.0 200 OK\r\n",
        "HTTP/1.1 204 No Content\r\n",
        "HTTP/1.1 302 Found\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 999 \r\n",
        "Content-Length: 5\r\n",
        "Content-Length: 0\r\n",
        "Content-Length: 18446744073709551615\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Connection: keep-alive\r\n",
        "Location: /x\r\n",
        "Location: http://[\r\n",
        "Set-Cookie: a=b\r\n",
        ": x\r\n",
        " folded\r\n",
        "\r\n",
        "\n",
        "5\r\nhello\r\n",
        "5;a=b\r\nhello\r\n",
        "ffffffffffffffff\r\n",
        "0\r\n\r\n",
        "hello",
    ]);
    prop_oneof![
        8 => known.prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..9),
    ]
}

#[test]
fn whatever_a_server_sends_is_a_reply_or_an_error() {
    let next = Arc::new(Mutex::new(Vec::new()));
    let port = serve({
        let next = Arc::clone(&next);
        move |mut stream| {
            received(&stream);
            let reply = next.lock().clone();
            let _ = stream.write_all(&reply);
        }
    });
    proptest!(|(begins in any::<bool>(), pieces in prop::collection::vec(piece(), 0..10))| {
        let start: &[u8] = if begins { b"HTTP/1.1 200 OK\r\n" } else { b"" };
        *next.lock() = [start, &pieces.concat()].concat();
        if let Err(e) = ask(port, &bounds()) {
            prop_assert!(!e.message().contains(['\r', '\n']), "{}", e);
            prop_assert!(e.status() != Status::Timeout, "{}", e);
        }
    });
}
