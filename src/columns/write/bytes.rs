//! Strings and binaries with offsets, from whatever layout the query has them in.

use arrow::array::{
    AnyDictionaryArray, Array, ArrowPrimitiveType, AsArray, ByteView, MAX_INLINE_VIEW_LEN,
    OffsetSizeTrait, PrimitiveArray, downcast_integer,
};
use arrow::buffer::{Buffer, NullBuffer};
use arrow::datatypes::{ArrowNativeType, ByteArrayType, ByteViewType, DataType, ToByteSlice};

use super::{Writer, buffer_cost, table_cost, validity_cost};
use crate::columns::ColumnError;

/// The values of a column of strings or binaries.
pub(super) enum Values<'a> {
    /// `Utf8`, `Binary`.
    Small(&'a [i32], &'a [u8]),
    /// `LargeUtf8`, `LargeBinary`.
    Large(&'a [i64], &'a [u8]),
    /// `Utf8View`, `BinaryView`.
    Views(&'a [u128], &'a [Buffer]),
}

impl<'a> Values<'a> {
    /// The values of `array`, unless it is something else than strings and binaries, or a dictionary of them.
    pub(super) fn of(array: &'a dyn Array) -> Option<Self> {
        fn offsets<T: ByteArrayType>(array: &dyn Array) -> Option<(&[T::Offset], &[u8])> {
            let array = array.as_bytes_opt::<T>()?;
            Some((array.value_offsets(), array.value_data()))
        }
        fn views<T: ByteViewType>(array: &dyn Array) -> Option<Values<'_>> {
            let array = array.as_byte_view_opt::<T>()?;
            Some(Values::Views(array.views(), array.data_buffers()))
        }
        use arrow::datatypes::{
            BinaryType, BinaryViewType, LargeBinaryType, LargeUtf8Type, StringViewType, Utf8Type,
        };
        match array.data_type() {
            DataType::Utf8 => offsets::<Utf8Type>(array).map(|(o, v)| Self::Small(o, v)),
            DataType::Binary => offsets::<BinaryType>(array).map(|(o, v)| Self::Small(o, v)),
            DataType::LargeUtf8 => offsets::<LargeUtf8Type>(array).map(|(o, v)| Self::Large(o, v)),
            DataType::LargeBinary => {
                offsets::<LargeBinaryType>(array).map(|(o, v)| Self::Large(o, v))
            }
            DataType::Utf8View => views::<StringViewType>(array),
            DataType::BinaryView => views::<BinaryViewType>(array),
            _ => None,
        }
    }

    /// Value number `index`; empty if there is none.
    #[inline]
    pub(super) fn get(&self, index: usize) -> Value<'a> {
        match *self {
            Self::Small(offsets, values) => between(offsets, values, index),
            Self::Large(offsets, values) => between(offsets, values, index),
            Self::Views(views, buffers) => view(views, buffers, index),
        }
        .unwrap_or_default()
    }
}

/// What is moved at once, if there is as much.
const MOVE_BYTES: usize = MAX_INLINE_VIEW_LEN as usize;

/// One string or binary, with what lies behind it: where there is something, a short value can be copied in one
/// move of a fixed size, which is several times as fast as one of its very length.
#[derive(Clone, Copy, Default)]
pub(super) struct Value<'a> {
    tail: &'a [u8],
    length: usize,
}

impl<'a> Value<'a> {
    fn new(tail: &'a [u8], length: usize) -> Option<Self> {
        (length <= tail.len()).then_some(Self { tail, length })
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Whether it lies in a data buffer, not in its view.
    pub(super) fn is_long(&self) -> bool {
        self.length > MOVE_BYTES
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.tail.get(..self.length).unwrap_or_default()
    }

    /// The view that holds it, if it is not long.
    #[inline]
    pub(super) fn inline_view(&self) -> u128 {
        let mut bytes = [0; MOVE_BYTES];
        match self.tail.first_chunk() {
            Some(more) => bytes = *more,
            None => bytes
                .iter_mut()
                .zip(self.tail)
                .for_each(|(target, source)| *target = *source),
        }
        let [a, b, c] = std::array::from_fn(|part| {
            let four = bytes.as_chunks::<4>().0.get(part).copied();
            u128::from(u32::from_le_bytes(four.unwrap_or_default()))
        });
        let value = a | b << 32 | c << 64;
        // Of the moved bytes only the value's own remain.
        let mask = (1_u128 << (8 * self.length.min(MOVE_BYTES))) - 1;
        (value & mask) << 32 | self.length as u128
    }

    /// Writes it to the start of `target`, which has room for it; the bytes behind it may be written too. Returns what is behind it.
    #[inline]
    pub(super) fn put<'t>(&self, target: &'t mut [u8]) -> &'t mut [u8] {
        if !self.is_long()
            && let Some(more) = self.tail.first_chunk::<MOVE_BYTES>()
            && let Some(slot) = target.first_chunk_mut()
        {
            *slot = *more;
        } else if let Some(slot) = target.get_mut(..self.length) {
            slot.copy_from_slice(self.bytes());
        }
        target.get_mut(self.length..).unwrap_or_default()
    }
}

