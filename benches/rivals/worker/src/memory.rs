//! Memory of a process that runs one rival.

use std::{fs, io};

use crate::data::{Data, Function};
use crate::rival::Rival;

/// Rows of a call.
const ROWS: usize = 65_536;
/// Calls, enough for the memory of a guest to have its size.
const CALLS: u64 = 100;

/// By how many bytes the memory of this process grew at most, and how many of them are left, while the rival was loaded from its module's bytes and
/// called; both as the system counts the resident pages.
///
/// # Errors
///
/// If the system does not count them.
///
/// # Panics
///
/// If the rival fails.
pub fn peak_memory<R: Rival>() -> io::Result<[u64; 2]> {
    let data = Data::new(Function::AddOne, ROWS);
    let bytes = R::module();
    // The peak starts again where the memory is now.
    fs::write("/proc/self/clear_refs", "5")?;
    let before = status("VmRSS:")?;
    let rival = R::load(&bytes, None);
    rival.case(&data).run(CALLS);
    let after = [status("VmHWM:")?, status("VmRSS:")?];
    Ok(after.map(|after| after.saturating_sub(before)))
}

/// A number of bytes in the state of this process.
fn status(name: &str) -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    status
        .lines()
        .find_map(|line| {
            line.strip_prefix(name)?
                .trim()
                .strip_suffix(" kB")?
                .parse::<u64>()
                .ok()
        })
        .map(|kib| kib << 10)
        .ok_or_else(|| io::Error::other(format!("no {name} in the state of the process")))
}
