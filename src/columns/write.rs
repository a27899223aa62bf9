//! Host to guest: one array, with all its buffers, into the host's region.
//!
//! What a guest is promised about arguments (`docs/abi.md`, "A call") is kept here and in the rooms below:
//! offset 0, exact null counts, buffers at multiples of 64, bitmaps from bit 0, nothing of a slice but what it covers.
//! The arrays come from the query and are trusted; a mistake in the measuring ends in an error, never outside the region.

mod bitmap;
mod bytes;
mod encoded;
mod lists;
mod views;

use arrow::array::{Array, AsArray, PrimitiveArray, downcast_primitive};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::{ArrowPrimitiveType, DataType, ToByteSlice, UnionMode};
use wasmfusion_abi::{ArrowArray, BUFFER_ALIGN};

use super::types::fits;
use super::{Arena, ColumnError};
use crate::memory::GuestMemory;

/// Bytes of one array's struct.
const ARRAY_BYTES: usize = size_of::<ArrowArray>();

/// Alignment of the structs and tables of the interface.
const STRUCT_ALIGN: u32 = 8;

/// How many bytes [`write()`] takes from the arena for `array` as a column of type `target`, at most. It does not look at
/// values, unless their place has to be found: views, and dictionaries larger than the column.
///
/// `target` is the array's own type, or differs from it in nothing but this, at any depth: strings and binaries may have another layout
/// (`Utf8`, `LargeUtf8`, `Utf8View` or a dictionary of them becomes one of the first three), names inside lists and maps
/// are not compared, nor is metadata, and what may be null in `target` need not in the array.
///
/// # Errors
///
/// [`ColumnError::Mismatch`] if the types differ otherwise, [`ColumnError::OffsetOverflow`] if 32-bit offsets do not reach.
pub fn measure(array: &dyn Array, target: &DataType) -> Result<u64, ColumnError> {
    if !fits(array.data_type(), target) {
        return Err(ColumnError::mismatch(array.data_type(), target));
    }
    measure_node(array, target)
}

/// Writes `array` as a column of type `target`: its `ArrowArray` to `at`, all the rest into `arena`.
///
/// # Errors
///
/// As [`measure`], which says before whether the array can be written at all and how much room it needs; and
/// [`ColumnError::RegionFull`] or [`ColumnError::Memory`] if it was not given that room.
pub fn write(
    memory: &mut GuestMemory<'_>,
    arena: &mut Arena,
    at: u32,
    array: &dyn Array,
    target: &DataType,
) -> Result<(), ColumnError> {
    Writer { memory, arena }.node(at, array, target)
}

/// Writes a bitmap, from its bit 0 on, and says where it is. It takes [`measure_bits`] bytes from the arena at most.
///
/// # Errors
///
/// [`ColumnError::RegionFull`] or [`ColumnError::Memory`].
pub fn write_bits(
    memory: &mut GuestMemory<'_>,
    arena: &mut Arena,
    bits: &BooleanBuffer,
) -> Result<u32, ColumnError> {
    Writer { memory, arena }.bitmap(bits)
}

/// How many bytes [`write_bits`] takes from the arena for so many bits, at most.
pub fn measure_bits(bits: usize) -> u64 {
    buffer_cost(bits.div_ceil(8))
}

/// Writes indices as `u32` each, and says where they are. They are known to fit. It takes [`measure_indices`] bytes from the arena
/// at most.
///
/// # Errors
///
/// [`ColumnError::RegionFull`] or [`ColumnError::Memory`].
pub fn write_indices(
    memory: &mut GuestMemory<'_>,
    arena: &mut Arena,
    indices: &[usize],
) -> Result<u32, ColumnError> {
    let mut writer = Writer { memory, arena };
    let (address, target) = writer.space(indices.len(), size_of::<u32>())?;
    copy_indices(indices, target);
    Ok(address)
}

/// Copies indices as `u32` each to where there is room for them.
#[inline]
pub fn copy_indices(indices: &[usize], target: &mut [u8]) {
    for (target, index) in target.as_chunks_mut().0.iter_mut().zip(indices) {
        *target = (*index as u32).to_le_bytes();
    }
}

/// How many bytes [`write_indices`] takes from the arena for so many indices, at most.
pub fn measure_indices(indices: usize) -> u64 {
    buffer_cost(indices.saturating_mul(size_of::<u32>()))
}

/// The values of `array` as they cross, if it is a column of numbers (dates, decimals, … too) of exactly type `target` without nulls.
#[inline]
pub fn fixed_values<'a>(array: &'a dyn Array, target: &DataType) -> Option<&'a [u8]> {
    macro_rules! primitive {
        ($primitive:ty) => {{
            let column = array
                .as_any()
                .downcast_ref::<PrimitiveArray<$primitive>>()?;
            let same = !has_parameters(target) || column.data_type() == target;
            let whole = column.nulls().is_none_or(|nulls| nulls.null_count() == 0);
            (same && whole).then(|| column.values().to_byte_slice())
        }};
    }
    downcast_primitive! {
        target => (primitive),
        _ => None,
    }
}

