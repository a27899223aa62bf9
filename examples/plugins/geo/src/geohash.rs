//! Geohashes: longitude and latitude halved in turns, five halvings a character.

/// The most characters of a geohash: a cell of a few centimetres.
pub const LENGTH_MAX: usize = 12;

/// The digits, without those that look like others.
const DIGITS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";

/// Writes the cell of a place to all of `cell`. The place must be on the globe.
pub fn encode(lat: f64, lon: f64, cell: &mut [u8]) {
    let mut lon_range = (-180.0, 180.0);
    let mut lat_range = (-90.0, 90.0);
    let mut of_lon = true;
    for character in cell {
        let mut digit = 0;
        for _ in 0..5 {
            let (range, value) = if of_lon {
                (&mut lon_range, lon)
            } else {
                (&mut lat_range, lat)
            };
            let middle: f64 = (range.0 + range.1) / 2.0;
            let upper = value >= middle;
            if upper {
                range.0 = middle;
            } else {
                range.1 = middle;
            }
            digit = digit << 1 | usize::from(upper);
            of_lon = !of_lon;
        }
        *character = DIGITS[digit];
    }
}

/// Latitude and longitude of a cell's middle.
pub fn decode(cell: &[u8]) -> Option<(f64, f64)> {
    if cell.is_empty() || cell.len() > LENGTH_MAX {
        return None;
    }
    let mut lon_range = (-180.0, 180.0);
    let mut lat_range = (-90.0, 90.0);
    let mut of_lon = true;
    for character in cell {
        let character = character.to_ascii_lowercase();
        let digit = DIGITS.iter().position(|digit| *digit == character)?;
        for bit in (0..5).rev() {
            let range: &mut (f64, f64) = if of_lon {
                &mut lon_range
            } else {
                &mut lat_range
            };
            let middle = (range.0 + range.1) / 2.0;
            if digit >> bit & 1 == 1 {
                range.0 = middle;
            } else {
                range.1 = middle;
            }
            of_lon = !of_lon;
        }
    }
    let middle = |range: (f64, f64)| (range.0 + range.1) / 2.0;
    Some((middle(lat_range), middle(lon_range)))
}
