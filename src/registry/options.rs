//! How a registry loads plugins.

use std::path::PathBuf;
use std::sync::Arc;

use crate::artifact::ArtifactOptions;
use crate::audit::AuditOptions;
use crate::capability::Grants;
use crate::deadline::Interruption;
use crate::engine::Tooling;
use crate::host::{HostContext, NoContext};
use crate::instance::PoolOptions;
use crate::lifecycle::EVENTS_MAX;
use crate::limits::Limits;
use crate::profile::Profiler;
use crate::settings::PublicKey;

/// How a [`Registry`](super::Registry) loads plugins.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RegistryOptions {
    /// What each instance of each plugin may use.
    pub limits: Limits,
    /// Whom instances serve, and where they come from.
    pub pool: PoolOptions,
    /// How a guest that runs too long is stopped.
    pub interruption: Interruption,
    /// The directory below which `CREATE FUNCTION … AS 'file'` finds its files; relative paths start there, and paths that leave it
    /// are refused. `None`: every file that the process can read, relative to its working directory.
    pub module_root: Option<PathBuf>,
    /// Which modules SQL text may name. `None`: with a [`Self::module_root`] the files below it, without one files, URLs and bytes, since SQL text can
    /// have any file's bytes then anyway.
    pub sql_modules: Option<SqlModules>,
    /// Whether sessions get the SQL functions `wasmfusion_suspend`, `wasmfusion_resume`, `wasmfusion_unload`, `wasmfusion_reload` and
    /// `wasmfusion_roll_back`, which act on the plugins of all sessions. Only where whoever writes SQL operates the plugins, too.
    pub sql_admin: bool,
    /// Most events of [`Registry::events`](super::Registry::events) that are kept. Older ones are forgotten.
    pub events_max: usize,
    /// Beside which modules the file `NAME.toml` is read, in which an operator grants capabilities and sets limits.
    pub settings_files: SettingsFiles,
    /// What every plugin is granted, apart from what its own settings grant.
    pub grants: Grants,
    /// Where plugins' tables and vector indexes come from.
    pub context: Arc<dyn HostContext>,
    /// Whether it is counted what functions cost: some nanoseconds a call. Without, [`Registry::usage`](super::Registry::usage), the tables and
    /// `EXPLAIN ANALYZE` show nothing of calls, and observers are told of those alone that fail.
    pub count_calls: bool,
    /// What is kept of plugins' host calls.
    pub audit: AuditOptions,
    /// Where compiled modules are kept, so that the next start maps them instead of compiling. `None`: nowhere.
    pub artifacts: Option<ArtifactOptions>,
    /// Who samples the stacks of guests. Guests are then stopped by epochs, whatever [`Self::interruption`] says, which makes tight loops up to
    /// four times slower.
    pub profiler: Option<Profiler>,
    /// Whether Linux' `perf` can name the functions of guests: they are written to `/tmp/perf-PID.map` when a plugin is loaded. Needs the cargo
    /// feature `perf`; without it no plugin can be loaded then.
    pub perf_map: bool,
    /// Whether modules must be signed by one of [`Self::trusted_keys`].
    pub require_signed: bool,
    /// The keys that modules may be signed with. With any, a module that has a signature must have a good one.
    pub trusted_keys: Vec<PublicKey>,
    /// Whether texts in the form of well-known secrets (keys of clouds, tokens, private keys) are taken out of what plugins say in logs,
    /// metrics, errors and audit records. The values of granted secrets always are.
    pub redact_well_known: bool,
}

/// Which modules SQL text may name in `CREATE FUNCTION … AS`. Nothing that it names so is granted anything by a file, but for files below
/// [`RegistryOptions::module_root`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SqlModules {
    /// Files: those below [`RegistryOptions::module_root`], or all if there is none.
    pub files: bool,
    /// URLs of object stores that the session knows, as in `'s3://bucket/geo.wasm'`.
    pub urls: bool,
    /// The bytes of a module, as in `'data:application/wasm;base64,AGFzbQ…'`.
    pub bytes: bool,
}

impl SqlModules {
    /// Everything.
    pub const ALL: Self = Self {
        files: true,
        urls: true,
        bytes: true,
    };
    /// Files alone.
    pub const FILES: Self = Self {
        files: true,
        urls: false,
        bytes: false,
    };
    /// Nothing: `CREATE FUNCTION … LANGUAGE WASM` is refused.
    pub const NONE: Self = Self {
        files: false,
        urls: false,
        bytes: false,
    };
}

impl RegistryOptions {
    /// Which modules SQL text may name.
    pub(super) fn sql_modules(&self) -> SqlModules {
        match (self.sql_modules, &self.module_root) {
            (Some(modules), _) => modules,
            (None, Some(_)) => SqlModules::FILES,
            (None, None) => SqlModules::ALL,
        }
    }
}

/// Beside which modules the file `NAME.toml` is read. Who can write such a file decides what the plugin may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SettingsFiles {
    /// Beside none: all settings come through the Rust API.
    Off,
    /// Beside those that the embedder loads, and those that `CREATE FUNCTION` finds below [`RegistryOptions::module_root`].
    #[default]
    Trusted,
    /// Beside any that `CREATE FUNCTION` names as well. For a shell, where the user is the operator: elsewhere SQL that can write files
    /// could grant itself whatever it likes.
    All,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            pool: PoolOptions::default(),
            interruption: Interruption::default(),
            module_root: None,
            sql_modules: None,
            sql_admin: false,
            events_max: EVENTS_MAX,
            settings_files: SettingsFiles::default(),
            grants: Grants::default(),
            context: Arc::new(NoContext),
            count_calls: true,
            audit: AuditOptions::default(),
            artifacts: None,
            profiler: None,
            perf_map: false,
            require_signed: false,
            trusted_keys: Vec::new(),
            redact_well_known: true,
        }
    }
}

impl RegistryOptions {
    /// How guests are stopped: a profiler needs epochs.
    pub(super) fn interruption(&self) -> Interruption {
        match self.profiler {
            Some(_) => Interruption::Epoch,
            None => self.interruption,
        }
    }

    pub(super) fn tooling(&self) -> Tooling {
        Tooling {
            perf_map: self.perf_map,
            sampled: self.profiler.is_some(),
        }
    }
}
