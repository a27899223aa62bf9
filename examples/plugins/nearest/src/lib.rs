//! What is nearest in an index of vectors that the operator has built. Shows vector search.

use wasmfusion_udf::host::vector::Index;
use wasmfusion_udf::prelude::*;

wasmfusion_udf::plugin! { capabilities: ["vector:search:places"] }

/// Most keys for one row.
const KEYS_MAX: i64 = 1000;

/// Keys of the so many entries of the index `places` that are nearest to a vector, nearest first.
#[udf(volatility = "stable")]
pub fn nearest_keys(vector: &[f32], k: i64) -> Result<Vec<String>, Error> {
    let k = match k {
        0..=KEYS_MAX => k as usize,
        _ => return Err(Error::new(format!("the number of keys is 0 to {KEYS_MAX}"))),
    };
    let hits = Index::open("places")?.search(vector, k)?;
    let keys = hits.iter().map(|hit| Ok(hit.key_text()?.to_owned()));
    keys.collect()
}

/// Keys of the so many entries of the index `places` that are nearest to a vector, nearest first.
#[udf(name = "nearest_keys", volatility = "stable")]
pub fn nearest_keys_of_doubles(vector: &[f64], k: i64) -> Result<Vec<String>, Error> {
    let vector: Vec<f32> = vector.iter().map(|number| *number as f32).collect();
    nearest_keys(&vector, k)
}

/// How far the nearest entry of the index `places` is from a vector. NULL if the index is empty.
#[udf(volatility = "stable")]
pub fn nearest_distance(vector: &[f32]) -> Result<Option<f32>, Error> {
    let hits = Index::open("places")?.search(vector, 1)?;
    Ok(hits.first().map(|hit| hit.distance))
}

/// How far the nearest entry of the index `places` is from a vector. NULL if the index is empty.
#[udf(name = "nearest_distance", volatility = "stable")]
pub fn nearest_distance_of_doubles(vector: &[f64]) -> Result<Option<f32>, Error> {
    let vector: Vec<f32> = vector.iter().map(|number| *number as f32).collect();
    nearest_distance(&vector)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmfusion_udf::testing::{self, Host, call};

    fn host() -> Host {
        let places = [
            ("Berlin", [52.5, 13.4]),
            ("Paris", [48.9, 2.4]),
            ("Rome", [41.9, 12.5]),
        ];
        testing::host().vectors("places", places)
    }

    #[test]
    fn finds_what_is_near() {
        let _host = host();
        let run = call!(nearest_keys)
            .column([vec![50.0f32, 12.0], vec![41.0, 12.0]])
            .constant(2i64)
            .run();
        let lists =
            |lists: [[&str; 2]; 2]| lists.map(|list| list.map(str::to_owned).to_vec()).to_vec();
        assert_eq!(run, Ok(lists([["Berlin", "Rome"], ["Rome", "Berlin"]])));
        let run = call!(nearest_distance_of_doubles)
            .column([vec![52.5, 16.4]])
            .run();
        assert_eq!(run, Ok(vec![Some(3.0f32)]));
    }

    #[test]
    fn says_what_is_wrong() {
        let _host = host();
        assert!(nearest_keys(&[1.0], 1).is_err());
        assert!(nearest_keys(&[1.0, 2.0], -1).is_err());
        assert!(nearest_keys(&[1.0, 2.0], 0).is_ok_and(|keys| keys.is_empty()));
    }
}
