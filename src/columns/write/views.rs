//! Strings and binaries as views: what the rows refer to is collected, not what lies in the buffers behind them.

use arrow::array::{Array, ArrayRef, AsArray, ByteView, MAX_INLINE_VIEW_LEN};
use arrow::buffer::Buffer;
use arrow::compute::{cast, take};
use arrow::datatypes::DataType;

use super::bytes::{Value, Values, check_reach};
use super::{Writer, buffer_cost, table_cost, validity_cost};
use crate::columns::ColumnError;

/// Longest data buffer: places in it are signed 32-bit numbers.
const DATA_BYTES_MAX: usize = i32::MAX as usize;

/// Bytes of one view.
const VIEW_BYTES: usize = size_of::<u128>();

/// What the data buffers of a column are.
enum Data<'a> {
    /// Those that the column has, as they are: its rows refer to more bytes than there are, because many of them share some.
    Shared(&'a [u128], &'a [Buffer]),
    /// The long values, one after the other, in buffers of these lengths.
    Gathered(Vec<usize>),
}

impl<'a> Data<'a> {
    fn of(array: &dyn Array, values: &Values<'a>, bytes_max: usize) -> Self {
        let long = |length: usize| {
            if length > MAX_INLINE_VIEW_LEN as usize {
                length
            } else {
                0
            }
        };
        let referred: usize = match (values, array.nulls()) {
            (Values::Views(views, _), None) => {
                views.iter().map(|view| long(*view as u32 as usize)).sum()
            }
            _ => {
                let value = value_of(array, values);
                (0..array.len()).map(|row| long(value(row).len())).sum()
            }
        };
        if let Values::Views(views, buffers) = *values
            && referred > buffers.iter().map(Buffer::len).sum()
        {
            return Self::Shared(views, buffers);
        }
        Self::Gathered(match referred {
            0 => Vec::new(),
            all if all <= bytes_max => vec![all],
            _ => {
                let value = value_of(array, values);
                split(
                    (0..array.len()).map(|row| long(value(row).len())),
                    bytes_max,
                )
            }
        })
    }

    fn lengths(&self) -> Vec<usize> {
        match self {
            Self::Shared(_, buffers) => buffers.iter().map(Buffer::len).collect(),
            Self::Gathered(lengths) => lengths.clone(),
        }
    }
}

/// Fills buffers with values of the lengths `long`, in order: the lengths of the buffers, none larger than `bytes_max`
/// unless a single value is.
fn split(long: impl Iterator<Item = usize>, bytes_max: usize) -> Vec<usize> {
    let mut lengths: Vec<usize> = Vec::new();
    for length in long.filter(|length| *length > 0) {
        match lengths.last_mut() {
            Some(last) if *last + length <= bytes_max => *last += length,
            _ => lengths.push(length),
        }
    }
    lengths
}

/// The column as views whose buffers are the dictionary's: no value is repeated for that.
fn undictionary(array: &dyn Array, target: &DataType) -> Result<Option<ArrayRef>, ColumnError> {
    let Some(dictionary) = array.as_any_dictionary_opt() else {
        return Ok(None);
    };
    let values = cast(dictionary.values(), target)?;
    Ok(Some(take(&values, dictionary.keys(), None)?))
}

/// The value of a row that is not null, an empty one for every other.
fn value_of<'a>(array: &dyn Array, values: &Values<'a>) -> impl Fn(usize) -> Value<'a> {
    let nulls = array.nulls();
    move |row| match nulls {
        Some(nulls) if nulls.is_null(row) => Value::default(),
        _ => values.get(row),
    }
}

pub(super) fn measure(array: &dyn Array, target: &DataType) -> Result<u64, ColumnError> {
    if let Some(array) = undictionary(array, target)? {
        return measure(&array, target);
    }
    let values =
        Values::of(array).ok_or_else(|| ColumnError::mismatch(array.data_type(), target))?;
    let lengths = Data::of(array, &values, DATA_BYTES_MAX).lengths();
    for length in &lengths {
        check_reach::<i32>(*length, target)?;
    }
    let data: u64 = lengths.iter().map(|length| buffer_cost(*length)).sum();
    Ok(table_cost(3 + lengths.len())
        + validity_cost(array.nulls())
        + buffer_cost(array.len() * VIEW_BYTES)
        + data
        + buffer_cost(lengths.len() * size_of::<i64>()))
}

impl Writer<'_, '_> {
    /// Writes a column of strings or binaries as views.
    pub(super) fn views(
        &mut self,
        at: u32,
        array: &dyn Array,
        target: &DataType,
    ) -> Result<(), ColumnError> {
        self.views_in_buffers(at, array, target, DATA_BYTES_MAX)
    }

