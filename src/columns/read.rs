//! Guest to host: one array out of memory that a hostile guest has filled.
//!
//! The order is always the same: test that a buffer lies in memory, copy it, and only then look at the copy. Everything that the
//! copy says (lengths, offsets, keys, type ids, text) is tested before an array is built from it. Only what the rows
//! cover is copied, and every copy is charged to a budget, so that buffers which overlap, or a few
//! bytes that claim to be many values, cannot make the host allocate without end. The recursion follows the type, which the host chose.
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

mod buffers;
mod bytes;
mod encoded;
mod nested;
mod views;

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, FixedSizeBinaryArray, NullArray, PrimitiveArray, downcast_primitive,
    new_empty_array,
};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{ArrowNativeTypeOp, ArrowPrimitiveType, DataType, DecimalType, UnionMode};
use wasmfusion_abi::ArrowArray;

use super::ColumnError;
use crate::memory::GuestMemory;

/// Most values in any one array, whatever its type. Fewer than 2^31, as some of arrow's own checks count in `i32`.
const LENGTH_MAX: usize = i32::MAX as usize - 1;

/// What a guest may return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimits {
    /// Most bytes that a result may take in the host, all its buffers together. A value that takes no bytes
    /// of its own (of a null array, of a struct, …) and each value that a view or list view refers to counts as well.
    pub bytes_max: usize,
    /// Deepest nesting of the type. A primitive has depth 1.
    pub depth_max: usize,
}

/// Reads the array of type `data_type` with exactly `rows` values whose `ArrowArray` is at `at`.
///
/// # Errors
///
/// [`ColumnError::Memory`] or [`ColumnError::Invalid`] if there is no such array, [`ColumnError::TooLarge`] if it is beyond `limits`,
/// [`ColumnError::Type`] if its type nests too deep.
pub fn read(
    memory: &GuestMemory<'_>,
    at: u32,
    data_type: &DataType,
    rows: usize,
    limits: ReadLimits,
) -> Result<ArrayRef, ColumnError> {
    let mut reader = Reader {
        memory,
        bytes_left: limits.bytes_max,
        bytes_max: limits.bytes_max,
        depth_left: limits.depth_max,
    };
    let array = reader.memory.read::<ArrowArray>("result", at)?;
    if usize::try_from(array.length) != Ok(rows) {
        let problem = format!("it has {} values, there are {rows} rows", array.length);
        return Err(ColumnError::invalid(data_type, problem));
    }
    reader.array(&array, data_type, 0, rows)
}

/// An array of the values in `bytes`, without nulls, if `data_type` is one of numbers of which every pattern of bits is a value: no decimal, whose
/// digits are to be counted. `bytes` has been charged to a budget.
#[inline]
pub fn fixed_column(bytes: &[u8], data_type: &DataType) -> Option<ArrayRef> {
    if data_type.is_decimal() {
        return None;
    }
    macro_rules! primitive {
        ($primitive:ty) => {
            (<$primitive>::DATA_TYPE == *data_type).then(|| -> ArrayRef {
                let values = buffers::numbers(bytes);
                Arc::new(PrimitiveArray::<$primitive>::new(values.into(), None))
            })
        };
    }
    downcast_primitive! {
        data_type => (primitive),
        _ => None,
    }
}

/// One read of one result.
struct Reader<'m, 'g> {
    memory: &'m GuestMemory<'g>,
    /// What may still be copied.
    bytes_left: usize,
    bytes_max: usize,
    /// How many levels may still be entered.
    depth_left: usize,
}

/// The part of a guest's array that is to be read.
struct Node<'t> {
    array: &'t ArrowArray,
    data_type: &'t DataType,
    /// First value, counted from the start of the buffers: the array's own `offset` is part of it.
    start: usize,
    /// Number of values.
    rows: usize,
    /// Whether these are all the values that the array has.
    whole: bool,
}

impl Node<'_> {
    /// First value behind the part.
    fn end(&self) -> usize {
        // Tested when the node was made.
        self.start.saturating_add(self.rows)
    }

    #[cold]
    fn invalid(&self, problem: impl Into<Box<str>>) -> ColumnError {
        ColumnError::invalid(self.data_type, problem)
    }
}

impl Reader<'_, '_> {
    /// Reads `rows` values of the array whose struct is at `at`, from value `skip` on.
    fn part(
        &mut self,
        at: u32,
        data_type: &DataType,
        skip: usize,
        rows: usize,
    ) -> Result<ArrayRef, ColumnError> {
        let array = self.memory.read::<ArrowArray>("result's child", at)?;
        self.array(&array, data_type, skip, rows)
    }

