//! The binary interface between Wasmfusion and its guests, version 1.
//!
//! Host and guest both compile this crate, so the two cannot disagree about a layout. `docs/abi.md`
//! says the same in prose and tables, for guests in other languages.
//!
//! Every struct is what lies in the guest's linear memory: little-endian, with 32-bit addresses
//! (offsets from the start of that memory). Addresses are plain `u32`, not pointers, so that the
//! layouts are the same on a 64-bit host. This crate holds layouts and names only; it neither reads
//! nor writes memory.
#![no_std]
#![forbid(unsafe_code)]

/// The version of this interface: what [`export::ABI_VERSION`] must return.
pub const ABI_VERSION: i32 = 1;

/// Alignment, in bytes, of each buffer that the host lays out in guest memory, and of the host's region.
pub const BUFFER_ALIGN: u32 = 64;

/// How many arguments can be marked in [`CallFrame::constants`]. An argument after that is always a full column.
pub const CONSTANTS_MAX: usize = 64;

/// Names of the exports that belong to the interface.
pub mod export {
    /// The linear memory.
    pub const MEMORY: &str = "memory";
    /// `() -> i32`: the version of the interface that the guest speaks.
    pub const ABI_VERSION: &str = "wasmfusion_abi_version";
    /// `() -> i32`: address of a [`crate::Slice`] that holds the manifest, JSON in UTF-8.
    pub const DESCRIBE: &str = "wasmfusion_describe";
    /// `(size: i32, align: i32) -> i32`: address of the host's region, which replaces the one before; 0 if there is no room.
    pub const ALLOC: &str = "wasmfusion_alloc";
    /// `(frame: i32) -> i32`: binds a function to argument types and constants. Optional.
    pub const BIND: &str = "wasmfusion_bind";
    /// What every export of the interface, apart from `memory` and the functions, starts with.
    pub const PREFIX: &str = "wasmfusion_";
}

/// What a function's export and [`export::BIND`] return.
pub mod status {
    /// The result is in the frame.
    pub const OK: i32 = 0;
    /// An error message is in the frame. Every other value but [`OK`] is read as this one.
    pub const ERROR: i32 = 1;
}

/// Bits of [`CallFrame::flags`].
pub mod flag {
    /// `IGNORE NULLS` was asked for. Only functions that declare `ignore_nulls` see it.
    pub const IGNORE_NULLS: u32 = 1;
}

/// What a guest may import, if it asks for the capability in its manifest and the operator grants it: functions of the module
/// [`host::MODULE`]. All addresses and lengths are `i32`, read as unsigned. A function returns an `i64`: what it says if it is not
/// negative, a [`host::status`] otherwise. An address outside the guest's memory is a trap.
pub mod host {
    /// The module that the functions are imported from.
    pub const MODULE: &str = "wasmfusion";

    /// What a host function returns instead of an answer. [`name::ERROR`] gets the words.
    pub mod status {
        /// The plugin was not granted what it asked for.
        pub const DENIED: i64 = -1;
        /// There is no such thing.
        pub const NOT_FOUND: i64 = -2;
        /// The argument makes no sense.
        pub const INVALID: i64 = -3;
        /// A limit was reached.
        pub const LIMIT: i64 = -4;
        /// The time was over.
        pub const TIMEOUT: i64 = -5;
        /// What was asked for was tried and failed.
        pub const FAILED: i64 = -6;
        /// The host does not offer it, or not here.
        pub const UNAVAILABLE: i64 = -7;
    }

    /// Names of the functions.
    ///
    /// `out, capacity` at the end of the parameters is where the reply goes: the function returns the reply's length, and has
    /// written it if that is not more than `capacity`. Otherwise [`name::REPLY`] gets it.
    pub mod name {
        /// `(out, capacity)`: the last reply that did not fit. With every capability.
        pub const REPLY: &str = "reply";
        /// `(out, capacity)`: what the last call that failed says, UTF-8, as much of it as fits. With every capability.
        pub const ERROR: &str = "error";
        /// `(handle)`: gives a handle of any kind back. With every capability.
        pub const CLOSE: &str = "close";

