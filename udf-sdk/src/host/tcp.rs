//! TCP connections. Capability `net:connect:HOST:PORT`.
//!
//! ```no_run
//! use core::time::Duration;
//! use wasmfusion_udf::host::tcp::Stream;
//!
//! let mut stream = Stream::connect(("mail.example.com", 25), Duration::from_secs(2))?;
//! stream.write_all(b"QUIT\r\n")?;
//! let mut reply = Vec::new();
//! stream.read_to_end(&mut reply)?;
//! # Ok::<(), wasmfusion_udf::host::Error>(())
//! ```
//!
//! With the feature `std`, a [`Stream`] has the traits `Read` and `Write` of `std::io`.

use alloc::vec::Vec;
use core::time::Duration;

use super::error::{Result, check_done, check_small};
use super::handle::Handle;
use super::{millis, sys};

/// Bytes that are read at once where all are wanted.
const CHUNK: usize = 4 << 10;

/// A connection, which is closed when this is dropped.
#[derive(Debug)]
pub struct Stream {
    handle: Handle,
}

impl Stream {
    /// Connects to a host, by name or address, and port. The timeout is for connecting, and is at most as long as the host allows; reads
    /// and writes may take as long as the host allows.
    ///
    /// # Errors
    ///
    /// If the connection must not be made, or nobody answers.
    pub fn connect((host, port): (&str, u16), timeout: Duration) -> Result<Self> {
        // SAFETY: the host's name is there until the call is over.
        let handle = unsafe {
            sys::tcp_connect(
                host.as_ptr(),
                host.len(),
                i32::from(port),
                millis(Some(timeout)),
            )
        };
        Ok(Stream {
            handle: Handle::new(handle)?,
        })
    }

    /// Waits for bytes and reads what is there; returns how many bytes these are, 0 if the other side will send no more.
    ///
    /// # Errors
    ///
    /// If the time is over, or the connection is lost.
    pub fn read(&mut self, bytes: &mut [u8]) -> Result<usize> {
        // SAFETY: there is room for so many bytes.
        let read = check_small(unsafe {
            sys::tcp_read(self.handle.number(), bytes.as_mut_ptr(), bytes.len())
        })?;
        Ok(read.min(bytes.len()))
    }

    /// Reads all that the other side sends, to the end of `bytes`; returns how many bytes these are.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read). What was read until then is in `bytes`.
    pub fn read_to_end(&mut self, bytes: &mut Vec<u8>) -> Result<usize> {
        let start = bytes.len();
        loop {
            let end = bytes.len();
            bytes.resize(end + CHUNK, 0);
            let read = self.read(&mut bytes[end..]);
            bytes.truncate(end + read.as_ref().copied().unwrap_or(0));
            if read? == 0 {
                return Ok(bytes.len() - start);
            }
        }
    }

    /// Writes all of these bytes.
    ///
    /// # Errors
    ///
    /// If the time is over, or the connection is lost.
    pub fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        // SAFETY: the bytes are there until the call is over.
        check_done(unsafe { sys::tcp_write(self.handle.number(), bytes.as_ptr(), bytes.len()) })
    }
}

#[cfg(feature = "std")]
impl std::io::Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        Ok(Stream::read(self, bytes)?)
    }
}

#[cfg(feature = "std")]
impl std::io::Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Stream::write_all(self, bytes)?;
        Ok(bytes.len())
    }

    /// There is nothing to do: the host has all that was written.
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use std::io::{BufRead, BufReader};

    const TIMEOUT: Duration = Duration::from_secs(1);

    #[test]
    fn talks() {
        let host = testing::host().connection("mail.example.com", 25, "220 hello\r\nand more");
        let mut stream = Stream::connect(("mail.example.com", 25), TIMEOUT).expect("it answers");
        assert_eq!(stream.write_all(b"EHLO\r\n"), Ok(()));
        let mut line = alloc::string::String::new();
        let mut reader = BufReader::new(stream);
        assert!(reader.read_line(&mut line).is_ok());
        assert_eq!(line, "220 hello\r\n");
        assert_eq!(host.sent("mail.example.com", 25), b"EHLO\r\n");
        drop(reader);
        assert_eq!(host.open_handles(), 0);
        let mut all = Vec::new();
        let mut stream = Stream::connect(("mail.example.com", 25), TIMEOUT).expect("it answers");
        assert_eq!(stream.read_to_end(&mut all), Ok(19));
        assert!(Stream::connect(("mail.example.com", 26), TIMEOUT).is_err());
    }
}
