//! Compiled modules on disk: the next start maps them instead of compiling, and runs no guest to learn what a plugin says of itself.
//!
//! ```text
//! store:  code, imports, manifest ──▶ format.rs: one file, its start and its code sealed with keyed hashes ──▶ renamed into place
//! load:   file ──▶ format.rs: the hash of the start ──▶ what there is to register
//! call:   file ──▶ sealed.rs: a copy that nobody can change ──▶ format.rs: the hash of that copy ──▶ wasmtime maps that copy
//! ```
//!
//! An artifact is machine code, so a forged one is arbitrary code in this process. What is executed is the very copy whose hash was checked, with a
//! key that only the owner of the directory can read. What does not pass (damaged, cut off, renamed, of another version or machine) is reported,
//! removed, and compiled anew; what the system did not let be read now is reported and stays.

mod directory;
mod entry;
mod format;
mod key;
mod sealed;
mod target;
#[cfg(all(test, feature = "compiler"))]
mod tests;
mod unusable;

use std::fmt;
use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use wasmtime::{Engine, Module};

use crate::compiler;
use crate::error::{Error, Result};
use crate::lifecycle::{Events, PluginEventKind};
use crate::module::Digest;
use directory::Directory;
pub use entry::ArtifactEntry;
pub(crate) use format::Meta;
use format::{Said, Sealer, Start};
pub use key::ArtifactKey;
pub use target::Target;
use unusable::Unusable;

/// Where compiled modules are kept.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ArtifactOptions {
    /// The directory, which is made if it is not there. It must be its owner's alone (mode 0700): who can write there and read the key can run code
    /// in this process.
    pub directory: PathBuf,
    /// Most bytes of all artifacts together. When there is more, those go that were not used for the longest time. 1 GiB by default.
    pub bytes_max: u64,
    /// The key that artifacts are sealed with. `None`: the file `key` in the directory, which is made of random bytes if it is not there.
    pub key: Option<ArtifactKey>,
}

impl ArtifactOptions {
    /// Artifacts in `directory`, sealed with a key that is kept there.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            bytes_max: 1 << 30,
            key: None,
        }
    }
}

/// What an artifact is for: it serves no other module, and no engine with other settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ArtifactId {
    pub(crate) module: Digest,
    /// A hash of everything else that the code depends on.
    pub(crate) build: [u8; 16],
}

/// A module that was compiled before: what is known of it, and where its code is.
pub(crate) struct Artifact {
    cache: ArtifactCache,
    id: ArtifactId,
    pub(crate) meta: Meta,
    /// Whether it was compiled for any processor of its kind, or for one that can do what this one can.
    pub(crate) fits_processor: bool,
    /// Of all of it.
    pub(crate) bytes: u64,
}

/// How often the cache helped, since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArtifactCounts {
    /// Modules that were there, so that they were not compiled.
    pub hits: u64,
    /// Modules that were not there.
    pub misses: u64,
    /// Artifacts that were not used because something was wrong with them.
    pub refused: u64,
    /// Artifacts that were written.
    pub written: u64,
    /// Artifacts that were removed to make room.
    pub evicted: u64,
}

/// Compiled modules on disk. Clones are the same cache; several processes may use one directory.
#[derive(Clone)]
pub struct ArtifactCache(Arc<Inner>);

struct Inner {
    directory: Directory,
    sealer: Sealer,
    hits: AtomicU64,
    misses: AtomicU64,
    refused: AtomicU64,
    written: AtomicU64,
    evicted: AtomicU64,
    /// Where it is put on record that one is refused.
    events: OnceLock<Events>,
}

impl ArtifactCache {
    /// Opens the cache.
    ///
    /// # Errors
    ///
    /// If the directory cannot be made or used, or is open to others; the error says what to do.
    pub fn open(options: &ArtifactOptions) -> Result<Self> {
        let failed = |reason: String| Error::Host {
            what: format!(
                "the directory of compiled modules {} cannot be used",
                options.directory.display()
            ),
            reason,
        };
        let directory = Directory::open(&options.directory, options.bytes_max).map_err(failed)?;
        let key = match &options.key {
            Some(key) => key.clone(),
            None => directory.key().map_err(failed)?,
        };
        Ok(Self(Arc::new(Inner {
            directory,
            sealer: Sealer::new(&key),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            written: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            events: OnceLock::new(),
        })))
    }

