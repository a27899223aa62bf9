//! The plugin's configuration, which the operator writes and `config_schema` of `plugin!` checks. Capability `config`.
//!
//! ```no_run
//! use wasmfusion_udf::host::config;
//!
//! let base: String = config::get("base")?;
//! let limit = config::get::<Option<i64>>("limit")?.unwrap_or(100);
//! let codes: Vec<String> = config::get("codes")?;
//! let everything: String = config::raw("")?;
//! # Ok::<(), wasmfusion_udf::host::Error>(())
//! ```
//!
//! With the feature `serde`, `config::deserialize` reads a value of any other shape.

use alloc::string::String;
use alloc::vec::Vec;

use super::error::{Error, ErrorKind, Result};
use super::{reply, sys};

mod json;

/// What a value of the configuration can be read as.
pub trait FromConfig: Sized {
    /// What it is, for errors.
    const WHAT: &'static str;

    /// The value that a piece of JSON stands for, if it is one of this type.
    fn from_json(json: &str) -> Option<Self>;

    /// What a key means that is not there.
    fn missing() -> Option<Self> {
        None
    }
}

/// The value of a key. An [`Option`] is `None` if the key is not there or null.
///
/// # Errors
///
/// [`NotFound`](ErrorKind::NotFound) if the key is not there, [`Invalid`](ErrorKind::Invalid) if its value is of another type.
pub fn get<T: FromConfig>(key: &str) -> Result<T> {
    match raw(key) {
        Ok(json) => T::from_json(&json).ok_or_else(|| unexpected(key, &json, T::WHAT)),
        Err(error) if error.kind() == ErrorKind::NotFound => T::missing().ok_or(error),
        Err(error) => Err(error),
    }
}

/// The JSON text of a key; of the whole configuration if the key is empty.
///
/// # Errors
///
/// [`NotFound`](ErrorKind::NotFound) if the key is not there.
pub fn raw(key: &str) -> Result<String> {
    // SAFETY: the key is there until the call is over, and the reply has the room that is said.
    reply::read_text(|out, capacity| unsafe { sys::config(key.as_ptr(), key.len(), out, capacity) })
}

/// The value of a key, or the whole configuration if the key is empty, as anything that serde can make of it.
///
/// # Errors
///
/// As [`get`].
#[cfg(feature = "serde")]
pub fn deserialize<T: serde::de::DeserializeOwned>(key: &str) -> Result<T> {
    serde_json::from_str(&raw(key)?).map_err(|error| {
        Error::new(
            ErrorKind::Invalid,
            alloc::format!("the plugin's configuration, key `{key}`: {error}"),
        )
    })
}

#[cold]
fn unexpected(key: &str, json: &str, what: &str) -> Error {
    const SHOWN: usize = 100;
    let shown = &json[..json.floor_char_boundary(SHOWN)];
    Error::new(
        ErrorKind::Invalid,
        alloc::format!("the plugin's configuration has {shown} for `{key}`, which is not {what}"),
    )
}

impl FromConfig for String {
    const WHAT: &'static str = "a text";

    fn from_json(json: &str) -> Option<Self> {
        json::text(json)
    }
}

impl FromConfig for bool {
    const WHAT: &'static str = "true or false";

    fn from_json(json: &str) -> Option<Self> {
        json.trim().parse().ok()
    }
}

macro_rules! numbers {
    ($what:literal: $($number:ty)*) => {$(
        impl FromConfig for $number {
            const WHAT: &'static str = $what;

            fn from_json(json: &str) -> Option<Self> {
                // JSON begins a number with a digit or a minus: no infinities.
                let json = json.trim();
                let first = json.strip_prefix('-').unwrap_or(json).bytes().next()?;
                first.is_ascii_digit().then(|| json.parse().ok())?
            }
        }
    )*};
}

numbers! { "a whole number in the range that the plugin expects": i8 i16 i32 i64 u8 u16 u32 u64 usize }
numbers! { "a number": f32 f64 }

impl<T: FromConfig> FromConfig for Vec<T> {
    const WHAT: &'static str = "a list of what the plugin expects";

    fn from_json(json: &str) -> Option<Self> {
        json::items(json)?.into_iter().map(T::from_json).collect()
    }
}

impl<T: FromConfig> FromConfig for Option<T> {
    const WHAT: &'static str = T::WHAT;

    fn from_json(json: &str) -> Option<Self> {
        if json.trim() == "null" {
            return Some(None);
        }
        T::from_json(json).map(Some)
    }

    fn missing() -> Option<Self> {
        Some(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use alloc::string::ToString;
    use alloc::vec;

    #[test]
    fn reads_values() {
        let _host = testing::host()
            .config("base", r#""EUR""#)
            .config("rate", "1.25")
            .config("count", "-3")
            .config("on", "true")
            .config("none", "null")
            .config("codes", r#"["EUR", "a,\"b]", "\u00e9\ud83d\ude00"]"#);
        assert_eq!(get("base"), Ok("EUR".to_string()));
        assert_eq!(get("rate"), Ok(1.25));
        assert_eq!(get("count"), Ok(-3i64));
        assert_eq!(get("on"), Ok(true));
        assert_eq!(get("none"), Ok(None::<String>));
        assert_eq!(get("other"), Ok(None::<f64>));
        assert_eq!(get("count"), Ok(Some(-3.0)));
        let codes = vec!["EUR", "a,\"b]", "é😀"];
        assert_eq!(
            get("codes"),
            Ok(codes.into_iter().map(String::from).collect::<Vec<_>>())
        );
        assert!(raw("").is_ok_and(|all| all.contains(r#""base":"EUR""#)));
    }

    #[test]
    fn says_what_is_wrong() {
        let _host = testing::host()
            .config("rate", "1.5")
            .config("base", r#""EUR""#);
        let error = get::<i64>("rate").expect_err("not whole");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(
            error
                .message()
                .contains("1.5 for `rate`, which is not a whole number")
        );
        assert!(get::<f64>("base").is_err());
        assert!(get::<u8>("rate").is_err());
        let error = get::<String>("other").expect_err("not there");
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }

    #[cfg(feature = "serde")]
    #[test]
    fn deserializes() {
        let _host = testing::host().config("limits", r#"{"a": 1, "b": 2}"#);
        let limits = deserialize::<alloc::collections::BTreeMap<String, i64>>("limits");
        assert!(limits.is_ok_and(|limits| limits["b"] == 2));
        assert!(deserialize::<String>("limits").is_err());
    }
}
