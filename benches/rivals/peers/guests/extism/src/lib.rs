//! The functions as a guest of Extism: a column of numbers is their bytes, little end first, several columns follow one another, and a text is its
//! length in four bytes and then its bytes.
//!
//! The input is taken with `input_bytes`, which copies it once less than a parameter of `#[plugin_fn]` does.
#![expect(
    missing_docs,
    reason = "the macro makes functions without their comments"
)]

use extism_pdk::{Error, FnResult, WithReturnCode, input_bytes, plugin_fn};
use rivals_algorithms::Bytes;

/// The numbers plus one.
#[plugin_fn]
pub fn add_one() -> FnResult<Vec<u8>> {
    let mut column = input_bytes();
    for value in column.as_chunks_mut().0 {
        *value = rivals_algorithms::add_one(i64::from_le_bytes(*value)).to_le_bytes();
    }
    Ok(column)
}

/// Kilometres between places given in degrees.
#[plugin_fn]
pub fn great_circle_km() -> FnResult<Vec<u8>> {
    let columns = input_bytes();
    let (values, _) = columns.as_chunks();
    let rows = values.len() / 4;
    let column = |place: usize| &values[place * rows..(place + 1) * rows];
    let (lat1, lon1, lat2, lon2) = (column(0), column(1), column(2), column(3));
    let distance = |row: usize| {
        let degrees = |column: &[[u8; 8]]| f64::from_le_bytes(column[row]);
        rivals_algorithms::great_circle_km(
            degrees(lat1),
            degrees(lon1),
            degrees(lat2),
            degrees(lon2),
        )
    };
    Ok((0..rows)
        .flat_map(|row| distance(row).to_le_bytes())
        .collect())
}

/// The texts with their ASCII letters in upper case.
#[plugin_fn]
pub fn ascii_upper() -> FnResult<Vec<u8>> {
    let column = input_bytes();
    let mut out = Bytes(Vec::with_capacity(column.len()));
    let mut rest = column.as_slice();
    while let Some((length, after)) = rest.split_first_chunk() {
        let (text, after) = after
            .split_at_checked(u32::from_le_bytes(*length) as usize)
            .ok_or_else(cut)?;
        // The case of ASCII letters changes no length.
        out.0.extend_from_slice(length);
        rivals_algorithms::upper(str::from_utf8(text)?, &mut out)?;
        rest = after;
    }
    Ok(out.0)
}

fn cut() -> WithReturnCode<Error> {
    Error::msg("the column is cut off").into()
}