        /// `(level)`: 1 if a record of this [`super::level`] is kept, else 0. Capability `log`.
        pub const LOG_ENABLED: &str = "log_enabled";
        /// `(level, message, length, fields, field_count)`, where `fields` are [`super::Pair`]s. Capability `log`.
        pub const LOG: &str = "log";

        /// `(kind, name, length, labels, label_count)`: a handle of a metric of this [`super::metric`] kind, where `labels` are
        /// [`super::Pair`]s. Capability `metric:emit`.
        pub const METRIC: &str = "metric";
        /// `(handle, value f64)`: adds to a counter, sets a gauge, records in a histogram. Capability `metric:emit`.
        pub const METRIC_RECORD: &str = "metric_record";

        /// `(key, length, out, capacity)`: the JSON of this key of the configuration; of all of it if `length` is 0. Capability `config`.
        pub const CONFIG: &str = "config";
        /// `(name, length, out, capacity)`: the value of a secret. Capability `secret:…`.
        pub const SECRET: &str = "secret";
        /// `(name, length, out, capacity)`: the value of a variable of the environment. Capability `env:…`.
        pub const ENV: &str = "env";

        /// `()`: nanoseconds since 1970-01-01 UTC. Capability `clock`.
        pub const CLOCK_REALTIME: &str = "clock_realtime";
        /// `()`: nanoseconds since some moment, which never go back. Capability `clock`.
        pub const CLOCK_MONOTONIC: &str = "clock_monotonic";
        /// `(out, length)`: fills memory with random bytes, good enough for keys. Capability `random`.
        pub const RANDOM: &str = "random";

        /// `(path, length, mode)`: a handle of the file, where `mode` is made of [`super::file`]. Capability `fs:read:…` or `fs:write:…`.
        pub const FILE_OPEN: &str = "file_open";
        /// `(handle, out, capacity)`: reads on; returns the number of bytes, 0 at the end.
        pub const FILE_READ: &str = "file_read";
        /// `(handle, bytes, length)`: writes all of it.
        pub const FILE_WRITE: &str = "file_write";
        /// `(handle, position i64)`: where to go on, in bytes from the start.
        pub const FILE_SEEK: &str = "file_seek";
        /// `(handle)`: its size in bytes.
        pub const FILE_SIZE: &str = "file_size";
        /// `(path, length, out, capacity)`: the names in a folder that may be read, each followed by a zero byte; those of folders end with `/`.
        pub const FILE_LIST: &str = "file_list";
        /// `(path, length)`: removes a file. Capability `fs:write:…`.
        pub const FILE_REMOVE: &str = "file_remove";

        /// `(name, length, mode)`: a handle of a key-value table, where `mode` is made of [`super::table`]. Capability `table:read:…`, `table:write:…`.
        pub const TABLE_OPEN: &str = "table_open";
        /// `(handle, key, length, out, capacity)`: the value of a key.
        pub const TABLE_GET: &str = "table_get";
        /// `(handle, key, length, value, length)`: sets the value of a key.
        pub const TABLE_PUT: &str = "table_put";
        /// `(handle, key, length)`: removes a key; returns 1 if it was there, else 0.
        pub const TABLE_DELETE: &str = "table_delete";
        /// `(handle, start, length, end, length, limit, out, capacity)`: at most `limit` entries from `start` on, in the order of
        /// their keys, up to `end`, which does not belong to them; without end if its length is 0. Each entry is two `u32`, the lengths
        /// of key and value, then key and value. There may be fewer than there are: go on behind the last key.
        pub const TABLE_SCAN: &str = "table_scan";

        /// `(name, length)`: a handle of a vector index. Capability `vector:search:…`.
        pub const VECTOR_OPEN: &str = "vector_open";
        /// `(handle, vector, dimensions, k, out, capacity)`: the `k` entries nearest to a vector of `f32`, nearest first. Each is a
        /// `u32`, the length of its key, an `f32`, its distance, then the key.
        pub const VECTOR_SEARCH: &str = "vector_search";

