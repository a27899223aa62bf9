//! Text and bytes: offsets and data in buffers that are kept between calls.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Nulls, Value};
use crate::buffer::Buffer;
use crate::call::Space;
use crate::data_type::DataType;
use crate::error::Error;
use crate::pool::Pool;
use crate::raw::ArrowArray;

/// Collects values of any length.
#[derive(Debug)]
pub struct BytesBuilder {
    offsets: Buffer,
    data: Buffer,
    length: usize,
}

impl BytesBuilder {
    #[inline]
    pub(crate) fn new(space: &mut Space<'_>) -> Self {
        let mut offsets = space.buffer();
        offsets.push(0i32);
        BytesBuilder {
            offsets,
            data: space.buffer(),
            length: 0,
        }
    }

    /// Appends bytes to the value that [`BytesBuilder::end_value`] will end.
    #[inline(always)]
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.data.extend_from_slice(bytes);
    }

    /// Ends a value.
    #[inline(always)]
    pub(crate) fn end_value(&mut self) {
        // Past 2 GiB this wraps, and `finish` refuses the column.
        self.offsets.push(self.data.len() as i32);
        self.length += 1;
    }

    /// Drops what was appended since the last value's end.
    #[inline]
    pub(crate) fn drop_value(&mut self, start: usize) {
        self.data.truncate(start);
    }

    /// Bytes so far, of all values.
    #[inline]
    pub(crate) fn data_len(&self) -> usize {
        self.data.len()
    }

    #[inline]
    pub(crate) fn finish(
        self,
        nulls: Option<Nulls>,
        out: &mut ArrowArray,
        pool: &mut Pool,
    ) -> Result<(), Error> {
        if self.data.len() > i32::MAX as usize {
            return Err(Error::new("the result of one batch is larger than 2 GiB"));
        }
        let (bitmap, null_count) = Nulls::into_parts(nulls);
        let buffers = [bitmap, Some(self.offsets), Some(self.data)];
        pool.write(out, self.length, null_count, buffers, &[]);
        Ok(())
    }
}

macro_rules! bytes {
    ($($rust:ty: $sql:ident, $bytes:ident;)*) => {$(
        impl Value for $rust {
            const TYPE: DataType = DataType::$sql;
            type Builder = BytesBuilder;

            #[inline]
            fn builder(space: &mut Space<'_>) -> BytesBuilder {
                BytesBuilder::new(space)
            }

            #[inline(always)]
            fn push(builder: &mut BytesBuilder, value: $rust) {
                builder.append(value.$bytes());
                builder.end_value();
            }

            #[inline(always)]
            fn push_null(builder: &mut BytesBuilder) {
                builder.end_value();
            }

            #[inline]
            fn finish(
                builder: BytesBuilder,
                nulls: Option<Nulls>,
                out: &mut ArrowArray,
                pool: &mut Pool,
            ) -> Result<(), Error> {
                builder.finish(nulls, out, pool)
            }
        }
    )*};
}

bytes! {
    &str: Utf8, as_bytes;
    String: Utf8, as_bytes;
    Box<str>: Utf8, as_bytes;
    Cow<'_, str>: Utf8, as_bytes;
    &[u8]: Binary, as_ref;
    Vec<u8>: Binary, as_ref;
    Box<[u8]>: Binary, as_ref;
    Cow<'_, [u8]>: Binary, as_ref;
}
