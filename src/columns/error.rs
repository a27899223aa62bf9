//! What can go wrong with a column on its way.

use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use crate::memory::MemoryError;

/// Why a column did not get into a guest or out of it. It names types and places in the column, not the function:
/// whoever made the call does that.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ColumnError {
    /// The guest gave an address that is not in its memory.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The guest returned something that is not an array of its type.
    #[error("not a valid array of type {data_type}: {problem}")]
    Invalid {
        /// The type of the array, which may be a part of the column.
        data_type: Box<DataType>,
        /// What is wrong with it.
        problem: Box<str>,
    },
    /// The guest returned more than it may.
    #[error("the result is larger than the limit of {bytes_max} bytes")]
    TooLarge {
        /// The limit.
        bytes_max: usize,
    },
    /// A column of the query has another type than the function's parameter.
    #[error("a column of type {found} cannot be passed as {expected}")]
    Mismatch {
        /// The column's type.
        found: Box<DataType>,
        /// The parameter's type.
        expected: Box<DataType>,
    },
    /// The strings or lists of one batch are too long for the offsets of the parameter's type.
    #[error(
        "one batch of this column holds {length} bytes or elements, more than the 32-bit offsets of {data_type} can address; \
         declare the parameter with 64-bit offsets, or use smaller batches"
    )]
    OffsetOverflow {
        /// The parameter's type.
        data_type: Box<DataType>,
        /// What they add up to.
        length: u64,
    },
    /// The host's region in guest memory is full: what was measured and what was written differ.
    #[error("the arguments need more than the {capacity} bytes that were measured for them")]
    RegionFull {
        /// Size of the region.
        capacity: u64,
    },
    /// A type that cannot cross into or out of a guest.
    #[error("type {data_type}: {problem}")]
    Type {
        /// The type as far as it is known, or its text.
        data_type: Box<str>,
        /// Why not.
        problem: Box<str>,
    },
    /// A kernel of arrow refused a column.
    #[error(transparent)]
    Arrow(Box<ArrowError>),
}

impl ColumnError {
    /// The guest's array is not what `data_type` says.
    #[cold]
    pub(crate) fn invalid(data_type: &DataType, problem: impl Into<Box<str>>) -> Self {
        Self::Invalid {
            data_type: Box::new(data_type.clone()),
            problem: problem.into(),
        }
    }

    /// The query's column is not what the parameter wants.
    #[cold]
    pub(crate) fn mismatch(found: &DataType, expected: &DataType) -> Self {
        Self::Mismatch {
            found: Box::new(found.clone()),
            expected: Box::new(expected.clone()),
        }
    }

    /// More than 32-bit offsets can address.
    #[cold]
    pub(crate) fn overflow(data_type: &DataType, length: usize) -> Self {
        Self::OffsetOverflow {
            data_type: Box::new(data_type.clone()),
            length: length as u64,
        }
    }

    /// A type that cannot cross.
    #[cold]
    pub(crate) fn of_type(data_type: impl ToString, problem: impl Into<Box<str>>) -> Self {
        Self::Type {
            data_type: data_type.to_string().into(),
            problem: problem.into(),
        }
    }
}

impl From<ArrowError> for ColumnError {
    #[cold]
    fn from(error: ArrowError) -> Self {
        Self::Arrow(Box::new(error))
    }
}
