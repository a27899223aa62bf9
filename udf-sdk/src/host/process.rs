//! Commands of the host. Capability `exec:COMMAND`.
//!
//! ```no_run
//! use wasmfusion_udf::host::process::Command;
//!
//! let sorted = Command::new("/usr/bin/sort").arg("-r").input("b\na\n").run()?.success()?;
//! # Ok::<(), wasmfusion_udf::host::Error>(())
//! ```

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::error::{Error, ErrorKind, Result};
use super::reply::Reader;
use super::{millis, reply, sys};
use crate::raw::Slice;

/// A command to be run. There is no shell: arguments are what they are.
#[derive(Clone, Debug)]
#[must_use = "nothing happens until `run`"]
pub struct Command {
    command: String,
    args: Vec<String>,
    input: Vec<u8>,
    timeout: Option<Duration>,
}

/// What a command left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Its exit code; 0 is success.
    pub code: i32,
    /// What it wrote to its output.
    pub stdout: Vec<u8>,
    /// What it wrote to its error output.
    pub stderr: Vec<u8>,
}

impl Command {
    /// The command of this name or path, as it is written in the capability.
    pub fn new(command: &str) -> Self {
        Command {
            command: command.into(),
            args: Vec::new(),
            input: Vec::new(),
            timeout: None,
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Sets what it reads.
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Sets how long it may take. Without, and at most, it is as long as the host allows.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Runs it to its end. Whatever its exit code, there is an output.
    ///
    /// # Errors
    ///
    /// If it must not be run, cannot be, or takes too long.
    pub fn run(&self) -> Result<Output> {
        let args: Vec<Slice> = self
            .args
            .iter()
            .map(|arg| sys::slice(arg.as_bytes()))
            .collect();
        let request = sys::ExecRequest {
            command: sys::slice(self.command.as_bytes()),
            args: args.as_ptr(),
            arg_count: args.len(),
            input: sys::slice(&self.input),
            timeout_ms: millis(self.timeout),
        };
        // SAFETY: all that the request points to is there until the call is over, and the reply has the room that is said.
        let reply = reply::read(|out, capacity| unsafe { sys::exec(&request, out, capacity) })?;
        Output::decode(&reply)
    }
}

impl Output {
    fn decode(reply: &[u8]) -> Result<Self> {
        let mut reader = Reader(reply);
        let code = reader.number()?.cast_signed();
        let (stdout, stderr) = (reader.length()?, reader.length()?);
        let stdout = reader.take(stdout)?.to_vec();
        let stderr = reader.take(stderr)?.to_vec();
        reader.end()?;
        Ok(Output {
            code,
            stdout,
            stderr,
        })
    }

    /// The output, if the exit code is 0.
    ///
    /// # Errors
    ///
    /// [`Failed`](ErrorKind::Failed) with the exit code, and the beginning of the error output.
    pub fn success(self) -> Result<Self> {
        if self.code == 0 {
            return Ok(self);
        }
        const SHOWN: usize = 200;
        let stderr = &self.stderr[..self.stderr.len().min(SHOWN)];
        let stderr = String::from_utf8_lossy(stderr);
        let message = format!("the command ended with code {}: {stderr}", self.code);
        Err(Error::new(
            ErrorKind::Failed,
            message.trim_end_matches([':', ' ', '\n']),
        ))
    }

    /// The output, which is text.
    ///
    /// # Errors
    ///
    /// If it is not UTF-8.
    pub fn text(&self) -> Result<&str> {
        str::from_utf8(&self.stdout)
            .map_err(|_| Error::new(ErrorKind::Invalid, "the command's output is not UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use alloc::string::ToString;

    #[test]
    fn runs_commands() {
        let host = testing::host().command("join", |args, input| Output {
            code: i32::from(input.is_empty()),
            stdout: [args.join("+").as_bytes(), input].concat(),
            stderr: b"nothing to read\n".to_vec(),
        });
        let command = Command::new("join").arg("a").arg("b c");
        let output = command.clone().input(";").run().and_then(Output::success);
        assert_eq!(output.as_ref().map(Output::text), Ok(Ok("a+b c;")));
        let failure = command.run().and_then(Output::success);
        let failure = failure.map_err(|error| error.to_string());
        assert_eq!(
            failure,
            Err("the command ended with code 1: nothing to read".to_string())
        );
        let error = Command::new("rm")
            .run()
            .expect_err("there is no such command");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(host.calls("exec"), 3);
    }

    #[test]
    fn refuses_broken_replies() {
        let numbers = |numbers: [u32; 3]| numbers.map(u32::to_le_bytes).concat();
        assert!(Output::decode(&numbers([0, 0, 0])).is_ok());
        assert!(Output::decode(&numbers([u32::MAX, 0, 0])).is_ok_and(|output| output.code == -1));
        assert!(Output::decode(&numbers([0, 1, 0])).is_err());
        assert!(Output::decode(&numbers([0, 0, u32::MAX])).is_err());
        assert!(Output::decode(&[&numbers([0, 0, 0])[..], &[1]].concat()).is_err());
        assert!(Output::decode(&[0; 11]).is_err());
    }
}
