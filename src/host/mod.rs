//! What guests can ask the host for: functions that a module imports, each behind a capability.
//!
//! ```text
//! guest ──import──▶ gate.rs: granted? ──▶ functions/: log, table, http … ──▶ gate.rs: audit record ──▶ guest
//!                                             │
//!                    context.rs, store/, file, net/, process: what reaches outside of the call
//! ```
//!
//! `udf-sdk/abi` names the functions, `docs/abi.md` says what each does. A function gets its arguments as numbers, reads guest memory
//! through [`GuestMemory`](crate::memory::GuestMemory) alone, and answers with a number or a [`HostError`].

mod calls;
mod context;
mod error;
mod file;
mod functions;
mod gate;
mod handle;
mod net;
mod plugin_host;
mod process;
mod store;

pub(crate) use calls::HostCalls;
pub use context::{HostContext, KeyValueTable, NoContext, PluginId, VectorIndex, Visit};
pub use error::{HostError, Status};
pub(crate) use functions::{HostFunction, link};
pub(crate) use plugin_host::{HostServices, PluginHost};
pub use store::{
    Figure, LocalContext, Metric as Distance, NearestNeighbours, SnapshotTable, StoreError,
    StoreLimits,
};
