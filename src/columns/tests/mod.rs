//! Columns there and back: any array, into a memory of just the size that was measured, and out again; and out of memory that has been tampered with.

pub(crate) mod arbitrary;
mod hostile;
mod layouts;
mod nullability;
mod promises;
mod round_trip;
mod types;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use proptest::test_runner::Config;

use super::{Arena, ColumnError, ReadLimits, measure, read, write};
use crate::memory::GuestMemory;

/// Where tests put the column's struct.
const AT: u32 = 64;

const LIMITS: ReadLimits = ReadLimits {
    bytes_max: 16 << 20,
    depth_max: 16,
};

/// A memory that holds `array` as a column of type `target`, and not a byte more than was measured. Its old content is not zero.
fn memory_with(array: &dyn Array, target: &DataType) -> Vec<u8> {
    let measured = measure(array, target).unwrap();
    // Not aligned: what is measured must do at the worst place there is.
    let start = AT + 65;
    let mut bytes = vec![0xa5; start as usize + measured as usize];
    let mut arena = Arena::new(start, measured as u32);
    let mut memory = GuestMemory::new(&mut bytes);
    write(&mut memory, &mut arena, AT, array, target).unwrap();
    bytes
}

/// What a guest that returns its argument gives back.
fn read_back(bytes: &mut [u8], target: &DataType, rows: usize) -> Result<ArrayRef, ColumnError> {
    read(&GuestMemory::new(bytes), AT, target, rows, LIMITS)
}

/// Settings of a property test with so many cases, or as many as the environment says if that is more (`PROPTEST_CASES`).
fn cases(cases: u32) -> Config {
    let default = Config::default();
    Config {
        cases: default.cases.max(cases),
        failure_persistence: None,
        ..default
    }
}
