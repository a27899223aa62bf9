//! Rows of several columns: the states of aggregates, and the rows of table functions.

use crate::call::Call;
use crate::data_type::DataType;
use crate::error::Error;
use crate::value::Value;

/// A row whose values go to a column each: a tuple of [`Value`]s, or a struct with `#[derive(SqlStruct)]`.
///
/// # Safety
///
/// `builders` and `finish` use so many columns of a call's result as `TYPES` has.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a row of a table",
    label = "no row",
    note = "a row is a struct with #[derive(SqlStruct)], or a tuple with `columns(\"a\", \"b\")`; a single value needs `column = \"name\"`"
)]
pub unsafe trait Columns: Sized {
    /// The names of the columns, if the type says them.
    const NAMES: &'static [&'static str] = &[];
    /// The type of each column, and whether it may be NULL.
    const TYPES: &'static [(DataType, bool)];
    /// Collects each column.
    type Builders;

    /// Empty builders, with room for as many rows as the call has.
    ///
    /// # Safety
    ///
    /// The call has a result for each column.
    unsafe fn builders(call: &mut Call<'_>) -> Self::Builders;

    /// Appends a row.
    ///
    /// # Safety
    ///
    /// It is one of as many rows as the call has.
    unsafe fn push(self, builders: &mut Self::Builders);

    /// Writes the columns to the call's results.
    ///
    /// # Errors
    ///
    /// If one is too large for its type.
    ///
    /// # Safety
    ///
    /// As [`Columns::builders`].
    unsafe fn finish(builders: Self::Builders, call: &mut Call<'_>) -> Result<(), Error>;
}

/// The builder of values that go to column `index`, with room for as many as the call has rows.
///
/// # Safety
///
/// The call has so many results.
pub unsafe fn builder<T: Value>(call: &mut Call<'_>, index: usize) -> T::Builder {
    let rows = call.rows();
    // SAFETY: by the contract of this function.
    let mut builder = T::builder(&mut unsafe { call.column_space(index) });
    T::reserve(&mut builder, rows);
    builder
}

/// Writes column `index`.
///
/// # Errors
///
/// If it is too large for its type.
///
/// # Safety
///
/// As [`builder`].
pub unsafe fn finish<T: Value>(
    builder: T::Builder,
    call: &mut Call<'_>,
    index: usize,
) -> Result<(), Error> {
    // SAFETY: by the contract of this function.
    let (result, pool) = unsafe { call.column(index) };
    T::finish(builder, None, result, pool)
}

/// Whether a call has a result for each column of `C`.
///
/// # Errors
///
/// If it does not.
pub(crate) fn check<C: Columns>(result_count: u32) -> Result<(), Error> {
    if result_count as usize == C::TYPES.len() {
        Ok(())
    } else {
        Err(Error::new("the call has another number of result columns"))
    }
}

macro_rules! tuples {
    ($($($name:ident $place:tt)*;)*) => {$(
        // SAFETY: each member uses the column of its place.
        unsafe impl<$($name: Value),*> Columns for ($($name,)*) {
            const TYPES: &'static [(DataType, bool)] = &[$(($name::TYPE, $name::NULLABLE)),*];
            type Builders = ($($name::Builder,)*);

            unsafe fn builders(call: &mut Call<'_>) -> Self::Builders {
                // SAFETY: by the contract of this function.
                unsafe { ($(builder::<$name>(call, $place),)*) }
            }

            #[inline(always)]
            unsafe fn push(self, builders: &mut Self::Builders) {
                // SAFETY: by the contract of this function.
                unsafe { $($name::push_within(&mut builders.$place, self.$place);)* }
            }

            unsafe fn finish(builders: Self::Builders, call: &mut Call<'_>) -> Result<(), Error> {
                // SAFETY: by the contract of this function.
                $(unsafe { finish::<$name>(builders.$place, call, $place) }?;)*
                Ok(())
            }
        }
    )*};
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
