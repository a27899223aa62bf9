//! The structs of a call as this side of it sees them: with pointers where the interface has addresses.
//!
//! On wasm32 they are, field by field, the structs of `wasmfusion-abi`, which the assertions below prove.
//! On a 64-bit machine [`ArrowArray`] is the Arrow C Data Interface as that machine lays it out, so that the
//! same kernels run natively in unit tests.

/// Bytes that somebody else owns.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    /// The first byte.
    pub address: *const u8,
    /// Number of bytes.
    pub length: usize,
}

impl Slice {
    /// No bytes at all.
    pub const EMPTY: Slice = Slice {
        address: core::ptr::null(),
        length: 0,
    };
}

/// What a function's export gets; see `docs/abi.md`.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub struct CallFrame {
    /// Number of rows of this call, and of the result.
    pub rows: u32,
    /// Number of arguments.
    pub arg_count: u32,
    /// The arguments, one after the other.
    pub args: *const ArrowArray,
    /// The result.
    pub result: *mut ArrowArray,
    /// Bit `i`: argument `i` is an array of length 1 that holds for every row.
    pub constants: u64,
    /// What the function's binding left.
    pub bound: *mut (),
    /// How the function was called in SQL.
    pub flags: u32,
    /// What went wrong.
    pub error: Slice,
}

/// What an aggregate function finds behind its [`CallFrame`]; see `docs/abi.md`.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub struct AggregateCall {
    /// What to do: a constant of the interface's `AggregateCall`.
    pub operation: u32,
    /// The number of the set of groups.
    pub state: u32,
    /// Number of groups so far.
    pub groups: u32,
    /// The number of each row's group, or null if all are of group 0.
    pub group_ids: *const u32,
    /// A bitmap of the rows that count, or null if all do.
    pub filter: *const u8,
    /// Number of columns at [`CallFrame::result`].
    pub result_count: u32,
    /// Bytes that the groups hold.
    pub live_bytes: u64,
}

/// What a window function finds behind its [`CallFrame`]; see `docs/abi.md`.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub struct WindowCall {
    /// What to do: a constant of the interface's `WindowCall`.
    pub operation: u32,
    /// The number of the partition's state.
    pub state: u32,
    /// First row of the frame.
    pub start: u32,
    /// First row behind the frame.
    pub end: u32,
    /// The first row of each set of peers.
    pub ranks: *const u32,
    /// Number of sets of peers.
    pub rank_count: u32,
}

/// What a table function finds behind its [`CallFrame`]; see `docs/abi.md`.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub struct TableCall {
    /// What to do: a constant of the interface's `TableCall`.
    pub operation: u32,
    /// The number of the scan.
    pub state: u32,
    /// Most rows that will still be asked for.
    pub limit: u64,
    /// Rows of the result.
    pub result_rows: u32,
    /// Number of columns at [`CallFrame::result`].
    pub result_count: u32,
}

/// What the export `wasmfusion_bind` gets; see `docs/abi.md`.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub struct BindFrame {
    /// Place of the function in the manifest.
    pub function: u32,
    /// Number of arguments.
    pub arg_count: u32,
    /// Types of the arguments, one after the other.
    pub arg_types: *const ArrowSchema,
    /// The arguments, one after the other; zeros where the value is not known yet.
    pub args: *const ArrowArray,
    /// Bit `i`: argument `i` is known to be constant.
    pub constants: u64,
    /// Where the result's type goes.
    pub result_type: *mut ArrowSchema,
    /// Where what the calls get as [`CallFrame::bound`] goes.
    pub bound: *mut (),
    /// What went wrong.
    pub error: Slice,
}

/// An array of the Arrow C Data Interface.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub struct ArrowArray {
    /// Number of values.
    pub length: i64,
    /// Number of nulls, or -1.
    pub null_count: i64,
    /// Values to skip at the start of each buffer.
    pub offset: i64,
    /// Number of entries at `buffers`.
    pub n_buffers: i64,
    /// Number of entries at `children`.
    pub n_children: i64,
    /// The buffers.
    pub buffers: *mut *const u8,
    /// The children.
    pub children: *mut *mut ArrowArray,
    /// The values of a dictionary.
    pub dictionary: *mut ArrowArray,
    /// Not used between host and guest.
    pub release: usize,
    /// Not used between host and guest.
    pub private_data: usize,
}

impl ArrowArray {
    /// All zero, as the host leaves a result that the guest has to fill.
    pub const EMPTY: ArrowArray = ArrowArray {
        length: 0,
        null_count: 0,
        offset: 0,
        n_buffers: 0,
        n_children: 0,
        buffers: core::ptr::null_mut(),
        children: core::ptr::null_mut(),
        dictionary: core::ptr::null_mut(),
        release: 0,
        private_data: 0,
    };
}

/// A type of the Arrow C Data Interface.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub struct ArrowSchema {
    /// The format string, which ends with a zero byte.
    pub format: *const u8,
    /// The name, which ends with a zero byte, or null.
    pub name: *const u8,
    /// The metadata in the C Data Interface's own encoding, or null.
    pub metadata: *const u8,
    /// Bit set: 1 dictionary is ordered, 2 nullable, 4 map keys are sorted.
    pub flags: i64,
    /// Number of entries at `children`.
    pub n_children: i64,
    /// The children.
    pub children: *mut *mut ArrowSchema,
    /// The type of a dictionary's values, or null.
    pub dictionary: *mut ArrowSchema,
    /// Not used between host and guest.
    pub release: usize,
    /// Not used between host and guest.
    pub private_data: usize,
}

impl ArrowSchema {
    /// All zero, as the host leaves a type that the guest has to fill.
    pub const EMPTY: ArrowSchema = ArrowSchema {
        format: core::ptr::null(),
        name: core::ptr::null(),
        metadata: core::ptr::null(),
        flags: 0,
        n_children: 0,
        children: core::ptr::null_mut(),
        dictionary: core::ptr::null_mut(),
        release: 0,
        private_data: 0,
    };
}

/// Fails to compile if a struct here and its namesake in `wasmfusion-abi` differ.
#[cfg(target_pointer_width = "32")]
macro_rules! same_layout {
    ($($name:ident: $($field:ident)*;)*) => {
        const _: () = {
            use core::mem::{align_of, offset_of, size_of};
            $(
                assert!(size_of::<$name>() == size_of::<wasmfusion_abi::$name>());
                assert!(align_of::<$name>() == align_of::<wasmfusion_abi::$name>());
                $(assert!(offset_of!($name, $field) == offset_of!(wasmfusion_abi::$name, $field));)*
            )*
        };
    };
}

#[cfg(target_pointer_width = "32")]
same_layout! {
    Slice: address length;
    CallFrame: rows arg_count args result constants bound flags error;
    AggregateCall: operation state groups group_ids filter result_count live_bytes;
    WindowCall: operation state start end ranks rank_count;
    TableCall: operation state limit result_rows result_count;
    BindFrame: function arg_count arg_types args constants result_type bound error;
    ArrowArray: length null_count offset n_buffers n_children buffers children dictionary release private_data;
    ArrowSchema: format name metadata flags n_children children dictionary release private_data;
}