    /// Has it put on record that an artifact is refused. The first who asks is told.
    pub(crate) fn report_to(&self, events: &Events) {
        let _ = self.0.events.set(events.clone());
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        self.0.directory.path()
    }

    /// How often it helped.
    pub fn counts(&self) -> ArtifactCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Inner {
            hits,
            misses,
            refused,
            written,
            evicted,
            ..
        } = self.0.as_ref();
        ArtifactCounts {
            hits: read(hits),
            misses: read(misses),
            refused: read(refused),
            written: read(written),
            evicted: read(evicted),
        }
    }

    /// What is on disk, in the order of the files' names.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read.
    pub fn entries(&self) -> Result<Vec<ArtifactEntry>> {
        let files = self.0.directory.files().map_err(|error| Error::Host {
            what: format!(
                "the directory of compiled modules {} cannot be read",
                self.directory().display()
            ),
            reason: error.to_string(),
        })?;
        let entries = files.into_iter();
        Ok(entries
            .filter_map(|(name, metadata)| ArtifactEntry::new(self, name, &metadata))
            .collect())
    }

    /// The artifact for `id`. `None` if there is none that can be used. Its code is looked at when it is asked for.
    pub(crate) fn get(&self, id: &ArtifactId) -> Option<Artifact> {
        self.with_start(id, |name, _, start, metadata| {
            self.0.hits.fetch_add(1, Ordering::Relaxed);
            self.0.directory.used(name, metadata);
            tracing::debug!(target: "wasmfusion::artifact", { file.path = %self.directory().join(name).display() }, "a compiled module is used");
            Ok(Artifact {
                cache: self.clone(),
                id: *id,
                meta: start.meta,
                fits_processor: start.processor.is_none_or(|of| of == target::processor()),
                bytes: metadata.len(),
            })
        })
    }

    /// What `then` makes of the artifact for `id`, whose start is as it was sealed. `None` if there is none that can be used.
    fn with_start<T>(
        &self,
        id: &ArtifactId,
        then: impl FnOnce(&str, File, Start, &Metadata) -> Result<T, Unusable>,
    ) -> Option<T> {
        let name = file_name(id);
        let mut read = None;
        let open = |read: &mut Option<Metadata>| {
            let Some((mut file, metadata)) = self.0.directory.read(&name)? else {
                return Ok(None);
            };
            let metadata = read.insert(metadata);
            let start = self.0.sealer.open(&mut file, metadata, id)?;
            then(&name, file, start, metadata).map(Some)
        };
        match open(&mut read) {
            Ok(Some(opened)) => Some(opened),
            Ok(None) => {
                self.0.misses.fetch_add(1, Ordering::Relaxed);
                None
            }
            Err(why) => {
                self.refuse(&name, read.as_ref(), why);
                None
            }
        }
    }

    /// Reports that an artifact is not used, and removes it if it never will be: unless this host cannot make another one.
    #[cold]
    fn refuse(&self, name: &str, read: Option<&Metadata>, why: Unusable) {
        self.0.refused.fetch_add(1, Ordering::Relaxed);
        let path = self.directory().join(name);
        let (reason, stays) = match why {
            Unusable::Bad(reason) => (reason, !compiler::IS_THERE),
            Unusable::Passing(reason) => (reason, true),
        };
        let told = reason.to_string();
        if stays {
            tracing::warn!(target: "wasmfusion::artifact", { file.path = %path.display(), error.message = reason }, "a compiled module is not used, but stays where it is");
        } else {
            tracing::warn!(target: "wasmfusion::artifact", { file.path = %path.display(), error.message = reason }, "a compiled module is not used; it is compiled anew");
            self.0.directory.remove(name, read);
        }
        if let Some(events) = self.0.events.get() {
            let kind = PluginEventKind::ArtifactRefused;
            // It was logged, with its own target.
            let _ = events.add(name, None, kind, Some(told));
        }
    }

    /// The target that the artifact in a file was compiled for. `None` if that cannot be told.
    fn target_of(&self, name: &str, id: &ArtifactId) -> Option<String> {
        let (mut file, metadata) = self.0.directory.read(name).ok()??;
        let start = self.0.sealer.open(&mut file, &metadata, id).ok()?;
        Some(start.target)
    }

    /// The target of the artifact for `id`, if there is one, without counting or reporting anything.
    pub(crate) fn entry(&self, id: &ArtifactId) -> Option<String> {
        self.target_of(&file_name(id), id)
    }

    /// Keeps a compiled module, and returns its bytes on the disk.
    ///
    /// # Errors
    ///
    /// Why it could not be kept.
    pub(crate) fn put(
        &self,
        id: &ArtifactId,
        target: &Target,
        meta: &Meta,
        code: &[u8],
    ) -> Result<u64, String> {
        self.put_said(id, &Said::new(target, meta.clone()), code)
    }

    fn put_said(&self, id: &ArtifactId, said: &Said, code: &[u8]) -> Result<u64, String> {
        let start = self.0.sealer.seal(id, said, code);
        let (bytes, evicted) = self.0.directory.write(&file_name(id), &[&start, code])?;
        self.0.written.fetch_add(1, Ordering::Relaxed);
        self.0.evicted.fetch_add(evicted, Ordering::Relaxed);
        Ok(bytes)
    }

    /// Keeps a module that was compiled for this host. If that fails, it is told in the log, and the module is compiled anew the next time.
    pub(crate) fn keep(&self, id: &ArtifactId, meta: &Meta, module: &Module) {
        let code = compiler::serialize(module).map_err(|error| format!("{error:#}"));
        if let Err(reason) = code.and_then(|code| self.put(id, &Target::host(), meta, &code)) {
            tracing::warn!(target: "wasmfusion::artifact", { file.path = %self.directory().join(file_name(id)).display(), error.message = reason }, "a compiled module could not be kept");
        }
    }
}

