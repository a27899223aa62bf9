mod hostile;
mod redirects;
mod requests;
mod tls;

use std::net::TcpStream;

use super::{Client, HttpRequest, HttpResponse, RootCerts};
use crate::host::error::HostError;
use crate::host::net::tests::{Names, OnLoopback, bounds, received, serve};

/// Hosts that [`client`] knows and that are granted.
const GRANTED: OnLoopback = OnLoopback(&[
    "127.0.0.1",
    "good.test",
    "other.test",
    "inside.test",
    "rebinding.test",
]);

/// A client for which some names are on loopback.
fn client() -> Client {
    Client {
        lookups: Names::lookups(&[
            ("good.test", &[&["127.0.0.1"]]),
            ("other.test", &[&["127.0.0.1"]]),
            ("foreign.test", &[&["127.0.0.1"]]),
            ("inside.test", &[&["10.0.0.1"]]),
            ("rebinding.test", &[&["127.0.0.1"], &["10.0.0.1"]]),
        ]),
        roots: RootCerts::WebPki,
    }
}

fn get(url: &str) -> HttpRequest<'_> {
    HttpRequest {
        method: "GET",
        url,
        headers: Vec::new(),
        body: b"",
    }
}

fn send(request: &HttpRequest<'_>) -> Result<HttpResponse, HostError> {
    client().send(request, &GRANTED, &bounds())
}

/// A server that answers each request with what `reply` makes of its head and its body.
fn replies(reply: impl Fn(&str, &str) -> String + Send + Sync + 'static) -> u16 {
    serve(move |stream: TcpStream| {
        use std::io::Write as _;

        let (head, body) = received(&stream);
        // The client may have gone away.
        let _ = (&stream).write_all(reply(&head, &body).as_bytes());
    })
}

/// A server whose replies show the request.
fn echo() -> u16 {
    replies(|head, body| {
        let text = format!("{head}{body}");
        format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nX-Reply: yes\r\n\r\n{text}",
            text.len()
        )
    })
}

fn text(response: &HttpResponse) -> &str {
    str::from_utf8(&response.body).unwrap()
}
