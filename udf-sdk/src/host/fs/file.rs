//! A file that is open.

use alloc::vec::Vec;

use wasmfusion_abi::host::file;

use crate::host::error::{Result, check, check_done, check_small};
use crate::host::handle::Handle;
use crate::host::sys;

/// Bytes that are read at once where all are wanted.
const CHUNK: usize = 16 << 10;

/// An open file, which is closed when it is dropped.
#[derive(Debug)]
pub struct File {
    handle: Handle,
    /// Where the next byte is read or written, if that is known: writing at the end goes wherever that is.
    position: Option<u64>,
    appends: bool,
}

/// How a file is to be opened; [`File::options`] begins it.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenOptions {
    mode: i32,
}

impl OpenOptions {
    fn set(&mut self, bits: i32, on: bool) -> &mut Self {
        if on {
            self.mode |= bits;
        } else {
            self.mode &= !bits;
        }
        self
    }

    /// To read.
    pub fn read(&mut self, on: bool) -> &mut Self {
        self.set(file::READ, on)
    }

    /// To write, from the start.
    pub fn write(&mut self, on: bool) -> &mut Self {
        self.set(file::WRITE, on)
    }

    /// To write, always at the end.
    pub fn append(&mut self, on: bool) -> &mut Self {
        self.set(file::WRITE | file::APPEND, on)
    }

    /// Makes the file if it is not there. For files that are written.
    pub fn create(&mut self, on: bool) -> &mut Self {
        self.set(file::CREATE, on)
    }

    /// Throws away what the file holds. For files that are written.
    pub fn truncate(&mut self, on: bool) -> &mut Self {
        self.set(file::TRUNCATE, on)
    }

    /// Opens the file.
    ///
    /// # Errors
    ///
    /// If it is not there, or must not be opened so.
    pub fn open(&self, path: &str) -> Result<File> {
        // SAFETY: the path is there until the call is over.
        let handle = unsafe { sys::file_open(path.as_ptr(), path.len(), self.mode) };
        Ok(File {
            handle: Handle::new(handle)?,
            position: Some(0),
            appends: self.mode & file::APPEND != 0,
        })
    }
}

impl File {
    /// How a file is to be opened: nothing is set yet.
    pub fn options() -> OpenOptions {
        OpenOptions::default()
    }

    /// Opens a file to read it.
    ///
    /// # Errors
    ///
    /// If it is not there, or must not be read.
    pub fn open(path: &str) -> Result<Self> {
        Self::options().read(true).open(path)
    }

    /// Opens a file to write it, without what was in it. It is made if it is not there.
    ///
    /// # Errors
    ///
    /// If it must not be written.
    pub fn create(path: &str) -> Result<Self> {
        let mut options = Self::options();
        options.write(true).create(true).truncate(true).open(path)
    }

    /// Reads on; returns how many bytes were read, 0 at the end.
    ///
    /// # Errors
    ///
    /// If it was not opened to be read, or reading fails.
    pub fn read(&mut self, bytes: &mut [u8]) -> Result<usize> {
        // SAFETY: there is room for so many bytes.
        let read = check_small(unsafe {
            sys::file_read(self.handle.number(), bytes.as_mut_ptr(), bytes.len())
        })?;
        self.advance(read);
        Ok(read.min(bytes.len()))
    }

    /// Reads all that follows to the end of `bytes`; returns how many bytes these are.
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
    /// If it was not opened to be written, or writing fails.
    pub fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        // SAFETY: the bytes are there until the call is over.
        check_done(unsafe { sys::file_write(self.handle.number(), bytes.as_ptr(), bytes.len()) })?;
        if self.appends {
            self.position = None;
        } else {
            self.advance(bytes.len());
        }
        Ok(())
    }

    /// Goes to a place, in bytes from the start.
    ///
    /// # Errors
    ///
    /// If the host cannot go there.
    pub fn seek_to(&mut self, position: u64) -> Result<()> {
        // A position that is no `i64` is negative for the host, which refuses it.
        let signed = position.cast_signed();
        // SAFETY: no memory is handed over.
        check_done(unsafe { sys::file_seek(self.handle.number(), signed) })?;
        self.position = Some(position);
        Ok(())
    }

    /// The place of the next byte, in bytes from the start.
    ///
    /// # Errors
    ///
    /// As [`size`](Self::size), for a file that is written at its end.
    pub fn position(&self) -> Result<u64> {
        self.position.map_or_else(|| self.size(), Ok)
    }

    /// Its size in bytes.
    ///
    /// # Errors
    ///
    /// If the host cannot tell.
    pub fn size(&self) -> Result<u64> {
        // SAFETY: no memory is handed over.
        check(unsafe { sys::file_size(self.handle.number()) })
    }

    fn advance(&mut self, bytes: usize) {
        self.position = self
            .position
            .and_then(|position| position.checked_add(bytes as u64));
    }
}

