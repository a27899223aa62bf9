//! The functions as plain exports over the memory, with no library between: what a call of a guest costs at least.
//!
//! Nothing is checked here. The host says where the columns are and where the result goes, in space that it asked for.

use std::fmt;
use std::mem::ManuallyDrop;
use std::slice;

/// Space for columns, never given back.
#[unsafe(no_mangle)]
pub extern "C" fn reserve(bytes: usize) -> *mut u64 {
    ManuallyDrop::new(vec![0u64; bytes.div_ceil(8)]).as_mut_ptr()
}

/// The numbers plus one.
///
/// # Safety
///
/// There are `rows` numbers at `input`, and space for as many at `output`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn add_one(input: *const i64, output: *mut i64, rows: usize) {
    // SAFETY: as the caller promises.
    let (input, output) = unsafe {
        (
            slice::from_raw_parts(input, rows),
            slice::from_raw_parts_mut(output, rows),
        )
    };
    for (value, sum) in input.iter().zip(output) {
        *sum = rivals_algorithms::add_one(*value);
    }
}

/// Kilometres between places given in degrees.
///
/// # Safety
///
/// There are four columns of `rows` numbers at `input`, one behind the other, and space for one at `output`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn great_circle_km(input: *const f64, output: *mut f64, rows: usize) {
    // SAFETY: as the caller promises.
    let (input, output) = unsafe {
        (
            slice::from_raw_parts(input, 4 * rows),
            slice::from_raw_parts_mut(output, rows),
        )
    };
    let (lat1, rest) = input.split_at(rows);
    let (lon1, rest) = rest.split_at(rows);
    let (lat2, lon2) = rest.split_at(rows);
    for (row, distance) in output.iter_mut().enumerate() {
        *distance = rivals_algorithms::great_circle_km(lat1[row], lon1[row], lat2[row], lon2[row]);
    }
}

/// The texts with their ASCII letters in upper case; how many bytes they have.
///
/// # Safety
///
/// There are `rows + 1` offsets at `offsets` that increase, UTF-8 of as many bytes as the last one says at `data`, cut at characters' bounds, and
/// space for as many offsets and bytes at the other two.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ascii_upper(
    offsets: *const i32,
    data: *const u8,
    offsets_out: *mut i32,
    data_out: *mut u8,
    rows: usize,
) -> usize {
    // SAFETY: as the caller promises.
    let (offsets, offsets_out) = unsafe {
        (
            slice::from_raw_parts(offsets, rows + 1),
            slice::from_raw_parts_mut(offsets_out, rows + 1),
        )
    };
    let length = offsets[rows] as usize;
    // SAFETY: as the caller promises.
    let data = unsafe { slice::from_raw_parts(data, length) };
    // SAFETY: as the caller promises.
    let mut out = Out {
        bytes: unsafe { slice::from_raw_parts_mut(data_out, length) },
        length: 0,
    };
    offsets_out[0] = 0;
    for row in 0..rows {
        let text = &data[offsets[row] as usize..offsets[row + 1] as usize];
        // SAFETY: as the caller promises.
        let text = unsafe { str::from_utf8_unchecked(text) };
        // There is space for all.
        let _ = rivals_algorithms::upper(text, &mut out);
        offsets_out[row + 1] = out.length as i32;
    }
    out.length
}

/// Bytes that text is written to.
struct Out<'a> {
    bytes: &'a mut [u8],
    length: usize,
}

impl fmt::Write for Out<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.bytes[self.length..end].copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}
