//! Which files of watched directories a plugin is from: it goes when the last of them does, and the first of them may change it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A file of a watched directory. Two directories may be the same folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileKey {
    pub(super) directory: u64,
    pub(super) path: PathBuf,
}

/// The files of each plugin. The first is the one whose changes count; the others hold the same module.
#[derive(Debug, Default)]
pub(super) struct Holders(BTreeMap<String, Vec<FileKey>>);

impl Holders {
    /// The file whose changes count.
    pub(super) fn owner(&self, plugin: &str) -> Option<&FileKey> {
        self.0.get(plugin)?.first()
    }

    /// Whether the plugin is from this file.
    pub(super) fn holds(&self, plugin: &str, file: &FileKey) -> bool {
        self.0.get(plugin).is_some_and(|files| files.contains(file))
    }

    /// Whether the changes of this file count for the plugin.
    pub(super) fn owns(&self, plugin: &str, file: &FileKey) -> bool {
        self.owner(plugin) == Some(file)
    }

    /// Whether the plugin is from this file, and from no other but those.
    pub(super) fn is_last(&self, plugin: &str, file: &FileKey, others: &[FileKey]) -> bool {
        let is_other = |there: &FileKey| there != file && !others.contains(there);
        self.holds(plugin, file) && !self.0.get(plugin).is_some_and(|f| f.iter().any(is_other))
    }

    /// Makes this file the only one of the plugin.
    pub(super) fn own(&mut self, plugin: &str, file: FileKey) {
        self.0.insert(plugin.to_owned(), vec![file]);
    }

    /// Adds a file that holds the same module.
    pub(super) fn add(&mut self, plugin: &str, file: FileKey) {
        let files = self.0.entry(plugin.to_owned()).or_default();
        if !files.contains(&file) {
            files.push(file);
        }
    }

    /// The plugin is not from this file any more.
    pub(super) fn release(&mut self, plugin: &str, file: &FileKey) {
        if let Some(files) = self.0.get_mut(plugin) {
            files.retain(|other| other != file);
            if files.is_empty() {
                self.0.remove(plugin);
            }
        }
    }

    /// The plugin is from no file: it was loaded by hand.
    pub(super) fn forget(&mut self, plugin: &str) {
        self.0.remove(plugin);
    }

    /// Nobody looks after the files of this directory any more.
    pub(super) fn close(&mut self, directory: u64) {
        self.0.retain(|_, files| {
            files.retain(|file| file.directory != directory);
            !files.is_empty()
        });
    }

    /// The paths of the plugin's files.
    pub(super) fn paths(&self, plugin: &str) -> impl Iterator<Item = &Path> {
        let files = self.0.get(plugin).into_iter().flatten();
        files.map(|file| file.path.as_path())
    }
}
