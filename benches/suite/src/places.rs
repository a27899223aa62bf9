//! Places on the globe.

use wasmfusion_udf::prelude::*;

/// The Earth's mean radius in kilometres, as the International Union of Geodesy and Geophysics defines it.
const EARTH_RADIUS_KM: f64 = 6371.0088;

/// Characters of a geohash: a cell of some 20 by 40 metres.
pub const GEOHASH_LENGTH: usize = 8;

/// Distance in kilometres between two places in degrees, along the great circle through them.
#[udf]
pub fn great_circle_km(lat1: f64, lon1: f64, lat2: f64, lon2: f64) -> f64 {
    let (lat1, lat2) = (lat1.to_radians(), lat2.to_radians());
    let lat = ((lat2 - lat1) / 2.0).sin();
    let lon = ((lon2 - lon1).to_radians() / 2.0).sin();
    let half_chord = lat * lat + lat1.cos() * lat2.cos() * lon * lon;
    2.0 * EARTH_RADIUS_KM * half_chord.sqrt().min(1.0).asin()
}

/// Geohash of a place in degrees.
#[udf]
pub fn geohash(lat: f64, lon: f64, out: &mut TextWriter) {
    out.push_str(cell(lat, lon, &mut [0; GEOHASH_LENGTH]));
}

/// Geohash of a place, written to `characters`: longitude and latitude halved in turns, five halvings a character.
pub fn cell(lat: f64, lon: f64, characters: &mut [u8; GEOHASH_LENGTH]) -> &str {
    const DIGITS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
    let (mut lats, mut lons) = ((-90.0, 90.0), (-180.0, 180.0));
    let mut of_lon = true;
    for character in characters.iter_mut() {
        let mut digit = 0;
        for _ in 0..5 {
            let (range, value) = if of_lon {
                (&mut lons, lon)
            } else {
                (&mut lats, lat)
            };
            let middle: f64 = (range.0 + range.1) / 2.0;
            digit <<= 1;
            if value >= middle {
                digit |= 1;
                range.0 = middle;
            } else {
                range.1 = middle;
            }
            of_lon = !of_lon;
        }
        *character = DIGITS[digit];
    }
    str::from_utf8(characters).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmfusion_udf::testing::call;

    #[test]
    fn measures_known_distances() {
        let distance = great_circle_km(52.52, 13.405, 48.8566, 2.3522);
        assert!((distance - 877.46).abs() < 0.01);
        assert_eq!(great_circle_km(1.0, 2.0, 1.0, 2.0), 0.0);
    }

    #[test]
    fn finds_known_cells() {
        let run = call!(geohash)
            .column([57.64911, 37.8324])
            .column([10.40744, 112.5584])
            .run::<String>();
        assert_eq!(run, Ok(vec!["u4pruydq".to_owned(), "ww8p1r4t".to_owned()]));
    }
}