    /// As [`Self::views`], with data buffers of `data_bytes_max` bytes at most.
    fn views_in_buffers(
        &mut self,
        at: u32,
        array: &dyn Array,
        target: &DataType,
        data_bytes_max: usize,
    ) -> Result<(), ColumnError> {
        if let Some(array) = undictionary(array, target)? {
            return self.views_in_buffers(at, &array, target, data_bytes_max);
        }
        let values =
            Values::of(array).ok_or_else(|| ColumnError::mismatch(array.data_type(), target))?;
        let data = Data::of(array, &values, data_bytes_max);
        let (views, slots) = self.space(array.len(), VIEW_BYTES)?;
        let slots = slots.as_chunks_mut().0;
        let mut buffers = vec![0, views];
        match &data {
            Data::Shared(views, shared) => {
                share(slots, array, views);
                for buffer in *shared {
                    buffers.push(self.buffer(buffer)?);
                }
            }
            Data::Gathered(lengths) => {
                let value = value_of(array, &values);
                gather(slots, &value, lengths);
                let mut long = (0..array.len()).map(value).filter(Value::is_long);
                for length in lengths {
                    let (address, mut rest) = self.space(*length, 1)?;
                    while !rest.is_empty()
                        && let Some(value) = long.next()
                    {
                        rest = value.put(rest);
                    }
                    buffers.push(address);
                }
            }
        }
        let (validity, null_count) = self.validity(array.nulls())?;
        if let Some(first) = buffers.first_mut() {
            *first = validity;
        }
        // The C Data Interface wants the lengths of the data buffers in one more.
        let lengths = data.lengths();
        let (address, slots) = self.space(lengths.len(), size_of::<i64>())?;
        for (slot, length) in slots.as_chunks_mut().0.iter_mut().zip(lengths) {
            *slot = (length as i64).to_le_bytes();
        }
        buffers.push(address);
        self.array(at, array.len(), null_count, &buffers, &[], 0)
    }
}

/// Writes the views as they are.
fn share(slots: &mut [[u8; VIEW_BYTES]], array: &dyn Array, views: &[u128]) {
    let nulls = array.nulls();
    for (row, (slot, view)) in slots.iter_mut().zip(views).enumerate() {
        // What a null's view holds means nothing, and might refer to anywhere.
        let is_null = nulls.is_some_and(|nulls| nulls.is_null(row));
        *slot = if is_null { 0 } else { *view }.to_le_bytes();
    }
}

/// Writes views of values of which the long ones lie one after the other in buffers of these lengths.
fn gather<'v>(
    slots: &mut [[u8; VIEW_BYTES]],
    value: impl Fn(usize) -> Value<'v>,
    lengths: &[usize],
) {
    let (mut buffer, mut offset) = (0, 0);
    let mut end = lengths.first().copied().unwrap_or_default();
    for (row, slot) in slots.iter_mut().enumerate() {
        let value = value(row);
        if !value.is_long() {
            *slot = value.inline_view().to_le_bytes();
            continue;
        }
        if offset + value.len() > end {
            (buffer, offset) = (buffer + 1, 0);
            end = lengths.get(buffer).copied().unwrap_or_default();
        }
        let prefix = value.bytes().first_chunk();
        let view = ByteView {
            length: value.len() as u32,
            prefix: prefix.map_or(0, |prefix| u32::from_le_bytes(*prefix)),
            buffer_index: buffer as u32,
            offset: offset as u32,
        };
        offset += value.len();
        *slot = view.as_u128().to_le_bytes();
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::StringViewArray;

    use super::*;
    use crate::columns::{Arena, ReadLimits, read};
    use crate::memory::GuestMemory;

    #[test]
    fn long_values_are_split_over_buffers() {
        assert_eq!(
            split([3, 0, 4, 5, 10, 20, 1].into_iter(), 10),
            [7, 5, 10, 20, 1]
        );

        let texts = (0..40).map(|i| "some text, ".repeat(i % 7));
        let array = StringViewArray::from_iter_values(texts);
        let mut bytes = vec![0; 8_192];
        let mut memory = GuestMemory::new(&mut bytes);
        let mut arena = Arena::new(128, 8_064);
        Writer {
            memory: &mut memory,
            arena: &mut arena,
        }
        .views_in_buffers(64, &array, &DataType::Utf8View, 100)
        .unwrap();
        let limits = ReadLimits {
            bytes_max: 1 << 20,
            depth_max: 1,
        };
        let back = read(&memory, 64, &DataType::Utf8View, 40, limits).unwrap();
        assert!(back.as_string_view().data_buffers().len() > 10);
        assert!(
            back.as_string_view()
                .data_buffers()
                .iter()
                .all(|buffer| buffer.len() <= 100)
        );
        assert_eq!(back.as_string_view(), &array);
    }
}