        /// `(request, out, capacity)`, where `request` is a [`super::HttpRequest`]. The reply is three `u32` (status, number of headers,
        /// length of the body), for each header two `u32` (the lengths of name and value), name and value, then the body. Capability `net:http:…`.
        pub const HTTP: &str = "http";
        /// `(host, length, port, timeout_ms)`: a handle of a connection. Capability `net:connect:…`.
        pub const TCP_CONNECT: &str = "tcp_connect";
        /// `(handle, out, capacity)`: waits for bytes and reads what is there; returns their number, 0 at the end.
        pub const TCP_READ: &str = "tcp_read";
        /// `(handle, bytes, length)`: writes all of it.
        pub const TCP_WRITE: &str = "tcp_write";
        /// `(request, out, capacity)`, where `request` is an [`super::ExecRequest`]. The reply is three `u32` (exit code, length of the
        /// output, length of the error output), then both. Capability `exec:…`.
        pub const EXEC: &str = "exec";
    }

    /// Levels of log records.
    pub mod level {
        /// Something is broken.
        pub const ERROR: i32 = 1;
        /// Something looks wrong.
        pub const WARN: i32 = 2;
        /// Something happened that operators want to know.
        pub const INFO: i32 = 3;
        /// For the plugin's author.
        pub const DEBUG: i32 = 4;
        /// Every step.
        pub const TRACE: i32 = 5;
    }

    /// Kinds of metrics.
    pub mod metric {
        /// A sum that only grows.
        pub const COUNTER: i32 = 0;
        /// The last value.
        pub const GAUGE: i32 = 1;
        /// How values are distributed.
        pub const HISTOGRAM: i32 = 2;
    }

    /// Bits of the mode of [`name::FILE_OPEN`].
    pub mod file {
        /// To read.
        pub const READ: i32 = 1;
        /// To write, from the start.
        pub const WRITE: i32 = 2;
        /// With [`WRITE`]: the file is made if it is not there.
        pub const CREATE: i32 = 4;
        /// With [`WRITE`]: what the file held is gone.
        pub const TRUNCATE: i32 = 8;
        /// With [`WRITE`]: every write goes to the end.
        pub const APPEND: i32 = 16;
    }

    /// Bits of the mode of [`name::TABLE_OPEN`].
    pub mod table {
        /// To get and scan.
        pub const READ: i32 = 1;
        /// To put and delete.
        pub const WRITE: i32 = 2;
    }

    /// A name and a value, UTF-8: a field of a log record, a label of a metric, a header.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Pair {
        /// Its name.
        pub name: super::Slice,
        /// Its value.
        pub value: super::Slice,
    }

    /// What [`name::HTTP`] shall do.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct HttpRequest {
        /// `GET`, `POST` and so on.
        pub method: super::Slice,
        /// `http://` or `https://`.
        pub url: super::Slice,
        /// Address of the headers, which are [`Pair`]s.
        pub headers: u32,
        /// Number of headers.
        pub header_count: u32,
        /// The body.
        pub body: super::Slice,
        /// Longest time in milliseconds; 0: as long as the host allows.
        pub timeout_ms: u32,
    }

    /// What [`name::EXEC`] shall do.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct ExecRequest {
        /// The command.
        pub command: super::Slice,
        /// Address of the arguments, which are [`super::Slice`]s.
        pub args: u32,
        /// Number of arguments.
        pub arg_count: u32,
        /// What the command reads.
        pub input: super::Slice,
        /// Longest time in milliseconds; 0: as long as the host allows.
        pub timeout_ms: u32,
    }

    // The layouts that `docs/abi.md` promises.
    const _: () = {
        use core::mem::{align_of, offset_of, size_of};

        assert!(size_of::<Pair>() == 16 && align_of::<Pair>() == 4);

        assert!(size_of::<HttpRequest>() == 36 && align_of::<HttpRequest>() == 4);
        assert!(offset_of!(HttpRequest, method) == 0);
        assert!(offset_of!(HttpRequest, url) == 8);
        assert!(offset_of!(HttpRequest, headers) == 16);
        assert!(offset_of!(HttpRequest, header_count) == 20);
        assert!(offset_of!(HttpRequest, body) == 24);
        assert!(offset_of!(HttpRequest, timeout_ms) == 32);

        assert!(size_of::<ExecRequest>() == 28 && align_of::<ExecRequest>() == 4);
        assert!(offset_of!(ExecRequest, command) == 0);
        assert!(offset_of!(ExecRequest, args) == 8);
        assert!(offset_of!(ExecRequest, arg_count) == 12);
        assert!(offset_of!(ExecRequest, input) == 16);
        assert!(offset_of!(ExecRequest, timeout_ms) == 24);
    };
}

