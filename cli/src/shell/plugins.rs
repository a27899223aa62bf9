//! `--plugins DIR`: all that can be had from a directory, and a word about the rest.

use std::path::Path;
use std::sync::Arc;

use datafusion::error::Result;
use datafusion::logical_expr::{ScalarUDF, ScalarUDFImpl};
use datafusion::prelude::SessionContext;
use wasmfusion::{Plugin, Registry, RegistryOptions, ScalarFunction};

use crate::args::ShellArgs;
use crate::limits::limits;
use crate::report;

/// An empty registry as the command line wants it.
pub fn registry(args: &ShellArgs) -> Result<Registry, String> {
    let mut options = RegistryOptions::default();
    options.limits = limits(&args.sandbox.limits)?;
    options.interruption = args.sandbox.interruption.into();
    options.module_root.clone_from(&args.module_root);
    Ok(Registry::new(options))
}

/// Loads the plugins of a directory and makes their functions callable. Files that are refused and functions whose name is
/// taken are reported and left out.
pub fn load(session: &SessionContext, registry: &Registry, directory: &Path) -> Result<()> {
    let files = registry.load_dir(directory)?;
    if files.is_empty() {
        report::warning(format!(
            "--plugins {}: there is no .wasm or .wat file in it",
            directory.display()
        ));
    }
    for (_, loaded) in files {
        match loaded {
            Ok(plugin) => register(session, &plugin),
            Err(error) => report::error(error),
        }
    }
    Ok(())
}

/// Makes the functions of a plugin callable, those apart whose name somebody else has: `register_plugins` would refuse all.
fn register(session: &SessionContext, plugin: &Arc<Plugin>) {
    for mut function in ScalarFunction::all(plugin) {
        if let Some(owner) = owner(session, &function, function.name()) {
            report::warning(left_out(plugin, function.name(), &owner));
            continue;
        }
        if let Some((alias, owner)) = function
            .aliases()
            .iter()
            .find_map(|a| Some((a.clone(), owner(session, &function, a)?)))
        {
            report::warning(left_out(plugin, &alias, &owner));
            let name = function.name().to_owned();
            function = function.with_name(&name);
        }
        session.register_udf(ScalarUDF::from(function));
    }
}

/// Who else has a function of this name.
fn owner(session: &SessionContext, function: &ScalarFunction, name: &str) -> Option<String> {
    let state = session.state_ref();
    let state = state.read();
    match state.scalar_functions().get(name) {
        Some(there) => match ScalarFunction::of(there) {
            Some(ours) if ours.plugin().digest() == function.plugin().digest() => None,
            Some(ours) => Some(format!(
                "plugin {} ({})",
                ours.plugin().name(),
                ours.plugin().source()
            )),
            None => Some("DataFusion".to_owned()),
        },
        None if state.aggregate_functions().contains_key(name)
            || state.window_functions().contains_key(name) =>
        {
            Some("DataFusion".to_owned())
        }
        None => None,
    }
}

fn left_out(plugin: &Plugin, name: &str, owner: &str) -> String {
    format!(
        "the function {name} of plugin {} ({source}) is left out, because {owner} has one of this name; take it under another name with \
         CREATE FUNCTION my_{name}() LANGUAGE WASM AS '{source}#{name}'",
        plugin.name(),
        source = plugin.source(),
    )
}
