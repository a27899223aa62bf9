//! What the rivals bench is made of: the rivals that share the project's dependencies, and the processes that run them and the others.

mod floor;
mod native;
mod peers;
mod plugin;
mod worker;

pub use worker::{SERIES, Worker, cold_start, peak_memory};

use std::io;

/// Runs one of the rivals that share the project's dependencies, as `rivals_worker` says.
///
/// # Errors
///
/// If the arguments are wrong, or the pipe to the process that measures breaks.
pub fn work(mut args: impl Iterator<Item = String>) -> io::Result<()> {
    match args.next().as_deref() {
        Some("native") => rivals_worker::work::<native::Native>(args),
        Some("wasmfusion") => rivals_worker::work::<plugin::Wasmfusion>(args),
        Some("wasmtime") => rivals_worker::work::<floor::Floor>(args),
        other => Err(io::Error::other(format!("no rival: {other:?}"))),
    }
}
