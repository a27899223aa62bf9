//! Room for results, as the host lays it out, and what a function wrote to it.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use crate::argument::Argument;
use crate::array::Array;
use crate::batch::Column;
use crate::call::Operand;
use crate::data_type::DataType;
use crate::error::Error;
use crate::raw::ArrowArray;

/// The columns of a result.
#[derive(Debug)]
pub(super) struct Results {
    arrays: Vec<ArrowArray>,
    /// What the arrays of fixed width point to.
    _rooms: Vec<Room>,
}

/// Bitmap, values, and the table with their addresses.
#[derive(Debug)]
struct Room {
    _bitmap: Vec<u64>,
    _values: Vec<u128>,
    table: Box<[*const u8; 2]>,
}

impl Results {
    /// Room for so many rows of columns of these types, with what was there before.
    pub(super) fn new(types: &[DataType], rows: usize) -> Self {
        let mut rooms = Vec::new();
        let mut array = |data_type: &DataType| {
            let mut array = ArrowArray::EMPTY;
            if is_fixed(data_type) {
                let mut room = Room::new(data_type, rows);
                array.length = rows as i64;
                array.n_buffers = 2;
                array.buffers = room.table.as_mut_ptr();
                rooms.push(room);
            }
            array
        };
        let arrays = types.iter().map(&mut array).collect();
        Results {
            arrays,
            _rooms: rooms,
        }
    }

    /// The first of the arrays.
    pub(super) fn as_mut_ptr(&mut self) -> *mut ArrowArray {
        self.arrays.as_mut_ptr()
    }

    /// The arrays, as arguments of another call.
    pub(super) fn arrays(&self) -> &[ArrowArray] {
        &self.arrays
    }

    /// The values of a column.
    ///
    /// # Errors
    ///
    /// As [`Argument::open`].
    ///
    /// # Panics
    ///
    /// If the column has another number of rows, or NULLs and `T` is not an `Option`.
    ///
    /// # Safety
    ///
    /// The column was written as values of type `T`, and the memory of the instance that did so is as it was then.
    pub(super) unsafe fn read<T: for<'a> Argument<'a>>(
        &self,
        index: usize,
        rows: usize,
    ) -> Result<Vec<T>, Error> {
        // SAFETY: the SDK's builders keep the same promises for results as the host does for arguments.
        let array = unsafe { Array::new(&raw const self.arrays[index]) };
        assert_eq!(array.len(), rows, "the result has another number of rows");
        assert!(
            <T as Argument<'_>>::NULLS || array.null_count() == 0,
            "there are NULLs in the result: read it as `Option`s"
        );
        let operand = Operand {
            array,
            constant: false,
            rows,
        };
        Column::<T>::new(operand).map(|column| column.iter().collect())
    }
}

impl Room {
    fn new(data_type: &DataType, rows: usize) -> Self {
        let width = match data_type {
            DataType::FixedSizeBinary(size) => *size as usize,
            _ => size_of::<u128>(),
        };
        let mut bitmap = vec![u64::MAX; rows.div_ceil(64)];
        let mut values = vec![u128::MAX; (rows * width).div_ceil(size_of::<u128>())];
        let table = Box::new([
            bitmap.as_mut_ptr().cast_const().cast(),
            values.as_mut_ptr().cast_const().cast(),
        ]);
        Room {
            _bitmap: bitmap,
            _values: values,
            table,
        }
    }
}

/// Whether the host lays out results of this type.
fn is_fixed(data_type: &DataType) -> bool {
    !matches!(
        data_type,
        DataType::Utf8 | DataType::Binary | DataType::List(_) | DataType::Struct(_)
    )
}
