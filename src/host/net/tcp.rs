//! A TCP connection that waits for nothing longer than it may.
//!
//! Its socket does not block: whatever waits does so for a moment, then looks at the deadline and whether the query was cancelled.

#[cfg(test)]
mod tests;

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use super::resolve::{CheckedAddresses, Lookups, resolve};
use super::{Bounds, NetPolicy, SLICE, Target};
use crate::host::error::{HostError, Status};

/// A connection to a host that the policy allows.
#[derive(Debug)]
pub(crate) struct TcpConnection {
    stream: TcpStream,
    target: Target,
}

impl TcpConnection {
    /// Connects to a host: a name, or an address, with or without brackets if it is IPv6.
    ///
    /// # Errors
    ///
    /// `Invalid` for what is no host, `Denied` for what the policy does not allow, `Timeout`, and `Failed` with what the system said.
    pub(crate) fn connect(
        host: &str,
        port: u16,
        policy: &dyn NetPolicy,
        bounds: &Bounds,
    ) -> Result<Self, HostError> {
        let target = Target::new(host, port)?;
        let addresses = resolve(target, &Lookups::of_system(), policy, bounds)?;
        Self::open(&addresses, bounds)
    }

    /// Connects to the first of these addresses that answers. Each of them has an equal part of the time that is left when its turn comes.
    pub(super) fn open(addresses: &CheckedAddresses, bounds: &Bounds) -> Result<Self, HostError> {
        let target = addresses.target();
        let addresses = addresses.as_slice();
        let mut last = None;
        for (i, address) in addresses.iter().enumerate() {
            let turns = u32::try_from(addresses.len() - i).unwrap_or(u32::MAX);
            let until = Instant::now() + bounds.remaining()? / turns;
            match connect(address, until, bounds)? {
                Ok(stream) => {
                    let target = target.clone();
                    return Ok(Self { stream, target });
                }
                Err(e) => last = Some(e),
            }
        }
        bounds.remaining()?;
        let message = match last {
            Some(e) => format!("cannot connect to {target}: {e}"),
            None => format!("{target} has no address"),
        };
        Err(HostError::new(Status::Failed, message))
    }

    /// Waits for bytes and reads what is there; returns their number, 0 at the end.
    ///
    /// # Errors
    ///
    /// `Timeout`, or `Failed` with what the system said.
    pub(crate) fn read(&mut self, buf: &mut [u8], bounds: &Bounds) -> Result<usize, HostError> {
        let length = buf.len().min(bounds.bytes_max);
        let Some(buf) = buf.get_mut(..length).filter(|buf| !buf.is_empty()) else {
            return Ok(0);
        };
        loop {
            bounds.remaining()?;
            match self.stream.read(buf) {
                Ok(read) => return Ok(read),
                Err(e) => self.go_on(e, "read from", PollFlags::IN, bounds)?,
            }
        }
    }

    /// Writes all of it.
    ///
    /// # Errors
    ///
    /// `Limit` if it is more than may be written in one call, `Timeout`, or `Failed` with what the system said. Part of it may have been
    /// written then.
    pub(crate) fn write(&mut self, bytes: &[u8], bounds: &Bounds) -> Result<(), HostError> {
        if bytes.len() > bounds.bytes_max {
            let message = format!(
                "{} bytes are more than the {} that may be written to {} at once; write them in parts",
                bytes.len(),
                bounds.bytes_max,
                self.target,
            );
            return Err(HostError::new(Status::Limit, message));
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            bounds.remaining()?;
            match self.stream.write(rest) {
                Ok(0) => {
                    let e = io::ErrorKind::WriteZero.into();
                    self.go_on(e, "write to", PollFlags::OUT, bounds)?;
                }
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(e) => self.go_on(e, "write to", PollFlags::OUT, bounds)?,
            }
        }
        Ok(())
    }

    /// The address that it is connected to.
    pub(super) fn peer(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }

    /// After an error: waits a moment if it only says that there is nothing to do yet.
    fn go_on(
        &self,
        error: io::Error,
        doing: &str,
        events: PollFlags,
        bounds: &Bounds,
    ) -> Result<(), HostError> {
        match error.kind() {
            io::ErrorKind::Interrupted => Ok(()),
            io::ErrorKind::WouldBlock => {
                wait(&self.stream, events, bounds.remaining()?)
                    .map_err(|e| self.failed(doing, &e))?;
                Ok(())
            }
            _ => Err(self.failed(doing, &error)),
        }
    }

    fn failed(&self, doing: &str, error: &io::Error) -> HostError {
        let message = format!("cannot {doing} {}: {error}", self.target);
        HostError::new(Status::Failed, message)
    }
}

/// Connects to one address. The outer error ends the attempt at all of them.
fn connect(
    address: &SocketAddr,
    until: Instant,
    bounds: &Bounds,
) -> Result<io::Result<TcpStream>, HostError> {
    let socket = match start(address) {
        Ok(socket) => socket,
        Err(e) => return Ok(Err(e)),
    };
    loop {
        bounds.remaining()?;
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Err(io::ErrorKind::TimedOut.into()));
        }
        match wait(&socket, PollFlags::OUT, left) {
            Ok(true) => break,
            Ok(false) => {}
            Err(e) => return Ok(Err(e)),
        }
    }
    Ok(match socket.take_error() {
        Ok(None) => Ok(socket.into()),
        Ok(Some(e)) | Err(e) => Err(e),
    })
}

/// A socket that is on its way to an address. It is closed when another program is executed.
fn start(address: &SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(*address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    match socket.connect(&(*address).into()) {
        Err(e) if e.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => Err(e),
        _ => Ok(socket),
    }
}

/// Waits until something can be done, at most for a moment; whether it can.
fn wait(fd: &impl AsFd, events: PollFlags, at_most: Duration) -> io::Result<bool> {
    let timeout = Timespec::try_from(at_most.min(SLICE)).map_err(io::Error::other)?;
    match poll(&mut [PollFd::new(fd, events)], Some(&timeout)) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(e) => Err(e.into()),
    }
}
