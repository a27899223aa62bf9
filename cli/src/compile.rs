//! `wasmfusion compile`: plugins compiled ahead of their use, into a directory from which the shell, or any host, maps them.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use indicatif::{BinaryBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use wasmfusion::{Precompiled, Registry, Target};

use crate::args::CompileArgs;
use crate::{report, sandbox};

/// Exit code for a command line that asks for what cannot be.
const USAGE: u8 = 2;

/// Compiles plugins, and says what came of each.
pub fn run(args: &CompileArgs) -> ExitCode {
    let started = registry(args).and_then(|registry| Ok((registry, files(&args.paths)?)));
    let (registry, files) = match started {
        Ok(started) => started,
        Err(problem) => {
            report::error(problem);
            return USAGE.into();
        }
    };
    let targets = match args.targets.as_slice() {
        [] => &[Target::host()],
        targets => targets,
    };
    let lines = Lines::new(&files, targets);
    let mut succeeded = true;
    for file in &files {
        succeeded &= compile(&registry, file, targets, &lines);
    }
    lines.bar.finish_and_clear();
    warn_of_evicted(&registry);
    match succeeded {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// A registry that keeps what it compiles where the command line says.
fn registry(args: &CompileArgs) -> Result<Registry, String> {
    let mut options = sandbox::options(&args.sandbox)?;
    options.artifacts = sandbox::artifacts(&args.artifacts)?;
    if options.artifacts.is_none() {
        return Err("say where compiled plugins are kept: --artifacts DIR".to_owned());
    }
    let registry = Registry::new(options);
    // A directory that cannot be used is told now, not by each plugin.
    registry.artifacts().map_err(|error| error.to_string())?;
    Ok(registry)
}

/// The files that are named, and those of the directories that are named.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let modules = Registry::module_files(path).map_err(|error| error.to_string())?;
        if modules.is_empty() {
            report::warning(format!(
                "{}: there is no .wasm or .wat file in it",
                path.display()
            ));
        }
        files.extend(modules);
    }
    Ok(files)
}

/// Compiles a file for each target. Whether it could be.
fn compile(registry: &Registry, file: &Path, targets: &[Target], lines: &Lines) -> bool {
    lines.bar.set_message(name(file));
    let mut module = match registry.precompile(file) {
        Ok(module) => module,
        Err(error) => {
            lines.failed(&error);
            lines.bar.inc(targets.len() as u64);
            return false;
        }
    };
    let mut succeeded = true;
    for target in targets {
        let begun = Instant::now();
        match module.compile_for(target) {
            Ok(compiled) => lines.done(file, target, compiled, begun.elapsed()),
            Err(error) => {
                lines.failed(&error);
                succeeded = false;
            }
        }
        lines.bar.inc(1);
    }
    succeeded
}

/// Tells that there was no room for all: what went is compiled at the start.
fn warn_of_evicted(registry: &Registry) {
    let artifacts = registry.artifacts().ok().flatten();
    let evicted = artifacts.map_or(0, |artifacts| artifacts.counts().evicted);
    if evicted > 0 {
        report::warning(format!(
            "{evicted} compiled plugins that were not used for the longest time were removed, because the directory holds no more than 1 GiB"
        ));
    }
}

/// The lines that are printed, and the bar below them.
struct Lines {
    bar: ProgressBar,
    name_width: usize,
    target_width: usize,
}

impl Lines {
    fn new(files: &[PathBuf], targets: &[Target]) -> Self {
        let steps = files.len() * targets.len();
        // Shows nothing where stderr is no terminal.
        let bar = ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}") {
            bar.set_style(style);
        }
        let widest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0);
        Self {
            bar,
            name_width: widest(&mut files.iter().map(|file| name(file).chars().count())),
            target_width: widest(&mut targets.iter().map(|target| target.to_string().len())),
        }
    }

    fn done(&self, file: &Path, target: &Target, compiled: Precompiled, time: Duration) {
        let line = format!(
            "{:name$}  {:target$}  {:>11}  {:>7.2} s  {}",
            name(file),
            target.to_string(),
            BinaryBytes(compiled.bytes).to_string(),
            time.as_secs_f64(),
            match compiled.cached {
                true => "cached",
                false => "compiled",
            },
            name = self.name_width,
            target = self.target_width,
        );
        // Who does not read the lines has what was compiled all the same.
        let _ = self.bar.suspend(|| writeln!(io::stdout(), "{line}"));
    }

    fn failed(&self, error: &wasmfusion::Error) {
        self.bar.suspend(|| report::error(error));
    }
}

/// A file as it is shown.
fn name(file: &Path) -> String {
    wasmfusion::module::escape(&file.display().to_string())
}