/// Bytes in guest memory.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// Address of the first byte.
    pub address: u32,
    /// Number of bytes.
    pub length: u32,
}

/// What a function's export gets: the address of one of these.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallFrame {
    /// Number of rows of this call, and of the result.
    pub rows: u32,
    /// Number of arguments.
    pub arg_count: u32,
    /// Address of the arguments: `arg_count` times [`ArrowArray`], one after the other.
    pub args: u32,
    /// Address of the result's [`ArrowArray`]; see `docs/abi.md`, "The result". Of the first of several in some operations of
    /// aggregates and tables.
    pub result: u32,
    /// Bit `i` is set if argument `i` is a constant: an array of length 1 that holds for every row.
    pub constants: u64,
    /// What [`BindFrame::bound`] held after this function was bound in this instance; 0 if it was not.
    pub bound: u32,
    /// How the function was called in SQL: [`flag`]s.
    pub flags: u32,
    /// Set by the guest with a status that is not [`status::OK`], or before it traps: what went wrong, UTF-8.
    pub error: Slice,
}

/// What an aggregate function's export finds directly behind its [`CallFrame`].
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AggregateCall {
    /// What to do: one of [`AggregateCall::CREATE`] and so on.
    pub operation: u32,
    /// The state to do it to: what the guest put here in [`AggregateCall::CREATE`].
    pub state: u32,
    /// Number of groups that the host has numbered so far, from 0. The guest may know fewer: the others have seen no row.
    pub groups: u32,
    /// Address of one `u32` a row, the number of its group; 0 if all rows belong to group 0.
    pub group_ids: u32,
    /// Address of a bitmap of the rows that count; 0 if all do.
    pub filter: u32,
    /// Number of consecutive [`ArrowArray`]s at [`CallFrame::result`].
    pub result_count: u32,
    /// Set by the guest, if it can tell: bytes that the state holds.
    pub live_bytes: u64,
}

impl AggregateCall {
    /// Makes a state without groups and puts its number into [`AggregateCall::state`].
    pub const CREATE: u32 = 0;
    /// Takes rows of arguments in.
    pub const UPDATE: u32 = 1;
    /// Takes rows of states in.
    pub const MERGE: u32 = 2;
    /// Returns the results of the first [`CallFrame::rows`] groups and forgets these.
    pub const EVALUATE: u32 = 3;
    /// Returns the states of the first [`CallFrame::rows`] groups and forgets these.
    pub const STATE: u32 = 4;
    /// Returns, for each row of arguments, the state of a group with this row alone. Nothing is taken in.
    pub const CONVERT: u32 = 5;
    /// Takes rows of arguments out that were taken in before.
    pub const RETRACT: u32 = 6;
    /// Returns what [`AggregateCall::EVALUATE`] would, and forgets nothing.
    pub const PEEK: u32 = 7;
    /// Gives the state up.
    pub const DROP: u32 = 8;
}

/// What a window function's export finds directly behind its [`CallFrame`].
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowCall {
    /// What to do: one of [`WindowCall::PARTITION`] and so on.
    pub operation: u32,
    /// The state to do it to: what the guest put here in [`WindowCall::CREATE`].
    pub state: u32,
    /// First row of the frame, in [`WindowCall::FRAME`].
    pub start: u32,
    /// First row behind the frame, in [`WindowCall::FRAME`].
    pub end: u32,
    /// Address of the first row of each set of peers, ascending from 0, in [`WindowCall::RANKED`].
    pub ranks: u32,
    /// Number of sets of peers.
    pub rank_count: u32,
}

impl WindowCall {
    /// Computes all rows of a partition.
    pub const PARTITION: u32 = 0;
    /// Computes all rows of a partition, knowing which rows the window's `ORDER BY` does not tell apart.
    pub const RANKED: u32 = 1;
    /// Computes one value, from the rows of a frame within the arguments.
    pub const FRAME: u32 = 2;
    /// Makes a state for a partition and puts its number into [`WindowCall::state`].
    pub const CREATE: u32 = 3;
    /// Computes the next rows of a partition.
    pub const NEXT: u32 = 4;
    /// Gives the state up.
    pub const DROP: u32 = 5;
}

