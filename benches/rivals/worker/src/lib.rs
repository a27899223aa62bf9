//! What a process that runs one rival does. Each rival has a process for itself, so that neither its allocator's state nor its threads, signal
//! handlers or dependencies are the others', and so that the system's count of its memory is its own.
//!
//! The process that measures sends lines to [`serve`]; [`cold_start`] and [`peak_memory`] are done once, by processes that then end.

mod data;
mod memory;
mod rival;
mod serve;

pub use data::{Data, Function, Output, module};
pub use memory::peak_memory;
pub use rival::{Case, Rival, time};
pub use serve::serve;

use std::io;
use std::path::PathBuf;
use std::time::Instant;

/// Does what the arguments say that follow the rival's name on a command line.
///
/// # Errors
///
/// If the arguments are wrong, or the pipe to the process that measures breaks.
///
/// # Panics
///
/// If the rival fails, or answers wrongly.
pub fn work<R: Rival>(mut args: impl Iterator<Item = String>) -> io::Result<()> {
    match args.next().as_deref() {
        Some("serve") => serve::<R>(io::stdin().lock(), io::stdout().lock()),
        Some("cold-start") => {
            println!("{}", cold_start::<R>(args.next().map(PathBuf::from)));
            Ok(())
        }
        Some("peak-memory") => {
            let [peak, resident] = peak_memory::<R>()?;
            println!("{peak} {resident}");
            Ok(())
        }
        other => Err(io::Error::other(format!("no mode: {other:?}"))),
    }
}

/// Nanoseconds from the module's bytes to the first answer, with compiled modules kept in the folder `cache`, if there is one.
fn cold_start<R: Rival>(cache: Option<PathBuf>) -> u128 {
    let data = Data::new(Function::AddOne, 1);
    let bytes = R::module();
    let started = Instant::now();
    let rival = R::load(&bytes, cache.as_deref());
    let mut case = rival.case(&data);
    case.run(1);
    let elapsed = started.elapsed();
    data.check(&case.output());
    elapsed.as_nanos()
}
