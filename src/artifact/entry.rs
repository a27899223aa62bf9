//! What is on disk, for people.

use std::fs::Metadata;
use std::time::SystemTime;

use super::{ArtifactCache, ArtifactId, EXTENSION};
use crate::module::Digest;

/// An artifact on disk.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ArtifactEntry {
    /// Name of the file.
    pub file: String,
    /// The module that it was compiled of.
    pub module: Digest,
    /// What it was compiled for, as [`Target`](super::Target) is shown. `None` if the file is damaged, of another version, or sealed with another key.
    pub target: Option<String>,
    /// Size of the file.
    pub bytes: u64,
    /// When it was used, to the hour.
    pub used: SystemTime,
    id: ArtifactId,
}

impl ArtifactEntry {
    /// What is known of the file of this name. `None` if that is no name of an artifact.
    pub(super) fn new(cache: &ArtifactCache, file: String, metadata: &Metadata) -> Option<Self> {
        let id = id_of(&file)?;
        Some(Self {
            module: id.module,
            target: cache.target_of(&file, &id),
            bytes: metadata.len(),
            used: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            id,
            file,
        })
    }

    /// Whether a registry that looks for `id` takes it, unless its code is damaged or for a processor that can do more.
    pub(crate) fn is_for(&self, id: &ArtifactId) -> bool {
        self.target.is_some() && self.id == *id
    }
}

/// What the artifact is for that a file of this name holds. `None` if it is no artifact.
pub(super) fn id_of(name: &str) -> Option<ArtifactId> {
    let (module, build) = name.strip_suffix(EXTENSION)?.split_once('-')?;
    let mut id = ArtifactId {
        module: Digest::from_hex(module)?,
        build: [0; 16],
    };
    if build.len() != 2 * id.build.len() || !build.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (place, byte) in id.build.iter_mut().enumerate() {
        *byte = u8::from_str_radix(build.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(id)
}
