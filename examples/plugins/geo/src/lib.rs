//! Distances, directions, middles and geohashes on the sphere.

mod centroid;
mod geohash;

use wasmfusion_udf::prelude::*;

wasmfusion_udf::plugin! {}

/// The Earth's mean radius in kilometres, as the International Union of Geodesy and Geophysics defines it.
const EARTH_RADIUS_KM: f64 = 6371.0088;

/// Kilometres in a mile.
const KM_PER_MILE: f64 = 1.609344;

/// Distance in kilometres between two places, along the great circle through them. Latitudes and longitudes are in
/// degrees, north and east positive.
#[udf(example(
    "SELECT round(great_circle_km(52.5200, 13.4050, 48.8566, 2.3522), 1)",
    "877.5"
))]
pub fn great_circle_km(lat1: f64, lon1: f64, lat2: f64, lon2: f64) -> f64 {
    let (lat1, lat2) = (lat1.to_radians(), lat2.to_radians());
    let lat = ((lat2 - lat1) / 2.0).sin();
    let lon = ((lon2 - lon1).to_radians() / 2.0).sin();
    // The haversine formula, which is exact for places near each other as well. Rounding may take it past 1.
    let half_chord = lat * lat + lat1.cos() * lat2.cos() * lon * lon;
    2.0 * EARTH_RADIUS_KM * half_chord.sqrt().clamp(0.0, 1.0).asin()
}

/// Distance in miles between two places, along the great circle through them. Latitudes and longitudes are in degrees,
/// north and east positive.
#[udf(example(
    "SELECT round(great_circle_miles(52.5200, 13.4050, 48.8566, 2.3522), 1)",
    "545.2"
))]
pub fn great_circle_miles(lat1: f64, lon1: f64, lat2: f64, lon2: f64) -> f64 {
    great_circle_km(lat1, lon1, lat2, lon2) / KM_PER_MILE
}

/// Direction in which the great circle from the first place to the second sets out: degrees from 0 to 360, clockwise
/// from north.
#[udf(example("SELECT round(bearing_deg(0, 0, 0, 90), 1)", "90.0"))]
pub fn bearing_deg(lat1: f64, lon1: f64, lat2: f64, lon2: f64) -> f64 {
    let (lat1, lat2) = (lat1.to_radians(), lat2.to_radians());
    let (lon_sin, lon_cos) = (lon2 - lon1).to_radians().sin_cos();
    let east = lon_sin * lat2.cos();
    let north = lat1.cos() * lat2.sin() - lat1.sin() * lat2.cos() * lon_cos;
    let degrees = east.atan2(north).to_degrees();
    if degrees < 0.0 {
        degrees + 360.0
    } else {
        degrees
    }
}

/// Geohash of a place: the cell that it lies in, as text of 1 to 12 characters. Cells near each other mostly begin alike.
#[udf(example("SELECT geohash(57.64911, 10.40744, 11)", "u4pruydqqvj"))]
pub fn geohash(
    lat: f64,
    lon: f64,
    precision: i64,
    out: &mut TextWriter,
) -> Result<(), &'static str> {
    let mut cell = [0; geohash::LENGTH_MAX];
    let cell = usize::try_from(precision)
        .ok()
        .and_then(|length| cell.get_mut(..length))
        .filter(|cell| !cell.is_empty())
        .ok_or("the precision of a geohash is 1 to 12")?;
    if !(-90.0..=90.0).contains(&lat) || !(-180.0..=180.0).contains(&lon) {
        return Err("a latitude is -90 to 90 degrees, and a longitude -180 to 180");
    }
    geohash::encode(lat, lon, cell);
    for byte in cell {
        out.push(char::from(*byte));
    }
    Ok(())
}

/// A place in degrees.
#[derive(Clone, Copy, Debug, PartialEq, SqlStruct)]
pub struct Place {
    /// Latitude, north positive.
    pub lat: f64,
    /// Longitude, east positive.
    pub lon: f64,
}

/// Middle of a geohash's cell, a struct of `lat` and `lon`; NULL if the text is not a geohash.
#[udf(example("SELECT round(geohash_decode('u4pruydqqvj')['lat'], 6)", "57.649111"))]
pub fn geohash_decode(geohash: &str) -> Option<Place> {
    geohash::decode(geohash.as_bytes()).map(|(lat, lon)| Place { lat, lon })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmfusion_udf::testing::call;

    const BERLIN: (f64, f64) = (52.5200, 13.4050);
    const PARIS: (f64, f64) = (48.8566, 2.3522);

    fn close(left: f64, right: f64, most: f64) -> bool {
        (left - right).abs() <= most
    }

    #[test]
    fn measures_known_distances() {
        assert!(close(
            great_circle_km(BERLIN.0, BERLIN.1, PARIS.0, PARIS.1),
            877.46,
            0.01
        ));
        assert!(close(
            great_circle_miles(BERLIN.0, BERLIN.1, PARIS.0, PARIS.1),
            545.23,
            0.01
        ));
        let quarter = std::f64::consts::FRAC_PI_2 * EARTH_RADIUS_KM;
        assert!(close(great_circle_km(0.0, 0.0, 90.0, 77.0), quarter, 1e-9));
        assert!(close(
            great_circle_km(12.3, 45.6, -12.3, -134.4),
            2.0 * quarter,
            1e-6
        ));
        assert_eq!(great_circle_km(1.0, 2.0, 1.0, 2.0), 0.0);
        assert!(great_circle_km(f64::NAN, 2.0, 1.0, 2.0).is_nan());
    }

    #[test]
    fn finds_known_bearings() {
        for (to, expected) in [
            ((1.0, 0.0), 0.0),
            ((0.0, 1.0), 90.0),
            ((-1.0, 0.0), 180.0),
            ((0.0, -1.0), 270.0),
        ] {
            assert!(close(bearing_deg(0.0, 0.0, to.0, to.1), expected, 1e-9));
        }
        assert!(close(
            bearing_deg(BERLIN.0, BERLIN.1, PARIS.0, PARIS.1),
            246.7,
            0.1
        ));
    }

    #[test]
    fn encodes_columns() {
        let run = call!(geohash)
            .column([57.64911, 42.605])
            .column([10.40744, -5.603])
            .column([11i64, 5])
            .run::<String>();
        assert_eq!(run, Ok(vec!["u4pruydqqvj".to_owned(), "ezs42".to_owned()]));
        for (lat, precision) in [(91.0, 5i64), (f64::NAN, 5), (1.0, 0), (1.0, 13), (1.0, -1)] {
            let run = call!(geohash)
                .constant(lat)
                .constant(0.0)
                .constant(precision)
                .run::<String>();
            assert!(run.is_err());
        }
    }

    #[test]
    fn decodes_what_it_encodes() {
        let place = geohash_decode("u4pruydqqvj");
        assert!(place.is_some_and(
            |place| close(place.lat, 57.64911, 1e-5) && close(place.lon, 10.40744, 1e-5)
        ));
        assert_eq!(geohash_decode(""), None);
        assert_eq!(geohash_decode("a"), None);
        assert_eq!(geohash_decode("u4pruydqqvj00"), None);
    }
}
