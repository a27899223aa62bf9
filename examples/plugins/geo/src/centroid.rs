//! The middle of places.

use wasmfusion_udf::prelude::*;

use super::Place;

/// The middle of places on the sphere, a struct of `lat` and `lon` in degrees: also across the date line and near the poles, where means of
/// degrees go wrong. NULL without places, or if they are all around the sphere.
#[derive(Debug, Default, State)]
pub struct GeoCentroid {
    x: f64,
    y: f64,
    z: f64,
    count: i64,
}

#[udaf(example(
    "SELECT round(geo_centroid(lat, lon)['lat'], 6) FROM (VALUES (10.0, 179.0), (10.0, -179.0)) AS t(lat, lon)",
    "10.001493"
))]
impl GeoCentroid {
    fn update(&mut self, lat: f64, lon: f64) {
        let (lat_sin, lat_cos) = lat.to_radians().sin_cos();
        let (lon_sin, lon_cos) = lon.to_radians().sin_cos();
        self.x += lat_cos * lon_cos;
        self.y += lat_cos * lon_sin;
        self.z += lat_sin;
        self.count += 1;
    }

    fn merge(&mut self, other: Self) {
        self.x += other.x;
        self.y += other.y;
        self.z += other.z;
        self.count += other.count;
    }

    fn evaluate(&self) -> Option<Place> {
        let level = self.x.hypot(self.y);
        // What is left of places all around the sphere is nothing but rounding.
        let is_somewhere = level.hypot(self.z) > 1e-9 * self.count as f64;
        is_somewhere.then(|| Place {
            lat: self.z.atan2(level).to_degrees(),
            lon: self.y.atan2(self.x).to_degrees(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmfusion_udf::testing::aggregate;

    #[test]
    fn finds_the_middle() {
        let places = aggregate!(GeoCentroid)
            .column([0.0, 0.0, 50.0, 0.0, 0.0])
            .column([179.0, -179.0, 8.0, 0.0, 180.0])
            .groups([0, 0, 1, 2, 2])
            .evaluate::<Option<Place>>();
        let Ok(places) = places else {
            panic!("{places:?}");
        };
        let close = |place: Option<Place>, lat: f64, lon: f64| {
            place.is_some_and(|place| {
                (place.lat - lat).abs() < 1e-9 && (place.lon.abs() - lon).abs() < 1e-9
            })
        };
        assert!(close(places[0], 0.0, 180.0) && close(places[1], 50.0, 8.0));
        assert_eq!(places[2], None);
    }
}
