//! What an array must be that came out of a guest.

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// Rows that are written out as text.
const SHOWN: usize = 3;

/// That `array` has exactly this type and so many rows, that arrow finds nothing wrong with it, and that it can be used.
///
/// # Panics
///
/// If not.
pub fn assert_valid(array: &ArrayRef, data_type: &DataType, rows: usize) {
    assert_eq!(array.len(), rows, "rows of {data_type}");
    assert_eq!(array.data_type(), data_type);
    if let Err(error) = array.to_data().validate_full() {
        panic!("{data_type}: {error}");
    }
    assert_eq!(array, &array.slice(0, rows), "{data_type}");
    let options = FormatOptions::default();
    if let Ok(formatter) = ArrayFormatter::try_new(array.as_ref(), &options) {
        for row in 0..rows.min(SHOWN) {
            // A date may be out of all calendars: that is a text too.
            let _ = formatter.value(row).try_to_string();
        }
    }
}