#[cfg(feature = "std")]
mod io {
    use super::File;
    use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom, Write};

    impl Read for File {
        fn read(&mut self, bytes: &mut [u8]) -> Result<usize> {
            Ok(File::read(self, bytes)?)
        }
    }

    impl Write for File {
        fn write(&mut self, bytes: &[u8]) -> Result<usize> {
            File::write_all(self, bytes)?;
            Ok(bytes.len())
        }

        /// There is nothing to do: the host has all that was written.
        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    impl Seek for File {
        fn seek(&mut self, to: SeekFrom) -> Result<u64> {
            let position = match to {
                SeekFrom::Start(position) => Some(position),
                SeekFrom::End(offset) => self.size()?.checked_add_signed(offset),
                SeekFrom::Current(offset) => self.position()?.checked_add_signed(offset),
            };
            let position = position.ok_or_else(|| {
                Error::new(ErrorKind::InvalidInput, "the place is outside of any file")
            })?;
            self.seek_to(position)?;
            Ok(position)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::ErrorKind;
    use crate::testing;
    use alloc::string::String;
    use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};

    #[test]
    fn reads_in_pieces() {
        let long = "0123456789".repeat(5000);
        let host = testing::host().file("/f", &long);
        let mut file = File::open("/f").expect("it is there");
        assert_eq!(file.size(), Ok(50_000));
        let mut some = [0; 4];
        assert_eq!(File::read(&mut file, &mut some), Ok(4));
        assert_eq!((&some, file.position()), (b"0123", Ok(4)));
        let mut rest = b"x".to_vec();
        assert_eq!(File::read_to_end(&mut file, &mut rest), Ok(49_996));
        assert_eq!(&rest[..4], b"x456");
        assert!(file.write_all(b"no").is_err());
        assert_eq!(host.open_handles(), 1);
        drop(file);
        assert_eq!(host.open_handles(), 0);
    }

    #[test]
    fn has_the_traits_of_std() {
        let _host = testing::host().file("/f", "one\ntwo\n");
        let lines: std::io::Result<Vec<String>> =
            BufReader::new(File::open("/f").expect("it is there"))
                .lines()
                .collect();
        assert!(lines.is_ok_and(|lines| lines == ["one", "two"]));
        let mut options = File::options();
        let mut file = options
            .read(true)
            .write(true)
            .open("/f")
            .expect("it is there");
        let at = |file: &mut File, to| file.seek(to).map_err(|error| error.kind());
        assert_eq!(at(&mut file, SeekFrom::End(-4)), Ok(4));
        assert!(write!(file, "x").is_ok());
        assert_eq!(at(&mut file, SeekFrom::Current(-2)), Ok(3));
        assert!(at(&mut file, SeekFrom::Current(-9)).is_err());
        let mut text = String::new();
        assert!(file.read_to_string(&mut text).is_ok());
        assert_eq!(text, "\nxwo\n");
    }

    #[test]
    fn appends() {
        let host = testing::host();
        let mut options = File::options();
        assert!(
            options
                .append(true)
                .open("/f")
                .is_err_and(|error| error.kind() == ErrorKind::NotFound)
        );
        let mut file = options.create(true).open("/f").expect("it is made");
        assert_eq!(file.write_all(b"ab"), Ok(()));
        assert_eq!(file.seek_to(0), Ok(()));
        assert_eq!(file.write_all(b"c"), Ok(()));
        assert_eq!(file.position(), Ok(3));
        assert_eq!(host.read_file("/f").as_deref(), Some(&b"abc"[..]));
    }

    #[test]
    fn becomes_an_error_of_std() {
        let _host = testing::host();
        let error = std::io::Error::from(File::open("/f").expect_err("it is not there"));
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    }
}
