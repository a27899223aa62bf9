//! A path into a JSON document, and the walk along it.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use wasmfusion_udf::Error;

/// A step from a value into it.
#[derive(Debug)]
enum Step {
    Key(String),
    Place(usize),
}

/// A path into a document.
#[derive(Debug)]
pub struct Path {
    steps: Vec<Step>,
}

impl Path {
    /// Takes a path apart: keys with dots between, places or quoted keys in brackets.
    ///
    /// # Errors
    ///
    /// If it is not such a path.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let wrong = || Error::new(format!("{text:?} is not a path such as items[0].price"));
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(inside) = rest.strip_prefix('[') {
                let (step, after) = bracket(inside).ok_or_else(wrong)?;
                steps.push(step);
                rest = after;
                continue;
            }
            let key = match rest.strip_prefix('.') {
                Some(key) if !steps.is_empty() => key,
                None if steps.is_empty() => rest,
                _ => return Err(wrong()),
            };
            let end = key.find(['.', '[']).unwrap_or(key.len());
            if end == 0 {
                return Err(wrong());
            }
            steps.push(Step::Key(key[..end].to_owned()));
            rest = &key[end..];
        }
        Ok(Path { steps })
    }

    /// The JSON of the value that the path leads to.
    ///
    /// # Errors
    ///
    /// If the document is not JSON as far as it had to be read.
    pub fn find<'a>(&self, document: &'a str) -> Result<Option<&'a str>, Error> {
        let mut reader = serde_json::Deserializer::from_str(document);
        let walk = Walk { steps: &self.steps };
        let found = walk.deserialize(&mut reader);
        found.map_err(|error| Error::new(format!("the document is not JSON: {error}")))
    }
}

/// What is in brackets, and what follows them.
fn bracket(inside: &str) -> Option<(Step, &str)> {
    if inside.starts_with('"') {
        let mut keys = serde_json::Deserializer::from_str(inside).into_iter::<String>();
        let key = keys.next()?.ok()?;
        let after = inside.get(keys.byte_offset()..)?.strip_prefix(']')?;
        return Some((Step::Key(key), after));
    }
    let (place, after) = inside.split_once(']')?;
    Some((Step::Place(place.parse().ok()?), after))
}

/// The walk along what is left of a path.
#[derive(Clone, Copy)]
struct Walk<'p> {
    steps: &'p [Step],
}

impl<'a> DeserializeSeed<'a> for Walk<'_> {
    type Value = Option<&'a str>;

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<Self::Value, D::Error> {
        if self.steps.is_empty() {
            let value: &RawValue = serde::Deserialize::deserialize(reader)?;
            return Ok(Some(value.get()));
        }
        reader.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Walk<'_> {
    type Value = Option<&'a str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<std::borrow::Cow<'a, str>>()? {
            match self.steps.split_first() {
                Some((Step::Key(wanted), steps)) if *wanted == key => {
                    found = map.next_value_seed(Walk { steps })?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        if let Some((Step::Place(wanted), steps)) = self.steps.split_first() {
            for _ in 0..*wanted {
                if seq.next_element::<IgnoredAny>()?.is_none() {
                    return Ok(None);
                }
            }
            found = seq.next_element_seed(Walk { steps })?.flatten();
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(found)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}
