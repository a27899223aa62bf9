//! Memory that has been tampered with: either an error comes out, or an array that is one.

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use proptest::prelude::*;
use wasmfusion_abi::ArrowArray;

use super::arbitrary::{self, Random};
use super::{AT, LIMITS, cases, memory_with, read_back};
use crate::columns::{ColumnError, ReadLimits, read};
use crate::memory::GuestMemory;

/// Does what a query might do with a column.
fn use_it(array: &ArrayRef) {
    array.to_data().validate_full().unwrap();
    assert_eq!(array, &array.slice(0, array.len()));
    let options = FormatOptions::default();
    if let Ok(formatter) = ArrayFormatter::try_new(array.as_ref(), &options) {
        for row in 0..array.len().min(3) {
            let _ = formatter.value(row).try_to_string();
        }
    }
}

/// Numbers that have broken many a reader.
const EXTREMES: [u64; 16] = [
    0,
    1,
    2,
    7,
    63,
    64,
    0x7f,
    0xff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_fff0,
    0xffff_ffff_ffff_ffff,
];

/// Writes over some of `bytes`.
fn tamper(bytes: &mut [u8], random: &mut Random) {
    for _ in 0..1 + random.below(3) {
        let width = [1, 4, 8][random.below(3)];
        let place = match random.below(3) {
            // A field of the column's own struct.
            0 => AT as usize + random.below(60) / width * width,
            _ => random.below(bytes.len()) / width * width,
        };
        let end = bytes.len();
        let target = &mut bytes[place..end.min(place + width)];
        let number = match random.below(4) {
            0 => random.next(),
            1 => random.below(end) as u64,
            _ => EXTREMES[random.below(EXTREMES.len())],
        };
        target.copy_from_slice(&number.to_le_bytes()[..target.len()]);
    }
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn what_is_read_from_tampered_memory_is_an_array_or_an_error(column in arbitrary::column(), seed: u64) {
        let random = &mut Random::new(seed);
        let clean = memory_with(&column, column.data_type());
        for _ in 0..4 {
            let mut bytes = clean.clone();
            tamper(&mut bytes, random);
            match read_back(&mut bytes, column.data_type(), column.len()) {
                Ok(array) => {
                    assert_eq!(array.len(), column.len());
                    assert_eq!(array.data_type(), column.data_type());
                    use_it(&array);
                }
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    }

    #[test]
    fn noise_is_an_array_or_an_error(data_type in arbitrary::data_type(), rows in 0..9_usize, seed: u64) {
        let random = &mut Random::new(seed);
        let mut bytes: Vec<u8> = (0..512).map(|_| random.next() as u8 & 0x87).collect();
        // A struct at which the first tests may succeed.
        let array = ArrowArray {
            length: rows as i64,
            null_count: -1,
            offset: random.below(3) as i64,
            n_buffers: random.below(4) as i64,
            n_children: random.below(4) as i64,
            buffers: 128,
            children: 128 + random.below(64) as u32,
            dictionary: 64,
            ..ArrowArray::default()
        };
        let mut memory = GuestMemory::new(&mut bytes);
        memory.write("noise", AT, &array).unwrap();
        for (index, address) in [64_u32, 128, 192, 64].into_iter().enumerate() {
            let table = memory.slice_mut("noise", 128 + 4 * index as u32, 4, 1).unwrap();
            table.copy_from_slice(&address.to_le_bytes());
        }
        if let Ok(array) = read(&memory, AT, &data_type, rows, LIMITS) {
            use_it(&array);
        }
    }
}

/// A memory with this struct and these numbers behind it, at address 128.
fn memory_of(array: ArrowArray, numbers: &[u32]) -> Vec<u8> {
    let mut bytes = vec![0; 4_096];
    GuestMemory::new(&mut bytes)
        .write("result", AT, &array)
        .unwrap();
    for (slot, number) in bytes[128..].chunks_exact_mut(4).zip(numbers) {
        slot.copy_from_slice(&number.to_le_bytes());
    }
    bytes
}

fn problem(bytes: &mut [u8], data_type: &DataType, rows: usize) -> String {
    read_back(bytes, data_type, rows).unwrap_err().to_string()
}

#[test]
fn lies_are_told_by_name() {
    let honest = ArrowArray {
        length: 2,
        n_buffers: 2,
        buffers: 128,
        ..ArrowArray::default()
    };
    let tables = [0, 256];
    assert!(read_back(&mut memory_of(honest, &tables), &DataType::Int32, 2).is_ok());
    for (array, tables, expected) in [
        (
            ArrowArray {
                length: 3,
                ..honest
            },
            tables,
            "has 3 values, there are 2 rows",
        ),
        (
            ArrowArray {
                length: -1,
                ..honest
            },
            tables,
            "has -1 values",
        ),
        (
            ArrowArray {
                offset: -1,
                ..honest
            },
            tables,
            "its offset -1",
        ),
        (
            ArrowArray {
                offset: i64::MAX,
                ..honest
            },
            tables,
            "do not fit in the guest's memory",
        ),
        (
            ArrowArray {
                null_count: 3,
                ..honest
            },
            tables,
            "null_count is 3",
        ),
        (
            ArrowArray {
                null_count: 1,
                ..honest
            },
            [512, 256],
            "validity bitmap has 2 nulls",
        ),
        (
            ArrowArray {
                null_count: 1,
                ..honest
            },
            tables,
            "validity: its address is 0",
        ),
        (
            ArrowArray {
                n_buffers: 3,
                ..honest
            },
            tables,
            "3 buffers where its type has 2",
        ),
        (
            ArrowArray {
                n_children: 1,
                ..honest
            },
            tables,
            "1 children where its type has 0",
        ),
        (
            ArrowArray {
                buffers: 0,
                ..honest
            },
            tables,
            "buffer addresses: its address is 0",
        ),
        (
            ArrowArray {
                buffers: u32::MAX,
                ..honest
            },
            tables,
            "do not fit",
        ),
        (honest, [0, 0], "values: its address is 0"),
        (honest, [0, 4_089], "values: 2 x 4 bytes at address 4089"),
    ] {
        let text = problem(&mut memory_of(array, &tables), &DataType::Int32, 2);
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn text_must_be_utf8_and_lie_between_rising_offsets() {
    let array = ArrowArray {
        length: 2,
        n_buffers: 3,
        buffers: 128,
        ..ArrowArray::default()
    };
    // Offsets at 144, text at 156: "ß" and "a".
    let memory = |offsets: [u32; 3], text: u32| {
        memory_of(
            array,
            &[0, 144, 156, 0, offsets[0], offsets[1], offsets[2], text],
        )
    };
    let text = u32::from_le_bytes([0xc3, 0x9f, b'a', 0]);
    let read = |offsets, text| read_back(&mut memory(offsets, text), &DataType::Utf8, 2);
    assert!(read([0, 2, 3], text).is_ok());
    for (offsets, text) in [
        ([0, 1, 3], text),
        ([0, 2, 1], text),
        ([3, 2, 3], text),
        ([0, 2, 5_000], text),
        ([u32::MAX, 0, 3], text),
        ([0, 2, 3], 0xffff_ffff),
    ] {
        assert!(read(offsets, text).is_err(), "{offsets:?}");
    }
}

/// A struct of 64 fields that all point at the same megabyte is 64 megabytes once it is read.
#[test]
fn overlapping_buffers_are_counted_each() {
    let fields: Vec<_> = (0..64)
        .map(|i| arrow::datatypes::Field::new(format!("f{i}"), DataType::Int64, true))
        .collect();
    let data_type = DataType::Struct(fields.into());
    let rows = 128 << 10;
    let mut bytes = vec![0; 2 << 20];
    let mut memory = GuestMemory::new(&mut bytes);
    let (parent, child) = (
        ArrowArray {
            length: rows,
            n_buffers: 1,
            n_children: 64,
            buffers: 512,
            children: 1_024,
            ..ArrowArray::default()
        },
        ArrowArray {
            length: rows,
            n_buffers: 2,
            buffers: 512,
            ..ArrowArray::default()
        },
    );
    memory.write("parent", AT, &parent).unwrap();
    memory.write("child", 256, &child).unwrap();
    memory
        .slice_mut("buffers", 516, 4, 1)
        .unwrap()
        .copy_from_slice(&4_096_u32.to_le_bytes());
    for table in memory
        .slice_mut("children", 1_024, 64, 4)
        .unwrap()
        .chunks_exact_mut(4)
    {
        table.copy_from_slice(&256_u32.to_le_bytes());
    }
    let limits = |bytes_max| ReadLimits {
        bytes_max,
        depth_max: 2,
    };
    let rows = rows as usize;
    assert!(matches!(
        read(&memory, AT, &data_type, rows, limits(60 << 20)),
        Err(ColumnError::TooLarge { .. })
    ));
    assert!(read(&memory, AT, &data_type, rows, limits(65 << 20)).is_ok());
}

/// Lists of nothing take no bytes, however many nothings there are; they are counted all the same.
#[test]
fn values_without_bytes_are_counted() {
    let field = std::sync::Arc::new(arrow::datatypes::Field::new("item", DataType::Null, true));
    let data_type = DataType::List(field);
    let length = i32::MAX as u32 - 1;
    let list = ArrowArray {
        length: 1,
        n_buffers: 2,
        n_children: 1,
        buffers: 128,
        children: 136,
        ..ArrowArray::default()
    };
    let mut bytes = memory_of(list, &[0, 144, 256, 0, 0, length]);
    let child = ArrowArray {
        length: i64::from(length),
        ..ArrowArray::default()
    };
    GuestMemory::new(&mut bytes)
        .write("child", 256, &child)
        .unwrap();
    let error = read_back(&mut bytes, &data_type, 1).unwrap_err();
    assert!(matches!(error, ColumnError::TooLarge { .. }), "{error}");
}

/// Each of many views refers to the same long text. Testing each by itself would take as many times as long.
#[test]
fn views_are_counted_by_what_they_refer_to() {
    let rows = 4_096_usize;
    let length = 1_u32 << 20;
    let text_at = 1 << 17;
    let mut bytes = vec![0xc3; text_at + length as usize];
    let mut memory = GuestMemory::new(&mut bytes);
    let array = ArrowArray {
        length: rows as i64,
        n_buffers: 4,
        buffers: 128,
        ..ArrowArray::default()
    };
    memory.write("views", AT, &array).unwrap();
    let table = memory.slice_mut("table", 128, 16, 1).unwrap();
    let addresses = [0, 1_024, text_at as u32, 160].map(u32::to_le_bytes);
    table.copy_from_slice(addresses.as_flattened());
    let lengths = memory.slice_mut("lengths", 160, 8, 1).unwrap();
    lengths.copy_from_slice(&u64::from(length).to_le_bytes());
    for view in memory
        .slice_mut("views", 1_024, rows, 16)
        .unwrap()
        .chunks_exact_mut(16)
    {
        view.fill(0);
        view[..4].copy_from_slice(&length.to_le_bytes());
        view[4..8].fill(0xc3);
    }
    let read = |data_type| read(&memory, AT, &data_type, rows, LIMITS);
    assert!(matches!(
        read(DataType::BinaryView),
        Err(ColumnError::TooLarge { .. })
    ));
    assert!(read(DataType::Utf8View).is_err());
}
