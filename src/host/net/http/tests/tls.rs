//! TLS, against a server whose certificate for `good.test` was made for these tests, valid for a hundred years:
//! `certificates/root.der` has signed it.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use ureq::tls::Certificate;

use super::{Client, GRANTED, RootCerts, client, get, replies, text};
use crate::host::error::{HostError, Status};
use crate::host::net::Bounds;
use crate::host::net::http::HttpResponse;
use crate::host::net::tests::{assert_fails, bounds, cancelled_after, serve, within};

const ROOT: &[u8] = include_bytes!("certificates/root.der");
const CERTIFICATE: &[u8] = include_bytes!("certificates/good.test.der");
const KEY: &[u8] = include_bytes!("certificates/good.test.key.der");

/// A server that speaks TLS and answers with `reply`, in pieces with a pause between them.
fn tls_server(reply: &'static [&'static str], pause: Duration) -> u16 {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::try_from(KEY).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(CERTIFICATE)], key)
        .unwrap();
    let config = Arc::new(config);
    serve(move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        // A client that does not like the certificate goes away here.
        if !matches!(stream.read(&mut [0; 4096]), Ok(1..)) {
            return;
        }
        for piece in reply {
            if stream
                .write_all(piece.as_bytes())
                .and_then(|()| stream.flush())
                .is_err()
            {
                return;
            }
            thread::sleep(pause);
        }
        stream.conn.send_close_notify();
        let _ = stream.flush();
    })
}

fn ask(
    host: &str,
    port: u16,
    roots: RootCerts,
    bounds: &Bounds,
) -> Result<HttpResponse, HostError> {
    let client = Client { roots, ..client() };
    client.send(&get(&format!("https://{host}:{port}/")), &GRANTED, bounds)
}

fn trusted() -> RootCerts {
    [Certificate::from_der(ROOT)]
        .into_iter()
        .collect::<Vec<_>>()
        .into()
}

const REPLY: &[&str] = &["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", "llo"];

#[test]
fn a_server_that_proves_its_name_is_talked_to() {
    let port = tls_server(REPLY, Duration::ZERO);
    assert_eq!(
        text(&ask("good.test", port, trusted(), &bounds()).unwrap()),
        "hello"
    );
}

#[test]
fn a_server_that_does_not_is_not() {
    let port = tls_server(REPLY, Duration::ZERO);
    assert_fails(Status::Failed, "certificate", || {
        ask("good.test", port, RootCerts::WebPki, &bounds())
    });
    for host in ["other.test", "127.0.0.1"] {
        assert_fails(Status::Failed, "certificate", || {
            ask(host, port, trusted(), &bounds())
        });
    }
    let plain = replies(|_, _| "HTTP/1.1 200 OK\r\n\r\n".into());
    assert_fails(Status::Failed, "good.test", || {
        ask("good.test", plain, trusted(), &bounds())
    });
}

#[test]
fn the_deadline_holds_within_tls() {
    let silent = serve(|stream| {
        thread::sleep(Duration::from_secs(30));
        drop(stream);
    });
    let slow = tls_server(
        &["HTTP/1.1 200 OK\r\n\r\n", "a", "b"],
        Duration::from_secs(10),
    );
    for port in [silent, slow] {
        assert_fails(Status::Timeout, "time", || {
            ask(
                "good.test",
                port,
                trusted(),
                &within(Duration::from_millis(300)),
            )
        });
        assert_fails(Status::Timeout, "cancelled", || {
            ask(
                "good.test",
                port,
                trusted(),
                &cancelled_after(Duration::from_millis(300)),
            )
        });
    }
}
