//! Compiling modules ahead of their use, for this host and for others.

use std::path::Path;

use super::Registry;
use super::candidate::{Candidate, ModuleFrom, refused};
use crate::artifact::{ArtifactCache, Meta, Target};
use crate::compiled::CompileOptions;
use crate::deadline::Interruption;
use crate::engine::Tooling;
use crate::error::{Error, Result};
use crate::instance::PoolOptions;
use crate::limits::Limits;
use crate::module::{Digest, ModuleError, ModuleSource};
use crate::plugin::{self, Description, Origin};

/// A module that is to be compiled ahead, into the artifacts of a registry.
pub struct Precompilation {
    name: String,
    source: ModuleSource,
    limits: Limits,
    pool: PoolOptions,
    interruption: Interruption,
    redact_well_known: bool,
    artifacts: ArtifactCache,
    /// What is kept of it besides the code, once that is known.
    meta: Option<Meta>,
}

/// What came of compiling a module for one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Precompiled {
    /// Size of the file in the directory of artifacts.
    pub bytes: u64,
    /// Whether it was there already.
    pub cached: bool,
}

impl Registry {
    /// Takes a module to be compiled into [`RegistryOptions::artifacts`](super::RegistryOptions::artifacts), so that a registry with the same limits and
    /// interruption maps it. The settings beside the module hold: its limits, its digest, its signature. What it asks for need not be granted here.
    ///
    /// # Errors
    ///
    /// If the file, its settings or its signature are refused, or this registry keeps no compiled modules.
    pub fn precompile(&self, path: impl AsRef<Path>) -> Result<Precompilation> {
        let options = self.options();
        let path = path.as_ref();
        let name = path.display().to_string();
        let artifacts = self.artifacts()?.ok_or_else(|| {
            Error::Usage(format!(
                "plugin {}: this registry keeps no compiled modules; set `RegistryOptions::artifacts`",
                crate::module::escape(&name)
            ))
        })?;
        let candidate = Candidate {
            name: &name,
            from: ModuleFrom::File(path),
            settings: self.beside(path),
            pinned: None,
            origin: Origin::Bytes,
            by_sql: false,
        };
        let (settings, limits, pool) = self.settings_of(&candidate)?;
        let source = ModuleSource::from_file(path, &limits).map_err(refused(&name))?;
        self.check_integrity(&candidate, &settings, &source)?;
        Ok(Precompilation {
            source,
            limits,
            pool,
            interruption: options.interruption(),
            redact_well_known: options.redact_well_known,
            artifacts,
            meta: None,
            name,
        })
    }
}

impl Precompilation {
    /// The identity of the module.
    pub fn digest(&self) -> Digest {
        self.source.digest()
    }

    /// Compiles the module for `target`, unless that was done before. The module is run on this host, whatever the target, to learn what it says of
    /// itself.
    ///
    /// # Errors
    ///
    /// If the module is refused, cannot be compiled for the target, or the artifact cannot be written.
    pub fn compile_for(&mut self, target: &Target) -> Result<Precompiled> {
        if let Some(bytes) = self.there(target)? {
            return Ok(Precompiled {
                bytes,
                cached: true,
            });
        }
        let id = self.options().artifact(self.source.digest(), target);
        let code = match target.is_host() {
            true => {
                let Description { module, meta, .. } = self.describe()?;
                self.meta = Some(meta);
                crate::compiler::serialize(module.linked()?.pre.module())
                    .map_err(|error| self.not_kept(format!("{error:#}")))?
            }
            false => {
                self.learn()?;
                self.options().compile_for(self.source.bytes(), target)?
            }
        };
        let meta = self.meta.as_ref().ok_or(ModuleError::NotCompiled);
        let meta = meta.map_err(refused(&self.name))?;
        let bytes = self
            .artifacts
            .put(&id, target, meta, &code)
            .map_err(|reason| self.not_kept(reason))?;
        Ok(Precompiled {
            bytes,
            cached: false,
        })
    }

    /// The size of the artifact that is there for `target`, if it is whole. For a triple, one that needs more than any processor of its kind can do
    /// does not count.
    fn there(&mut self, target: &Target) -> Result<Option<u64>> {
        let options = self.options();
        let id = options.artifact(self.source.digest(), target);
        // Triples of one architecture and system have one artifact: their code is the same.
        let host = Target::host().to_string();
        let is_there = self
            .artifacts
            .entry(&id)
            .is_some_and(|there| target.is_host() || there != host);
        if !is_there {
            return Ok(None);
        }
        let Some(artifact) = self.artifacts.get(&id) else {
            return Ok(None);
        };
        let is_whole = match target.is_host() {
            true => artifact.module(&options.engine()?).is_some(),
            false => artifact.is_whole(),
        };
        let bytes = artifact.bytes;
        self.meta.get_or_insert(artifact.meta);
        Ok(is_whole.then_some(bytes))
    }

    /// Learns what is kept of the module besides its code: from what was compiled for this host before, or by compiling it for this host.
    fn learn(&mut self) -> Result<()> {
        if self.meta.is_none() {
            let id = self
                .options()
                .artifact(self.source.digest(), &Target::host());
            let there = self
                .artifacts
                .entry(&id)
                .and_then(|_| self.artifacts.get(&id));
            self.meta = Some(match there {
                Some(artifact) => artifact.meta,
                None => self.describe()?.meta,
            });
        }
        Ok(())
    }

    fn describe(&self) -> Result<Description> {
        plugin::describe(&self.source, self.options(), self.redact_well_known)
    }

    fn options(&self) -> CompileOptions<'_> {
        CompileOptions {
            name: &self.name,
            limits: &self.limits,
            pool: &self.pool,
            interruption: self.interruption,
            tooling: Tooling::default(),
        }
    }

    fn not_kept(&self, reason: String) -> Error {
        Error::Host {
            what: format!(
                "plugin {}: the compiled module could not be kept",
                crate::module::escape(&self.name)
            ),
            reason,
        }
    }
}

impl std::fmt::Debug for Precompilation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Precompilation")
            .field("name", &self.name)
            .field("digest", &self.digest())
            .finish_non_exhaustive()
    }
}