/// Value number `index` of those between `offsets`.
#[inline]
fn between<'a, O: OffsetSizeTrait>(
    offsets: &[O],
    values: &'a [u8],
    index: usize,
) -> Option<Value<'a>> {
    let start = offsets.get(index)?.as_usize();
    let end = offsets.get(index.checked_add(1)?)?.as_usize();
    Value::new(values.get(start..)?, end - start)
}

/// Value number `index` of a column of views.
#[inline]
fn view<'a>(views: &'a [u128], buffers: &'a [Buffer], index: usize) -> Option<Value<'a>> {
    let view = views.get(index)?;
    let length = *view as u32;
    if length <= MAX_INLINE_VIEW_LEN {
        return Value::new(view.to_byte_slice().get(4..)?, length as usize);
    }
    let place = ByteView::from(*view);
    let buffer = buffers.get(place.buffer_index as usize)?.as_slice();
    Value::new(buffer.get(place.offset as usize..)?, length as usize)
}

/// For each row of a dictionary column the place of its value, for rows that are null `usize::MAX`, where no value is.
pub(super) fn positions(dictionary: &dyn AnyDictionaryArray) -> Vec<usize> {
    fn of<K: ArrowPrimitiveType>(keys: &PrimitiveArray<K>) -> Vec<usize> {
        match keys.nulls() {
            None => keys.values().iter().map(|key| key.as_usize()).collect(),
            Some(nulls) => std::iter::zip(keys.values(), nulls)
                .map(|(key, valid)| if valid { key.as_usize() } else { usize::MAX })
                .collect(),
        }
    }
    macro_rules! integer {
        ($key:ty, $keys:ident) => {
            of::<$key>($keys.as_primitive())
        };
    }
    let keys = dictionary.keys();
    downcast_integer! {
        keys.data_type() => (integer, keys),
        _ => Vec::new()
    }
}

/// The bytes from the first value to the last, the offsets starting at 0 for `rows` rows.
fn span<O: OffsetSizeTrait>(offsets: &[O]) -> (usize, usize) {
    match (offsets.first(), offsets.last()) {
        (Some(first), Some(last)) => (first.as_usize(), last.as_usize()),
        _ => (0, 0),
    }
}

/// Refuses what offsets of the type `O` cannot address.
#[inline]
pub(super) fn check_reach<O: OffsetSizeTrait>(
    length: usize,
    target: &DataType,
) -> Result<(), ColumnError> {
    match O::from_usize(length) {
        Some(_) => Ok(()),
        None => Err(ColumnError::overflow(target, length)),
    }
}

/// Adds up the lengths of the values of `array`, which may be a dictionary.
fn payload(array: &dyn Array, target: &DataType) -> Result<usize, ColumnError> {
    let mismatch = || ColumnError::mismatch(array.data_type(), target);
    if let Some(dictionary) = array.as_any_dictionary_opt() {
        let values = Values::of(dictionary.values().as_ref()).ok_or_else(mismatch)?;
        return Ok(positions(dictionary)
            .into_iter()
            .map(|position| values.get(position).len())
            .sum());
    }
    Ok(match Values::of(array).ok_or_else(mismatch)? {
        Values::Small(offsets, _) => {
            let (first, last) = span(offsets);
            last - first
        }
        Values::Large(offsets, _) => {
            let (first, last) = span(offsets);
            last - first
        }
        Values::Views(views, _) => match array.nulls() {
            None => views.iter().map(|view| *view as u32 as usize).sum(),
            Some(nulls) => std::iter::zip(views, nulls)
                .map(|(view, valid)| if valid { *view as u32 as usize } else { 0 })
                .sum(),
        },
    })
}

pub(super) fn measure<O: OffsetSizeTrait>(
    array: &dyn Array,
    target: &DataType,
) -> Result<u64, ColumnError> {
    let payload = payload(array, target)?;
    check_reach::<O>(payload, target)?;
    let validity = match array.as_any_dictionary_opt() {
        Some(_) => buffer_cost(array.len().div_ceil(8)),
        None => validity_cost(array.nulls()),
    };
    Ok(table_cost(3) + validity + buffer_cost((array.len() + 1) * O::BYTES) + buffer_cost(payload))
}

