//! What the host functions of one plugin work with. Made when the plugin is loaded, shared by its instances.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use governor::clock::QuantaClock;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use quanta::Clock;

use super::context::{HostContext, PluginId};
use super::error::{HostError, Status};
use super::file::FileRoots;
use super::net::LookupQuota;
use crate::audit::{AuditLog, CallerId, Entry};
use crate::capability::{CapabilityKind, Permissions};
use crate::compiled::CompiledModule;
use crate::metrics::{MetricKind, Metrics, PluginMetrics, Series};
use crate::module::{Digest, Manifest};
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
    digest: Digest,
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
    lookups: LookupQuota,
    metrics: PluginMetrics,
    logs: Rate,
    values: Rate,
    records: Rate,
    /// What all instances have open.
    open: AtomicUsize,
    open_max: usize,
    clock: Clock,
    started: u64,
}

impl Drop for PluginHost {
    fn drop(&mut self) {
        self.services.audit.release(self.caller);
    }
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
        module: &CompiledModule,
        services: HostServices,
    ) -> Result<Self, String> {
        let limits = module.limits();
        let config = settings.config.iter();
        let functions: Vec<String> = manifest.functions.iter().map(|f| f.name.clone()).collect();
        let clock = Clock::new();
        let files = FileRoots::new(
            permissions.patterns(CapabilityKind::FsRead),
            permissions.patterns(CapabilityKind::FsWrite),
        )
        .map_err(|error| error.message().to_owned())?;
        Ok(Self {
            caller: services
                .audit
                .register(&manifest.name, module.digest(), functions.iter()),
            metrics: services
                .metrics
                .plugin(&manifest.name, limits.metric_series_max),
            permissions,
            files,
            lookups: LookupQuota::default(),
            config: config
                .map(|(key, value)| (key.clone(), value.to_string()))
                .collect(),
            config_text: serde_json::Value::Object(settings.config.clone()).to_string(),
            name: manifest.name.clone(),
            digest: module.digest(),
            functions,
            secrets,
            redactor: Arc::clone(module.redactor()),
            services,
            logs: Rate::new(limits.logs_per_second_max, "logs_per_second_max"),
            values: Rate::new(limits.metrics_per_second_max, "metrics_per_second_max"),
            records: Rate::new(
                limits.audit_records_per_second_max,
                "audit_records_per_second_max",
            ),
            open: AtomicUsize::new(0),
            open_max: limits.plugin_handles_max,
            started: clock.raw(),
            clock,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Who asks, for the context.
    pub(super) fn id(&self) -> PluginId<'_> {
        PluginId {
            name: &self.name,
            digest: self.digest,
        }
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

    /// The lookups of names that it has under way, in all its instances.
    pub(super) fn lookups(&self) -> &LookupQuota {
        &self.lookups
    }

    pub(super) fn config_value(&self, key: &str) -> Option<&str> {
        self.config.get(key).map(String::as_str)
    }

    pub(super) fn config_text(&self) -> &str {
        &self.config_text
    }

    pub(crate) fn secrets(&self) -> &BTreeMap<String, Secret> {
        &self.secrets
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
        self.values.check("values of metrics")
    }

    /// Leaves a record of calls that did nothing outside of the process, or counts it as lost if there are too many.
    pub(super) fn push_record(&self, entry: Entry) {
        match self.records.allows() {
            true => self.audit().push_inside(entry),
            false => self.audit().lose(self.caller),
        }
    }

    /// Counts one more thing that an instance opens.
    pub(super) fn count_opened(&self) -> Result<(), HostError> {
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        if before < self.open_max {
            return Ok(());
        }
        self.count_closed(1);
        Err(HostError::new(
            Status::Limit,
            format!(
                "{before} things are open in all instances of the plugin, as many as may be; close some, or raise `plugin_handles_max`"
            ),
        ))
    }

    pub(super) fn count_closed(&self, things: usize) {
        self.open.fetch_sub(things, Ordering::Relaxed);
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
    fn allows(&self) -> bool {
        self.limiter
            .as_ref()
            .is_some_and(|limiter| limiter.check().is_ok())
    }

    #[inline]
    fn check(&self, what: &str) -> Option<HostError> {
        match self.allows() {
            true => None,
            false => Some(self.exceeded(what)),
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
