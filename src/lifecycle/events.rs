//! What happened to plugins: the latest, to be read, and each as an event of `tracing`. Both are written here and nowhere else.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tracing::Level;

use crate::module::escape_cut;

/// How many are kept if nobody says otherwise.
pub(crate) const EVENTS_MAX: usize = 1_024;
/// Bytes that are kept of a detail. It may be an error with the words of a guest.
const DETAIL_BYTES_MAX: usize = 2 << 10;

/// What happened to a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PluginEvent {
    /// When.
    pub time: SystemTime,
    /// The plugin; the file of a module that was refused.
    pub plugin: String,
    /// The version that it happened to, if there is one.
    pub version: Option<String>,
    /// What.
    pub kind: PluginEventKind,
    /// Why, by whom, from where.
    pub detail: Option<String>,
}

/// What can happen to a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PluginEventKind {
    /// It was loaded, and there was none of its name.
    Loaded,
    /// Another version took the place of the one before.
    Reloaded,
    /// A module was refused.
    Refused,
    /// A former version was returned to.
    RolledBack,
    /// Somebody suspended it.
    Suspended,
    /// Somebody resumed it.
    Resumed,
    /// It failed so often that its circuit breaker suspended it.
    BreakerOpened,
    /// The breaker tries it with one instance.
    BreakerHalfOpen,
    /// The breaker does not suspend it any more.
    BreakerClosed,
    /// It was taken out.
    Unloaded,
    /// Its compiled module on disk was not what it must be, and was not used.
    ArtifactRefused,
}

impl PluginEventKind {
    /// Its name: `loaded`, `rolled_back`, `breaker_opened`, …
    pub fn name(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::Reloaded => "reloaded",
            Self::Refused => "refused",
            Self::RolledBack => "rolled_back",
            Self::Suspended => "suspended",
            Self::Resumed => "resumed",
            Self::BreakerOpened => "breaker_opened",
            Self::BreakerHalfOpen => "breaker_half_open",
            Self::BreakerClosed => "breaker_closed",
            Self::Unloaded => "unloaded",
            Self::ArtifactRefused => "artifact_refused",
        }
    }

    /// How loud it is logged: what somebody should look at, what an operator does or wants to know, and the rest.
    fn level(self) -> Level {
        match self {
            Self::Refused | Self::Suspended | Self::BreakerOpened | Self::ArtifactRefused => {
                Level::WARN
            }
            Self::Loaded => Level::DEBUG,
            Self::Reloaded
            | Self::RolledBack
            | Self::Resumed
            | Self::BreakerHalfOpen
            | Self::BreakerClosed
            | Self::Unloaded => Level::INFO,
        }
    }
}

/// The latest events. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Events(Arc<Ring>);

#[derive(Debug)]
struct Ring {
    events: Mutex<VecDeque<PluginEvent>>,
    max: usize,
}

impl Default for Events {
    fn default() -> Self {
        Self::new(EVENTS_MAX)
    }
}

impl Events {
    pub(crate) fn new(max: usize) -> Self {
        Self(Arc::new(Ring {
            events: Mutex::default(),
            max,
        }))
    }

    /// All that are kept, the latest last.
    pub(crate) fn all(&self) -> Vec<PluginEvent> {
        self.0.events.lock().iter().cloned().collect()
    }

    /// Adds an event, and logs it.
    pub(crate) fn push(
        &self,
        plugin: &str,
        version: Option<&str>,
        kind: PluginEventKind,
        detail: Option<String>,
    ) {
        let event = self.add(plugin, version, kind, detail);
        let PluginEvent { plugin, .. } = &event;
        let (name, detail) = (kind.name(), event.detail.as_deref());
        // Levels are constants of each place that logs.
        macro_rules! log {
            ($level:expr) => {
                tracing::event!(
                    target: "wasmfusion::plugins",
                    $level,
                    {
                        wasmfusion.plugin.name = plugin,
                        wasmfusion.plugin.version = version,
                        detail
                    },
                    "plugin {name}"
                )
            };
        }
        match kind.level() {
            Level::WARN => log!(Level::WARN),
            Level::INFO => log!(Level::INFO),
            _ => log!(Level::DEBUG),
        }
    }

    /// Adds an event of which somebody hears as an error.
    pub(crate) fn add(
        &self,
        plugin: &str,
        version: Option<&str>,
        kind: PluginEventKind,
        detail: Option<String>,
    ) -> PluginEvent {
        let event = PluginEvent {
            time: SystemTime::now(),
            plugin: escape_cut(plugin, DETAIL_BYTES_MAX),
            version: version.map(str::to_owned),
            kind,
            detail: detail.map(|detail| escape_cut(&detail, DETAIL_BYTES_MAX)),
        };
        let mut events = self.0.events.lock();
        while events.len() >= self.0.max {
            if events.pop_front().is_none() {
                // None are to be kept.
                return event;
            }
        }
        events.push_back(event.clone());
        event
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_millis() as u64
}

/// The moment that is so many milliseconds after the beginning of 1970.
pub(crate) fn time(ms: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(ms)
}
