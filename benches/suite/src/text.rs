//! Text: its distance to other text, what matches a pattern, and what is in JSON, in URLs and between commas.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use regex::Regex;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use url::Url;
use wasmfusion_udf::prelude::*;

/// Number of characters that must be inserted, removed or replaced to get from one text to the other.
#[udf]
pub fn levenshtein(left: &str, right: &str) -> i64 {
    strsim::levenshtein(left, right) as i64
}

/// Whether the text is an address for e-mail.
#[udf]
pub fn is_email(text: &str) -> bool {
    static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?-u)^[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}$")
            .expect("the pattern is one")
    });
    ADDRESS.is_match(text)
}

/// The text of the field `user` of a JSON object. NULL if there is none, or the document is not such an object.
#[udf]
pub fn json_user(document: &str) -> Option<Cow<'_, str>> {
    let mut deserializer = serde_json::Deserializer::from_str(document);
    deserializer.deserialize_map(User).ok()?
}

/// Visits an object; its value is the text of the field.
struct User;

impl<'de> Visitor<'de> for User {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut user = None;
        while let Some(Text(key)) = fields.next_key()? {
            if key == "user" {
                user = Some(fields.next_value::<Text<'_>>()?.0);
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok(user)
    }
}

/// A string, borrowed if it has no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de> serde::Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;

        impl<'de> Visitor<'de> for Borrow {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Borrow)
    }
}

/// The host of a URL. NULL if the text is not a URL, or it has no host.
#[udf]
pub fn url_host(text: &str) -> Option<String> {
    Url::parse(text).ok()?.host_str().map(str::to_owned)
}

/// The parts between commas.
#[udf]
pub fn split<'a>(text: &'a str, out: &mut ListWriter<&'a str>) {
    out.extend(parts(text));
}

/// The parts between commas.
pub fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmfusion_udf::testing::call;

    #[test]
    fn counts_changes() {
        assert_eq!(levenshtein("kitten", "sitting"), 3);
        assert_eq!(levenshtein("", "é"), 1);
    }

    #[test]
    fn knows_addresses() {
        for (text, expected) in [
            ("ada.lovelace@example.org", true),
            ("a+b@mail.example.co.uk", true),
            ("ada@localhost", false),
            ("@example.org", false),
            ("ada example@example.org", false),
        ] {
            assert_eq!(is_email(text), expected, "{text}");
        }
    }

    #[test]
    fn finds_fields() {
        for (document, expected) in [
            (r#"{"id": 1, "user": "ada", "tags": ["user"]}"#, Some("ada")),
            (r#"{"user": "a\"b"}"#, Some("a\"b")),
            (r#"{"id": 1}"#, None),
            (r#"{"user": 1}"#, None),
            ("[]", None),
        ] {
            assert_eq!(json_user(document).as_deref(), expected, "{document}");
        }
    }

    #[test]
    fn finds_hosts() {
        for (text, expected) in [
            (
                "https://www.Example.org:8080/a?b#c",
                Some("www.example.org"),
            ),
            ("mailto:ada@example.org", None),
            ("no url", None),
        ] {
            assert_eq!(url_host(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn splits() {
        let run = call!(split).column(["a,b,,c", ""]).run::<Vec<String>>();
        let lists = [vec!["a", "b", "", "c"], vec![""]];
        let lists = lists.map(|list| list.into_iter().map(str::to_owned).collect());
        assert_eq!(run, Ok(lists.to_vec()));
    }
}
