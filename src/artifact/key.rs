//! The key that artifacts are sealed with.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::error::{Error, Result};

/// A key that artifacts are sealed with. It is not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct ArtifactKey(pub [u8; 32]);

impl ArtifactKey {
    /// The key in a file of 32 bytes, as `head -c 32 /dev/urandom` makes it. Who can read it can make artifacts that this process executes, so the file
    /// must belong to this user or to root, nobody but its owner and group may read it, and nobody but its owner write to it.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is open to others, or does not have 32 bytes.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let failed = |reason: String| Error::Host {
            what: format!(
                "the key of compiled modules in {} cannot be used",
                path.display()
            ),
            reason,
        };
        // The kind is looked at before the file is opened: opening a pipe would wait for a writer.
        let open = || match path.metadata()?.is_file() {
            true => File::open(path),
            false => Err(std::io::Error::other("it is not a file")),
        };
        let file = open().map_err(|error| failed(error.to_string()))?;
        let metadata = file.metadata().map_err(|error| failed(error.to_string()))?;
        let user = rustix::process::geteuid().as_raw();
        let (owner, mode) = (metadata.uid(), metadata.mode() & 0o777);
        if owner != user && owner != 0 {
            return Err(failed(format!(
                "it belongs to user {owner}, who is neither this user {user} nor root"
            )));
        }
        if mode & 0o027 != 0 {
            return Err(failed(format!(
                "it is open to others (mode {mode:o}), who could make code that this process executes: chmod g-w,o= '{}'",
                path.display()
            )));
        }
        Self::read(file).map_err(|problem| failed(format!("it {problem}")))
    }

    /// Reads a key, which is all that there is to read.
    pub(super) fn read(from: impl Read) -> Result<Self, String> {
        let mut key = Vec::new();
        from.take(33)
            .read_to_end(&mut key)
            .map_err(|error| format!("cannot be read: {error}"))?;
        match key.try_into() {
            Ok(key) => Ok(Self(key)),
            Err(_) => Err("does not have 32 bytes".into()),
        }
    }
}

impl fmt::Debug for ArtifactKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ArtifactKey(..)")
    }
}