/// What a table function's export finds directly behind its [`CallFrame`].
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableCall {
    /// What to do: one of [`TableCall::OPEN`] and so on.
    pub operation: u32,
    /// The scan to do it to: what the guest put here in [`TableCall::OPEN`].
    pub state: u32,
    /// Most rows that will still be asked for; `u64::MAX` if there is no limit.
    pub limit: u64,
    /// Set by the guest in [`TableCall::NEXT`]: rows of the result, at most [`CallFrame::rows`]; 0 ends the scan.
    pub result_rows: u32,
    /// Number of consecutive [`ArrowArray`]s at [`CallFrame::result`], one a column.
    pub result_count: u32,
}

impl TableCall {
    /// Starts a scan for the arguments, which are all constants, and puts its number into [`TableCall::state`].
    pub const OPEN: u32 = 0;
    /// Returns the next rows.
    pub const NEXT: u32 = 1;
    /// Gives the scan up.
    pub const CLOSE: u32 = 2;
}

/// What [`export::BIND`] gets: the address of one of these.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BindFrame {
    /// Which function: its place in the manifest's `functions`, counted from 0.
    pub function: u32,
    /// Number of arguments.
    pub arg_count: u32,
    /// Address of the arguments' types: `arg_count` times [`ArrowSchema`].
    pub arg_types: u32,
    /// Address of `arg_count` times [`ArrowArray`], of which those in `constants` hold a value, the others are all zero.
    pub args: u32,
    /// Bit `i` is set if argument `i` is known to be a constant: an array of length 1.
    pub constants: u64,
    /// Address of the result type, an [`ArrowSchema`] of zeros that the guest fills.
    pub result_type: u32,
    /// Set by the guest: any value; [`CallFrame::bound`] of the calls that follow in this instance.
    pub bound: u32,
    /// As in [`CallFrame::error`].
    pub error: Slice,
}

/// The Arrow C Data Interface's `ArrowArray`, as a 32-bit target lays it out.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArrowArray {
    /// Number of values.
    pub length: i64,
    /// Number of nulls, or -1 for "not counted".
    pub null_count: i64,
    /// Values to skip at the start of each buffer. The host writes 0.
    pub offset: i64,
    /// Number of entries at `buffers`.
    pub n_buffers: i64,
    /// Number of entries at `children`.
    pub n_children: i64,
    /// Address of `n_buffers` addresses (`u32`), each of a buffer or 0.
    pub buffers: u32,
    /// Address of `n_children` addresses (`u32`), each of an [`ArrowArray`].
    pub children: u32,
    /// Address of the dictionary's values, or 0.
    pub dictionary: u32,
    /// Not used by the host: whoever made the array owns it. 0 in arguments.
    pub release: u32,
    /// Not used by the host. 0 in arguments.
    pub private_data: u32,
}

/// The Arrow C Data Interface's `ArrowSchema`, as a 32-bit target lays it out.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArrowSchema {
    /// Address of the format string, which ends with a zero byte.
    pub format: u32,
    /// Address of the name, which ends with a zero byte, or 0.
    pub name: u32,
    /// Address of the metadata in the C Data Interface's own encoding, or 0.
    pub metadata: u32,
    /// Bit set: 1 dictionary is ordered, 2 nullable, 4 map keys are sorted.
    pub flags: i64,
    /// Number of entries at `children`.
    pub n_children: i64,
    /// Address of `n_children` addresses (`u32`), each of an [`ArrowSchema`].
    pub children: u32,
    /// Address of the type of the dictionary's values, or 0.
    pub dictionary: u32,
    /// Not used by the host: whoever made the schema owns it. 0 in arguments.
    pub release: u32,
    /// Not used by the host. 0 in arguments.
    pub private_data: u32,
}

