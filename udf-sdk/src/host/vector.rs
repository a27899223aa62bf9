//! Vector indexes. Capability `vector:search:NAME`.
//!
//! ```no_run
//! use wasmfusion_udf::host::vector::Index;
//!
//! for hit in Index::open("flights")?.search(&[0.1, 0.2, 0.3], 10)? {
//!     println!("{} is {} away", hit.key_text()?, hit.distance);
//! }
//! # Ok::<(), wasmfusion_udf::host::Error>(())
//! ```

use alloc::vec::Vec;

use super::error::{Error, ErrorKind, Result};
use super::handle::Handle;
use super::reply::Reader;
use super::{reply, sys};

/// An open index, which is closed when it is dropped.
#[derive(Debug)]
pub struct Index {
    handle: Handle,
}

/// An entry that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Its key.
    pub key: Vec<u8>,
    /// How far its vector is from the one that was searched for, as the index measures it: less is nearer.
    pub distance: f32,
}

impl Hit {
    /// The key, if it is text.
    ///
    /// # Errors
    ///
    /// If it is not UTF-8.
    pub fn key_text(&self) -> Result<&str> {
        str::from_utf8(&self.key)
            .map_err(|_| Error::new(ErrorKind::Invalid, "the key of an entry is not UTF-8"))
    }
}

impl Index {
    /// Opens an index.
    ///
    /// # Errors
    ///
    /// If there is no such index, or none that may be searched.
    pub fn open(name: &str) -> Result<Self> {
        // SAFETY: the name is there until the call is over.
        let handle = unsafe { sys::vector_open(name.as_ptr(), name.len()) };
        Ok(Index {
            handle: Handle::new(handle)?,
        })
    }

    /// The `k` entries nearest to a vector, nearest first. There are fewer if the index has fewer.
    ///
    /// # Errors
    ///
    /// If the index has vectors of another length, or `k` is more than the host allows.
    pub fn search(&self, vector: &[f32], k: usize) -> Result<Vec<Hit>> {
        let wanted = u32::try_from(k).unwrap_or(u32::MAX);
        // SAFETY: the vector is there until the call is over, and the reply has the room that is said.
        let found = reply::read(|out, capacity| unsafe {
            sys::vector_search(
                self.handle.number(),
                vector.as_ptr(),
                vector.len(),
                wanted,
                out,
                capacity,
            )
        })?;
        let mut reader = Reader(&found);
        let mut hits = Vec::new();
        while !reader.is_empty() {
            if hits.len() == k {
                return Err(Error::broken("there are more entries than were asked for"));
            }
            let length = reader.length()?;
            let distance = reader.float()?;
            let key = reader.take(length)?.to_vec();
            hits.push(Hit { key, distance });
        }
        Ok(hits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn index() -> testing::Host {
        let places = [
            ("here", [0.0, 0.0]),
            ("far", [30.0, 40.0]),
            ("near", [0.0, 2.0]),
        ];
        testing::host().vectors("places", places)
    }

    #[test]
    fn finds_the_nearest() {
        let host = index();
        let index = Index::open("places").expect("it is there");
        let hits = index.search(&[0.0, 0.0], 2).expect("the length is right");
        assert_eq!(hits[0].key_text(), Ok("here"));
        assert_eq!((hits[1].key_text(), hits[1].distance), (Ok("near"), 2.0));
        assert_eq!(hits.len(), 2);
        assert!(
            index
                .search(&[0.0, 0.0], usize::MAX)
                .is_ok_and(|hits| hits.len() == 3)
        );
        assert!(
            index
                .search(&[0.0; 3], 1)
                .is_err_and(|error| error.kind() == ErrorKind::Invalid)
        );
        assert!(Index::open("other").is_err());
        drop(index);
        assert_eq!(host.open_handles(), 0);
    }

    #[test]
    fn refuses_broken_replies() {
        let host = index();
        let index = Index::open("places").expect("it is there");
        let two = [0, 0, 0, 0, 0, 0, 0, 0].repeat(2);
        for reply in [&[0; 7][..], &[1, 0, 0, 0, 0, 0, 0, 0], &two] {
            host.replying("vector_search", reply);
            assert!(index.search(&[0.0, 0.0], 1).is_err(), "{reply:?}");
        }
    }
}
