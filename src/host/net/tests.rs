//! What the tests of the network share: policies, bounds, names that resolve as told, and servers on loopback.

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::resolve::{Lookups, Resolver};
use super::{Bounds, LookupQuota, NetPolicy, Target, shown};
use crate::host::error::{HostError, Status};

/// Allows every host and no address that is not public.
pub(super) struct AnyHost;

impl NetPolicy for AnyHost {
    fn allows_host(&self, _host: &str, _port: u16) -> bool {
        true
    }

    fn allows_address(&self, _address: IpAddr, _port: u16) -> bool {
        false
    }
}

/// Allows these hosts and loopback, at every port.
pub(super) struct OnLoopback(pub(super) &'static [&'static str]);

impl NetPolicy for OnLoopback {
    fn allows_host(&self, host: &str, _port: u16) -> bool {
        self.0.contains(&host)
    }

    fn allows_address(&self, address: IpAddr, _port: u16) -> bool {
        address.is_loopback()
    }
}

/// Bounds that no test reaches by accident.
pub(super) fn bounds() -> Bounds {
    Bounds {
        deadline: Instant::now() + Duration::from_secs(20),
        bytes_max: 1 << 20,
        redirects_max: 5,
        lookups: LookupQuota::default(),
        cancelled: Arc::new(|| false),
    }
}

/// Bounds with this much time.
pub(super) fn within(time: Duration) -> Bounds {
    Bounds {
        deadline: Instant::now() + time,
        ..bounds()
    }
}

/// Bounds that are cancelled after this time.
pub(super) fn cancelled_after(time: Duration) -> Bounds {
    let cancelled = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&cancelled);
    thread::spawn(move || {
        thread::sleep(time);
        set.store(true, Ordering::Relaxed);
    });
    Bounds {
        cancelled: Arc::new(move || cancelled.load(Ordering::Relaxed)),
        ..bounds()
    }
}

/// Whether it failed that way, soon.
#[track_caller]
pub(super) fn assert_fails<T>(
    status: Status,
    says: &str,
    run: impl FnOnce() -> Result<T, HostError>,
) {
    let start = Instant::now();
    let error = run().err().expect("it did not fail");
    assert_eq!(error.status(), status, "{error}");
    assert!(error.message().contains(says), "{error}");
    assert!(!error.message().contains(['\n', '\r']), "{error}");
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{error} took {:?}",
        start.elapsed()
    );
}

/// Names with the answers that their lookups get, one after the other; the last one stays.
#[derive(Default)]
pub(super) struct Names(Mutex<HashMap<&'static str, Vec<Vec<IpAddr>>>>);

impl Names {
    pub(super) fn lookups(names: &[(&'static str, &[&[&str]])]) -> Lookups {
        let parse = |answer: &&[&str]| answer.iter().map(|ip| ip.parse().unwrap()).collect();
        let names = names
            .iter()
            .map(|&(name, answers)| (name, answers.iter().rev().map(parse).collect()))
            .collect();
        Lookups::new(Self(Mutex::new(names)))
    }
}

impl Resolver for Names {
    fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let mut names = self.0.lock();
        let answers = names
            .get_mut(name)
            .ok_or_else(|| io::Error::other("no such name"))?;
        Ok(if answers.len() > 1 {
            answers.pop().unwrap()
        } else {
            answers[0].clone()
        })
    }
}

/// A server that lets `answer` do what it likes with each connection.
pub(super) fn serve(answer: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let answer = Arc::clone(&answer);
            thread::spawn(move || answer(stream.unwrap()));
        }
    });
    port
}

/// A request as it came: its head and its body.
pub(super) fn received(stream: &TcpStream) -> (String, String) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
    let length = head
        .lines()
        .filter_map(|line| line.strip_prefix("content-length: "))
        .map(|length| length.parse().unwrap())
        .next();
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    (head, String::from_utf8(body).unwrap())
}

#[test]
fn every_spelling_of_a_host_becomes_one() {
    let host = |text| Target::new(text, 80).map(|target| target.host.to_string());
    for (text, expected) in [
        ("Example.COM", "example.com"),
        ("b\u{fc}cher.example", "xn--bcher-kva.example"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0177.0.0.01", "127.0.0.1"),
        (
            "\u{2460}\u{2461}\u{2466}.\u{24ea}.\u{24ea}.\u{2460}",
            "127.0.0.1",
        ),
        ("127\u{3002}0\u{3002}0\u{3002}1", "127.0.0.1"),
        ("%31%32%37.0.0.1", "127.0.0.1"),
        ("::1", "[::1]"),
        ("[0:0::1]", "[::1]"),
        ("[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
    ] {
        assert_eq!(host(text).unwrap(), expected, "{text}");
    }
    for text in [
        "",
        "a b",
        "a/b",
        "a\nb",
        "a\0b",
        "a@b",
        "a:80",
        "[::1",
        "fe80::1%eth0",
        "1.2.3.4.5",
        "256.256.256.256",
    ] {
        assert_fails(Status::Invalid, "host", || Target::new(text, 80));
    }
    assert_fails(Status::Invalid, "port 0", || Target::new("example.com", 0));
}

#[test]
fn what_is_shown_is_short_and_on_one_line() {
    assert_eq!(
        shown("a\r\nb\u{202e}c\u{2028}"),
        "a\u{fffd}\u{fffd}b\u{fffd}c\u{fffd}"
    );
    assert_eq!(shown("x".repeat(100_000)).chars().count(), 201);
    assert_eq!(shown("x".repeat(200)).chars().count(), 200);
}
