//! The host functions by name: what each needs, what is linked for it, and, a file each, what it does.

mod clock;
mod config;
mod env;
mod exec;
mod file;
mod http;
mod log;
mod metric;
mod network;
mod random;
mod secret;
mod table;
mod tcp;
mod vector;

use wasmfusion_abi::host::{MODULE, name};
use wasmparser::ValType;
use wasmtime::{Caller, Linker};

use super::{calls, gate};
use crate::capability::CapabilityKind::{self, *};
use crate::instance::HostState;
use crate::module::Signature;

/// A function that modules may import.
#[derive(Debug)]
pub(crate) struct HostFunction {
    /// Its name.
    pub(crate) name: &'static str,
    params: &'static [ValType],
    /// What it is for: one of these must be asked for. None: whatever else is asked for.
    pub(crate) capabilities: &'static [CapabilityKind],
}

impl HostFunction {
    /// The function of this name in this module.
    pub(crate) fn find(module: &str, name: &str) -> Option<&'static Self> {
        (module == MODULE).then(|| Self::named(name)).flatten()
    }

    /// The function of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        FUNCTIONS.iter().find(|function| function.name == name)
    }

    /// The type that a module imports it with.
    pub(crate) fn signature(&self) -> Signature {
        Signature {
            params: self.params.into(),
            results: [ValType::I64].into(),
        }
    }
}

/// A number as wasm has it.
trait Number {
    const TYPE: ValType;
}

impl Number for i32 {
    const TYPE: ValType = ValType::I32;
}
impl Number for u32 {
    const TYPE: ValType = ValType::I32;
}
impl Number for u64 {
    const TYPE: ValType = ValType::I64;
}
impl Number for f64 {
    const TYPE: ValType = ValType::F64;
}

/// Makes the table of functions and [`link`] of one list.
macro_rules! host_functions {
    ($($name:ident: $function:path, ($($arg:ident: $ty:ty),*), [$($capability:ident),*];)*) => {
        const FUNCTIONS: &[HostFunction] = &[$(
            HostFunction {
                name: name::$name,
                params: &[$(<$ty as Number>::TYPE),*],
                capabilities: &[$($capability),*],
            },
        )*];

        /// Defines the function of this name.
        ///
        /// # Errors
        ///
        /// If it is defined already.
        pub(crate) fn link(linker: &mut Linker<HostState>, name: &str) -> wasmtime::Result<()> {
            match name {
                $(
                    name::$name => {
                        linker.func_wrap(
                            MODULE,
                            name::$name,
                            |mut caller: Caller<'_, HostState> $(, $arg: $ty)*| -> wasmtime::Result<i64> {
                                gate::enter(&mut caller, name::$name, &[$($capability),*], |call| $function(call $(, $arg)*))
                            },
                        )?;
                    }
                )*
                _ => {}
            }
            Ok(())
        }
    };
}

host_functions! {
    REPLY: calls::reply, (out: u32, capacity: u32), [];
    ERROR: calls::error, (out: u32, capacity: u32), [];
    CLOSE: calls::close, (handle: u32), [];

    LOG_ENABLED: log::enabled, (level: i32), [Log];
    LOG: log::write, (level: i32, message: u32, length: u32, fields: u32, field_count: u32), [Log];

    METRIC: metric::open, (kind: i32, name: u32, length: u32, labels: u32, label_count: u32), [MetricEmit];
    METRIC_RECORD: metric::record, (handle: u32, value: f64), [MetricEmit];

    CONFIG: config::get, (key: u32, length: u32, out: u32, capacity: u32), [Config];
    SECRET: secret::get, (name: u32, length: u32, out: u32, capacity: u32), [Secret];
    ENV: env::get, (name: u32, length: u32, out: u32, capacity: u32), [Env];

    CLOCK_REALTIME: clock::realtime, (), [Clock];
    CLOCK_MONOTONIC: clock::monotonic, (), [Clock];
    RANDOM: random::fill, (out: u32, length: u32), [Random];

    TABLE_OPEN: table::open, (name: u32, length: u32, mode: i32), [TableRead, TableWrite];
    TABLE_GET: table::get, (handle: u32, key: u32, length: u32, out: u32, capacity: u32), [TableRead];
    TABLE_PUT: table::put, (handle: u32, key: u32, key_length: u32, value: u32, value_length: u32), [TableWrite];
    TABLE_DELETE: table::delete, (handle: u32, key: u32, length: u32), [TableWrite];
    TABLE_SCAN: table::scan, (handle: u32, start: u32, start_length: u32, end: u32, end_length: u32, limit: u32, out: u32, capacity: u32), [TableRead];

    VECTOR_OPEN: vector::open, (name: u32, length: u32), [VectorSearch];
    VECTOR_SEARCH: vector::search, (handle: u32, vector: u32, dimensions: u32, k: u32, out: u32, capacity: u32), [VectorSearch];

    FILE_OPEN: file::open, (path: u32, length: u32, mode: i32), [FsRead, FsWrite];
    FILE_READ: file::read, (handle: u32, out: u32, capacity: u32), [FsRead];
    FILE_WRITE: file::write, (handle: u32, bytes: u32, length: u32), [FsWrite];
    FILE_SEEK: file::seek, (handle: u32, position: u64), [FsRead, FsWrite];
    FILE_SIZE: file::size, (handle: u32), [FsRead, FsWrite];
    FILE_LIST: file::list, (path: u32, length: u32, out: u32, capacity: u32), [FsRead];
    FILE_REMOVE: file::remove, (path: u32, length: u32), [FsWrite];

    HTTP: http::http, (request: u32, out: u32, capacity: u32), [NetHttp];
    TCP_CONNECT: tcp::connect, (host: u32, length: u32, port: u32, timeout_ms: u32), [NetConnect];
    TCP_READ: tcp::read, (handle: u32, out: u32, capacity: u32), [NetConnect];
    TCP_WRITE: tcp::write, (handle: u32, bytes: u32, length: u32), [NetConnect];
    EXEC: exec::exec, (request: u32, out: u32, capacity: u32), [Exec];
}
