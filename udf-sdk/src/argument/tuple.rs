//! All the arguments of a function together.

use super::Argument;
use crate::call::Call;
use crate::error::Error;

/// A tuple of [`Argument`]s: what a function of one row is called with.
///
/// # Safety
///
/// As for [`Argument`].
pub unsafe trait Arguments<'a>: Sized {
    /// The arguments of one call.
    type Columns;
    /// The arguments of one block of rows.
    type Cursors: Copy;

    /// Opens the arguments of a call.
    ///
    /// # Errors
    ///
    /// As [`Argument::open`].
    fn open(call: &mut Call<'a>) -> Result<Self::Columns, Error>;

    /// The block that starts at row `start`.
    ///
    /// # Safety
    ///
    /// As [`Argument::block`].
    unsafe fn block(columns: &Self::Columns, start: usize) -> Self::Cursors;

    /// The values of a block's row.
    ///
    /// # Safety
    ///
    /// As [`Argument::get`].
    unsafe fn get(cursors: Self::Cursors, row: usize) -> Self;
}

macro_rules! tuples {
    ($($($name:ident $place:tt)*;)*) => {$(
        // SAFETY: all reading is done by the members.
        unsafe impl<'a, $($name: Argument<'a>),*> Arguments<'a> for ($($name,)*) {
            type Columns = ($($name::Column,)*);
            type Cursors = ($($name::Cursor,)*);

            #[inline]
            fn open(call: &mut Call<'a>) -> Result<Self::Columns, Error> {
                Ok(($($name::open_from(call, $place)?,)*))
            }

            #[inline(always)]
            unsafe fn block(columns: &Self::Columns, start: usize) -> Self::Cursors {
                // SAFETY: by the contract of this function.
                unsafe { ($($name::block(&columns.$place, start),)*) }
            }

            #[inline(always)]
            unsafe fn get(cursors: Self::Cursors, row: usize) -> Self {
                // SAFETY: by the contract of this function.
                unsafe { ($($name::get(cursors.$place, row),)*) }
            }
        }
    )*};
}

// SAFETY: nothing is read.
unsafe impl<'a> Arguments<'a> for () {
    type Columns = ();
    type Cursors = ();

    fn open(_: &mut Call<'a>) -> Result<(), Error> {
        Ok(())
    }

    unsafe fn block((): &(), _: usize) {}

    unsafe fn get((): (), _: usize) {}
}

tuples! {
    A 0;
    A 0 B 1;
    A 0 B 1 C 2;
    A 0 B 1 C 2 D 3;
    A 0 B 1 C 2 D 3 E 4;
    A 0 B 1 C 2 D 3 E 4 F 5;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11;
}
