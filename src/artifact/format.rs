//! The file of an artifact.
//!
//! ```text
//! magic, 8 bytes ┊ length of meta, u32 ┊ length of code, u64 ┊ module, 32 ┊ build, 16 ┊ meta, JSON ┊ code ┊ hash, 32
//! ```
//!
//! Numbers are little-endian. The hash is BLAKE3 with a key over everything before it.

use std::fs::File;
use std::io::Read as _;

use serde::{Deserialize, Serialize};

use super::sealed::SealedCode;
use super::{ArtifactId, ArtifactKey};

/// How a file begins. The last digit is the version of the format.
const MAGIC: &[u8; 8] = b"wasmfus1";
/// Bytes before the meta.
const HEADER_BYTES: usize = 8 + 4 + 8 + 32 + 16;
const HASH_BYTES: usize = blake3::OUT_LEN;
/// What the key is for: the same key in another use gives other hashes.
const CONTEXT: &str = "wasmfusion 2026-11-20 compiled modules";
/// Longest meta, in bytes: a manifest and a few names.
const META_BYTES_MAX: u32 = 16 << 20;

/// What is known of a module besides its code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Meta {
    /// The host functions that it imports, by name.
    pub(crate) imports: Vec<String>,
    /// The manifest, as the guest gave it.
    pub(crate) manifest: String,
}

/// Seals artifacts, and opens what it has sealed.
pub(super) struct Sealer {
    key: [u8; blake3::KEY_LEN],
}

impl Sealer {
    pub(super) fn new(key: &ArtifactKey) -> Self {
        Self {
            key: blake3::derive_key(CONTEXT, &key.0),
        }
    }

    /// The parts of the file, one after the other.
    pub(super) fn seal<'a>(&self, id: &ArtifactId, meta: &Meta, code: &'a [u8]) -> [Part<'a>; 3] {
        let meta = serde_json::to_vec(meta).unwrap_or_default();
        let mut start = Vec::with_capacity(HEADER_BYTES + meta.len());
        start.extend_from_slice(MAGIC);
        start.extend_from_slice(&(meta.len() as u32).to_le_bytes());
        start.extend_from_slice(&(code.len() as u64).to_le_bytes());
        start.extend_from_slice(&id.module.0);
        start.extend_from_slice(&id.build);
        start.extend_from_slice(&meta);
        let hash = self.hash(&start, code);
        [
            Part::Owned(start),
            Part::Borrowed(code),
            Part::Owned(hash.as_bytes().to_vec()),
        ]
    }

    /// What is in a file, if it was sealed with this key for this module and build. The code is a copy that nobody can change any more.
    pub(super) fn open(
        &self,
        mut file: File,
        id: &ArtifactId,
    ) -> Result<(Meta, SealedCode), String> {
        let failed = |error: std::io::Error| format!("it cannot be read: {error}");
        let size = file.metadata().map_err(failed)?.len();
        let mut start = vec![0; HEADER_BYTES];
        file.read_exact(&mut start).map_err(failed)?;
        let mut header = start.as_slice();
        let mut take = |bytes: usize| header.split_off(..bytes).unwrap_or_default();
        if take(8) != MAGIC {
            return Err("it is no artifact of this version".into());
        }
        let meta_bytes = u32::from_le_bytes(take(4).try_into().unwrap_or_default());
        let code_bytes = u64::from_le_bytes(take(8).try_into().unwrap_or_default());
        if take(32) != id.module.0 || take(16) != id.build {
            return Err("it is for another module or build".into());
        }
        let expected = (HEADER_BYTES as u64 + u64::from(meta_bytes) + HASH_BYTES as u64)
            .checked_add(code_bytes);
        if meta_bytes > META_BYTES_MAX || expected != Some(size) {
            return Err(format!("it has {size} bytes, which is not what it says"));
        }
        start.resize(HEADER_BYTES + meta_bytes as usize, 0);
        let (_, meta) = start.split_at_mut(HEADER_BYTES);
        file.read_exact(meta).map_err(failed)?;
        let code = SealedCode::copy(&mut file, code_bytes)?;
        let mut hash = [0; HASH_BYTES];
        file.read_exact(&mut hash).map_err(failed)?;
        // Compared in constant time.
        if self.hash(&start, code.bytes()) != blake3::Hash::from_bytes(hash) {
            return Err("it was damaged, or made with another key".into());
        }
        let meta = start.get(HEADER_BYTES..).unwrap_or_default();
        let meta = serde_json::from_slice(meta)
            .map_err(|error| format!("what it says of the module cannot be read: {error}"))?;
        Ok((meta, code))
    }

    fn hash(&self, start: &[u8], code: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(start).update(code);
        hasher.finalize()
    }
}

/// A part of a file.
pub(super) enum Part<'a> {
    Owned(Vec<u8>),
    Borrowed(&'a [u8]),
}

impl Part<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Owned(bytes) => bytes,
            Self::Borrowed(bytes) => bytes,
        }
    }
}