/// Whether a type of numbers is more than the Rust type of its arrays says: a time zone, a precision, a scale.
fn has_parameters(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Timestamp(..)
            | DataType::Decimal32(..)
            | DataType::Decimal64(..)
            | DataType::Decimal128(..)
            | DataType::Decimal256(..)
    )
}

/// Bytes for one buffer of the array.
fn buffer_cost(bytes: usize) -> u64 {
    Arena::cost(bytes as u64, BUFFER_ALIGN)
}

/// Bytes for `count` addresses.
fn table_cost(count: usize) -> u64 {
    Arena::cost(4 * count as u64, STRUCT_ALIGN)
}

/// Bytes for the structs of `count` children and the table of their addresses.
fn children_cost(count: usize) -> u64 {
    table_cost(count) + Arena::cost((ARRAY_BYTES * count) as u64, STRUCT_ALIGN)
}

/// Bytes for a validity bitmap.
fn validity_cost(nulls: Option<&NullBuffer>) -> u64 {
    match nulls {
        Some(nulls) if nulls.null_count() > 0 => buffer_cost(nulls.len().div_ceil(8)),
        _ => 0,
    }
}

fn measure_node(array: &dyn Array, target: &DataType) -> Result<u64, ColumnError> {
    macro_rules! primitive {
        ($primitive:ty) => {
            Ok(table_cost(2)
                + validity_cost(array.nulls())
                + buffer_cost(
                    array.len() * size_of::<<$primitive as ArrowPrimitiveType>::Native>(),
                ))
        };
    }
    downcast_primitive! {
        target => (primitive),
        DataType::Null => Ok(0),
        DataType::Boolean => {
            Ok(table_cost(2) + validity_cost(array.nulls()) + buffer_cost(array.len().div_ceil(8)))
        }
        DataType::FixedSizeBinary(width) => {
            let bytes = array.len() * usize::try_from(*width).unwrap_or_default();
            Ok(table_cost(2) + validity_cost(array.nulls()) + buffer_cost(bytes))
        }
        DataType::Utf8 | DataType::Binary => bytes::measure::<i32>(array, target),
        DataType::LargeUtf8 | DataType::LargeBinary => bytes::measure::<i64>(array, target),
        DataType::Utf8View | DataType::BinaryView => views::measure(array, target),
        DataType::List(field) => lists::measure::<i32>(array, target, field),
        DataType::LargeList(field) => lists::measure::<i64>(array, target, field),
        DataType::ListView(field) => lists::measure_view::<i32>(array, target, field),
        DataType::LargeListView(field) => lists::measure_view::<i64>(array, target, field),
        DataType::FixedSizeList(field, _) => lists::measure_fixed(array, target, field),
        DataType::Map(field, _) => lists::measure_map(array, target, field),
        DataType::Struct(fields) => lists::measure_struct(array, target, fields),
        DataType::Dictionary(_, values) => encoded::measure_dictionary(array, target, values),
        DataType::RunEndEncoded(_, values) => encoded::measure_runs(array, target, values),
        DataType::Union(fields, mode) => encoded::measure_union(array, target, fields, *mode),
        _ => Err(ColumnError::mismatch(array.data_type(), target)),
    }
}

/// Where the array goes.
struct Writer<'w, 'm> {
    memory: &'w mut GuestMemory<'m>,
    arena: &'w mut Arena,
}

impl Writer<'_, '_> {
    /// Writes one array and everything below it.
    fn node(&mut self, at: u32, array: &dyn Array, target: &DataType) -> Result<(), ColumnError> {
        macro_rules! primitive {
            ($primitive:ty) => {
                match array.as_primitive_opt::<$primitive>() {
                    Some(array) => self.fixed_width(at, array, array.values().to_byte_slice()),
                    None => Err(ColumnError::mismatch(array.data_type(), target)),
                }
            };
        }
        downcast_primitive! {
            target => (primitive),
            DataType::Null => self.array(at, array.len(), array.len(), &[], &[], 0),
            DataType::Boolean => self.boolean(at, array, target),
            DataType::FixedSizeBinary(_) => match array.as_fixed_size_binary_opt() {
                Some(array) => self.fixed_width(at, array, array.value_data()),
                None => Err(ColumnError::mismatch(array.data_type(), target)),
            },
            DataType::Utf8 | DataType::Binary => self.bytes::<i32>(at, array, target),
            DataType::LargeUtf8 | DataType::LargeBinary => self.bytes::<i64>(at, array, target),
            DataType::Utf8View | DataType::BinaryView => self.views(at, array, target),
            DataType::List(field) => self.list::<i32>(at, array, target, field),
            DataType::LargeList(field) => self.list::<i64>(at, array, target, field),
            DataType::ListView(field) => self.list_view::<i32>(at, array, target, field),
            DataType::LargeListView(field) => self.list_view::<i64>(at, array, target, field),
            DataType::FixedSizeList(field, _) => self.fixed_list(at, array, target, field),
            DataType::Map(field, _) => self.map(at, array, target, field),
            DataType::Struct(fields) => self.structure(at, array, target, fields),
            DataType::Dictionary(_, values) => self.dictionary(at, array, target, values),
            DataType::RunEndEncoded(_, values) => self.runs(at, array, target, values),
            DataType::Union(fields, UnionMode::Sparse) => self.sparse_union(at, array, target, fields),
            DataType::Union(fields, UnionMode::Dense) => self.dense_union(at, array, target, fields),
            _ => Err(ColumnError::mismatch(array.data_type(), target)),
        }
    }

