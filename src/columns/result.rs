//! The result's struct, as the guest finds it before a call.

use arrow::datatypes::DataType;
use wasmfusion_abi::{ArrowArray, BUFFER_ALIGN};

use super::{Arena, ColumnError};
use crate::memory::GuestMemory;

/// Bytes of the bitmap and of the values of `rows` rows, if the type is of fixed width.
fn buffers(data_type: &DataType, rows: usize) -> Option<(u64, u64)> {
    let bits = rows.div_ceil(8) as u64;
    let width = match data_type {
        DataType::Boolean => return Some((bits, bits)),
        DataType::FixedSizeBinary(width) => usize::try_from(*width).ok()?,
        _ => data_type.primitive_width()?,
    };
    Some((bits, (rows as u64).saturating_mul(width as u64)))
}

/// How many bytes the values of `rows` rows take, if the type is one of numbers.
pub fn value_bytes(data_type: &DataType, rows: usize) -> Option<usize> {
    rows.checked_mul(data_type.primitive_width()?)
}

/// How many bytes [`lay_out_result`] takes from the arena, at most.
pub fn measure_result(data_type: &DataType, rows: usize) -> u64 {
    match buffers(data_type, rows) {
        Some((validity, values)) => Arena::cost(8, 8)
            .saturating_add(Arena::cost(validity, BUFFER_ALIGN))
            .saturating_add(Arena::cost(values, BUFFER_ALIGN)),
        None => 0,
    }
}

/// How many rows of results of these types have room in `bytes`; `rows_max` at most, and 1 at least.
pub fn rows_within(types: &[&DataType], bytes: u64, rows_max: usize) -> usize {
    const SAMPLE: usize = 1 << 10;
    let sample: u64 = types.iter().map(|ty| measure_result(ty, SAMPLE)).sum();
    let rows = bytes.saturating_mul(SAMPLE as u64) / sample.max(1);
    usize::try_from(rows)
        .unwrap_or(usize::MAX)
        .clamp(1, rows_max)
}

/// Writes the `ArrowArray` of a result to `at`: complete, with room for its buffers, for a type of fixed width, zeros for
/// every other. The buffers' content is whatever was there.
///
/// # Errors
///
/// [`ColumnError::RegionFull`] or [`ColumnError::Memory`] if there is not the room that [`measure_result`] tells.
pub fn lay_out_result(
    memory: &mut GuestMemory<'_>,
    arena: &mut Arena,
    at: u32,
    data_type: &DataType,
    rows: usize,
) -> Result<(), ColumnError> {
    let mut array = ArrowArray::default();
    if let Some((validity, values)) = buffers(data_type, rows) {
        let table = arena.alloc(8, 8)?;
        let validity = arena.alloc(validity, BUFFER_ALIGN)?;
        let values = arena.alloc(values, BUFFER_ALIGN)?;
        let addresses = memory.slice_mut("result buffers", table, 2, size_of::<u32>())?;
        for (slot, address) in addresses
            .as_chunks_mut()
            .0
            .iter_mut()
            .zip([validity, values])
        {
            *slot = address.to_le_bytes();
        }
        array.length = rows as i64;
        array.n_buffers = 2;
        array.buffers = table;
    }
    Ok(memory.write("result", at, &array)?)
}
