//! NULL as a result: a value, or none, with a validity bitmap that is written only if there are nulls.

use super::{BitBuilder, Nulls, Value};
use crate::call::Space;
use crate::data_type::DataType;
use crate::error::Error;
use crate::pool::Pool;
use crate::raw::ArrowArray;

/// Collects values of which some are NULL.
#[derive(Debug)]
pub struct OptionBuilder<B> {
    validity: BitBuilder,
    null_count: usize,
    values: B,
}

impl<T: Value> Value for Option<T> {
    const TYPE: DataType = T::TYPE;
    const NULLABLE: bool = true;
    type Builder = OptionBuilder<T::Builder>;

    #[inline]
    fn builder(space: &mut Space<'_>) -> Self::Builder {
        OptionBuilder {
            validity: BitBuilder::new(space.bitmap()),
            null_count: 0,
            values: T::builder(space),
        }
    }

    #[inline(always)]
    fn push(builder: &mut Self::Builder, value: Option<T>) {
        builder.validity.push(value.is_some());
        builder.null_count += usize::from(value.is_none());
        match value {
            Some(value) => T::push(&mut builder.values, value),
            None => T::push_null(&mut builder.values),
        }
    }

    #[inline(always)]
    fn reserve(builder: &mut Self::Builder, count: usize) {
        T::reserve(&mut builder.values, count);
    }

    #[inline(always)]
    unsafe fn push_within(builder: &mut Self::Builder, value: Option<T>) {
        builder.validity.push(value.is_some());
        builder.null_count += usize::from(value.is_none());
        match value {
            // SAFETY: by the contract of this function.
            Some(value) => unsafe { T::push_within(&mut builder.values, value) },
            None => T::push_null(&mut builder.values),
        }
    }

    #[inline(always)]
    fn push_null(builder: &mut Self::Builder) {
        Self::push(builder, None);
    }

    #[inline(always)]
    fn extend<E>(
        builder: &mut Self::Builder,
        count: usize,
        row: impl FnMut(usize) -> Result<Option<T>, E>,
    ) -> Result<(), E> {
        let set = T::extend_options(&mut builder.values, &mut builder.validity, count, row)?;
        builder.null_count += count - set;
        Ok(())
    }

    #[inline]
    fn finish(
        builder: Self::Builder,
        _: Option<Nulls>,
        out: &mut ArrowArray,
        pool: &mut Pool,
    ) -> Result<(), Error> {
        // Where an outer `Option` has a NULL, this one has it as well: `push_null` pushed it.
        let nulls = Nulls {
            validity: builder.validity,
            count: builder.null_count,
        };
        T::finish(builder.values, Some(nulls), out, pool)
    }
}
