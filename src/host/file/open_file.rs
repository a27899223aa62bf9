//! A file that is open.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;

use super::Mode;
use crate::host::error::{HostError, Status};

/// A regular file that was granted, at a position of its own.
#[derive(Debug)]
pub(crate) struct OpenFile {
    file: File,
    /// As the guest wrote it.
    path: String,
    mode: Mode,
    position: u64,
    size_max: u64,
}

impl OpenFile {
    pub(super) fn new(file: File, path: &str, mode: Mode, size_max: u64) -> Self {
        Self {
            file,
            path: path.to_owned(),
            mode,
            position: 0,
            size_max,
        }
    }

    /// Reads on; returns the number of bytes, 0 at the end. There may be more than it returns.
    ///
    /// # Errors
    ///
    /// `Invalid` if it was not opened to read, and `Failed` with what the system said.
    pub(crate) fn read(&mut self, buf: &mut [u8]) -> Result<usize, HostError> {
        if !self.mode.read {
            return Err(self.not_opened_to("read"));
        }
        // The system takes no range that ends behind this, although there is nothing to be read there.
        let before_last = (i64::MAX as u64).saturating_sub(self.position);
        let length = usize::try_from(before_last).map_or(buf.len(), |most| buf.len().min(most));
        let buf = buf.get_mut(..length).unwrap_or_default();
        loop {
            match self.file.read_at(buf, self.position) {
                Ok(read) => {
                    self.position = self.position.saturating_add(read as u64);
                    return Ok(read);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.failed("read", &e)),
            }
        }
    }

    /// Writes all of it.
    ///
    /// # Errors
    ///
    /// `Invalid` if it was not opened to write, `Limit` if the file would become larger than it may be, and `Failed` with what the system said, for
    /// example that the disk is full. Part of it may have been written then.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), HostError> {
        if !self.mode.write {
            return Err(self.not_opened_to("write"));
        }
        if bytes.is_empty() {
            return Ok(());
        }
        let start = if self.mode.append {
            self.size()?
        } else {
            self.position
        };
        let length = bytes.len() as u64;
        let end = start.saturating_add(length);
        if end > self.size_max {
            let message = format!(
                "{:?} would have {end} bytes, at most {} are possible; raise `file_bytes_max` if it needs more",
                self.path, self.size_max
            );
            return Err(HostError::new(Status::Limit, message));
        }
        let written = if self.mode.append {
            self.file.write_all(bytes)
        } else {
            self.file.write_all_at(bytes, start)
        };
        written.map_err(|e| self.failed("written", &e))?;
        self.position = end;
        Ok(())
    }

    /// Goes to a position, in bytes from the start.
    ///
    /// # Errors
    ///
    /// `Invalid` if it is negative.
    pub(crate) fn seek(&mut self, position: i64) -> Result<(), HostError> {
        self.position = u64::try_from(position).map_err(|_| {
            let message = format!("{position} is before the start of {:?}", self.path);
            HostError::new(Status::Invalid, message)
        })?;
        Ok(())
    }

    /// Its size in bytes.
    ///
    /// # Errors
    ///
    /// `Failed` with what the system said.
    pub(crate) fn size(&self) -> Result<u64, HostError> {
        let found = self.file.metadata();
        Ok(found.map_err(|e| self.failed("measured", &e))?.len())
    }

    fn not_opened_to(&self, what: &str) -> HostError {
        let message = format!(
            "{:?} was not opened to {what}; open it with that mode",
            self.path
        );
        HostError::new(Status::Invalid, message)
    }

    fn failed(&self, what: &str, error: &io::Error) -> HostError {
        let message = format!("{:?} cannot be {what}: {error}", self.path);
        HostError::new(Status::Failed, message)
    }
}
