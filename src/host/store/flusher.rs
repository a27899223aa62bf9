//! The thread that has writes written to the disk, some time after the first of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::host::error::HostError;

/// How long a write may wait until it is on the disk.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

/// A thread that flushes when it was woken. Dropping it waits until it is done, and does not flush.
#[derive(Debug)]
pub(super) struct Flusher {
    /// There until it is dropped, which ends the thread.
    wake: Option<SyncSender<()>>,
    /// Whether the next flush is not to wait for its time.
    now: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    /// A thread that calls `flush`.
    pub(super) fn start(
        flush: impl Fn() -> Result<(), HostError> + Send + 'static,
    ) -> std::io::Result<Self> {
        let (wake, woken) = sync_channel(1);
        let now = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&now);
        let thread = std::thread::Builder::new()
            .name("plugin tables".to_owned())
            .spawn(move || run(&woken, &seen, flush))?;
        Ok(Self {
            wake: Some(wake),
            now,
            thread: Some(thread),
        })
    }

    /// Says that there is so much to flush that it cannot wait.
    pub(super) fn wake_now(&self) {
        // Before it is woken, or it would not look.
        self.now.store(true, Ordering::Release);
        self.wake();
    }

    /// Says that there is something to flush.
    pub(super) fn wake(&self) {
        if let Some(wake) = &self.wake {
            // Full means that it has been woken already.
            let _ = wake.try_send(());
        }
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes tables of plugins to the disk has panicked");
        }
    }
}

fn run(woken: &Receiver<()>, now: &AtomicBool, flush: impl Fn() -> Result<(), HostError>) {
    while woken.recv().is_ok() {
        loop {
            if wait(woken, now).is_err() {
                return;
            }
            let Err(error) = flush() else {
                break;
            };
            tracing::error!(error.message = %error, "tables of plugins could not be written to the disk");
        }
    }
}

/// Waits for the interval, or until it must not wait. An error if the flusher is dropped.
fn wait(woken: &Receiver<()>, now: &AtomicBool) -> Result<(), RecvTimeoutError> {
    let start = Instant::now();
    while !now.swap(false, Ordering::AcqRel)
        && let Some(left) = FLUSH_INTERVAL.checked_sub(start.elapsed())
    {
        match woken.recv_timeout(left) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => return Ok(()),
            Err(RecvTimeoutError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;
    use crate::host::error::Status;

    #[test]
    fn what_fails_is_tried_again() {
        let tries = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&tries);
        let flusher = Flusher::start(move || match counted.fetch_add(1, Ordering::Relaxed) {
            0 => Err(HostError::new(Status::Failed, "no room")),
            _ => Ok(()),
        })
        .unwrap();
        flusher.wake();
        flusher.wake();
        std::thread::sleep(FLUSH_INTERVAL * 7 / 2);
        drop(flusher);
        // Once in vain, once for the first wake, and perhaps once for the second.
        assert!((2..=3).contains(&tries.load(Ordering::Relaxed)));
    }

    #[test]
    fn what_cannot_wait_is_flushed_at_once() {
        let (flushed, flushes) = std::sync::mpsc::channel();
        let flusher = Flusher::start(move || {
            let _ = flushed.send(Instant::now());
            Ok(())
        })
        .unwrap();
        let start = Instant::now();
        flusher.wake();
        flusher.wake_now();
        assert!(flushes.recv().unwrap() - start < FLUSH_INTERVAL / 2);
        // Only that one.
        let start = Instant::now();
        flusher.wake();
        assert!(flushes.recv().unwrap() - start > FLUSH_INTERVAL / 2);
    }
}
