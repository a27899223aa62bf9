//! The states of a plugin, as they are shown.

use std::time::SystemTime;

use crate::module::Digest;

/// Where a version of a plugin is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PluginState {
    /// Its module is being read, checked and compiled.
    Loading,
    /// It is called where its functions are.
    Ready,
    /// Its functions are there, and new streams and calls of them are refused, until somebody resumes it, or its circuit breaker closes.
    Suspended,
    /// Its module was refused.
    Failed,
    /// Another version has taken its place, or it was unloaded, and streams that began before still call it.
    Draining,
    /// It was unloaded, or its file is gone. It can be [reloaded](crate::Registry::reload) or [returned to](crate::Registry::roll_back).
    Unloaded,
    /// Another version has taken its place. It can be [returned to](crate::Registry::roll_back).
    Former,
    /// It is in no registry: statements or queries alone have it.
    Held,
}

/// A version of a plugin, or a module that was refused, at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PluginStatus {
    /// The name of the plugin; that of its file, as long as nothing else is known.
    pub plugin: String,
    /// Its version; `None` if the module is not loaded.
    pub version: Option<String>,
    /// Where it is in its life.
    pub state: PluginState,
    /// Since when.
    pub since: SystemTime,
    /// Why its file as it is now, or a call of it, is refused.
    pub problem: Option<String>,
    /// Where it was loaded from.
    pub source: String,
    /// The identity of its bytes; `None` if the module is not loaded.
    pub digest: Option<Digest>,
    /// Instances that live now.
    pub instances: u64,
    /// The memory of those, in bytes.
    pub memory_bytes: u64,
}

impl PluginState {
    /// Its name: `loading`, `ready`, `suspended`, `failed`, `draining`, `unloaded`, `former`, `held`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Ready => "ready",
            Self::Suspended => "suspended",
            Self::Failed => "failed",
            Self::Draining => "draining",
            Self::Unloaded => "unloaded",
            Self::Former => "former",
            Self::Held => "held",
        }
    }
}
