//! What a plugin and its functions are called.

use crate::module::{Manifest, escape};

/// What a plugin and its functions are called, fit to be shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) plugin: String,
    pub(crate) version: String,
    /// By place in the manifest.
    functions: Vec<String>,
}

impl Names {
    pub(super) fn new(manifest: &Manifest) -> Self {
        let functions = manifest.functions.iter();
        Self {
            plugin: escape(&manifest.name),
            version: escape(&manifest.version),
            functions: functions.map(|function| escape(&function.name)).collect(),
        }
    }

    /// The function at `place` in the manifest; empty if there is none.
    pub(crate) fn function(&self, place: usize) -> &str {
        self.functions.get(place).map_or("", String::as_str)
    }
}
