//! Results that a function writes in place: no value of its own for every row, no allocation.

use core::fmt;

use super::{BytesBuilder, Element, ListBuilder, Nulls, Value};
use crate::call::Space;
use crate::data_type::DataType;
use crate::error::Error;
use crate::pool::Pool;
use crate::raw::ArrowArray;

/// What the last parameter of a function can be instead of a result: `&mut` one of these.
///
/// The function appends to it, and the row's value is what it appended.
#[diagnostic::on_unimplemented(
    message = "a SQL function cannot write its result to `&mut {Self}`",
    note = "the last parameter can be &mut TextWriter, &mut BytesWriter or &mut ListWriter<T>; and &mut Output<'_, T> in batch functions"
)]
pub trait Writer: Sized {
    /// The SQL type.
    const TYPE: DataType;

    /// An empty writer.
    fn new(space: &mut Space<'_>) -> Self;

    /// Ends a row's value.
    fn end_value(&mut self);

    /// Ends a row as NULL.
    fn end_null(&mut self);

    /// Writes the column to `out`.
    ///
    /// # Errors
    ///
    /// If it is too large for its type.
    fn finish(
        self,
        nulls: Option<Nulls>,
        out: &mut ArrowArray,
        pool: &mut Pool,
    ) -> Result<(), Error>;
}

/// What a function with a [`Writer`] returns: nothing, or `Option<()>` with `None` for NULL, or a `Result` of one of these.
#[diagnostic::on_unimplemented(
    message = "a SQL function with a writer cannot return `{Self}`",
    note = "it returns nothing, or Option<()> if it may be NULL, or a Result of one of these"
)]
pub trait Written {
    /// Whether the row can be NULL.
    const NULLABLE: bool;

    /// Whether the row is a value, not NULL.
    ///
    /// # Errors
    ///
    /// The function's own error.
    fn into_valid(self) -> Result<bool, Error>;
}

impl Written for () {
    const NULLABLE: bool = false;

    #[inline(always)]
    fn into_valid(self) -> Result<bool, Error> {
        Ok(true)
    }
}

impl Written for Option<()> {
    const NULLABLE: bool = true;

    #[inline(always)]
    fn into_valid(self) -> Result<bool, Error> {
        Ok(self.is_some())
    }
}

impl<T: Written, E: Into<Error>> Written for Result<T, E> {
    const NULLABLE: bool = T::NULLABLE;

    #[inline(always)]
    fn into_valid(self) -> Result<bool, Error> {
        self.map_err(Into::into)?.into_valid()
    }
}

macro_rules! bytes_writer {
    ($($(#[$doc:meta])* $name:ident: $sql:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name {
            bytes: BytesBuilder,
            /// Where the row's value starts.
            start: usize,
        }

        impl Writer for $name {
            const TYPE: DataType = DataType::$sql;

            #[inline]
            fn new(space: &mut Space<'_>) -> Self {
                $name { bytes: BytesBuilder::new(space), start: 0 }
            }

            #[inline(always)]
            fn end_value(&mut self) {
                self.bytes.end_value();
                self.start = self.bytes.data_len();
            }

            #[inline(always)]
            fn end_null(&mut self) {
                self.bytes.drop_value(self.start);
                self.bytes.end_value();
            }

            #[inline]
            fn finish(self, nulls: Option<Nulls>, out: &mut ArrowArray, pool: &mut Pool) -> Result<(), Error> {
                self.bytes.finish(nulls, out, pool)
            }
        }

        impl $name {
            /// Bytes written for this row so far.
            #[inline]
            pub fn len(&self) -> usize {
                self.bytes.data_len() - self.start
            }

            /// Whether nothing was written for this row yet.
            #[inline]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }
        }
    )*};
}

bytes_writer! {
    /// Writes a row's text. Also an [`fmt::Write`], for `write!`.
    TextWriter: Utf8;
    /// Writes a row's bytes.
    BytesWriter: Binary;
}

impl TextWriter {
    /// Appends text.
    #[inline]
    pub fn push_str(&mut self, text: &str) {
        self.bytes.append(text.as_bytes());
    }

    /// Appends a character.
    #[inline]
    pub fn push(&mut self, character: char) {
        self.push_str(character.encode_utf8(&mut [0; 4]));
    }
}

impl fmt::Write for TextWriter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text);
        Ok(())
    }
}

impl BytesWriter {
    /// Appends bytes.
    #[inline]
    pub fn push_slice(&mut self, bytes: &[u8]) {
        self.bytes.append(bytes);
    }
}

/// Writes a row's list.
pub struct ListWriter<T: Element> {
    list: ListBuilder<T::Builder>,
}

impl<T: Element> fmt::Debug for ListWriter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListWriter").finish_non_exhaustive()
    }
}

impl<T: Element> ListWriter<T> {
    /// Appends an element.
    #[inline]
    pub fn push(&mut self, element: T) {
        T::push(self.list.element(), element);
    }
}

impl<T: Element> Extend<T> for ListWriter<T> {
    #[inline]
    fn extend<I: IntoIterator<Item = T>>(&mut self, elements: I) {
        for element in elements {
            self.push(element);
        }
    }
}

impl<T: Element> Writer for ListWriter<T> {
    const TYPE: DataType = DataType::List(&<T as Value>::TYPE);

    #[inline]
    fn new(space: &mut Space<'_>) -> Self {
        ListWriter {
            list: ListBuilder::new(space, T::builder),
        }
    }

    #[inline(always)]
    fn end_value(&mut self) {
        self.list.end_value();
    }

    /// What was written stays among the elements, and no row shows it.
    #[inline(always)]
    fn end_null(&mut self) {
        self.list.end_value();
    }

    #[inline]
    fn finish(
        self,
        nulls: Option<Nulls>,
        out: &mut ArrowArray,
        pool: &mut Pool,
    ) -> Result<(), Error> {
        self.list.finish(nulls, out, pool, |elements, child, pool| {
            T::finish(elements, None, child, pool)
        })
    }
}
