//! Programs of the host, run to their end.
//!
//! There is no shell: arguments reach the program as they are. Its input is a file in memory, its output pipes; it has the environment and the folder that
//! the caller says, and a process group for itself. Whatever happens to the call, that group is killed and the program is reaped. A
//! program that is allowed to run can do what the host's user can: nothing here limits its memory or what it opens, and what leaves the
//! group (`setsid`) lives on.

mod group;
mod pipes;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::group::Group;
use self::pipes::Pipes;
use super::error::{HostError, Status};

/// Bytes of the arguments. A single one can have no more anyway on Linux.
const ARGUMENT_BYTES_MAX: usize = 128 * 1024;

/// Bytes of the name or path of a program.
const PROGRAM_BYTES_MAX: usize = 4096;

/// Longest time between two looks at a program that does nothing.
const SLICE_MAX: Duration = Duration::from_millis(50);

/// Shortest such time, with which it begins.
const SLICE_MIN: Duration = Duration::from_millis(1);

/// What is to be run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Command<'a> {
    /// An absolute path, or a name to be looked for.
    pub(crate) program: &'a str,
    /// Its arguments, without itself.
    pub(crate) args: &'a [&'a str],
    /// What it reads.
    pub(crate) input: &'a [u8],
}

/// What a program may take, and what it finds.
#[derive(Clone)]
pub(crate) struct ProcessBounds<'a> {
    /// When it is killed.
    pub(crate) deadline: Instant,
    /// Bytes of its output and its error output together. It is killed when it has more to say.
    pub(crate) output_bytes_max: usize,
    /// Whether nobody waits for it any more. Asked every 50 ms, from the thread that waits.
    pub(crate) cancelled: Arc<dyn Fn() -> bool + Send + Sync>,
    /// Folders in which a name is looked for, absolute.
    pub(crate) search_path: &'a [PathBuf],
    /// Its environment, all of it.
    pub(crate) environment: &'a [(String, String)],
    /// The folder that it starts in.
    pub(crate) directory: &'a Path,
}

/// What a program left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Output {
    /// Its exit code, or 128 and the number of the signal that ended it.
    pub(crate) code: i32,
    /// What it wrote to its output.
    pub(crate) output: Vec<u8>,
    /// What it wrote to its error output.
    pub(crate) error_output: Vec<u8>,
}

/// Runs a program and waits for its end. Whether it may be run at all was decided before.
///
/// # Errors
///
/// `Invalid` for a command that makes no sense, `NotFound`, `Limit` for too much output, `Timeout`, and `Failed` with what the system said.
pub(crate) fn run(command: &Command<'_>, bounds: &ProcessBounds<'_>) -> Result<Output, HostError> {
    let path = locate(command.program, bounds.search_path)?;
    check_arguments(command)?;
    bounds.check(command)?;

    let mut group = start(&path, command, bounds)
        .and_then(Group::new)
        .map_err(|e| command.failed("started", &e))?;
    let mut pipes = Pipes::new(group.take_pipes(), bounds.output_bytes_max)
        .map_err(|e| command.failed("started", &e))?;
    let mut slice = SLICE_MIN;
    loop {
        let ended = group
            .has_ended()
            .map_err(|e| command.failed("watched", &e))?;
        if ended {
            // What is left of the group may hold the pipes open and write to them for ever. What the program itself wrote is in them.
            group.kill();
        }
        let moved = pipes
            .move_bytes()
            .map_err(|e| command.failed("read from", &e))?;
        if pipes.are_over_limit() {
            return Err(command.said_too_much(bounds));
        }
        if ended && !moved {
            let code = group.reap().map_err(|e| command.failed("watched", &e))?;
            let (output, error_output) = pipes.into_output();
            return Ok(Output {
                code,
                output,
                error_output,
            });
        }
        let left = bounds.check(command)?;
        if moved || ended {
            slice = SLICE_MIN;
        } else {
            pipes
                .wait(slice.min(left))
                .map_err(|e| command.failed("watched", &e))?;
            slice = (slice * 2).min(SLICE_MAX);
        }
    }
}

