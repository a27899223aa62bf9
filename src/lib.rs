//! Sandboxed WebAssembly functions for Apache DataFusion.
//!
//! ```text
//! SQL ──▶ DataFusion's plan ──▶ ScalarFunction::invoke_with_args          function/scalar.rs
//!              │                    │ constants, NULLs, overloads          function/call.rs
//!    scope/  one instance a stream  │ lease the stream's instance          scope/mod.rs
//!                                   │ write the columns into guest memory  function/frame.rs, columns/write.rs
//!                                   │ call the export under the watchdog   instance/, deadline.rs
//!                                   │ check and read what came back        columns/read.rs
//!                                   ▼
//!                               ColumnarValue
//! ```
//!
//! Plugins come in through [`Registry`]; a session takes them with [`SessionContextExt::register_plugins`].
//!
//! ```no_run
//! # async fn example() -> datafusion::error::Result<()> {
//! use datafusion::prelude::SessionContext;
//! use wasmfusion::{Registry, SessionContextExt};
//!
//! let registry = Registry::default();
//! registry.load_file("geo.wasm")?;
//! let ctx = SessionContext::new();
//! ctx.register_plugins(&registry)?;
//! ctx.sql("SELECT great_circle_km(52.5, 13.4, 48.9, 2.4)").await?.show().await?;
//! # Ok(()) }
//! ```

mod artifact;
mod audit;
mod capability;
pub mod columns;
mod compiled;
mod compiler;
mod deadline;
mod engine;
mod error;
mod function;
mod host;
mod instance;
mod lifecycle;
mod limits;
pub mod memory;
mod metrics;
pub mod module;
mod observe;
mod plugin;
mod profile;
mod redact;
mod registry;
mod scope;
mod settings;
mod sql;

pub use artifact::{
    ArtifactCache, ArtifactCounts, ArtifactEntry, ArtifactKey, ArtifactOptions, Target,
};
pub use audit::{AuditLog, AuditOptions, AuditRecord, Outcome};
pub use capability::{Capability, CapabilityError, CapabilityKind, Grants, Preset};
pub use deadline::{Cancellation, Interruption};
pub use error::{Error, FunctionId, Result, Trap};
pub use function::{AggregateFunction, ScalarFunction, SqlFunction, TableFunction, WindowFunction};
pub use host::{
    Distance, Figure, HostContext, HostError, KeyValueTable, LocalContext, NearestNeighbours,
    NoContext, PluginId, SnapshotTable, Status, StoreError, StoreLimits, VectorIndex, Visit,
};
pub use instance::{Isolation, PoolOptions};
pub use lifecycle::{
    PluginEvent, PluginEventKind, PluginState, PluginStatus, SuspendedBy, Suspension,
};
pub use limits::Limits;
pub use metrics::{Metric, MetricKind, Metrics};
pub use module::EventKind;
pub use observe::{
    CallCounts, FailureCounts, FunctionUsage, InstanceUsage, MetricsPublisher, ObserverCounts,
    ObserverLayer, QueryUsage,
};
pub use plugin::Plugin;
pub use profile::{
    FrameKind, HotFunction, Profile, ProfileFrame, ProfileSample, ProfileStack, Profiler,
    ProfilerOptions,
};
pub use registry::{
    PluginDirectory, PluginFile, Precompilation, Precompiled, Registry, RegistryOptions,
    SettingsFiles, SqlModules,
};
pub use scope::{StreamScope, WasmExec, WasmRule};
pub use settings::{
    PluginSettings, PublicKey, Secret, SecretSource, SettingsError, SignatureSource,
};
pub use sql::{LeftOut, SessionContextExt, WasmFunctionFactory};
