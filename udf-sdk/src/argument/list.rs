//! Lists, borrowed from the column.

use core::fmt;
use core::iter::FusedIterator;
use core::marker::PhantomData;
use core::slice;

use super::Argument;
use crate::array::Array;
use crate::call::Operand;
use crate::data_type::DataType;
use crate::error::Error;
use crate::pool::Pool;
use crate::value::{Element, Fixed};

/// One row's list. Elements that may be NULL are `Option`s; with another element type, a NULL element ends the query.
pub struct List<'a, T: Argument<'a>> {
    elements: T::Cursor,
    start: usize,
    length: usize,
    lifetime: PhantomData<&'a T>,
}

impl<'a, T: Argument<'a>> Clone for List<'a, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<'a, T: Argument<'a>> Copy for List<'a, T> {}

impl<'a, T: Argument<'a> + fmt::Debug> fmt::Debug for List<'a, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a, T: Argument<'a>> List<'a, T> {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Element `index`, counted from 0.
    pub fn get(&self, index: usize) -> Option<T> {
        // SAFETY: the offsets of this row lie in the column of elements, as the host promises.
        (index < self.length).then(|| unsafe { T::get(self.elements, self.start + index) })
    }

    /// The elements in order.
    pub fn iter(&self) -> ListIter<'a, T> {
        ListIter { list: *self }
    }
}

impl<'a, T: Argument<'a>> IntoIterator for List<'a, T> {
    type Item = T;
    type IntoIter = ListIter<'a, T>;

    fn into_iter(self) -> ListIter<'a, T> {
        ListIter { list: self }
    }
}

/// The elements of a [`List`].
pub struct ListIter<'a, T: Argument<'a>> {
    list: List<'a, T>,
}

impl<'a, T: Argument<'a>> Iterator for ListIter<'a, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        let first = self.list.get(0)?;
        self.list.start += 1;
        self.list.length -= 1;
        Some(first)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.list.length, Some(self.list.length))
    }
}

impl<'a, T: Argument<'a>> ExactSizeIterator for ListIter<'a, T> {}
impl<'a, T: Argument<'a>> FusedIterator for ListIter<'a, T> {}

impl<'a, T: Argument<'a> + fmt::Debug> fmt::Debug for ListIter<'a, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.list.fmt(f)
    }
}

/// Offsets of an argument, and its column of elements.
#[derive(Debug)]
pub struct ListColumn<C> {
    offsets: *const i32,
    mask: usize,
    elements: C,
}

/// Offsets from a row on, and elements.
#[derive(Clone, Copy, Debug)]
pub struct ListCursor<C> {
    offsets: *const i32,
    mask: usize,
    elements: C,
}

impl<C> ListCursor<C> {
    /// Place of a row's first element, and number of its elements.
    ///
    /// # Safety
    ///
    /// The column has this row.
    #[inline(always)]
    unsafe fn span(&self, row: usize) -> (usize, usize) {
        // SAFETY: the host promises offsets that grow; there is one more than there are rows.
        unsafe {
            let offsets = self.offsets.add(row & self.mask);
            let start = *offsets as usize;
            (start, *offsets.add(1) as usize - start)
        }
    }
}

/// The elements of a list argument, which must not be NULL unless `T` can be.
fn elements<'a, T: Argument<'a>>(operand: Operand<'a>) -> Result<Operand<'a>, Error> {
    let array = operand.array.child(0);
    if !T::NULLS && array.null_count() > 0 && has_null_element(operand.array, array) {
        return Err(Error::new(
            "an element of a list is NULL, which the function does not expect",
        ));
    }
    Ok(Operand {
        array,
        constant: false,
        rows: array.len(),
    })
}

/// Whether an element is NULL in a list that is not.
#[cold]
fn has_null_element(lists: Array<'_>, elements: Array<'_>) -> bool {
    let offsets = lists.buffer::<i32>(1);
    (0..lists.len()).any(|row| {
        // SAFETY: the host promises offsets that grow; there is one more than there are rows.
        let (start, end) = unsafe { (*offsets.add(row), *offsets.add(row + 1)) };
        !lists.is_null(row) && (start..end).any(|element| elements.is_null(element as usize))
    })
}

// SAFETY: `get` reads the offsets that `open` found; the rest is the element type's.
unsafe impl<'a, T: Argument<'a> + 'a> Argument<'a> for List<'a, T> {
    const TYPE: DataType = DataType::List(&T::TYPE);
    type Column = ListColumn<T::Column>;
    type Cursor = ListCursor<T::Cursor>;

    #[inline]
    fn open(operand: Operand<'a>, pool: &mut Pool) -> Result<Self::Column, Error> {
        Ok(ListColumn {
            offsets: operand.array.buffer(1),
            mask: operand.mask(),
            elements: T::open(elements::<T>(operand)?, pool)?,
        })
    }

    #[inline(always)]
    unsafe fn block(column: &Self::Column, start: usize) -> Self::Cursor {
        // SAFETY: by the contract of `Argument::block`; elements are counted from the first of all rows.
        unsafe {
            ListCursor {
                offsets: column.offsets.add(start & column.mask),
                mask: column.mask,
                elements: T::block(&column.elements, 0),
            }
        }
    }

    #[inline(always)]
    unsafe fn get(cursor: Self::Cursor, row: usize) -> Self {
        // SAFETY: by the contract of `Argument::get`.
        let (start, length) = unsafe { cursor.span(row) };
        List {
            elements: cursor.elements,
            start,
            length,
            lifetime: PhantomData,
        }
    }
}

// SAFETY: `get` reads the offsets and values that `open` found.
unsafe impl<'a, T: Fixed + Element> Argument<'a> for &'a [T] {
    const TYPE: DataType = DataType::List(&<T as Fixed>::TYPE);
    type Column = ListColumn<*const T>;
    type Cursor = ListCursor<*const T>;

    #[inline]
    fn open(operand: Operand<'a>, _: &mut Pool) -> Result<Self::Column, Error> {
        Ok(ListColumn {
            offsets: operand.array.buffer(1),
            mask: operand.mask(),
            elements: elements::<T>(operand)?.array.buffer(1),
        })
    }

    #[inline(always)]
    unsafe fn block(column: &Self::Column, start: usize) -> Self::Cursor {
        ListCursor {
            // SAFETY: the column has a row `start`.
            offsets: unsafe { column.offsets.add(start & column.mask) },
            mask: column.mask,
            elements: column.elements,
        }
    }

    #[inline(always)]
    unsafe fn get(cursor: Self::Cursor, row: usize) -> Self {
        // SAFETY: by the contract of `Argument::get`; the host promises that the offsets lie in the values.
        unsafe {
            let (start, length) = cursor.span(row);
            slice::from_raw_parts(cursor.elements.add(start), length)
        }
    }
}