    fn array(
        &mut self,
        array: &ArrowArray,
        data_type: &DataType,
        skip: usize,
        rows: usize,
    ) -> Result<ArrayRef, ColumnError> {
        let node = open(array, data_type, skip, rows)?;
        if rows == 0 {
            return Ok(new_empty_array(data_type));
        }
        macro_rules! primitive {
            ($primitive:ty) => {
                self.primitive::<$primitive>(&node)
            };
        }
        macro_rules! decimal {
            ($primitive:ty, $precision:expr) => {
                self.decimal::<$primitive>(&node, *$precision)
            };
        }
        use arrow::datatypes::{Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type};
        match data_type {
            DataType::Decimal32(precision, _) => decimal!(Decimal32Type, precision),
            DataType::Decimal64(precision, _) => decimal!(Decimal64Type, precision),
            DataType::Decimal128(precision, _) => decimal!(Decimal128Type, precision),
            DataType::Decimal256(precision, _) => decimal!(Decimal256Type, precision),
            _ => downcast_primitive! {
                data_type => (primitive),
                DataType::Null => {
                    self.charge(rows)?;
                    Ok(Arc::new(NullArray::new(rows)))
                }
                DataType::Boolean => self.boolean(&node),
                DataType::FixedSizeBinary(width) => self.fixed_binary(&node, *width),
                DataType::Utf8 => self.strings::<i32>(&node),
                DataType::LargeUtf8 => self.strings::<i64>(&node),
                DataType::Binary => self.binaries::<i32>(&node),
                DataType::LargeBinary => self.binaries::<i64>(&node),
                DataType::Utf8View => self.string_views(&node),
                DataType::BinaryView => self.binary_views(&node),
                _ => self.nested(&node),
            },
        }
    }

    /// Arrays with children, one level further down.
    #[inline(never)]
    fn nested(&mut self, node: &Node<'_>) -> Result<ArrayRef, ColumnError> {
        // The innermost level is for a type without children.
        if self.depth_left <= 1 {
            let problem = "it nests deeper than the limit";
            return Err(ColumnError::of_type(node.data_type, problem));
        }
        self.depth_left = self.depth_left.saturating_sub(1);
        let array = match node.data_type {
            DataType::List(field) => self.list::<i32>(node, field),
            DataType::LargeList(field) => self.list::<i64>(node, field),
            DataType::ListView(field) => self.list_view::<i32>(node, field),
            DataType::LargeListView(field) => self.list_view::<i64>(node, field),
            DataType::FixedSizeList(field, width) => self.fixed_list(node, field, *width),
            DataType::Map(field, sorted) => self.map(node, field, *sorted),
            DataType::Struct(fields) => self.structure(node, fields),
            DataType::Dictionary(keys, values) => self.dictionary(node, keys, values),
            DataType::RunEndEncoded(ends, values) => self.runs(node, ends, values),
            DataType::Union(fields, UnionMode::Sparse) => self.sparse_union(node, fields),
            DataType::Union(fields, UnionMode::Dense) => self.dense_union(node, fields),
            _ => Err(ColumnError::of_type(node.data_type, "it cannot cross")),
        };
        self.depth_left = self.depth_left.saturating_add(1);
        array
    }

    /// The hot path: for a column without nulls one test of bounds and one copy. The array is made where it is going to
    /// stay, as a one-row call spends much of its time on moving it about.
    fn primitive<T: ArrowPrimitiveType>(
        &mut self,
        node: &Node<'_>,
    ) -> Result<ArrayRef, ColumnError> {
        if node.array.null_count != 0 || T::DATA_TYPE != *node.data_type {
            return Ok(Arc::new(self.numbers::<T>(node)?));
        }
        let values = self.values::<T::Native>(node, 1)?;
        Ok(Arc::new(PrimitiveArray::<T>::new(values.into(), None)))
    }

    /// As [`Self::primitive`], for any nulls and any parameters of the type, as an array of numbers.
    fn numbers<T: ArrowPrimitiveType>(
        &mut self,
        node: &Node<'_>,
    ) -> Result<PrimitiveArray<T>, ColumnError> {
        let nulls = self.nulls(node)?;
        let values = self.values::<T::Native>(node, 1)?;
        // The types differ in nothing but a time zone, precision or scale: `T` was chosen by the type.
        let array = PrimitiveArray::<T>::try_new(values.into(), nulls)?;
        Ok(array.with_data_type(node.data_type.clone()))
    }

