//! The built example plugins, and their functions.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;
use wasmfusion::{Plugin, Registry, RegistryOptions, ScalarFunction};

/// The module of an example plugin.
pub fn built(plugin: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/plugins/built");
    folder.join(plugin).with_extension("wasm")
}

/// A registry with these of the example plugins.
///
/// # Panics
///
/// If one of them is not there.
pub fn built_plugins(plugins: &[&str]) -> Registry {
    let registry = Registry::default();
    for plugin in plugins {
        registry.load_file(built(plugin)).expect("the plugin loads");
    }
    registry
}

/// A function of a plugin.
///
/// # Panics
///
/// If it has no such scalar function.
pub fn function_of(plugin: &Arc<Plugin>, function: &str) -> ScalarUDF {
    let function = ScalarFunction::named(plugin, function);
    ScalarUDF::from(function.expect("the plugin has the function"))
}

/// A function of an example plugin, in a registry of its own with these options.
///
/// # Panics
///
/// If there is no such plugin or function.
pub fn function_with(options: RegistryOptions, plugin: &str, function: &str) -> ScalarUDF {
    let plugin = Registry::new(options).load_file(built(plugin));
    function_of(&plugin.expect("the plugin loads"), function)
}

/// As [`function_with`], with the default options.
///
/// # Panics
///
/// If there is no such plugin or function.
pub fn plugin_function(plugin: &str, function: &str) -> ScalarUDF {
    function_with(RegistryOptions::default(), plugin, function)
}

/// The module of an example plugin under another name of the same length: another module.
///
/// # Panics
///
/// If there is no such plugin, or the name is longer or shorter.
pub fn renamed(model: &str, name: &str) -> Vec<u8> {
    assert_eq!(model.len(), name.len(), "{name}: the module keeps its size");
    let mut bytes = fs::read(built(model)).expect("it is built");
    let in_manifest = |name: &str| format!("{{\"name\":\"{name}\",\"version\"");
    let (old, new) = (in_manifest(model), in_manifest(name));
    let place = bytes
        .windows(old.len())
        .position(|window| window == old.as_bytes());
    let place = place.expect("the manifest is in the module");
    bytes[place..place + new.len()].copy_from_slice(new.as_bytes());
    bytes
}
