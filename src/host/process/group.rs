//! A program that runs and everything that it started: a process group that is gone when this is dropped.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStderr, ChildStdout};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// How long a drop waits for a killed program to be gone. After that a thread of its own waits for it.
const REAPING: Duration = Duration::from_secs(1);

/// The group, led by a program that has not been reaped: as long as it has not been, its number cannot become that of another group.
#[derive(Debug)]
pub(super) struct Group {
    /// `None` once it was reaped.
    leader: Option<Child>,
    id: Pid,
}

impl Group {
    /// The group that this program leads.
    pub(super) fn new(leader: Child) -> io::Result<Self> {
        let id = i32::try_from(leader.id()).ok().and_then(Pid::from_raw);
        let id = id.ok_or_else(|| io::Error::other("it has no process id"))?;
        let leader = Some(leader);
        Ok(Self { leader, id })
    }

    /// Its ends of the program's output and error output.
    pub(super) fn take_pipes(&mut self) -> (Option<ChildStdout>, Option<ChildStderr>) {
        match &mut self.leader {
            Some(leader) => (leader.stdout.take(), leader.stderr.take()),
            None => (None, None),
        }
    }

    /// Whether the program has ended. It is not reaped by that.
    pub(super) fn has_ended(&mut self) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let found = waitid(WaitId::Pid(self.id), options);
        if matches!(found, Err(Errno::CHILD)) {
            // The host reaps all children elsewhere. The number may be another's by now, which must not be killed.
            self.leader = None;
        }
        Ok(found?.is_some())
    }

    /// Kills the program and all others of its group.
    pub(super) fn kill(&self) {
        if self.leader.is_some() {
            // It fails if there is nobody left, or only programs of another user, which the host cannot kill.
            let _ = kill_process_group(self.id, Signal::KILL);
        }
    }

    /// The exit code of a program that has ended.
    pub(super) fn reap(mut self) -> io::Result<i32> {
        let Some(mut leader) = self.leader.take() else {
            return Err(io::Error::other("it was reaped before"));
        };
        let status = leader.wait()?;
        let signal = status.signal().map(|signal| 128 + signal);
        Ok(status.code().or(signal).unwrap_or(-1))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
        let Some(mut leader) = self.leader.take() else {
            return;
        };
        let until = Instant::now() + REAPING;
        while matches!(leader.try_wait(), Ok(None)) {
            if Instant::now() >= until {
                // The system is stuck in its name, on a disk for example. Without a thread to spare it stays a zombie.
                let waiting = thread::Builder::new().name("wasmfusion-reaper".into());
                let _ = waiting.spawn(move || leader.wait());
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}
