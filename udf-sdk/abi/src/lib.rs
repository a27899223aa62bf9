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