trait OffsetBytes: OffsetSizeTrait {
    /// Bytes of one offset.
    const BYTES: usize = size_of::<Self>();
}

impl<O: OffsetSizeTrait> OffsetBytes for O {}

impl Writer<'_, '_> {
    /// Writes a column of strings or binaries with offsets of the type `O`.
    pub(super) fn bytes<O: OffsetSizeTrait>(
        &mut self,
        at: u32,
        array: &dyn Array,
        target: &DataType,
    ) -> Result<(), ColumnError> {
        let mismatch = || ColumnError::mismatch(array.data_type(), target);
        let rows = array.len();
        if let Some(dictionary) = array.as_any_dictionary_opt() {
            let values = Values::of(dictionary.values().as_ref()).ok_or_else(mismatch)?;
            let positions = positions(dictionary);
            let value = |row: usize| {
                let position = positions.get(row);
                position.map_or(Value::default(), |position| values.get(*position))
            };
            // A row is null if its key is or the value that the key means.
            let nulls = array.logical_nulls();
            return self.gathered::<O>(at, target, rows, nulls.as_ref(), value);
        }
        match Values::of(array).ok_or_else(mismatch)? {
            Values::Small(offsets, values) => {
                self.contiguous::<i32, O>(at, target, array, offsets, values)
            }
            Values::Large(offsets, values) => {
                self.contiguous::<i64, O>(at, target, array, offsets, values)
            }
            Values::Views(views, buffers) => {
                let nulls = array.nulls();
                let value = |row| view(views, buffers, row).unwrap_or_default();
                self.gathered::<O>(at, target, rows, nulls, value)
            }
        }
    }

    /// The values lie one after the other: one copy for all of them.
    fn contiguous<I: OffsetSizeTrait, O: OffsetSizeTrait>(
        &mut self,
        at: u32,
        target: &DataType,
        array: &dyn Array,
        offsets: &[I],
        values: &[u8],
    ) -> Result<(), ColumnError> {
        let (first, last) = span(offsets);
        check_reach::<O>(last - first, target)?;
        let (validity, null_count) = self.validity(array.nulls())?;
        let offsets = self.offsets::<I, O>(offsets)?;
        let values = self.buffer(values.get(first..last).unwrap_or_default())?;
        self.array(
            at,
            array.len(),
            null_count,
            &[validity, offsets, values],
            &[],
            0,
        )
    }

    /// Writes offsets, moved so that they start at 0. The caller has checked that the last one, moved, fits into `O`.
    pub(super) fn offsets<I: OffsetSizeTrait, O: OffsetSizeTrait>(
        &mut self,
        offsets: &[I],
    ) -> Result<u32, ColumnError> {
        let (address, target) = self.space(offsets.len(), size_of::<O>())?;
        let first = offsets.first().copied().unwrap_or_default();
        for (target, offset) in target.chunks_exact_mut(size_of::<O>()).zip(offsets) {
            let moved = O::usize_as((*offset - first).as_usize());
            target.copy_from_slice(moved.to_byte_slice());
        }
        Ok(address)
    }

    /// The values lie anywhere: they are collected one by one.
    fn gathered<'v, O: OffsetSizeTrait>(
        &mut self,
        at: u32,
        target: &DataType,
        rows: usize,
        nulls: Option<&NullBuffer>,
        value: impl Fn(usize) -> Value<'v>,
    ) -> Result<(), ColumnError> {
        let (validity, null_count) = self.validity(nulls)?;
        let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
        let value = |row| match nulls {
            Some(nulls) if nulls.is_null(row) => Value::default(),
            _ => value(row),
        };
        let (offsets, slots) = self.space(rows + 1, size_of::<O>())?;
        let mut end = 0;
        let mut slots = slots.chunks_exact_mut(size_of::<O>());
        if let Some(first) = slots.next() {
            first.copy_from_slice(O::default().to_byte_slice());
        }
        for (row, slot) in slots.enumerate() {
            end += value(row).len();
            slot.copy_from_slice(O::usize_as(end).to_byte_slice());
        }
        check_reach::<O>(end, target)?;
        let (values, mut rest) = self.space(end, 1)?;
        for row in 0..rows {
            rest = value(row).put(rest);
        }
        self.array(at, rows, null_count, &[validity, offsets, values], &[], 0)
    }
}
