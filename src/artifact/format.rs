//! The file of an artifact.
//!
//! ```text
//! start:  magic, 8 bytes ┊ length of meta, u32 ┊ length of code, u64 ┊ module, 32 ┊ build, 16 ┊ hash of code, 32 ┊ meta, JSON ┊ hash of all this, 32
//! code
//! ```
//!
//! Numbers are little-endian. The hashes are BLAKE3 with keys, one for starts and one for code. The start says all that is needed to register a plugin's
//! functions, and is checked without the code; the code is checked when it is needed, against the hash in a start that was checked just before.

use std::fs::{File, Metadata};
use std::io::Read as _;

use serde::{Deserialize, Serialize};

use super::sealed::SealedCode;
use super::target::{Target, processor};
use super::unusable::Unusable;
use super::{ArtifactId, ArtifactKey};

/// How a file begins. The last digit is the version of the format.
const MAGIC: &[u8; 8] = b"wasmfus2";
/// Bytes before the meta.
const HEADER_BYTES: usize = 8 + 4 + 8 + 32 + 16 + HASH_BYTES;
const HASH_BYTES: usize = blake3::OUT_LEN;
/// What the keys are for: the same key in another use gives other hashes.
const START_CONTEXT: &str = "wasmfusion 2026-11-29 compiled modules: start";
const CODE_CONTEXT: &str = "wasmfusion 2026-11-29 compiled modules: code";
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
    start_key: [u8; blake3::KEY_LEN],
    code_key: [u8; blake3::KEY_LEN],
}

/// The start of an artifact whose hash was right.
pub(super) struct Start {
    pub(super) meta: Meta,
    /// The target that it was compiled for, as it is shown.
    pub(super) target: String,
    /// What the processor could do that it was compiled for. `None`: any of its kind will do.
    pub(super) processor: Option<String>,
    code_bytes: u64,
    code_hash: blake3::Hash,
}

/// What is in the start besides numbers.
#[derive(Serialize, Deserialize)]
pub(super) struct Said {
    pub(super) target: String,
    pub(super) processor: Option<String>,
    #[serde(flatten)]
    pub(super) meta: Meta,
}

impl Said {
    /// Of code that was compiled here for this target.
    pub(super) fn new(target: &Target, meta: Meta) -> Self {
        Self {
            target: target.to_string(),
            processor: target.is_host().then(|| processor().to_owned()),
            meta,
        }
    }
}

impl Sealer {
    pub(super) fn new(key: &ArtifactKey) -> Self {
        Self {
            start_key: blake3::derive_key(START_CONTEXT, &key.0),
            code_key: blake3::derive_key(CODE_CONTEXT, &key.0),
        }
    }

    /// The start of the file, which the code follows.
    pub(super) fn seal(&self, id: &ArtifactId, said: &Said, code: &[u8]) -> Vec<u8> {
        let said = serde_json::to_vec(said).unwrap_or_default();
        let mut start = Vec::with_capacity(HEADER_BYTES + said.len() + HASH_BYTES);
        start.extend_from_slice(MAGIC);
        start.extend_from_slice(&(said.len() as u32).to_le_bytes());
        start.extend_from_slice(&(code.len() as u64).to_le_bytes());
        start.extend_from_slice(&id.module.0);
        start.extend_from_slice(&id.build);
        start.extend_from_slice(blake3::keyed_hash(&self.code_key, code).as_bytes());
        start.extend_from_slice(&said);
        let hash = blake3::keyed_hash(&self.start_key, &start);
        start.extend_from_slice(hash.as_bytes());
        start
    }

    /// Reads the start of a file, if it was sealed with this key for this module and build. The file is then where the code begins.
    pub(super) fn open(
        &self,
        file: &mut File,
        metadata: &Metadata,
        id: &ArtifactId,
    ) -> Result<Start, Unusable> {
        let failed = |error| Unusable::reading("it cannot be read", &error);
        let bad = |reason: &str| Unusable::Bad(reason.to_owned());
        let size = metadata.len();
        let mut start = vec![0; HEADER_BYTES];
        file.read_exact(&mut start).map_err(failed)?;
        let mut header = start.as_slice();
        let mut take = |bytes: usize| header.split_off(..bytes).unwrap_or_default();
        if take(8) != MAGIC {
            return Err(bad("it is no artifact of this version"));
        }
        let said_bytes = u32::from_le_bytes(take(4).try_into().unwrap_or_default());
        let code_bytes = u64::from_le_bytes(take(8).try_into().unwrap_or_default());
        if take(32) != id.module.0 || take(16) != id.build {
            return Err(bad("it is for another module or build"));
        }
        let code_hash: [u8; HASH_BYTES] = take(HASH_BYTES).try_into().unwrap_or_default();
        let expected = (HEADER_BYTES as u64 + u64::from(said_bytes) + HASH_BYTES as u64)
            .checked_add(code_bytes);
        if said_bytes > META_BYTES_MAX || expected != Some(size) {
            let reason = format!("it has {size} bytes, which is not what it says");
            return Err(Unusable::Bad(reason));
        }
        start.resize(HEADER_BYTES + said_bytes as usize + HASH_BYTES, 0);
        let (_, rest) = start.split_at_mut(HEADER_BYTES);
        file.read_exact(rest).map_err(failed)?;
        let (start, hash) = start.split_at(HEADER_BYTES + said_bytes as usize);
        let hash: [u8; HASH_BYTES] = hash.try_into().unwrap_or_default();
        // Compared in constant time.
        if blake3::keyed_hash(&self.start_key, start) != blake3::Hash::from_bytes(hash) {
            return Err(bad("it was damaged, or made with another key"));
        }
        let said = start.get(HEADER_BYTES..).unwrap_or_default();
        let Said {
            target,
            processor,
            meta,
        } = serde_json::from_slice(said).map_err(|error| {
            Unusable::Bad(format!(
                "what it says of the module cannot be read: {error}"
            ))
        })?;
        Ok(Start {
            meta,
            target,
            processor,
            code_bytes,
            code_hash: blake3::Hash::from_bytes(code_hash),
        })
    }

    /// The code of a file of which `start` was just read: a copy that nobody can change any more.
    pub(super) fn code(&self, file: &mut File, start: &Start) -> Result<SealedCode, Unusable> {
        let code = SealedCode::copy(file, start.code_bytes)?;
        match blake3::keyed_hash(&self.code_key, code.bytes()) == start.code_hash {
            true => Ok(code),
            false => Err(Unusable::Bad("its code was damaged".into())),
        }
    }
}
