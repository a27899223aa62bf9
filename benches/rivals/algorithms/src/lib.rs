//! What all rivals compute: the native side and every guest are compiled from this source.

use std::fmt;

/// The Earth's mean radius in kilometres.
const EARTH_RADIUS_KM: f64 = 6371.0088;
/// Bytes that [`upper`] turns at a time.
const PIECE: usize = 64;

/// The number plus one, around the end of the numbers.
#[inline]
pub fn add_one(value: i64) -> i64 {
    value.wrapping_add(1)
}

/// Kilometres between two places given in degrees, by the haversine formula.
#[inline]
pub fn great_circle_km(lat1: f64, lon1: f64, lat2: f64, lon2: f64) -> f64 {
    let (lat1, lat2) = (lat1.to_radians(), lat2.to_radians());
    let lat = ((lat2 - lat1) / 2.0).sin();
    let lon = ((lon2 - lon1).to_radians() / 2.0).sin();
    let half_chord = lat * lat + lat1.cos() * lat2.cos() * lon * lon;
    2.0 * EARTH_RADIUS_KM * half_chord.sqrt().clamp(0.0, 1.0).asin()
}

/// The text with its ASCII letters in upper case. It allocates nothing, so that it is the boundary that is measured and no allocator.
///
/// # Errors
///
/// Those of `out`.
#[inline]
pub fn upper(text: &str, out: &mut impl fmt::Write) -> fmt::Result {
    let mut rest = text;
    while !rest.is_empty() {
        let mut end = rest.len().min(PIECE);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (piece, after) = rest.split_at(end);
        let mut buffer = [0; PIECE];
        buffer[..end].copy_from_slice(piece.as_bytes());
        let piece = std::str::from_utf8_mut(&mut buffer[..end]).map_err(|_| fmt::Error)?;
        piece.make_ascii_uppercase();
        out.write_str(piece)?;
        rest = after;
    }
    Ok(())
}

/// Bytes that text can be written to: what [`upper`] writes to where a column of texts is bytes.
#[derive(Debug, Default)]
pub struct Bytes(pub Vec<u8>);

impl fmt::Write for Bytes {
    #[inline]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upper_turns_ascii_letters_only() {
        for text in ["", "abc", "Zürich", &"añ".repeat(50), &"x".repeat(64)] {
            let mut out = String::new();
            assert_eq!(upper(text, &mut out), Ok(()));
            assert_eq!(out, text.to_ascii_uppercase());
        }
    }

    #[test]
    fn a_quarter_of_the_globe() {
        let quarter = std::f64::consts::FRAC_PI_2 * EARTH_RADIUS_KM;
        assert!((great_circle_km(0.0, 0.0, 90.0, 77.0) - quarter).abs() < 1e-9);
        assert_eq!(add_one(i64::MAX), i64::MIN);
    }
}
