//! A thread that publishes a registry's metrics again and again.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::registry::Registry;

/// Shortest time between two rounds.
const EVERY_MIN: Duration = Duration::from_millis(10);

/// Publishes the metrics of a registry each so often ([`Registry::publish_metrics`]) while it lives, and once more when it is dropped.
#[derive(Debug)]
pub struct MetricsPublisher {
    /// Dropped to end the thread.
    lives: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl MetricsPublisher {
    /// Starts to publish, each `every`, but not more often than a hundred times a second.
    ///
    /// # Errors
    ///
    /// If the operating system gives no thread.
    pub fn start(registry: &Registry, every: Duration) -> Result<Self> {
        let every = every.max(EVERY_MIN);
        let registry = registry.clone();
        let (lives, ended) = channel::<()>();
        let publish = move || {
            registry.publish_metrics();
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(every) {
                registry.publish_metrics();
            }
            registry.publish_metrics();
        };
        let thread = std::thread::Builder::new()
            .name("wasmfusion-metrics".into())
            .spawn(publish)
            .map_err(|error| Error::Host {
                what: "the thread that publishes metrics could not be started".into(),
                reason: error.to_string(),
            })?;
        Ok(Self {
            lives: Some(lives),
            thread: Some(thread),
        })
    }
}

impl Drop for MetricsPublisher {
    fn drop(&mut self) {
        self.lives = None;
        if let Some(thread) = self.thread.take() {
            // If a recorder panicked there, nobody here can do anything about it.
            let _ = thread.join();
        }
    }
}