    /// Validity and values of a fixed width: the hot path.
    #[inline]
    fn fixed_width(
        &mut self,
        at: u32,
        array: &dyn Array,
        values: &[u8],
    ) -> Result<(), ColumnError> {
        let (validity, null_count) = self.validity(array.nulls())?;
        let values = self.buffer(values)?;
        self.array(at, array.len(), null_count, &[validity, values], &[], 0)
    }

    fn boolean(
        &mut self,
        at: u32,
        array: &dyn Array,
        target: &DataType,
    ) -> Result<(), ColumnError> {
        let Some(array) = array.as_boolean_opt() else {
            return Err(ColumnError::mismatch(array.data_type(), target));
        };
        let (validity, null_count) = self.validity(array.nulls())?;
        let values = self.bitmap(array.values())?;
        self.array(at, array.len(), null_count, &[validity, values], &[], 0)
    }

    /// Copies a buffer as it is.
    #[inline]
    fn buffer(&mut self, bytes: &[u8]) -> Result<u32, ColumnError> {
        let address = self.arena.alloc(bytes.len() as u64, BUFFER_ALIGN)?;
        self.memory
            .slice_mut("argument buffer", address, bytes.len(), 1)?
            .copy_from_slice(bytes);
        Ok(address)
    }

    /// Takes room for a buffer of `count` elements of `width` bytes, to be filled by the caller.
    #[inline]
    fn space(&mut self, count: usize, width: usize) -> Result<(u32, &mut [u8]), ColumnError> {
        let bytes = count.saturating_mul(width);
        let address = self.arena.alloc(bytes as u64, BUFFER_ALIGN)?;
        let space = self
            .memory
            .slice_mut("argument buffer", address, count, width)?;
        Ok((address, space))
    }

    /// Copies a validity bitmap, if there are nulls: its address, and their number.
    #[inline]
    fn validity(&mut self, nulls: Option<&NullBuffer>) -> Result<(u32, usize), ColumnError> {
        match nulls {
            Some(nulls) if nulls.null_count() > 0 => {
                Ok((self.bitmap(nulls.inner())?, nulls.null_count()))
            }
            _ => Ok((0, 0)),
        }
    }

    /// Takes room for the structs of `count` children: the address of the first.
    fn children(&mut self, count: usize) -> Result<u32, ColumnError> {
        self.arena.alloc((ARRAY_BYTES * count) as u64, STRUCT_ALIGN)
    }

    /// Writes a table of addresses.
    #[inline]
    fn table(&mut self, addresses: &[u32]) -> Result<u32, ColumnError> {
        if addresses.is_empty() {
            return Ok(0);
        }
        let address = self.arena.alloc(4 * addresses.len() as u64, STRUCT_ALIGN)?;
        let slots = self
            .memory
            .slice_mut("argument addresses", address, addresses.len(), 4)?;
        for (slot, address) in slots.as_chunks_mut().0.iter_mut().zip(addresses) {
            *slot = address.to_le_bytes();
        }
        Ok(address)
    }

    /// Writes the struct itself, last: by now everything it points to has an address.
    #[inline]
    fn array(
        &mut self,
        at: u32,
        length: usize,
        null_count: usize,
        buffers: &[u32],
        children: &[u32],
        dictionary: u32,
    ) -> Result<(), ColumnError> {
        let array = ArrowArray {
            // A length is at most isize::MAX, so these casts keep every value.
            length: length as i64,
            null_count: null_count as i64,
            offset: 0,
            n_buffers: buffers.len() as i64,
            n_children: children.len() as i64,
            buffers: self.table(buffers)?,
            children: self.table(children)?,
            dictionary,
            release: 0,
            private_data: 0,
        };
        Ok(self.memory.write("argument", at, &array)?)
    }
}
