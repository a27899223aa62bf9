//! How a registry loads plugins.

use std::path::PathBuf;
use std::sync::Arc;

use crate::artifact::ArtifactOptions;
use crate::audit::AuditOptions;
use crate::capability::Grants;
use crate::deadline::Interruption;
use crate::host::{HostContext, NoContext};
use crate::instance::PoolOptions;
use crate::limits::Limits;
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
    /// Whether modules must be signed by one of [`Self::trusted_keys`].
    pub require_signed: bool,
    /// The keys that modules may be signed with. With any, a module that has a signature must have a good one.
    pub trusted_keys: Vec<PublicKey>,
    /// Whether texts in the form of well-known secrets (keys of clouds, tokens, private keys) are taken out of what plugins say in logs,
    /// metrics, errors and audit records. The values of granted secrets always are.
    pub redact_well_known: bool,
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
            settings_files: SettingsFiles::default(),
            grants: Grants::default(),
            context: Arc::new(NoContext),
            count_calls: true,
            audit: AuditOptions::default(),
            artifacts: None,
            require_signed: false,
            trusted_keys: Vec::new(),
            redact_well_known: true,
        }
    }
}
