//! Values of fixed width: written where they belong, in a loop that the compiler can vectorise.

use core::mem::MaybeUninit;

use super::{BitBuilder, Nulls, Value};
use crate::buffer::Buffer;
use crate::call::Space;
use crate::data_type::DataType;
use crate::error::Error;
use crate::pool::Pool;
use crate::raw::ArrowArray;

/// Rows that are computed in one turn of a loop.
const BLOCK: usize = 16;

/// A type of fixed width.
///
/// # Safety
///
/// The Rust type is laid out as an Arrow array of type `TYPE` lays out its values, its alignment is at most 16, it
/// has no padding, and every pattern of bits is one of its values.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a type that a SQL function can have as a parameter",
    label = "no type of SQL"
)]
pub unsafe trait Fixed: Copy + 'static {
    /// The SQL type.
    const TYPE: DataType;
}

macro_rules! fixed {
    ($($rust:ty: $sql:ident;)*) => {$(
        // SAFETY: Arrow's numbers are Rust's numbers.
        unsafe impl Fixed for $rust {
            const TYPE: DataType = DataType::$sql;
        }
    )*};
}

fixed! {
    i8: Int8;
    i16: Int16;
    i32: Int32;
    i64: Int64;
    u8: UInt8;
    u16: UInt16;
    u32: UInt32;
    u64: UInt64;
    f32: Float32;
    f64: Float64;
}

// SAFETY: N bytes, without a gap between one value and the next.
unsafe impl<const N: usize> Fixed for [u8; N] {
    const TYPE: DataType = DataType::FixedSizeBinary(N as i32);
}

/// Collects values of fixed width.
#[derive(Debug)]
pub struct FixedBuilder {
    pub(crate) values: Buffer,
    pub(crate) length: usize,
}

impl FixedBuilder {
    /// Appends `count` zeros; the place of the first.
    pub(crate) fn append_zeroed<T: Fixed>(&mut self, count: usize) -> *mut T {
        self.length += count;
        self.values.append_zeroed(count * size_of::<T>()).cast()
    }
}

impl<T: Fixed> Value for T {
    const TYPE: DataType = <T as Fixed>::TYPE;
    type Builder = FixedBuilder;

    #[inline]
    fn builder(space: &mut Space<'_>) -> FixedBuilder {
        FixedBuilder {
            values: space.values(size_of::<T>() * 8),
            length: 0,
        }
    }

    #[inline(always)]
    fn push(builder: &mut FixedBuilder, value: T) {
        builder.values.push(value);
        builder.length += 1;
    }

    #[inline(always)]
    fn reserve(builder: &mut FixedBuilder, count: usize) {
        builder.values.reserve(count * size_of::<T>());
    }

    #[inline(always)]
    unsafe fn push_within(builder: &mut FixedBuilder, value: T) {
        // SAFETY: by the contract of this function.
        unsafe { builder.values.push_within(value) };
        builder.length += 1;
    }

    #[inline(always)]
    fn push_null(builder: &mut FixedBuilder) {
        // SAFETY: every pattern of bits is a value, zeros included.
        Self::push(builder, unsafe { MaybeUninit::zeroed().assume_init() });
    }

    #[inline(always)]
    fn extend<E>(
        builder: &mut FixedBuilder,
        count: usize,
        mut row: impl FnMut(usize) -> Result<T, E>,
    ) -> Result<(), E> {
        builder.values.extend_with(count, |values| {
            // In blocks, which the compiler unrolls where a row is cheap: the host has each turn of a loop look whether it must stop.
            let (blocks, rest) = values.as_chunks_mut::<BLOCK>();
            let mut index = 0;
            for block in blocks {
                for value in block {
                    value.write(row(index)?);
                    index += 1;
                }
            }
            for value in rest {
                value.write(row(index)?);
                index += 1;
            }
            Ok(())
        })?;
        builder.length += count;
        Ok(())
    }

    #[inline(always)]
    fn extend_options<E>(
        builder: &mut FixedBuilder,
        validity: &mut BitBuilder,
        count: usize,
        mut row: impl FnMut(usize) -> Result<Option<T>, E>,
    ) -> Result<usize, E> {
        let mut set = 0;
        builder.values.extend_with(count, |values| {
            let start = values.as_mut_ptr();
            set = validity.extend(count, |index| {
                let value = row(index)?;
                // SAFETY: zeros are a value, and `index` is less than `count`.
                unsafe {
                    let zero = MaybeUninit::zeroed().assume_init();
                    (*start.add(index)).write(value.unwrap_or(zero));
                }
                Ok(value.is_some())
            })?;
            Ok(())
        })?;
        builder.length += count;
        Ok(set)
    }

    #[inline]
    fn finish(
        builder: FixedBuilder,
        nulls: Option<Nulls>,
        out: &mut ArrowArray,
        pool: &mut Pool,
    ) -> Result<(), Error> {
        let (bitmap, null_count) = Nulls::into_parts(nulls);
        pool.write(
            out,
            builder.length,
            null_count,
            [bitmap, Some(builder.values)],
            &[],
        );
        Ok(())
    }
}
