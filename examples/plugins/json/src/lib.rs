//! Fields of JSON documents, by path. What the path does not lead to is skipped, not built.

mod path;

use std::borrow::Cow;

use serde_json::value::RawValue;
use wasmfusion_udf::prelude::*;

use crate::path::Path;

wasmfusion_udf::plugin! {}

/// The value at a path, as text: strings without quotes, everything else as JSON. NULL if there is none or it is `null`.
/// A path is keys with dots between and places in brackets: `items[0].price`.
#[udf(bind = prepare, example("SELECT json_text('{\"a\": [1, {\"b\": \"x\"}]}', 'a[1].b')", "x"))]
pub fn json_text<'a>(
    prepared: &Prepare,
    document: &'a str,
    path: &str,
) -> Result<Option<Cow<'a, str>>, Error> {
    let Some(json) = find(prepared, document, path)? else {
        return Ok(None);
    };
    Ok(match json.as_bytes().first() {
        Some(b'n') => None,
        Some(b'"') => Some(string(json)?),
        _ => Some(Cow::Borrowed(json)),
    })
}

/// The number at a path; NULL if there is none, or it is not a number.
#[udf(bind = prepare, example("SELECT json_number('{\"a\": [1.5, 2]}', 'a[0]')", "1.5"))]
pub fn json_number(prepared: &Prepare, document: &str, path: &str) -> Result<Option<f64>, Error> {
    let json = find(prepared, document, path)?;
    Ok(json.and_then(|json| serde_json::from_str(json).ok()))
}

/// What is at a path: `object`, `array`, `string`, `number`, `boolean` or `null`; NULL if there is nothing.
#[udf(bind = prepare, example("SELECT json_type('{\"a\": [1]}', 'a')", "array"))]
pub fn json_type(
    prepared: &Prepare,
    document: &str,
    path: &str,
) -> Result<Option<&'static str>, Error> {
    let json = find(prepared, document, path)?;
    Ok(json.map(|json| match json.as_bytes().first() {
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b'"') => "string",
        Some(b't' | b'f') => "boolean",
        Some(b'n') => "null",
        _ => "number",
    }))
}

/// The elements of the array at a path, as [`json_text`] gives them; NULL if there is no array.
#[udf(bind = prepare, example("SELECT json_elements('{\"a\": [1, \"x\"]}', 'a')", "[1, x]"))]
pub fn json_elements<'a>(
    prepared: &Prepare,
    document: &'a str,
    path: &str,
) -> Result<Option<Vec<Option<Cow<'a, str>>>>, Error> {
    let Some(json) = find(prepared, document, path)?.filter(|json| json.starts_with('[')) else {
        return Ok(None);
    };
    let elements: Vec<&RawValue> = serde_json::from_str(json)?;
    let text = |element: &&'a RawValue| match element.get().as_bytes().first() {
        Some(b'n') => Ok(None),
        Some(b'"') => string(element.get()).map(Some),
        _ => Ok(Some(Cow::Borrowed(element.get()))),
    };
    elements
        .iter()
        .map(text)
        .collect::<Result<_, _>>()
        .map(Some)
}

/// Whether the text is a JSON document.
#[udf(example("SELECT json_is_valid('{\"a\": 1}')", "true"))]
pub fn json_is_valid(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// The path, taken apart once if it is a constant.
pub struct Prepare(Option<Path>);

fn prepare(binding: &Binding<'_>) -> Result<Prepare, Error> {
    let path = binding.constant::<String>(1)?;
    let path = path.map(|path| Path::parse(&path)).transpose()?;
    Ok(Prepare(path))
}

fn find<'a>(prepared: &Prepare, document: &'a str, path: &str) -> Result<Option<&'a str>, Error> {
    match &prepared.0 {
        Some(path) => path.find(document),
        None => Path::parse(path)?.find(document),
    }
}

/// The text of a JSON string, borrowed if it has no escapes.
fn string(json: &str) -> Result<Cow<'_, str>, Error> {
    let inner = json
        .get(1..json.len() - 1)
        .filter(|inner| !inner.contains('\\'));
    match inner {
        Some(inner) => Ok(Cow::Borrowed(inner)),
        None => Ok(Cow::Owned(serde_json::from_str(json)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmfusion_udf::testing::call;

    const DOCUMENT: &str =
        r#" {"a": [1, {"b": "x\ny", "b.c": "é"}, null], "n": -1.5e3, "t": true, "a2": {}} "#;

    fn text(path: &str) -> Result<Option<String>, String> {
        let run = call!(json_text)
            .column([DOCUMENT])
            .constant(path)
            .run::<Option<String>>();
        run.map(|texts| texts.into_iter().next().flatten())
    }

    #[test]
    fn follows_paths() {
        for (path, expected) in [
            ("a[0]", Some("1")),
            ("a[1].b", Some("x\ny")),
            ("a[1]", Some(r#"{"b": "x\ny", "b.c": "é"}"#)),
            (r#"a[1]["b.c"]"#, Some("é")),
            ("a[2]", None),
            ("a[3]", None),
            ("n", Some("-1.5e3")),
            ("n.x", None),
            ("x", None),
            ("a2", Some("{}")),
        ] {
            assert_eq!(text(path), Ok(expected.map(str::to_owned)), "{path}");
        }
        assert_eq!(text(""), Ok(Some(DOCUMENT.trim().to_owned())));
    }

    #[test]
    fn takes_a_column_of_paths() {
        let run = call!(json_number)
            .constant(DOCUMENT)
            .column(["n", "a[0]", "t", "a"])
            .run();
        assert_eq!(run, Ok(vec![Some(-1500.0), Some(1.0), None, None]));
        let run = call!(json_type)
            .constant(DOCUMENT)
            .column(["n", "a", "t", "a2", "a[2]", "x"])
            .run::<Option<String>>();
        let types =
            ["number", "array", "boolean", "object", "null"].map(|text| Some(text.to_owned()));
        assert_eq!(run, Ok([&types[..], &[None]].concat()));
    }

    #[test]
    fn lists_elements() {
        let run = call!(json_elements)
            .column([r#"{"a": [1, "x", null, [2]]}"#, "{}"])
            .constant("a");
        let texts = ["1", "x", "", "[2]"].map(|text| (!text.is_empty()).then(|| text.to_owned()));
        assert_eq!(run.run(), Ok(vec![Some(texts.to_vec()), None]));
    }

    #[test]
    fn says_what_is_wrong() {
        let run = call!(json_text)
            .column(["{\"a\": "])
            .constant("a")
            .run::<Option<String>>();
        assert!(run.is_err_and(|error| error.contains("not JSON")));
        for path in ["a[", "a[x]", "a..b", "a[1]b", ".", r#"a["x"#] {
            assert!(
                text(path).is_err_and(|error| error.contains("path")),
                "{path}"
            );
        }
        assert!(json_is_valid("[1, 2]") && !json_is_valid("[1, 2") && !json_is_valid(""));
    }
}
