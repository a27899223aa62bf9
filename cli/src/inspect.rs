//! `wasmfusion inspect`: what is in a module, also in one that is refused.

mod table;

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use serde::Serialize;
use wasmfusion::module::{Inspection, ModuleSource};
use wasmfusion::{Error, Limits, Registry, RegistryOptions};

use crate::args::InspectArgs;
use crate::{report, sandbox};

/// Largest module that is looked at. More than any registry takes, so that one can see what makes a module too large.
const MODULE_BYTES_MAX: usize = 1 << 30;

/// What is known of a file.
#[derive(Debug, Serialize)]
struct Report {
    /// The file as the user named it.
    file: String,
    /// Whether a registry with these limits takes it, with the settings beside it.
    accepted: bool,
    /// Why not.
    refused: Option<String>,
    /// What is in it; nothing if it is no module.
    #[serde(flatten)]
    module: Option<Inspection>,
}

/// Looks at a module and prints what is in it.
pub fn run(args: &InspectArgs) -> ExitCode {
    let options = match sandbox::options(&args.sandbox) {
        Ok(options) => options,
        Err(problem) => {
            report::error(problem);
            return ExitCode::from(2);
        }
    };
    let report = inspect(args, options);
    let printed = if args.json {
        print_json(&report)
    } else {
        table::print(&report)
    };
    match printed {
        // Nobody reads on, as behind `head`.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            report::error(format!("the output could not be written: {error}"));
            return ExitCode::FAILURE;
        }
        _ => {}
    }
    if let (false, Some(reason)) = (args.json, &report.refused) {
        report::error(format!("{} is refused: {reason}", report.file));
    }
    if report.accepted {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn inspect(args: &InspectArgs, options: RegistryOptions) -> Report {
    let registry = Registry::new(options);
    let loaded = registry.load_file(&args.file);
    let mut roomy = Limits::default();
    roomy.module_bytes_max = MODULE_BYTES_MAX;
    // One that is refused for what it asks for has a manifest all the same.
    let manifest = registry.describe_file(&args.file).ok();
    // Why it cannot be read, where it cannot, is in `loaded`, too.
    let module = ModuleSource::from_file(&args.file, &roomy)
        .and_then(|source| Inspection::new(source.bytes(), manifest))
        .ok();
    let refused = match &loaded {
        Ok(_) => None,
        Err(Error::Module { reason, .. }) => Some(reason.to_string()),
        Err(error) => Some(error.to_string()),
    };
    Report {
        file: args.file.display().to_string(),
        accepted: loaded.is_ok(),
        refused,
        module,
    }
}

fn print_json(report: &Report) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, report)?;
    writeln!(out)
}
