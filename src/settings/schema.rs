//! Checks a configuration against the JSON Schema that the plugin gives.
//!
//! The schema is the plugin's, so it is hostile: nothing is fetched, patterns are matched in linear time, and what is compiled is small.

use std::sync::mpsc::sync_channel;
use std::time::Duration;

use jsonschema::PatternOptions;
use serde_json::{Map, Value};

use crate::module::escape_cut;

/// Most problems that are told at once.
const PROBLEMS_SHOWN_MAX: usize = 5;
/// Longest text of one problem, in bytes.
const PROBLEM_BYTES_MAX: usize = 300;
/// Most parts of a schema.
const STEPS_MAX: usize = 10_000;
/// Largest compiled pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 256 << 10;
/// Most patterns of a schema, each reference counted as what it refers to.
const PATTERNS_MAX: usize = 100;
/// Longest time that the validator may take. What it may still do then is little: the schema is small.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Versions of JSON Schema that can be used. In older ones `id` changes what references refer to.
const DRAFTS: [&str; 4] = [
    "https://json-schema.org/draft/2020-12/schema",
    "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema",
    "http://json-schema.org/draft-06/schema",
];
/// Native stack for the validator, which descends into schema and value.
const STACK_BYTES: usize = 64 << 20;

/// Checks that `config` is as `schema` says.
///
/// # Errors
///
/// What does not fit and where, or that the schema itself is wrong.
pub(super) fn check(schema: &Value, config: &Map<String, Value>) -> Result<(), String> {
    // A thread of its own: whatever a schema makes the validator do, it is not this thread's stack.
    let (schema, config) = (schema.clone(), Value::Object(config.clone()));
    let (sender, receiver) = sync_channel(1);
    std::thread::Builder::new()
        .name("wasmfusion-config".into())
        .stack_size(STACK_BYTES)
        // Nobody may be there any more.
        .spawn(move || drop(sender.send(validate(&schema, &config))))
        .map_err(|error| format!("no thread to check the configuration: {error}"))?;
    receiver.recv_timeout(TIMEOUT).unwrap_or_else(|_| {
        Err("the plugin's JSON Schema of its configuration cannot be used; tell its author".into())
    })
}

/// Takes a schema apart as the validator does, each reference by what it refers to: that takes as many steps, and as much memory.
struct Unrolled<'a> {
    schema: &'a Value,
    /// What the place is within.
    within: Vec<&'a Value>,
    steps_left: usize,
    patterns_left: usize,
}

impl<'a> Unrolled<'a> {
    fn visit(&mut self, value: &'a Value) -> Result<(), String> {
        self.steps_left = self
            .steps_left
            .checked_sub(1)
            .ok_or_else(|| format!("it has more than {STEPS_MAX} parts, where each reference counts as what it refers to"))?;
        let root = std::ptr::eq(value, self.schema);
        self.within.push(value);
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.visit(item))?,
            Value::Object(entries) => {
                for (key, inner) in entries {
                    match (key.as_str(), inner) {
                        ("$ref", Value::String(reference)) => self.follow(reference)?,
                        ("$id" | "$anchor", Value::String(_)) if !root => {
                            return Err(format!("`{key}` is not possible"));
                        }
                        ("$schema", Value::String(draft)) if !root || !is_known(draft) => {
                            return Err(format!(
                                "`$schema` can be {}, at its top",
                                DRAFTS.join(", ")
                            ));
                        }
                        ("$dynamicRef" | "$recursiveRef" | "$dynamicAnchor", Value::String(_))
                        | ("unevaluatedProperties" | "unevaluatedItems", _) => {
                            return Err(format!("`{key}` is not possible"));
                        }
                        ("pattern", Value::String(_)) => self.take_patterns(1)?,
                        ("patternProperties", Value::Object(patterns)) => {
                            self.take_patterns(patterns.len())?;
                            self.visit(inner)?;
                        }
                        (_, inner) => self.visit(inner)?,
                    }
                }
            }
            _ => {}
        }
        self.within.pop();
        Ok(())
    }

    fn take_patterns(&mut self, patterns: usize) -> Result<(), String> {
        self.patterns_left = self
            .patterns_left
            .checked_sub(patterns)
            .ok_or_else(|| format!("it has more than {PATTERNS_MAX} patterns"))?;
        Ok(())
    }

    fn follow(&mut self, reference: &str) -> Result<(), String> {
        let schema = self.schema;
        let target = reference
            .strip_prefix('#')
            // It would be decoded, and be another place.
            .filter(|place| !place.contains('%'))
            .and_then(|place| schema.pointer(place));
        let target = target.ok_or_else(|| {
            format!(
                "`{}` refers to nothing in it",
                escape_cut(reference, PROBLEM_BYTES_MAX)
            )
        })?;
        match self.within.iter().any(|outer| std::ptr::eq(*outer, target)) {
            true => Ok(()),
            false => self.visit(target),
        }
    }
}

