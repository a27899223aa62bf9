//! What the host functions of one plugin work with. Made when the plugin is loaded, shared by its instances.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use governor::clock::QuantaClock;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use quanta::Clock;

use super::context::HostContext;
use super::error::{HostError, Status};
use super::file::FileRoots;
use crate::audit::{AuditLog, CallerId};
use crate::capability::{CapabilityKind, Permissions};
use crate::limits::Limits;
use crate::metrics::{MetricKind, Metrics, PluginMetrics, Series};
use crate::module::Manifest;
use crate::redact::Redactor;
use crate::settings::{PluginSettings, Secret};

type Limiter = RateLimiter<NotKeyed, InMemoryState, QuantaClock>;

/// What a registry offers to the host functions of all its plugins.
#[derive(Clone, Debug)]
pub(crate) struct HostServices {
    pub(crate) context: Arc<dyn HostContext>,
    pub(crate) audit: AuditLog,
    pub(crate) metrics: Metrics,
}

/// What the host functions of one plugin work with.
pub(crate) struct PluginHost {
    name: String,
    functions: Vec<String>,
    permissions: Permissions,
    /// The configuration as JSON: each key's value, and all of it.
    config: BTreeMap<String, String>,
    config_text: String,
    secrets: BTreeMap<String, Secret>,
    redactor: Arc<Redactor>,
    services: HostServices,
    caller: CallerId,
    files: FileRoots,
    metrics: PluginMetrics,
    logs: Rate,
    records: Rate,
    clock: Clock,
    started: u64,
}

/// How often something may be done.
struct Rate {
    limiter: Option<Limiter>,
    per_second: u32,
    setting: &'static str,
}

impl PluginHost {
    pub(crate) fn new(
        manifest: &Manifest,
        permissions: Permissions,
        settings: &PluginSettings,
        secrets: BTreeMap<String, Secret>,
        redactor: Arc<Redactor>,
        limits: &Limits,
        services: HostServices,
    ) -> Result<Self, String> {
        let config = settings.config.iter();
        let functions: Vec<String> = manifest.functions.iter().map(|f| f.name.clone()).collect();
        let clock = Clock::new();
        let files = FileRoots::new(
            permissions.patterns(CapabilityKind::FsRead),
            permissions.patterns(CapabilityKind::FsWrite),
        )
        .map_err(|error| error.message().to_owned())?;
        Ok(Self {
            caller: services.audit.register(&manifest.name, functions.iter()),
            metrics: services
                .metrics
                .plugin(&manifest.name, limits.metric_series_max),
            permissions,
            files,
            config: config
                .map(|(key, value)| (key.clone(), value.to_string()))
                .collect(),
            config_text: serde_json::Value::Object(settings.config.clone()).to_string(),
            name: manifest.name.clone(),
            functions,
            secrets,
            redactor,
            services,
            logs: Rate::new(limits.logs_per_second_max, "logs_per_second_max"),
            records: Rate::new(limits.metrics_per_second_max, "metrics_per_second_max"),
            started: clock.raw(),
            clock,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The name of the function at `place` in the manifest; empty if there is none.
    pub(super) fn function_name(&self, place: u32) -> &str {
        self.functions
            .get(place as usize)
            .map_or("", String::as_str)
    }

    #[inline]
    pub(crate) fn permissions(&self) -> &Permissions {
        &self.permissions
    }

    #[inline]
    pub(super) fn audit(&self) -> &AuditLog {
        &self.services.audit
    }

    #[inline]
    pub(super) fn caller(&self) -> CallerId {
        self.caller
    }

    pub(crate) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    pub(super) fn context(&self) -> &dyn HostContext {
        self.services.context.as_ref()
    }

    pub(super) fn files(&self) -> &FileRoots {
        &self.files
    }

    pub(super) fn config_value(&self, key: &str) -> Option<&str> {
        self.config.get(key).map(String::as_str)
    }

    pub(super) fn config_text(&self) -> &str {
        &self.config_text
    }

    pub(super) fn secret(&self, name: &str) -> Option<&Secret> {
        self.secrets.get(name)
    }

    /// Nanoseconds since the plugin was loaded.
    #[inline]
    pub(super) fn monotonic_ns(&self) -> u64 {
        self.clock.delta_as_nanos(self.started, self.clock.raw())
    }

    pub(super) fn series(
        &self,
        kind: MetricKind,
        name: &str,
        labels: Vec<(String, String)>,
    ) -> Result<Arc<Series>, HostError> {
        self.metrics.series(kind, name, labels)
    }

    /// Why one more log record must not be written now.
    #[inline]
    pub(super) fn drop_log(&self) -> Option<HostError> {
        self.logs.check("log records")
    }

    /// Why one more value must not be recorded now.
    #[inline]
    pub(super) fn drop_metric(&self) -> Option<HostError> {
        self.records.check("values of metrics")
    }
}

impl Rate {
    fn new(per_second: u32, setting: &'static str) -> Self {
        let quota = NonZeroU32::new(per_second).map(Quota::per_second);
        Self {
            limiter: quota
                .map(|quota| RateLimiter::direct_with_clock(quota, QuantaClock::default())),
            per_second,
            setting,
        }
    }

    #[inline]
    fn check(&self, what: &str) -> Option<HostError> {
        match &self.limiter {
            Some(limiter) if limiter.check().is_ok() => None,
            _ => Some(self.exceeded(what)),
        }
    }

    #[cold]
    fn exceeded(&self, what: &str) -> HostError {
        HostError::new(
            Status::Limit,
            format!(
                "more than {} {what} in a second; raise `{}` if it needs more",
                self.per_second, self.setting
            ),
        )
    }
}

impl std::fmt::Debug for PluginHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PluginHost")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
