//! Rows in which an argument is NULL, of functions that never see one.
//!
//! Numbers are copied with a value of another row in the place of each NULL ([`filled`]), so that the columns keep their length, and the
//! result gets the NULLs ([`masked`]). Other columns are made shorter, and the result longer again ([`without`], [`scatter`]).

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray, UInt32Array,
    downcast_primitive_array, make_array, new_null_array,
};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::compute::{FilterBuilder, interleave, take};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;

use super::call::{Argument, Arguments};

/// The NULLs of a column, where there are any.
pub(super) fn nulls_of(array: &ArrayRef) -> Option<NullBuffer> {
    let nulls = match array.data_type() {
        // Their NULLs are not, or not only, in a validity buffer of their own.
        DataType::Dictionary(..)
        | DataType::RunEndEncoded(..)
        | DataType::Union(..)
        | DataType::Null => array.logical_nulls(),
        _ => array.nulls().cloned(),
    };
    nulls.filter(|nulls| nulls.null_count() > 0)
}

/// The arguments with values of the first row without NULL where there are NULLs, if all of them are numbers, and NULLs are the fewer. The
/// function then sees nothing but rows that are there, some of them several times.
pub(super) fn filled<'a>(arguments: &[Argument<'a>], nulls: &NullBuffer) -> Option<Arguments<'a>> {
    if nulls.null_count() * 2 > nulls.len() {
        return None;
    }
    let model = nulls.valid_indices().next()?;
    let fill = |argument: &Argument<'a>| {
        let column = argument.array.as_ref().as_ref();
        if argument.constant {
            return Some(argument.clone());
        }
        // A NULL that the function is to see.
        if column.null_count() > 0 && column.nulls().is_none_or(|own| !nulls.contains(own)) {
            return None;
        }
        Some(Argument {
            array: Cow::Owned(fill_column(column, nulls, model)?),
            constant: false,
        })
    };
    arguments.iter().map(fill).collect()
}

/// A column of numbers with the value of the row `model` in the place of each NULL.
fn fill_column(column: &dyn Array, nulls: &NullBuffer, model: usize) -> Option<ArrayRef> {
    fn fill<T: ArrowPrimitiveType>(
        column: &PrimitiveArray<T>,
        nulls: &NullBuffer,
        model: usize,
    ) -> ArrayRef {
        let mut values = column.values().to_vec();
        let value = values[model];
        for null in (!nulls.inner()).set_indices() {
            values[null] = value;
        }
        let filled = PrimitiveArray::<T>::new(values.into(), None);
        Arc::new(filled.with_data_type(column.data_type().clone()))
    }
    downcast_primitive_array!(
        column => Some(fill(column, nulls, model)),
        _ => None,
    )
}

/// A result, NULL where `nulls` has NULLs.
pub(super) fn masked(column: &ArrayRef, nulls: &NullBuffer) -> Result<ArrayRef, ArrowError> {
    let nulls = NullBuffer::union(column.nulls(), Some(nulls));
    let data = column.to_data().into_builder().nulls(nulls).build()?;
    Ok(make_array(data))
}

/// Whether [`masked`] can make every value of an array of this type a NULL.
pub(super) fn has_validity(data_type: &DataType) -> bool {
    *data_type != DataType::Null && !nulls_are_in_children(data_type)
}

/// The rows of the arguments that have no NULL.
pub(super) fn without<'a>(
    arguments: &[Argument<'a>],
    nulls: &NullBuffer,
) -> Result<Arguments<'a>, ArrowError> {
    let filter = FilterBuilder::new(&BooleanArray::new(nulls.inner().clone(), None))
        .optimize()
        .build();
    let dense = arguments.iter().map(|argument| {
        if argument.constant {
            return Ok(argument.clone());
        }
        Ok(Argument {
            array: Cow::Owned(filter.filter(argument.array.as_ref())?),
            constant: false,
        })
    });
    dense.collect()
}

/// The values of `column` where `nulls` has none, NULL elsewhere. There is at least one value.
pub(super) fn scatter(column: &ArrayRef, nulls: &NullBuffer) -> Result<ArrayRef, ArrowError> {
    let mut next = 0;
    let places = nulls.iter().map(|valid| {
        // Any place will do for a NULL, but there must be one.
        let place = if valid { next } else { 0 };
        next += usize::from(valid);
        (valid, place)
    });
    if nulls_are_in_children(column.data_type()) {
        let null = new_null_array(column.data_type(), 1);
        let places: Vec<_> = places
            .map(|(valid, place)| if valid { (0, place) } else { (1, 0) })
            .collect();
        return interleave(&[column.as_ref(), null.as_ref()], &places);
    }
    let places = places.map(|(_, place)| place as u32).collect();
    take(column, &UInt32Array::new(places, Some(nulls.clone())), None)
}

/// Whether an array of this type, or a part of it, has no validity buffer of its own, so that `take` cannot make a NULL.
pub(super) fn nulls_are_in_children(data_type: &DataType) -> bool {
    match data_type {
        DataType::RunEndEncoded(..) | DataType::Union(..) => true,
        DataType::Struct(fields) => fields.iter().any(|f| nulls_are_in_children(f.data_type())),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{Array, ArrayRef, Int32Array, Int64Array, RunArray, UnionArray};
    use datafusion::arrow::buffer::NullBuffer;
    use datafusion::arrow::datatypes::{DataType, Field, Int32Type, UnionFields};

    use super::scatter;

    fn nulls_after_scatter(column: ArrayRef) -> Vec<bool> {
        let nulls = NullBuffer::from(vec![false, true, false, true, true]);
        let scattered = scatter(&column, &nulls).expect("it can be scattered");
        assert_eq!(scattered.len(), 5);
        let nulls = scattered.logical_nulls().expect("it has nulls");
        nulls.iter().collect()
    }

    #[test]
    fn rows_that_the_guest_did_not_see_are_null_in_every_type() {
        let expected = [false, true, false, true, true];
        let numbers = Int64Array::from(vec![1, 2, 3]);
        assert_eq!(nulls_after_scatter(Arc::new(numbers.clone())), expected);

        let runs = RunArray::<Int32Type>::try_new(&Int32Array::from(vec![1, 2, 3]), &numbers);
        let runs = Arc::new(runs.expect("three runs"));
        assert_eq!(nulls_after_scatter(runs), expected);

        let fields = UnionFields::try_new([4], [Field::new("a", DataType::Int64, true)]);
        let fields = fields.expect("one field");
        for offsets in [None, Some(vec![0, 1, 2].into())] {
            let children: Vec<ArrayRef> = vec![Arc::new(numbers.clone())];
            let union =
                UnionArray::try_new(fields.clone(), vec![4, 4, 4].into(), offsets, children);
            let union = Arc::new(union.expect("a union"));
            assert_eq!(nulls_after_scatter(union), expected);
        }
    }
}