impl Command<'_> {
    fn failed(&self, what: &str, error: &io::Error) -> HostError {
        let message = format!("{:?} cannot be {what}: {error}", self.program);
        HostError::new(Status::Failed, message)
    }

    fn said_too_much(&self, bounds: &ProcessBounds<'_>) -> HostError {
        let message = format!(
            "{:?} was stopped: its output is longer than {} bytes; let it say less",
            self.program, bounds.output_bytes_max
        );
        HostError::new(Status::Limit, message)
    }
}

impl ProcessBounds<'_> {
    /// Time that is left, at least some.
    fn check(&self, command: &Command<'_>) -> Result<Duration, HostError> {
        let program = command.program;
        if (self.cancelled)() {
            let message = format!("{program:?} was stopped: the query was cancelled");
            return Err(HostError::new(Status::Timeout, message));
        }
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let message = format!(
                "{program:?} was stopped: its time was over; give it less to do, or more time"
            );
            return Err(HostError::new(Status::Timeout, message));
        }
        Ok(left)
    }
}

fn start(
    path: &Path,
    command: &Command<'_>,
    bounds: &ProcessBounds<'_>,
) -> io::Result<std::process::Child> {
    use std::os::unix::process::CommandExt as _;

    let environment = bounds.environment.iter().map(|(name, value)| (name, value));
    std::process::Command::new(path)
        .args(command.args)
        .env_clear()
        .envs(environment)
        .current_dir(bounds.directory)
        .stdin(pipes::input(command.input)?)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

/// The file of a program.
fn locate(program: &str, search_path: &[PathBuf]) -> Result<PathBuf, HostError> {
    if program.len() > PROGRAM_BYTES_MAX {
        let message = format!("no program has a name of {} bytes", program.len());
        return Err(HostError::new(Status::Invalid, message));
    }
    let plain = !program.contains('\0') && !matches!(program, "" | "." | "..");
    let path = Path::new(program);
    if plain && !program.contains('/') {
        let mut candidates = search_path.iter().map(|folder| folder.join(program));
        return candidates.find(|path| is_program(path)).ok_or_else(|| {
            let message = format!("there is no program {program:?} in the host's search path");
            HostError::new(Status::NotFound, message)
        });
    }
    // Components leave single dots and empty parts out: what they make up again differs if there were any.
    let absolute = path.is_absolute()
        && !path.components().any(|part| part == Component::ParentDir)
        && path.components().collect::<PathBuf>().as_os_str() == path.as_os_str();
    if !plain || !absolute {
        let message = format!(
            "{program:?} is neither the name of a program nor an absolute path without \"..\""
        );
        return Err(HostError::new(Status::Invalid, message));
    }
    if !is_program(path) {
        let message = format!("there is no program at {program:?}");
        return Err(HostError::new(Status::NotFound, message));
    }
    Ok(path.to_owned())
}

/// Whether this is a file that somebody may execute.
fn is_program(path: &Path) -> bool {
    path.is_absolute()
        && fs::metadata(path)
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

fn check_arguments(command: &Command<'_>) -> Result<(), HostError> {
    let bytes: usize = command.args.iter().map(|arg| arg.len() + 1).sum();
    if bytes > ARGUMENT_BYTES_MAX {
        let message = format!(
            "arguments of {bytes} bytes are too long; {ARGUMENT_BYTES_MAX} are possible, and more through the input"
        );
        return Err(HostError::new(Status::Limit, message));
    }
    if let Some(i) = command.args.iter().position(|arg| arg.contains('\0')) {
        let message = format!(
            "argument {} of {:?} has a zero byte; remove it",
            i + 1,
            command.program
        );
        return Err(HostError::new(Status::Invalid, message));
    }
    Ok(())
}
