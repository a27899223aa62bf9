//! The pipes out of a program that runs, of which none is ever waited for alone.
//!
//! Its input is no pipe but a [file in memory](input): who writes into a pipe that nobody reads gets a signal, which ends processes that do not ignore it, and
//! that is for the embedder to decide.

use std::fs::File;
use std::io::{self, Read, Seek as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{ChildStderr, ChildStdout};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// Bytes that are moved at a time, as many as a pipe holds on Linux.
const PIECE_BYTES: usize = 64 * 1024;

/// What a program reads: a file in memory that only it has.
pub(super) fn input(bytes: &[u8]) -> io::Result<File> {
    #[cfg(target_os = "linux")]
    let mut file: File = {
        use rustix::fs::{MemfdFlags, memfd_create};
        memfd_create("wasmfusion-input", MemfdFlags::CLOEXEC)?.into()
    };
    #[cfg(not(target_os = "linux"))]
    let mut file = tempfile::tempfile()?;
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

/// What has come out of a program.
#[derive(Debug)]
pub(super) struct Pipes {
    output: Capture<ChildStdout>,
    error_output: Capture<ChildStderr>,
    bytes_max: usize,
    piece: Vec<u8>,
}

/// One pipe out of the program, and what came through it.
#[derive(Debug)]
struct Capture<P> {
    /// `None` when it was closed at its other end.
    pipe: Option<P>,
    bytes: Vec<u8>,
}

impl Pipes {
    /// Makes the pipes of a program ones that never block.
    pub(super) fn new(
        (output, error_output): (Option<ChildStdout>, Option<ChildStderr>),
        bytes_max: usize,
    ) -> io::Result<Self> {
        let pipes = [
            output.as_ref().map(AsFd::as_fd),
            error_output.as_ref().map(AsFd::as_fd),
        ];
        for pipe in pipes.into_iter().flatten() {
            rustix::io::ioctl_fionbio(pipe, true)?;
        }
        Ok(Self {
            output: Capture::new(output),
            error_output: Capture::new(error_output),
            bytes_max,
            piece: vec![0; PIECE_BYTES],
        })
    }

    /// Moves at most a piece through each pipe; whether there was any to move.
    pub(super) fn move_bytes(&mut self) -> io::Result<bool> {
        let read = self.output.read(&mut self.piece)?;
        let errors_read = self.error_output.read(&mut self.piece)?;
        Ok(read || errors_read)
    }

    /// Whether the program has said more than it may.
    pub(super) fn are_over_limit(&self) -> bool {
        self.output.bytes.len() + self.error_output.bytes.len() > self.bytes_max
    }

    /// Waits until something can be moved, but no longer than this.
    pub(super) fn wait(&self, at_most: Duration) -> io::Result<()> {
        let mut fds: Vec<PollFd<'_>> = [self.output.fd(), self.error_output.fd()]
            .into_iter()
            .filter_map(|fd| Some(PollFd::from_borrowed_fd(fd?, PollFlags::IN)))
            .collect();
        let timeout = Timespec::try_from(at_most).map_err(io::Error::other)?;
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// What came out of the program.
    pub(super) fn into_output(self) -> (Vec<u8>, Vec<u8>) {
        (self.output.bytes, self.error_output.bytes)
    }
}

impl<P: Read + AsFd> Capture<P> {
    fn new(pipe: Option<P>) -> Self {
        let bytes = Vec::new();
        Self { pipe, bytes }
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    fn read(&mut self, piece: &mut [u8]) -> io::Result<bool> {
        let Some(pipe) = &mut self.pipe else {
            return Ok(false);
        };
        match pipe.read(piece) {
            Ok(0) => {
                self.pipe = None;
                Ok(true)
            }
            Ok(read) => {
                self.bytes
                    .extend_from_slice(piece.get(..read).unwrap_or_default());
                Ok(true)
            }
            Err(e) => nothing_yet(e),
        }
    }
}

/// Whether there may be something to move all the same, after an error that only says that there was nothing, or that it did not look.
fn nothing_yet(error: io::Error) -> io::Result<bool> {
    match error.kind() {
        io::ErrorKind::WouldBlock => Ok(false),
        io::ErrorKind::Interrupted => Ok(true),
        _ => Err(error),
    }
}
