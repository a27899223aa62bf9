//! A type that a hostile guest has written.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use wasmfusion_abi::ArrowSchema;

use super::{flag, format};
use crate::columns::{ColumnError, check_type};
use crate::memory::GuestMemory;

/// How large a type a guest may return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaLimits {
    /// Deepest nesting. A primitive has depth 1.
    pub depth_max: usize,
    /// Most types in it altogether. Without this limit a guest could use the same struct as a child many times over, on every level.
    pub nodes_max: usize,
    /// Most bytes of all its format strings, names and metadata together.
    pub text_bytes_max: usize,
}

impl Default for SchemaLimits {
    fn default() -> Self {
        Self {
            depth_max: 16,
            nodes_max: 4_096,
            text_bytes_max: 64 << 10,
        }
    }
}

/// Reads the type whose `ArrowSchema` is at `at`, with its name, metadata, and whether it may be null.
///
/// # Errors
///
/// [`ColumnError::Memory`] if it is not in memory, [`ColumnError::Type`] if it is no type that can cross, or larger than `limits`.
pub fn read_schema(
    memory: &GuestMemory<'_>,
    at: u32,
    limits: SchemaLimits,
) -> Result<Field, ColumnError> {
    let mut reader = SchemaReader {
        memory,
        nodes_left: limits.nodes_max,
        text_left: limits.text_bytes_max,
    };
    let field = reader.field(at, limits.depth_max)?;
    check_type(field.data_type(), limits.depth_max)?;
    Ok(field)
}

struct SchemaReader<'m, 'g> {
    memory: &'m GuestMemory<'g>,
    nodes_left: usize,
    text_left: usize,
}

#[cold]
fn invalid(problem: impl Into<Box<str>>) -> ColumnError {
    ColumnError::of_type("that the guest returned", problem)
}

impl SchemaReader<'_, '_> {
    fn field(&mut self, at: u32, depth_left: usize) -> Result<Field, ColumnError> {
        let Some(depth_left) = depth_left.checked_sub(1) else {
            return Err(invalid("it nests deeper than the limit"));
        };
        let Some(nodes_left) = self.nodes_left.checked_sub(1) else {
            return Err(invalid("it has more parts than the limit"));
        };
        self.nodes_left = nodes_left;
        let schema = self.memory.read::<ArrowSchema>("result's type", at)?;
        let format = self.text("result's format string", schema.format)?;
        let name = match schema.name {
            0 => String::new(),
            name => self.text("result's name", name)?,
        };

        // No more than the limit are ever looked at, so the number may be anything.
        let count = usize::try_from(schema.n_children).unwrap_or(usize::MAX);
        if count > self.nodes_left {
            return Err(invalid(format!("it has {} children", schema.n_children)));
        }
        let mut children = Vec::with_capacity(count);
        for index in 0..count {
            let region = "result's children";
            let child = self.memory.address_at(region, schema.children, index)?;
            children.push(Arc::new(self.field(child, depth_left)?));
        }
        let sorted = schema.flags & flag::MAP_KEYS_SORTED != 0;
        let mut data_type = format::parse(&format, children, sorted).map_err(invalid)?;
        if schema.dictionary != 0 {
            let values = self.field(schema.dictionary, depth_left)?;
            data_type =
                DataType::Dictionary(Box::new(data_type), Box::new(values.data_type().clone()));
        }

        let field = Field::new(name, data_type, schema.flags & flag::NULLABLE != 0)
            .with_dict_is_ordered(schema.flags & flag::DICTIONARY_ORDERED != 0);
        Ok(match schema.metadata {
            0 => field,
            metadata => field.with_metadata(self.metadata(metadata)?),
        })
    }

    fn charge(&mut self, bytes: usize) -> Result<(), ColumnError> {
        self.text_left = self
            .text_left
            .checked_sub(bytes)
            .ok_or_else(|| invalid("its names and metadata are longer than the limit"))?;
        Ok(())
    }

    fn text(&mut self, region: &'static str, address: u32) -> Result<String, ColumnError> {
        let text = self.memory.text(region, address, self.text_left)?;
        self.charge(text.len().saturating_add(1))?;
        utf8(text)
    }

    /// Metadata in the encoding of the C Data Interface: a count, and then, each with its length before it, keys and values in turn.
    fn metadata(&mut self, address: u32) -> Result<HashMap<String, String>, ColumnError> {
        let mut next = u64::from(address);
        let mut metadata = HashMap::new();
        for _ in 0..self.number(&mut next)? {
            let key = self.counted_text(&mut next)?;
            let value = self.counted_text(&mut next)?;
            metadata.insert(key, value);
        }
        Ok(metadata)
    }

    /// Takes `bytes` bytes of metadata.
    fn take(&mut self, next: &mut u64, bytes: usize) -> Result<&[u8], ColumnError> {
        self.charge(bytes)?;
        // Beyond 2^32 there is no memory, and at 2^32 - 1 no room.
        let address = u32::try_from(*next).unwrap_or(u32::MAX);
        *next = next.saturating_add(bytes as u64);
        Ok(self.memory.slice("result's metadata", address, bytes, 1)?)
    }

    fn number(&mut self, next: &mut u64) -> Result<usize, ColumnError> {
        let bytes = self.take(next, size_of::<i32>())?;
        let number = bytes.first_chunk().map_or(-1, |n| i32::from_le_bytes(*n));
        usize::try_from(number).map_err(|_| invalid("its metadata has a negative length"))
    }

    fn counted_text(&mut self, next: &mut u64) -> Result<String, ColumnError> {
        let bytes = self.number(next)?;
        utf8(self.take(next, bytes)?)
    }
}

fn utf8(bytes: &[u8]) -> Result<String, ColumnError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(invalid("a text of it is not UTF-8")),
    }
}
