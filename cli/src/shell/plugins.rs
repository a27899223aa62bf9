//! `--plugins DIR`: all that can be had from a directory, and a word about the rest.

use std::path::Path;
use std::sync::Arc;

use datafusion::error::Result;
use datafusion::prelude::SessionContext;
use wasmfusion::{
    LeftOut, LocalContext, Plugin, PluginDirectory, Profiler, Registry, SessionContextExt,
};

use crate::args::ShellArgs;
use crate::{report, sandbox};

/// An empty registry as the command line wants it.
pub fn registry(args: &ShellArgs, profiler: Option<Profiler>) -> Result<Registry, String> {
    let mut options = sandbox::options(&args.sandbox)?;
    options.module_root.clone_from(&args.module_root);
    options.audit.file.clone_from(&args.audit);
    let context = match &args.store {
        Some(file) => LocalContext::open(file).map_err(|error| error.to_string())?,
        None => LocalContext::default(),
    };
    options.context = Arc::new(context);
    options.artifacts = sandbox::artifacts(&args.artifacts)?;
    options.profiler = profiler;
    let registry = Registry::new(options);
    // A directory that cannot be used is told now, not by each plugin.
    registry.artifacts().map_err(|error| error.to_string())?;
    Ok(registry)
}

/// Loads the plugins of a directory, makes their functions callable, and goes on to do so while files come, change and go. Files that are refused
/// and functions whose name is taken are reported and left out.
pub fn open(
    session: &SessionContext,
    registry: &Registry,
    directory: &Path,
) -> Result<PluginDirectory> {
    let opened = registry.open_dir(directory)?;
    let files = opened.files();
    if files.is_empty() {
        report::warning(format!(
            "--plugins {}: there is no .wasm or .wat file in it",
            directory.display()
        ));
    }
    for file in files {
        match (file.plugin, file.problem) {
            (Some(plugin), _) => register(session, &plugin),
            (None, Some(problem)) => report::error(problem),
            (None, None) => {}
        }
    }
    Ok(opened)
}

/// Makes the functions of a plugin callable, those apart whose name somebody else has: `register_plugins` would refuse all.
fn register(session: &SessionContext, plugin: &Arc<Plugin>) {
    match session.register_plugin(plugin) {
        Ok(left_out) => {
            for LeftOut { name, owner, .. } in left_out {
                report::warning(warning(plugin, &name, &owner));
            }
        }
        Err(error) => report::error(error),
    }
}

fn warning(plugin: &Plugin, name: &str, owner: &str) -> String {
    format!(
        "the function {name} of plugin {} ({source}) is left out, because {owner} has one of this name; take it under another name with \
         CREATE FUNCTION my_{name}() LANGUAGE WASM AS '{source}#{name}'",
        plugin.name(),
        source = plugin.source(),
    )
}
