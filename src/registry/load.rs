//! Loading plugins from files, bytes and directories.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tracing::Span;

use super::Registry;
use super::candidate::{Candidate, ModuleFrom, SettingsFrom, refused};
use crate::error::{Error, Result};
use crate::lifecycle::PluginEventKind;
use crate::module::{Manifest, ModuleSource};
use crate::plugin::{Origin, Plugin};
use crate::settings::PluginSettings;

impl Registry {
    /// Loads a plugin from a `.wasm` or `.wat` file. Compiling takes milliseconds to seconds: in async code, use `spawn_blocking`.
    ///
    /// # Errors
    ///
    /// If the file or what is in it is refused, or a plugin of its name is there already. Nothing is changed then.
    pub fn load_file(&self, path: impl AsRef<Path>) -> Result<Arc<Plugin>> {
        self.load_from(path.as_ref(), None)
    }

    /// As [`Self::load_file`], with these settings in place of those in the file beside it.
    ///
    /// # Errors
    ///
    /// As [`Self::load_file`].
    pub fn load_file_with(
        &self,
        path: impl AsRef<Path>,
        settings: &PluginSettings,
    ) -> Result<Arc<Plugin>> {
        self.load_from(path.as_ref(), Some(settings))
    }

    /// What the plugin in a file says of itself, whatever it asks for: nothing is granted and nothing registered.
    ///
    /// # Errors
    ///
    /// If the module or its manifest is refused.
    pub fn describe_file(&self, path: impl AsRef<Path>) -> Result<Manifest> {
        let options = &self.0.options;
        let name = path.as_ref().display().to_string();
        let source =
            ModuleSource::from_file(path.as_ref(), &options.limits).map_err(refused(&name))?;
        Plugin::describe(
            &name,
            &source,
            &options.limits,
            options.interruption,
            options.redact_well_known,
        )
    }

    /// Loads a plugin from the bytes of a module, binary or text. `name` stands for the file in messages.
    ///
    /// # Errors
    ///
    /// As [`Self::load_file`].
    pub fn load_bytes(&self, name: &str, bytes: &[u8]) -> Result<Arc<Plugin>> {
        self.load_bytes_with(name, bytes, &PluginSettings::default())
    }

    /// As [`Self::load_bytes`], with these settings.
    ///
    /// # Errors
    ///
    /// As [`Self::load_file`].
    pub fn load_bytes_with(
        &self,
        name: &str,
        bytes: &[u8],
        settings: &PluginSettings,
    ) -> Result<Arc<Plugin>> {
        let compiled = self.compile(&Candidate {
            name,
            from: ModuleFrom::Bytes(bytes),
            settings: SettingsFrom::Given(settings),
            pinned: None,
            origin: Origin::Bytes,
            by_sql: false,
        });
        self.take_in(name, compiled)
    }

    fn load_from(&self, path: &Path, settings: Option<&PluginSettings>) -> Result<Arc<Plugin>> {
        self.take_in(
            &path.display().to_string(),
            self.compile_file(path, settings),
        )
    }

    /// Adds what was compiled. What is refused is remembered, to be shown.
    pub(super) fn take_in(
        &self,
        source: &str,
        compiled: Result<Arc<Plugin>>,
    ) -> Result<Arc<Plugin>> {
        let taken = compiled.and_then(|plugin| self.add(plugin));
        match &taken {
            Ok(_) => self.0.intake.taken(source),
            Err(error) => {
                let error = error.to_string();
                self.0.intake.refused(source, &error);
                let kind = PluginEventKind::Refused;
                // Who loads it hears of it.
                let _ = self.0.events.add(source, None, kind, Some(error));
            }
        }
        taken
    }

    /// Loads every `.wasm` and `.wat` file of a directory, each with the file `NAME.toml` beside it, on all processors. A file that is refused does not
    /// keep the others out; of two plugins with one name, that of the file counts whose name comes first.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read. What happened to each file is in the result.
    pub fn load_dir(&self, path: impl AsRef<Path>) -> Result<Vec<(PathBuf, Result<Arc<Plugin>>)>> {
        let files = Self::module_files(path)?;
        let compiled = self.compile_files(&files);
        let loaded = files.into_iter().zip(compiled).map(|(file, compiled)| {
            let loaded = self.take_in(&file.display().to_string(), compiled);
            (file, loaded)
        });
        Ok(loaded.collect())
    }

    /// The modules of a directory, its `.wasm` and `.wat` files, in the order of their names.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read.
    pub fn module_files(path: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
        let path = path.as_ref();
        let failed = |error: std::io::Error| Error::Host {
            what: format!("the plugin directory {} could not be read", path.display()),
            reason: error.to_string(),
        };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let file = entry.map_err(failed)?.path();
            if file
                .extension()
                .is_some_and(|extension| extension == "wasm" || extension == "wat")
            {
                files.push(file);
            }
        }
        files.sort();
        Ok(files)
    }

    /// Compiles files on all processors; the results are in their order.
    pub(super) fn compile_files(&self, files: &[PathBuf]) -> Vec<Result<Arc<Plugin>>> {
        let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let next = AtomicUsize::new(0);
        let span = Span::current();
        let compile = || {
            let _entered = span.enter();
            let places = std::iter::from_fn(|| {
                let place = next.fetch_add(1, Ordering::Relaxed);
                files.get(place).map(|file| (place, file))
            });
            let compile = |(place, file): (usize, &PathBuf)| (place, self.compile_file(file, None));
            places.map(compile).collect::<Vec<_>>()
        };
        let mut done = std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads.min(files.len()))
                // If there is no thread, there is one less.
                .filter_map(|_| {
                    std::thread::Builder::new()
                        .spawn_scoped(scope, compile)
                        .ok()
                })
                .collect();
            let mut done = compile();
            for other in others {
                match other.join() {
                    Ok(results) => done.extend(results),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            done
        });
        done.sort_by_key(|(place, _)| *place);
        done.into_iter().map(|(_, result)| result).collect()
    }
}