    fn decimal<T: DecimalType>(
        &mut self,
        node: &Node<'_>,
        precision: u8,
    ) -> Result<ArrayRef, ColumnError> {
        let array = self.numbers::<T>(node)?;
        let place = usize::from(precision);
        let Some(max) = T::MAX_FOR_EACH_PRECISION.get(place).copied() else {
            return Err(node.invalid("its precision is out of range"));
        };
        let min = max.neg_wrapping();
        let fits = |value: &T::Native| value.is_ge(min) & value.is_le(max);
        // No early way out, so that the compiler can compare many at once. Only if that fails, nulls are looked at.
        if !array
            .values()
            .iter()
            .fold(true, |all, value| all & fits(value))
            && !array.iter().flatten().all(|value| fits(&value))
        {
            return Err(node.invalid("a value has more digits than its precision"));
        }
        Ok(Arc::new(array))
    }

    fn boolean(&mut self, node: &Node<'_>) -> Result<ArrayRef, ColumnError> {
        let nulls = self.nulls(node)?;
        let address = self.buffer_address(node, 1)?;
        let values: BooleanBuffer = self.bits(node, "boolean values", address)?;
        // Both have `rows` bits, which is all that the constructor asks for.
        Ok(Arc::new(BooleanArray::new(values, nulls)))
    }

    fn fixed_binary(&mut self, node: &Node<'_>, width: i32) -> Result<ArrayRef, ColumnError> {
        let nulls = self.nulls(node)?;
        let bytes = usize::try_from(width).map_err(|_| node.invalid("its width is negative"))?;
        if bytes == 0 {
            self.charge(node.rows)?;
        }
        let values = self.row_bytes(node, 1, bytes)?;
        let values = self.copy(values)?;
        let array = FixedSizeBinaryArray::try_new_with_len(width, values, nulls, node.rows)?;
        Ok(Arc::new(array))
    }
}

/// Tests a struct by itself: that it has `rows` values from `skip` on, and the buffers and children of its type.
#[inline]
fn open<'t>(
    array: &'t ArrowArray,
    data_type: &'t DataType,
    skip: usize,
    rows: usize,
) -> Result<Node<'t>, ColumnError> {
    let (n_buffers, n_children) = shape(data_type);
    let buffers_fit = match data_type {
        // Validity, views and lengths, and any number of data buffers in between.
        DataType::Utf8View | DataType::BinaryView => array.n_buffers >= n_buffers,
        _ => array.n_buffers == n_buffers,
    };
    if let Ok(length) = usize::try_from(array.length)
        && let Ok(offset) = usize::try_from(array.offset)
        && length <= LENGTH_MAX
        && let Some(last) = skip.checked_add(rows)
        && last <= length
        && let Some(start) = offset.checked_add(skip)
        && start.checked_add(rows).is_some()
        && (-1..=array.length).contains(&array.null_count)
        && buffers_fit
        && array.n_children == n_children
    {
        return Ok(Node {
            array,
            data_type,
            start,
            rows,
            whole: rows == length,
        });
    }
    Err(refusal(array, data_type, skip, rows))
}

/// Finds out what [`open`] did not like.
#[cold]
#[inline(never)]
fn refusal(array: &ArrowArray, data_type: &DataType, skip: usize, rows: usize) -> ColumnError {
    let ArrowArray {
        length,
        null_count,
        offset,
        n_buffers,
        n_children,
        ..
    } = *array;
    let (buffers_wanted, children_wanted) = shape(data_type);
    let problem = if length < 0 || offset < 0 {
        format!("its length is {length} and its offset {offset}")
    } else if usize::try_from(length).is_ok_and(|length| length > LENGTH_MAX) {
        format!("its length of {length} is beyond the limit of {LENGTH_MAX}")
    } else if !(-1..=length).contains(&null_count) {
        format!("its null_count is {null_count}, its length {length}")
    } else if n_children != children_wanted {
        format!("it has {n_children} children where its type has {children_wanted}")
    } else if n_buffers != buffers_wanted {
        format!("it has {n_buffers} buffers where its type has {buffers_wanted}")
    } else {
        format!("values {skip} to {skip} + {rows} are referred to, its length is {length}")
    };
    ColumnError::invalid(data_type, problem)
}

/// How many buffers and children the C Data Interface gives a type; views have at least so many buffers.
#[inline]
fn shape(data_type: &DataType) -> (i64, i64) {
    let children = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    match data_type {
        DataType::Null => (0, 0),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary => (3, 0),
        DataType::Utf8View | DataType::BinaryView => (3, 0),
        DataType::List(_) | DataType::LargeList(_) | DataType::Map(_, _) => (2, 1),
        DataType::ListView(_) | DataType::LargeListView(_) => (3, 1),
        DataType::FixedSizeList(_, _) => (1, 1),
        DataType::Struct(fields) => (1, children(fields.len())),
        DataType::Union(fields, UnionMode::Sparse) => (1, children(fields.len())),
        DataType::Union(fields, UnionMode::Dense) => (2, children(fields.len())),
        DataType::RunEndEncoded(_, _) => (0, 2),
        _ => (2, 0),
    }
}
