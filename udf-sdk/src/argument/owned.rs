//! Parameters that own their value: a copy of what the column has, for functions that need one anyway.

use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;
use alloc::vec::Vec;

use super::Argument;
use super::list::List;
use crate::call::Operand;
use crate::data_type::DataType;
use crate::error::Error;
use crate::pool::Pool;
use crate::value::Element;

macro_rules! owned {
    ($([$($generics:tt)*] $owned:ty, $borrowed:ty, $value:ident => $copy:expr;)*) => {$(
        // SAFETY: all of it is done by the borrowed type.
        unsafe impl<'a, $($generics)*> Argument<'a> for $owned {
            const TYPE: DataType = <$borrowed as Argument<'a>>::TYPE;
            type Column = <$borrowed as Argument<'a>>::Column;
            type Cursor = <$borrowed as Argument<'a>>::Cursor;

            #[inline]
            fn open(operand: Operand<'a>, pool: &mut Pool) -> Result<Self::Column, Error> {
                <$borrowed as Argument<'a>>::open(operand, pool)
            }

            #[inline(always)]
            unsafe fn block(column: &Self::Column, start: usize) -> Self::Cursor {
                // SAFETY: by the contract of `Argument::block`.
                unsafe { <$borrowed as Argument<'a>>::block(column, start) }
            }

            #[inline(always)]
            unsafe fn get(cursor: Self::Cursor, row: usize) -> Self {
                // SAFETY: by the contract of `Argument::get`.
                let $value = unsafe { <$borrowed as Argument<'a>>::get(cursor, row) };
                $copy
            }
        }
    )*};
}

owned! {
    [] String, &'a str, text => text.to_owned();
    [] Vec<u8>, &'a [u8], bytes => bytes.to_vec();
    [] Cow<'a, str>, &'a str, text => Cow::Borrowed(text);
    [] Cow<'a, [u8]>, &'a [u8], bytes => Cow::Borrowed(bytes);
    [T: Argument<'a> + Element + 'a] Vec<T>, List<'a, T>, list => list.iter().collect();
}