fn file_name(id: &ArtifactId) -> String {
    let build: String = id.build.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{build}{EXTENSION}", id.module)
}

/// Whether a file may be one that [`file_name`] names: others in the directory are left alone.
fn is_artifact(name: &str) -> bool {
    entry::id_of(name).is_some()
}

/// How the names of artifacts end.
const EXTENSION: &str = ".cwasm";

impl Artifact {
    /// Its code, mapped into `engine`. `None` if it is gone or cannot be used, which is reported.
    pub(crate) fn module(&self, engine: &Engine) -> Option<Module> {
        let sealer = &self.cache.0.sealer;
        self.cache.with_start(&self.id, |_, mut file, start, _| {
            sealer.code(&mut file, &start)?.into_module(engine)
        })
    }

    /// Whether its code is as it was sealed. If not, that is reported.
    pub(crate) fn is_whole(&self) -> bool {
        let sealer = &self.cache.0.sealer;
        let checked = self.cache.with_start(&self.id, |_, mut file, start, _| {
            sealer.code(&mut file, &start)
        });
        checked.is_some()
    }

    /// Reports that it cannot be used, and removes it.
    #[cold]
    pub(crate) fn refuse(&self, reason: String) {
        let name = file_name(&self.id);
        self.cache.refuse(&name, None, Unusable::Bad(reason));
    }

    /// Puts what was compiled anew in its place.
    #[cold]
    pub(crate) fn renew(&self, module: &Module, imports: &[String]) {
        let meta = Meta {
            imports: imports.to_vec(),
            manifest: self.meta.manifest.clone(),
        };
        self.cache.keep(&self.id, &meta, module);
    }
}

impl fmt::Debug for ArtifactCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArtifactCache")
            .field("directory", &self.directory())
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}
