//! The structs of the binary interface, as they lie in guest memory.
//!
//! Fields are read and written one by one, by their offsets in the interface's own definition: that compiles to the same moves as
//! a cast of pointers, and needs neither alignment nor `unsafe`.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

use std::mem::{offset_of, size_of};

use wasmfusion_abi::host::{ExecRequest, HttpRequest, Pair};
use wasmfusion_abi::{
    AggregateCall, ArrowArray, ArrowSchema, BindFrame, CallFrame, Slice, TableCall, WindowCall,
};

/// A struct of the binary interface, as it lies in guest memory.
pub trait Record: Sized {
    /// Reads it from its bytes; `None` if there are too few.
    fn load(bytes: &[u8]) -> Option<Self>;
    /// Writes it over its bytes. Nothing happens if there are too few.
    fn store(&self, bytes: &mut [u8]);
}

/// Nothing behind a frame.
impl Record for () {
    #[inline]
    fn load(_: &[u8]) -> Option<Self> {
        Some(())
    }

    #[inline]
    fn store(&self, _: &mut [u8]) {}
}

/// `LEN` bytes of a struct of `SIZE` bytes, from `AT` on.
#[inline(always)]
fn field<const AT: usize, const LEN: usize, const SIZE: usize>(bytes: &[u8; SIZE]) -> [u8; LEN] {
    const { assert!(AT <= SIZE && LEN <= SIZE - AT) };
    // Always there, as the line above proves to the compiler.
    bytes
        .get(AT..)
        .and_then(|tail| tail.first_chunk())
        .copied()
        .unwrap_or([0; LEN])
}

/// As [`field`], to write to.
#[inline(always)]
fn set_field<const AT: usize, const LEN: usize, const SIZE: usize>(
    bytes: &mut [u8; SIZE],
    value: [u8; LEN],
) {
    const { assert!(AT <= SIZE && LEN <= SIZE - AT) };
    if let Some(target) = bytes
        .get_mut(AT..)
        .and_then(|tail| tail.first_chunk_mut::<LEN>())
    {
        *target = value;
    }
}

/// Implements [`Record`] from the fields' own offsets, so that a layout is written down only once: in the interface's crate.
macro_rules! record {
    ($record:ident { $($field:ident: $number:ty),* $(,)? } $($slice:ident)*) => {
        impl Record for $record {
            #[inline]
            fn load(bytes: &[u8]) -> Option<Self> {
                let bytes: &[u8; size_of::<Self>()] = bytes.first_chunk()?;
                Some(Self {
                    $($field: <$number>::from_le_bytes(
                        field::<{ offset_of!($record, $field) }, { size_of::<$number>() }, _>(bytes),
                    ),)*
                    $($slice: Slice {
                        address: u32::from_le_bytes(field::<{ offset_of!($record, $slice.address) }, 4, _>(bytes)),
                        length: u32::from_le_bytes(field::<{ offset_of!($record, $slice.length) }, 4, _>(bytes)),
                    },)*
                })
            }

            #[inline]
            fn store(&self, bytes: &mut [u8]) {
                // Destructured fully, so that a field that is added to the interface cannot be forgotten here.
                let Self { $($field,)* $($slice,)* } = self;
                let Some(bytes) = bytes.first_chunk_mut::<{ size_of::<Self>() }>() else {
                    return;
                };
                // The padding. The fields go straight to their places: an image of them on the stack, copied at once, would make
                // the processor wait for its own stores.
                *bytes = [0; size_of::<Self>()];
                $(set_field::<{ offset_of!($record, $field) }, { size_of::<$number>() }, _>(
                    bytes,
                    $field.to_le_bytes(),
                );)*
                $(
                    set_field::<{ offset_of!($record, $slice.address) }, 4, _>(bytes, $slice.address.to_le_bytes());
                    set_field::<{ offset_of!($record, $slice.length) }, 4, _>(bytes, $slice.length.to_le_bytes());
                )*
            }
        }
    };
}

record!(Slice {
    address: u32,
    length: u32
});
record!(Pair {} name value);
record!(HttpRequest {
    headers: u32,
    header_count: u32,
    timeout_ms: u32,
} method url body);
record!(ExecRequest {
    args: u32,
    arg_count: u32,
    timeout_ms: u32,
} command input);
record!(CallFrame {
    rows: u32,
    arg_count: u32,
    args: u32,
    result: u32,
    constants: u64,
    bound: u32,
    flags: u32,
} error);
record!(BindFrame {
    function: u32,
    arg_count: u32,
    arg_types: u32,
    args: u32,
    constants: u64,
    result_type: u32,
    bound: u32,
} error);
record!(AggregateCall {
    operation: u32,
    state: u32,
    groups: u32,
    group_ids: u32,
    filter: u32,
    result_count: u32,
    live_bytes: u64,
});
record!(WindowCall {
    operation: u32,
    state: u32,
    start: u32,
    end: u32,
    ranks: u32,
    rank_count: u32,
});
record!(TableCall {
    operation: u32,
    state: u32,
    limit: u64,
    result_rows: u32,
    result_count: u32,
});
record!(ArrowArray {
    length: i64,
    null_count: i64,
    offset: i64,
    n_buffers: i64,
    n_children: i64,
    buffers: u32,
    children: u32,
    dictionary: u32,
    release: u32,
    private_data: u32,
});
record!(ArrowSchema {
    format: u32,
    name: u32,
    metadata: u32,
    flags: i64,
    n_children: i64,
    children: u32,
    dictionary: u32,
    release: u32,
    private_data: u32,
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::GuestMemory;

    #[test]
    fn records_keep_their_fields() {
        let mut bytes = [0xff; 200];
        let mut memory = GuestMemory::new(&mut bytes);
        let frame = CallFrame {
            rows: 1,
            arg_count: 2,
            args: 3,
            result: 4,
            constants: 5 << 40,
            bound: 6,
            flags: 7,
            error: Slice {
                address: 8,
                length: 9,
            },
        };
        memory.write("frame", 3, &frame).unwrap();
        assert_eq!(memory.read::<CallFrame>("frame", 3).unwrap(), frame);
        let array = ArrowArray {
            length: 1,
            null_count: -1,
            offset: i64::MIN,
            n_buffers: i64::MAX,
            n_children: 5,
            buffers: u32::MAX,
            children: 7,
            dictionary: 8,
            release: 9,
            private_data: 10,
        };
        memory.write("array", 101, &array).unwrap();
        assert_eq!(memory.read::<ArrowArray>("array", 101).unwrap(), array);
        // The padding is written too: nothing of the host's old bytes remains.
        assert_eq!(memory.slice("padding", 161, 4, 1).unwrap(), [0; 4]);
        assert!(memory.read::<ArrowSchema>("schema", 153).is_err());
        assert!(memory.write("frame", 161, &frame).is_err());
    }
}
