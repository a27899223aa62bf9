//! Compiled modules on disk: the next start maps them instead of compiling, and runs no guest to learn what a plugin says of itself.
//!
//! ```text
//! store:  code, imports, manifest ──▶ format.rs: one file, sealed with a keyed hash ──▶ renamed into place
//! load:   file ──▶ sealed.rs: a copy that nobody can change ──▶ format.rs: the hash of that copy ──▶ wasmtime maps that copy
//! ```
//!
//! An artifact is machine code, so a forged one is arbitrary code in this process. What is executed is the very copy whose hash was checked, with a
//! key that only the owner of the directory can read. What does not pass (damaged, cut off, renamed, of another version or machine) is reported,
//! removed, and compiled anew.

mod directory;
mod format;
mod sealed;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::{Engine, Module};

use crate::error::{Error, Result};
use crate::module::Digest;
use directory::Directory;
pub(crate) use format::Meta;
use format::Sealer;

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

/// A key that artifacts are sealed with. It is not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct ArtifactKey(pub [u8; 32]);

impl fmt::Debug for ArtifactKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ArtifactKey(..)")
    }
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

/// A module that was compiled before.
pub(crate) struct Artifact {
    pub(crate) module: Module,
    pub(crate) meta: Meta,
}

/// How often the cache helped, since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArtifactCounts {
    /// Modules that were mapped.
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
        })))
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

    /// The artifact for `id`, mapped into `engine`. `None` if there is none that can be used.
    pub(crate) fn get(&self, engine: &Engine, id: &ArtifactId) -> Option<Artifact> {
        let name = file_name(id);
        let file = match self.0.directory.read(&name) {
            Ok(Some(file)) => file,
            Ok(None) => {
                self.0.misses.fetch_add(1, Ordering::Relaxed);
                return None;
            }
            Err(reason) => return self.refuse(&name, &reason),
        };
        let opened = self.0.sealer.open(file, id).and_then(|(meta, code)| {
            code.into_module(engine)
                .map(|module| Artifact { module, meta })
        });
        match opened {
            Ok(artifact) => {
                self.0.hits.fetch_add(1, Ordering::Relaxed);
                self.0.directory.used(&name);
                Some(artifact)
            }
            Err(reason) => self.refuse(&name, &reason),
        }
    }

    #[cold]
    fn refuse(&self, name: &str, reason: &str) -> Option<Artifact> {
        self.0.refused.fetch_add(1, Ordering::Relaxed);
        let path = self.directory().join(name);
        tracing::warn!(target: "wasmfusion::artifact", path = %path.display(), reason, "a compiled module is not used; it is compiled anew");
        self.0.directory.remove(name);
        None
    }

    /// Keeps a compiled module. If that fails, it is told in the log, and the module is compiled anew the next time.
    pub(crate) fn put(&self, id: &ArtifactId, meta: &Meta, code: &[u8]) {
        let name = file_name(id);
        let parts = self.0.sealer.seal(id, meta, code);
        match self.0.directory.write(&name, &parts) {
            Ok(evicted) => {
                self.0.written.fetch_add(1, Ordering::Relaxed);
                self.0.evicted.fetch_add(evicted, Ordering::Relaxed);
            }
            Err(reason) => {
                tracing::warn!(target: "wasmfusion::artifact", path = %self.directory().join(name).display(), reason, "a compiled module could not be kept");
            }
        }
    }
}

fn file_name(id: &ArtifactId) -> String {
    let build: String = id.build.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{build}{EXTENSION}", id.module)
}

/// Whether a file may be one that [`file_name`] names: others in the directory are left alone.
fn is_artifact(name: &str) -> bool {
    let digits = |text: &str, count| {
        text.len() == count && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    name.strip_suffix(EXTENSION)
        .and_then(|name| name.split_once('-'))
        .is_some_and(|(module, build)| digits(module, 64) && digits(build, 32))
}

/// How the names of artifacts end.
const EXTENSION: &str = ".cwasm";

impl fmt::Debug for ArtifactCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArtifactCache")
            .field("directory", &self.directory())
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}
