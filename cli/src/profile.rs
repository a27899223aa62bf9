//! `wasmfusion profile`: runs SQL while the stacks of guests are sampled, and says where their time went.

mod firefox;
mod table;

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use inferno::flamegraph;
use wasmfusion::{ObserverLayer, Profile, Profiler, ProfilerOptions};

use crate::args::ProfileArgs;
use crate::{report, shell};

/// Runs SQL under a profiler.
pub fn run(args: ProfileArgs, observers: &ObserverLayer) -> ExitCode {
    let ProfileArgs {
        mut shell,
        script,
        flame_graph,
        firefox,
        interval_us,
        top,
    } = args;
    shell.file.extend(script);
    if shell.is_interactive() {
        report::error(
            "there is no SQL to run; give a file, or SQL with -c, as in wasmfusion profile --plugins plugins -c 'SELECT …'",
        );
        return ExitCode::from(shell::USAGE);
    }
    let mut options = ProfilerOptions::default();
    options.interval = Duration::from_micros(interval_us.into());
    let profiler = match Profiler::start(options) {
        Ok(profiler) => profiler,
        Err(error) => {
            report::error(error);
            return ExitCode::FAILURE;
        }
    };
    let quiet = shell.quiet;
    let mut code = shell::run_profiled(shell, observers, profiler.clone());
    let profile = profiler.profile();
    let written = [
        flame_graph.map(|path| (write(&path, |out| draw(&profile, out)), path)),
        firefox.map(|path| (write(&path, |out| firefox::write(&profile, out)), path)),
    ];
    for (result, path) in written.into_iter().flatten() {
        match result {
            Ok(()) if quiet => {}
            Ok(()) => println!("wrote {}", path.display()),
            Err(error) => {
                report::error(format!("{} could not be written: {error}", path.display()));
                code = ExitCode::FAILURE;
            }
        }
    }
    match table::print(&profile, top) {
        // Nobody reads on, as behind `head`.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            report::error(format!("the output could not be written: {error}"));
            ExitCode::FAILURE
        }
        _ => code,
    }
}

fn write(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    content(&mut out)?;
    out.flush()
}

/// Draws a flame graph: a box for each function, as wide as its time, on top of the one that called it.
fn draw(profile: &Profile, out: impl Write) -> io::Result<()> {
    let lines = profile.folded();
    if lines.is_empty() {
        return Err(io::Error::other("no function of a plugin ran"));
    }
    let mut options = flamegraph::Options::default();
    "Time in WebAssembly functions".clone_into(&mut options.title);
    "µs".clone_into(&mut options.count_name);
    options.deterministic = true;
    flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), out)
}
