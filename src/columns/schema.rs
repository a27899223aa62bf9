//! Types into guest memory and, as hostile input, out of it: what `wasmfusion_bind` speaks.
//!
//! A type crosses as an `ArrowSchema` with its children. The grammar of format strings is in [`format`].
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

mod format;
mod reader;

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, Field, FieldRef};
use wasmfusion_abi::ArrowSchema;

pub use self::reader::{SchemaLimits, read_schema};
use super::{Arena, ColumnError};
use crate::memory::GuestMemory;

/// Bits of an `ArrowSchema`'s `flags`.
mod flag {
    pub(super) const DICTIONARY_ORDERED: i64 = 1;
    pub(super) const NULLABLE: i64 = 2;
    pub(super) const MAP_KEYS_SORTED: i64 = 4;
}

/// Alignment of the structs and tables of the interface.
const STRUCT_ALIGN: u32 = 8;
/// Bytes of one schema's struct.
const SCHEMA_BYTES: usize = size_of::<ArrowSchema>();

/// How many bytes [`write_schema`] takes from the arena for `field`, at most.
///
/// # Errors
///
/// [`ColumnError::Type`] if the type has no format string, or a name or time zone holds a zero byte.
pub fn measure_schema(field: &Field) -> Result<u64, ColumnError> {
    let mut bytes = 0_u64;
    let mut add = |cost: u64| bytes = bytes.saturating_add(cost);
    let text = |length: usize| Arena::cost(length.saturating_add(1) as u64, 1);
    add(text(format::of(field.data_type())?.len()));
    add(text(checked_text(field, field.name())?.len()));
    if !field.metadata().is_empty() {
        add(Arena::cost(metadata(field)?.len() as u64, STRUCT_ALIGN));
    }
    let children = children(field.data_type());
    add(Arena::cost(
        children.len().saturating_mul(4) as u64,
        STRUCT_ALIGN,
    ));
    add(Arena::cost(
        children.len().saturating_mul(SCHEMA_BYTES) as u64,
        STRUCT_ALIGN,
    ));
    for child in children {
        add(measure_schema(child)?);
    }
    if let DataType::Dictionary(_, values) = field.data_type() {
        add(Arena::cost(SCHEMA_BYTES as u64, STRUCT_ALIGN));
        add(measure_schema(&dictionary_field(values))?);
    }
    Ok(bytes)
}

/// Writes the name, type and metadata of `field`: its `ArrowSchema` to `at`, all the rest into `arena`.
///
/// # Errors
///
/// As [`measure_schema`]; and [`ColumnError::RegionFull`] or [`ColumnError::Memory`] if there is not the room that it tells.
pub fn write_schema(
    memory: &mut GuestMemory<'_>,
    arena: &mut Arena,
    at: u32,
    field: &Field,
) -> Result<(), ColumnError> {
    let data_type = field.data_type();
    let mut schema = ArrowSchema {
        format: text(memory, arena, &format::of(data_type)?)?,
        name: text(memory, arena, checked_text(field, field.name())?)?,
        ..ArrowSchema::default()
    };
    if field.is_nullable() {
        schema.flags |= flag::NULLABLE;
    }
    if field.dict_is_ordered() == Some(true) {
        schema.flags |= flag::DICTIONARY_ORDERED;
    }
    if matches!(data_type, DataType::Map(_, true)) {
        schema.flags |= flag::MAP_KEYS_SORTED;
    }
    if !field.metadata().is_empty() {
        schema.metadata = put(memory, arena, &metadata(field)?, STRUCT_ALIGN)?;
    }
    let children = children(data_type);
    if !children.is_empty() {
        let mut child_at = schemas(arena, children.len())?;
        let mut table = Vec::new();
        for child in &children {
            table.extend(child_at.to_le_bytes());
            write_schema(memory, arena, child_at, child)?;
            child_at = child_at.saturating_add(SCHEMA_BYTES as u32);
        }
        // A type has far fewer fields than an i64 counts.
        schema.n_children = children.len() as i64;
        schema.children = put(memory, arena, &table, STRUCT_ALIGN)?;
    }
    if let DataType::Dictionary(_, values) = data_type {
        schema.dictionary = schemas(arena, 1)?;
        write_schema(memory, arena, schema.dictionary, &dictionary_field(values))?;
    }
    Ok(memory.write("argument's type", at, &schema)?)
}

/// The values of a dictionary, which have a type but neither name nor metadata.
fn dictionary_field(values: &DataType) -> Field {
    Field::new("", values.clone(), true)
}

fn children(data_type: &DataType) -> Vec<&FieldRef> {
    match data_type {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => vec![field],
        DataType::Struct(fields) => fields.iter().collect(),
        DataType::Union(fields, _) => fields.iter().map(|(_, field)| field).collect(),
        DataType::RunEndEncoded(ends, values) => vec![ends, values],
        _ => Vec::new(),
    }
}

/// The text of a field, which ends with a zero byte in guest memory and so may not hold one.
fn checked_text<'t>(field: &Field, text: &'t str) -> Result<&'t str, ColumnError> {
    if text.contains('\0') {
        return Err(ColumnError::of_type(
            field.data_type(),
            "its name holds a zero byte",
        ));
    }
    Ok(text)
}

/// Metadata in the encoding of the C Data Interface, in the order of the keys, so that the same field always gives the same bytes.
fn metadata(field: &Field) -> Result<Vec<u8>, ColumnError> {
    let count = |length: usize| {
        i32::try_from(length)
            .map(i32::to_le_bytes)
            .map_err(|_| ColumnError::of_type(field.data_type(), "its metadata is too long"))
    };
    let mut bytes = Vec::new();
    bytes.extend(count(field.metadata().len())?);
    for (key, value) in field.metadata().iter().collect::<BTreeMap<_, _>>() {
        for text in [key, value] {
            bytes.extend(count(text.len())?);
            bytes.extend(text.as_bytes());
        }
    }
    Ok(bytes)
}

fn schemas(arena: &mut Arena, count: usize) -> Result<u32, ColumnError> {
    arena.alloc(count.saturating_mul(SCHEMA_BYTES) as u64, STRUCT_ALIGN)
}

fn put(
    memory: &mut GuestMemory<'_>,
    arena: &mut Arena,
    bytes: &[u8],
    align: u32,
) -> Result<u32, ColumnError> {
    let address = arena.alloc(bytes.len() as u64, align)?;
    memory
        .slice_mut("argument's type", address, bytes.len(), 1)?
        .copy_from_slice(bytes);
    Ok(address)
}

/// Writes a text and the zero byte that ends it.
fn text(memory: &mut GuestMemory<'_>, arena: &mut Arena, text: &str) -> Result<u32, ColumnError> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    put(memory, arena, &bytes, 1)
}
