//! What `docs/abi.md` promises to guests about arguments, looked up in guest memory by the letter.

use arrow::array::Array;
use arrow::datatypes::{DataType, UnionMode};
use wasmfusion_abi::ArrowArray;

use crate::memory::GuestMemory;

/// Walks over an argument as a guest would.
pub(crate) fn check(
    memory: &GuestMemory<'_>,
    at: u32,
    array: Option<&dyn Array>,
    data_type: &DataType,
    rows: usize,
) {
    let guest: ArrowArray = memory.read("argument", at).unwrap();
    assert_eq!(at % 8, 0);
    assert_eq!(guest.length, rows as i64);
    assert_eq!(guest.offset, 0);
    assert_eq!((guest.release, guest.private_data), (0, 0));
    let buffers: Vec<u32> = (0..guest.n_buffers as usize)
        .map(|index| memory.address_at("buffers", guest.buffers, index).unwrap())
        .collect();
    assert!(buffers.iter().all(|address| address % 64 == 0));
    let children: Vec<u32> = (0..guest.n_children as usize)
        .map(|index| {
            memory
                .address_at("children", guest.children, index)
                .unwrap()
        })
        .collect();

    match data_type {
        DataType::Null => assert_eq!(guest.null_count, rows as i64),
        DataType::Union(_, _) | DataType::RunEndEncoded(_, _) => assert_eq!(guest.null_count, 0),
        _ => {
            assert_eq!(buffers[0] == 0, guest.null_count == 0);
            if buffers[0] != 0 {
                assert_eq!(
                    rows - ones(memory, buffers[0], rows),
                    guest.null_count as usize
                );
            }
        }
    }
    if let Some(array) = array {
        assert_eq!(array.len(), rows);
        if data_type == array.data_type() && !matches!(data_type, DataType::Null) {
            assert_eq!(array.null_count(), guest.null_count as usize);
        }
    }

    let offsets = |buffer: usize, width: usize| -> Vec<usize> {
        let bytes = memory
            .slice("offsets", buffers[buffer], rows + 1, width)
            .unwrap();
        let number = |bytes: &[u8]| match width {
            4 => i32::from_le_bytes(bytes.try_into().unwrap()) as usize,
            _ => i64::from_le_bytes(bytes.try_into().unwrap()) as usize,
        };
        let offsets: Vec<usize> = bytes.chunks_exact(width).map(number).collect();
        assert_eq!(offsets[0], 0);
        assert!(offsets.is_sorted());
        offsets
    };
    let child = |index: usize, data_type: &DataType, rows: usize| {
        check(memory, children[index], None, data_type, rows);
    };
    match data_type {
        DataType::Boolean => {
            ones(memory, buffers[1], rows);
        }
        DataType::Utf8 | DataType::Binary => {
            offsets(1, 4);
        }
        DataType::LargeUtf8 | DataType::LargeBinary => {
            offsets(1, 8);
        }
        // The child has just the values that the rows cover.
        DataType::List(field) | DataType::Map(field, _) => {
            child(0, field.data_type(), offsets(1, 4)[rows]);
        }
        DataType::LargeList(field) => child(0, field.data_type(), offsets(1, 8)[rows]),
        DataType::FixedSizeList(field, width) => {
            child(0, field.data_type(), rows * *width as usize);
        }
        DataType::ListView(field) | DataType::LargeListView(field) => {
            let guest: ArrowArray = memory.read("child", children[0]).unwrap();
            child(0, field.data_type(), guest.length as usize);
        }
        DataType::Struct(fields) => {
            for (index, field) in fields.iter().enumerate() {
                child(index, field.data_type(), rows);
            }
        }
        DataType::Union(fields, mode) => {
            for (index, (_, field)) in fields.iter().enumerate() {
                let guest: ArrowArray = memory.read("child", children[index]).unwrap();
                assert!(*mode == UnionMode::Dense || guest.length == rows as i64);
                child(index, field.data_type(), guest.length as usize);
            }
        }
        DataType::Dictionary(_, values) => {
            let guest: ArrowArray = memory.read("dictionary", guest.dictionary).unwrap();
            check(
                memory,
                guest_dictionary(memory, at),
                None,
                values,
                guest.length as usize,
            );
        }
        DataType::RunEndEncoded(ends, values) => {
            let guest: ArrowArray = memory.read("run ends", children[0]).unwrap();
            assert!(guest.length as usize <= rows);
            child(0, ends.data_type(), guest.length as usize);
            child(1, values.data_type(), guest.length as usize);
        }
        _ => {}
    }
}

fn guest_dictionary(memory: &GuestMemory<'_>, at: u32) -> u32 {
    memory
        .read::<ArrowArray>("argument", at)
        .unwrap()
        .dictionary
}

/// Counts the ones in a bitmap, behind whose last bit there must be zeros.
fn ones(memory: &GuestMemory<'_>, address: u32, bits: usize) -> usize {
    let bytes = memory
        .slice("bitmap", address, bits.div_ceil(8), 1)
        .unwrap();
    let is_set = |bit: &usize| bytes[bit / 8] >> (bit % 8) & 1 == 1;
    assert!(!(bits..bytes.len() * 8).any(|bit| is_set(&bit)));
    (0..bits).filter(is_set).count()
}
