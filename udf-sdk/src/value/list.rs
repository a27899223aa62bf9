//! Lists: offsets into a column of elements.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::convert::identity;

use super::{Nulls, Value};
use crate::argument::{Argument, List};
use crate::buffer::Buffer;
use crate::call::Space;
use crate::data_type::DataType;
use crate::error::Error;
use crate::pool::Pool;
use crate::raw::ArrowArray;

/// A value that `Vec<T>` and `&[T]` make lists of: every [`Value`] but `u8`, since `Vec<u8>` and `&[u8]` are bytes.
pub trait Element: Value {}

macro_rules! elements {
    ($($rust:ty)*) => {
        $(impl Element for $rust {})*
    };
}

elements! {
    bool i8 i16 i32 i64 u16 u32 u64 f32 f64
    &str String Box<str> Cow<'_, str>
    &[u8] Vec<u8> Box<[u8]> Cow<'_, [u8]>
}

impl<T: Value> Element for Option<T> {}
impl<T: Element + Clone> Element for &[T] {}
impl<const N: usize> Element for [u8; N] {}
impl<T: Element> Element for Vec<T> {}
impl<'a, T: Argument<'a> + Value + 'a> Element for List<'a, T> {}

/// Collects lists.
#[derive(Debug)]
pub struct ListBuilder<B> {
    offsets: Buffer,
    length: usize,
    elements: B,
    element_count: usize,
}

impl<B> ListBuilder<B> {
    #[inline]
    pub(super) fn new(space: &mut Space<'_>, elements: impl FnOnce(&mut Space<'_>) -> B) -> Self {
        let mut offsets = space.buffer();
        offsets.push(0i32);
        ListBuilder {
            offsets,
            length: 0,
            elements: elements(space),
            element_count: 0,
        }
    }

    /// Where to push one more element.
    #[inline(always)]
    pub(super) fn element(&mut self) -> &mut B {
        self.element_count += 1;
        &mut self.elements
    }

    #[inline(always)]
    pub(super) fn end_value(&mut self) {
        // Past 2³¹ elements this wraps, and `finish` refuses the column.
        self.offsets.push(self.element_count as i32);
        self.length += 1;
    }

    #[inline]
    pub(super) fn finish(
        self,
        nulls: Option<Nulls>,
        out: &mut ArrowArray,
        pool: &mut Pool,
        elements: impl FnOnce(B, &mut ArrowArray, &mut Pool) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if self.element_count > i32::MAX as usize {
            return Err(Error::new(
                "the lists of one batch have more than 2³¹ elements",
            ));
        }
        let child = pool.child(|child, pool| elements(self.elements, child, pool))?;
        let (bitmap, null_count) = Nulls::into_parts(nulls);
        let buffers = [bitmap, Some(self.offsets)];
        pool.write(out, self.length, null_count, buffers, &[child]);
        Ok(())
    }
}

macro_rules! lists {
    ($([$($generics:tt)*] $rust:ty, $own:expr;)*) => {$(
        impl<$($generics)*> Value for $rust {
            const TYPE: DataType = DataType::List(&<T as Value>::TYPE);
            type Builder = ListBuilder<T::Builder>;

            #[inline]
            fn builder(space: &mut Space<'_>) -> Self::Builder {
                ListBuilder::new(space, <T as Value>::builder)
            }

            #[inline]
            fn push(builder: &mut Self::Builder, value: $rust) {
                builder.element_count += value.len();
                for element in value {
                    T::push(&mut builder.elements, $own(element));
                }
                builder.end_value();
            }

            #[inline]
            fn push_null(builder: &mut Self::Builder) {
                builder.end_value();
            }

            #[inline]
            fn finish(
                builder: Self::Builder,
                nulls: Option<Nulls>,
                out: &mut ArrowArray,
                pool: &mut Pool,
            ) -> Result<(), Error> {
                builder.finish(nulls, out, pool, |elements, child, pool| {
                    T::finish(elements, None, child, pool)
                })
            }
        }
    )*};
}

lists! {
    [T: Element] Vec<T>, identity;
    [T: Element + Clone] &[T], T::clone;
    ['a, T: Argument<'a> + Value + 'a] List<'a, T>, identity;
}
