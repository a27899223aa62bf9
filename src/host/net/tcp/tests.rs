use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::TcpConnection;
use crate::host::error::{HostError, Status};
use crate::host::net::Bounds;
use crate::host::net::tests::{
    AnyHost, OnLoopback, assert_fails, bounds, cancelled_after, serve, within,
};

const LOOPBACK: OnLoopback = OnLoopback(&["127.0.0.1", "localhost", "[::ffff:7f00:1]"]);

fn connect(port: u16) -> TcpConnection {
    TcpConnection::connect("127.0.0.1", port, &LOOPBACK, &bounds()).unwrap()
}

#[test]
fn bytes_go_there_and_back() {
    let port = serve(|mut stream| {
        let mut bytes = [0; 5];
        stream.read_exact(&mut bytes).unwrap();
        stream.write_all(&bytes).unwrap();
    });
    for host in [
        "127.0.0.1",
        "2130706433",
        "localhost",
        "::ffff:127.0.0.1",
        "[::ffff:127.0.0.1]",
    ] {
        let mut connection = TcpConnection::connect(host, port, &LOOPBACK, &bounds()).unwrap();
        connection.write(b"hello", &bounds()).unwrap();
        let mut read = Vec::new();
        let mut buf = [0; 3];
        loop {
            match connection.read(&mut buf, &bounds()).unwrap() {
                0 => break,
                n => read.extend_from_slice(&buf[..n]),
            }
        }
        assert_eq!(read, b"hello");
    }
}

#[test]
fn only_what_was_granted_is_connected_to() {
    let port = serve(|_| panic!("connected"));
    let connect =
        |host, policy: &dyn super::NetPolicy| TcpConnection::connect(host, port, policy, &bounds());
    assert_fails(Status::Denied, "127.0.0.1", || {
        connect("127.0.0.1", &AnyHost)
    });
    assert_fails(Status::Denied, "localhost", || {
        connect("localhost", &AnyHost)
    });
    assert_fails(Status::Denied, "not granted", || {
        connect("127.0.0.2", &LOOPBACK)
    });
    assert_fails(Status::Invalid, "host", || {
        connect("127.0.0.1\r\nX", &LOOPBACK)
    });
}

#[test]
fn a_closed_port_is_a_failure() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    assert_fails(Status::Failed, "refused", || {
        TcpConnection::connect("127.0.0.1", port, &LOOPBACK, &bounds())
    });
}

/// A server whose queue of connections is full answers nobody.
#[test]
fn a_host_that_does_not_answer_is_given_up() {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket
        .bind(&std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
        .unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let full: Vec<_> = (0..8)
        .map_while(|_| TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok())
        .collect();
    assert!(full.len() < 8);
    let connect =
        |bounds: Bounds| TcpConnection::connect("127.0.0.1", address.port(), &LOOPBACK, &bounds);
    assert_fails(Status::Timeout, "time", || {
        connect(within(Duration::from_millis(200)))
    });
    assert_fails(Status::Timeout, "cancelled", || {
        connect(cancelled_after(Duration::from_millis(200)))
    });
}

#[test]
fn nothing_is_waited_for_longer_than_it_may() {
    let port = serve(|stream| {
        thread::sleep(Duration::from_secs(30));
        drop(stream);
    });
    let read = |bounds: Bounds| connect(port).read(&mut [0; 8], &bounds);
    assert_fails(Status::Timeout, "time", || {
        read(within(Duration::from_millis(200)))
    });
    assert_fails(Status::Timeout, "cancelled", || {
        read(cancelled_after(Duration::from_millis(200)))
    });

    let much = vec![0; 64 << 20];
    let write = |bounds: Bounds| {
        let bytes_max = usize::MAX;
        connect(port).write(
            &much,
            &Bounds {
                bytes_max,
                ..bounds
            },
        )
    };
    assert_fails(Status::Timeout, "time", || {
        write(within(Duration::from_millis(500)))
    });
    assert_fails(Status::Timeout, "cancelled", || {
        write(cancelled_after(Duration::from_millis(500)))
    });
}

#[test]
fn a_call_moves_no_more_than_it_may() {
    let port = serve(|mut stream| {
        stream.write_all(&[7; 100]).unwrap();
        let _ = stream.read(&mut [0]);
    });
    let bounds = Bounds {
        bytes_max: 10,
        ..bounds()
    };
    let mut connection = connect(port);
    let mut buf = [0; 100];
    assert!(connection.read(&mut buf, &bounds).unwrap() <= 10);
    assert_fails(Status::Limit, "11 bytes", || {
        connection.write(&[0; 11], &bounds)
    });
    connection.write(&[0; 10], &bounds).unwrap();
}

#[test]
fn a_connection_that_was_reset_is_a_failure() {
    let port = serve(|mut stream| {
        stream.read_exact(&mut [0]).unwrap();
        let stream = Socket::from(stream);
        stream.set_linger(Some(Duration::ZERO)).unwrap();
    });
    let mut connection = connect(port);
    assert_fails(Status::Failed, "127.0.0.1", || -> Result<(), HostError> {
        loop {
            connection.write(&[0; 1000], &bounds())?;
        }
    });
}