fn is_known(draft: &str) -> bool {
    DRAFTS.contains(&draft.strip_suffix('#').unwrap_or(draft))
}

fn validate(schema: &Value, config: &Value) -> Result<(), String> {
    let mut unrolled = Unrolled {
        schema,
        within: Vec::new(),
        steps_left: STEPS_MAX,
        patterns_left: PATTERNS_MAX,
    };
    unrolled.visit(schema).map_err(|problem| {
        format!(
            "the plugin's JSON Schema of its configuration is wrong: {problem}; tell its author"
        )
    })?;
    let patterns = PatternOptions::regex()
        .size_limit(PATTERN_BYTES_MAX)
        .dfa_size_limit(PATTERN_BYTES_MAX);
    let validator = jsonschema::options()
        .with_pattern_options(patterns)
        .build(schema)
        .map_err(|error| {
            let problem = escape_cut(&error.to_string(), PROBLEM_BYTES_MAX);
            format!(
                "the plugin's JSON Schema of its configuration is wrong: {problem}; tell its author"
            )
        })?;
    let problem = |error: jsonschema::ValidationError<'_>| {
        let place = error.instance_path().to_string();
        let place = if place.is_empty() {
            "/".to_owned()
        } else {
            place
        };
        format!(
            "at `{}`: {}",
            escape_cut(&place, PROBLEM_BYTES_MAX),
            escape_cut(&error.to_string(), PROBLEM_BYTES_MAX)
        )
    };
    let problems: Vec<String> = validator
        .iter_errors(config)
        .take(PROBLEMS_SHOWN_MAX)
        .map(problem)
        .collect();
    match problems.as_slice() {
        [] => Ok(()),
        problems => Err(format!(
            "the configuration does not fit the plugin's schema: {}; set it in `[config]`",
            problems.join("; ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check_json(schema: Value, config: Value) -> Result<(), String> {
        let Value::Object(config) = config else {
            panic!("a configuration is an object");
        };
        check(&schema, &config)
    }

    #[test]
    fn says_what_does_not_fit() {
        let schema = json!({
            "type": "object",
            "required": ["base"],
            "properties": {"base": {"type": "string", "pattern": "^[A-Z]{3}$"}, "n": {"maximum": 5}},
            "additionalProperties": false
        });
        assert_eq!(check_json(schema.clone(), json!({"base": "EUR"})), Ok(()));
        let error = |config| check_json(schema.clone(), config).expect_err("it does not fit");
        assert!(error(json!({})).contains("\"base\" is a required property"));
        assert!(error(json!({"base": "euro"})).contains("at `/base`"));
        assert!(error(json!({"base": "EUR", "n": 6})).contains("at `/n`"));
        assert!(error(json!({"base": "EUR", "m": 6})).contains("'m'"));
    }

    #[test]
    fn a_schema_that_is_wrong_or_reaches_out_is_refused() {
        let error = |schema| check_json(schema, json!({"a": 1})).expect_err("refused");
        assert!(error(json!({"type": 7})).contains("tell its author"));
        for reference in ["http://127.0.0.1:1/x", "file:///etc/passwd", "#/nowhere"] {
            error(json!({"$ref": reference}));
        }
        error(json!({"pattern": "(a+)+\\1"}));
        // What would unroll otherwise than it is counted here.
        error(json!({"$ref": "#/%24defs/a", "%24defs": {"a": {}}, "$defs": {"a": {}}}));
        let old = "http://json-schema.org/draft-04/schema#";
        error(json!({"$schema": old, "properties": {"a": {"id": "http://x/"}}}));
        error(json!({"properties": {"a": {"$schema": old}}}));
        let new = "http://json-schema.org/draft-07/schema#";
        assert_eq!(check_json(json!({"$schema": new}), json!({"a": 1})), Ok(()));
    }

    #[test]
    fn a_hostile_schema_does_no_harm() {
        let config = || json!({"a": "a".repeat(10_000)});
        // What such a schema says of the value is of no interest.
        let _ = check_json(
            json!({"properties": {"a": {"pattern": "^(a|a)*$"}}}),
            config(),
        );
        let _ = check_json(
            json!({"properties": {"a": {"pattern": "(a{1,1000}){1,1000}"}}}),
            config(),
        );
        let _ = check_json(json!({"allOf": [{"$ref": "#"}]}), config());
        let _ = check_json(json!({"$ref": "#"}), config());
        let _ = check_json(
            json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}),
            config(),
        );
        let mut deep = json!({});
        for _ in 0..100 {
            deep = json!({"not": deep});
        }
        let _ = check_json(deep, config());
    }
}