// The layouts that `docs/abi.md` promises.
const _: () = {
    use core::mem::{align_of, offset_of, size_of};

    assert!(size_of::<Slice>() == 8 && align_of::<Slice>() == 4);

    assert!(size_of::<CallFrame>() == 40 && align_of::<CallFrame>() == 8);
    assert!(offset_of!(CallFrame, rows) == 0);
    assert!(offset_of!(CallFrame, arg_count) == 4);
    assert!(offset_of!(CallFrame, args) == 8);
    assert!(offset_of!(CallFrame, result) == 12);
    assert!(offset_of!(CallFrame, constants) == 16);
    assert!(offset_of!(CallFrame, bound) == 24);
    assert!(offset_of!(CallFrame, flags) == 28);
    assert!(offset_of!(CallFrame, error) == 32);

    assert!(size_of::<AggregateCall>() == 32 && align_of::<AggregateCall>() == 8);
    assert!(offset_of!(AggregateCall, operation) == 0);
    assert!(offset_of!(AggregateCall, state) == 4);
    assert!(offset_of!(AggregateCall, groups) == 8);
    assert!(offset_of!(AggregateCall, group_ids) == 12);
    assert!(offset_of!(AggregateCall, filter) == 16);
    assert!(offset_of!(AggregateCall, result_count) == 20);
    assert!(offset_of!(AggregateCall, live_bytes) == 24);

    assert!(size_of::<WindowCall>() == 24 && align_of::<WindowCall>() == 8);
    assert!(offset_of!(WindowCall, operation) == 0);
    assert!(offset_of!(WindowCall, state) == 4);
    assert!(offset_of!(WindowCall, start) == 8);
    assert!(offset_of!(WindowCall, end) == 12);
    assert!(offset_of!(WindowCall, ranks) == 16);
    assert!(offset_of!(WindowCall, rank_count) == 20);

    assert!(size_of::<TableCall>() == 24 && align_of::<TableCall>() == 8);
    assert!(offset_of!(TableCall, operation) == 0);
    assert!(offset_of!(TableCall, state) == 4);
    assert!(offset_of!(TableCall, limit) == 8);
    assert!(offset_of!(TableCall, result_rows) == 16);
    assert!(offset_of!(TableCall, result_count) == 20);

    assert!(size_of::<BindFrame>() == 40 && align_of::<BindFrame>() == 8);
    assert!(offset_of!(BindFrame, function) == 0);
    assert!(offset_of!(BindFrame, arg_count) == 4);
    assert!(offset_of!(BindFrame, arg_types) == 8);
    assert!(offset_of!(BindFrame, args) == 12);
    assert!(offset_of!(BindFrame, constants) == 16);
    assert!(offset_of!(BindFrame, result_type) == 24);
    assert!(offset_of!(BindFrame, bound) == 28);
    assert!(offset_of!(BindFrame, error) == 32);

    assert!(size_of::<ArrowArray>() == 64 && align_of::<ArrowArray>() == 8);
    assert!(offset_of!(ArrowArray, length) == 0);
    assert!(offset_of!(ArrowArray, null_count) == 8);
    assert!(offset_of!(ArrowArray, offset) == 16);
    assert!(offset_of!(ArrowArray, n_buffers) == 24);
    assert!(offset_of!(ArrowArray, n_children) == 32);
    assert!(offset_of!(ArrowArray, buffers) == 40);
    assert!(offset_of!(ArrowArray, children) == 44);
    assert!(offset_of!(ArrowArray, dictionary) == 48);
    assert!(offset_of!(ArrowArray, release) == 52);
    assert!(offset_of!(ArrowArray, private_data) == 56);

    assert!(size_of::<ArrowSchema>() == 48 && align_of::<ArrowSchema>() == 8);
    assert!(offset_of!(ArrowSchema, format) == 0);
    assert!(offset_of!(ArrowSchema, name) == 4);
    assert!(offset_of!(ArrowSchema, metadata) == 8);
    assert!(offset_of!(ArrowSchema, flags) == 16);
    assert!(offset_of!(ArrowSchema, n_children) == 24);
    assert!(offset_of!(ArrowSchema, children) == 32);
    assert!(offset_of!(ArrowSchema, dictionary) == 36);
    assert!(offset_of!(ArrowSchema, release) == 40);
    assert!(offset_of!(ArrowSchema, private_data) == 44);
};
