//! What such calls copy into the guest: numbers without NULLs, as bytes.

use datafusion::arrow::array::Array;
use datafusion::logical_expr::ColumnarValue;
use smallvec::SmallVec;
use wasmfusion_abi::{BUFFER_ALIGN, CONSTANTS_MAX};

use super::Program;
use super::scalar::Bytes;
use crate::columns::{self, Arena};
use crate::function::frame::{ARRAY_BYTES, FRAME_BYTES, STRUCT_ALIGN, Size, TABLE_BYTES};
use crate::instance::{Input, Layout};

/// The inputs of a program, if they all are such columns, or constants.
pub(in crate::function) struct FixedColumns<'a> {
    rows: u32,
    columns: SmallVec<[FixedColumn<'a>; 6]>,
}

/// One of them.
pub(super) struct FixedColumn<'a> {
    pub(super) bytes: FixedBytes<'a>,
    pub(super) constant: bool,
}

pub(super) enum FixedBytes<'a> {
    Column(&'a [u8]),
    Value(Bytes),
}

impl FixedBytes<'_> {
    #[inline]
    pub(super) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Column(bytes) => bytes,
            Self::Value(bytes) => bytes,
        }
    }
}

impl<'a> FixedColumns<'a> {
    /// Arguments as DataFusion has them: columns of `rows` values.
    pub(in crate::function) fn of_values(
        program: &impl Program,
        values: &'a [ColumnarValue],
        rows: usize,
    ) -> Option<Self> {
        let column = |(place, value): (usize, &'a ColumnarValue)| {
            let target = program.input_type(place)?;
            Some(match value {
                ColumnarValue::Array(array) if array.len() != rows => return None,
                ColumnarValue::Array(array) => FixedColumn {
                    bytes: FixedBytes::Column(columns::fixed_values(array.as_ref(), target)?),
                    constant: false,
                },
                // An argument behind those that can be marked is always a column.
                ColumnarValue::Scalar(value) if place < CONSTANTS_MAX => FixedColumn {
                    bytes: FixedBytes::Value(super::scalar::bytes(value, target)?),
                    constant: true,
                },
                ColumnarValue::Scalar(_) => return None,
            })
        };
        let columns: Option<_> = values.iter().enumerate().map(column).collect();
        Self::new(columns?, rows)
    }

    /// Arguments that were prepared: columns of `rows` values, and of one that stands for all rows.
    pub(in crate::function) fn of_columns(
        program: &impl Program,
        arguments: impl Iterator<Item = (&'a dyn Array, bool)>,
        rows: usize,
    ) -> Option<Self> {
        let column = |(place, (array, constant)): (usize, (&'a dyn Array, bool))| {
            let target = program.input_type(place)?;
            Some(FixedColumn {
                bytes: FixedBytes::Column(columns::fixed_values(array, target)?),
                constant,
            })
        };
        let columns: Option<_> = arguments.enumerate().map(column).collect();
        Self::new(columns?, rows)
    }

    fn new(columns: SmallVec<[FixedColumn<'a>; 6]>, rows: usize) -> Option<Self> {
        let rows = u32::try_from(rows).ok()?;
        Some(Self { rows, columns })
    }

    pub(super) fn rows(&self) -> u32 {
        self.rows
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &FixedColumn<'a>> {
        self.columns.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether a layout is one of such inputs.
    pub(super) fn is_laid_out(&self, layout: &Layout) -> bool {
        let same = |(input, column): (&Input, &FixedColumn<'_>)| {
            input.constant == column.constant && input.values.bytes == column.bytes.as_slice().len()
        };
        layout.rows == self.rows
            && layout.inputs.len() == self.len()
            && layout.inputs.iter().zip(self.iter()).all(same)
    }

    /// How much the calls take.
    pub(in crate::function) fn measure(&self, program: &impl Program) -> Size {
        let rows = self.rows as usize;
        let cost = |column: &FixedColumn<'_>| {
            Arena::cost(column_room(column.bytes.as_slice().len()), BUFFER_ALIGN)
        };
        let inputs: u64 = self.iter().map(cost).sum();
        let (mut headers, mut results) = (0, 0);
        for step in 0..program.len() {
            let arguments = program.sources(step, self.len()).len();
            let (_, result) = program.step(step);
            headers += Arena::cost(header_bytes(arguments).into(), STRUCT_ALIGN);
            results += columns::measure_result(result.data_type(), rows);
        }
        let row_bytes = inputs + results;
        Size {
            bytes: headers + row_bytes,
            row_bytes,
        }
    }
}

/// Bytes of the region for the values of a column. Caches find their lines by the lower bits of addresses, so that columns a multiple of a page apart
/// would be in each other's way: those of whole pages have a line more.
pub(super) fn column_room(bytes: usize) -> u64 {
    const PAGE: usize = 4 << 10;
    let gap = if bytes > 0 && bytes.is_multiple_of(PAGE) {
        BUFFER_ALIGN
    } else {
        0
    };
    bytes as u64 + u64::from(gap)
}

/// Bytes of the frame, the arguments' structs and tables, and the result's struct.
pub(super) fn header_bytes(arguments: usize) -> u32 {
    FRAME_BYTES + ARRAY_BYTES + (ARRAY_BYTES + TABLE_BYTES) * arguments as u32
}
