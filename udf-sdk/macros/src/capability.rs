//! The capabilities of `plugin!`: whether their form is right. The host, which parses the patterns, has the last word.

use syn::{Error, Expr, ExprLit, Lit, LitStr, Result};

/// Longest capability, in bytes.
const BYTES_MAX: usize = 255;

/// The kinds, and for those that need one, a pattern as it may stand behind.
const KINDS: [(&str, Option<&str>); 21] = [
    ("log", None),
    ("metric:emit", None),
    ("clock", None),
    ("random", None),
    ("config", None),
    ("secret", Some("api_key")),
    ("env", Some("APP_*")),
    ("fs:read", Some("/data/**")),
    ("fs:write", Some("/data/**")),
    ("table:read", Some("rates_*")),
    ("table:write", Some("rates_*")),
    ("vector:search", Some("places")),
    ("net:http", Some("api.example.com:443")),
    ("net:connect", Some("mail.example.com:25")),
    ("exec", Some("/usr/bin/sort")),
    ("observe:query", None),
    ("observe:operator", None),
    ("observe:call", None),
    ("observe:audit", None),
    ("observe:metric", None),
    ("observe:span", None),
];

/// Checks the value of `capabilities`: a list of strings, each of them a capability, none of them twice.
pub fn check(value: &Expr) -> Result<()> {
    let Expr::Array(list) = value else {
        return Err(Error::new_spanned(
            value,
            "the capabilities are a list of strings: [\"log\", \"table:read:rates_*\"]",
        ));
    };
    let mut seen: Vec<String> = Vec::new();
    for item in &list.elems {
        let text = literal(item)?;
        let problem = |problem: String| Err(Error::new(text.span(), problem));
        let text = text.value();
        if let Err(message) = check_one(&text) {
            return problem(format!("`{text}` is not a capability: {message}"));
        }
        if seen.contains(&text) {
            return problem(format!("`{text}` is listed twice"));
        }
        seen.push(text);
    }
    Ok(())
}

fn literal(item: &Expr) -> Result<&LitStr> {
    match item {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Ok(text),
        _ => Err(Error::new_spanned(item, "a capability is a string")),
    }
}

fn check_one(text: &str) -> std::result::Result<(), String> {
    if text.len() > BYTES_MAX {
        return Err(format!("it is longer than {BYTES_MAX} bytes"));
    }
    if text.chars().any(char::is_control) {
        return Err("there are control characters in it".to_owned());
    }
    for (kind, example) in KINDS {
        let Some(rest) = text.strip_prefix(kind) else {
            continue;
        };
        let pattern = match rest.strip_prefix(':') {
            Some(pattern) => Some(pattern),
            None if rest.is_empty() => None,
            // It only begins like this kind.
            None => continue,
        };
        return match (pattern, example) {
            (None, None) => Ok(()),
            (Some(_), None) => Err(format!("`{kind}` takes no pattern; write \"{kind}\"")),
            (None | Some(""), Some(example)) => Err(format!(
                "the pattern is missing; write for example \"{kind}:{example}\""
            )),
            (Some(pattern), Some(example)) => check_pattern(kind, pattern, example),
        };
    }
    let kinds: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
    Err(format!(
        "there is none of this kind; there are {}",
        kinds.join(", ")
    ))
}

/// What is wrong with a pattern whatever the host makes of it.
fn check_pattern(kind: &str, pattern: &str, example: &str) -> std::result::Result<(), String> {
    let right = match kind {
        "fs:read" | "fs:write" => pattern.starts_with('/'),
        "net:http" | "net:connect" => pattern.contains(':'),
        "exec" => pattern.starts_with('/') || !pattern.contains('/'),
        _ => true,
    };
    if right {
        return Ok(());
    }
    let needs = match kind {
        "fs:read" | "fs:write" => "the path is absolute",
        "exec" => "a command is a name or an absolute path",
        _ => "behind the host stands its port, or `*` for all ports",
    };
    Err(format!("{needs}; write for example \"{kind}:{example}\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    fn error(value: &Expr) -> String {
        match check(value) {
            Ok(()) => "no error".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    fn one(text: &str) -> String {
        error(&parse_quote!([#text]))
    }

    #[test]
    fn takes_what_is_right() {
        for (kind, example) in KINDS {
            let text = example.map_or(kind.to_owned(), |example| format!("{kind}:{example}"));
            assert_eq!(one(&text), "no error", "{text}");
        }
        assert_eq!(one("exec:wc"), "no error");
        assert_eq!(one("net:http:[::1]:80,443"), "no error");
        assert_eq!(error(&parse_quote!([])), "no error");
    }

    #[test]
    fn says_what_is_wrong() {
        assert!(one("logs").contains("there are log, metric:emit, clock"));
        assert!(one("table").contains("none of this kind"));
        assert!(one("table:rates").contains("none of this kind"));
        assert!(one("").contains("none of this kind"));
        assert!(one("log:x").contains("`log` takes no pattern; write \"log\""));
        assert!(one("table:read").contains("write for example \"table:read:rates_*\""));
        assert!(one("secret:").contains("the pattern is missing"));
        assert!(one("fs:read:data").contains("the path is absolute"));
        assert!(one("net:http:example.com").contains("stands its port"));
        assert!(one("exec:bin/sort").contains("a name or an absolute path"));
        assert!(one(&format!("env:{}", "x".repeat(300))).contains("longer than"));
        assert!(one("env:\n").contains("control characters"));
        assert!(error(&parse_quote!(["log", "log"])).contains("twice"));
        assert!(error(&parse_quote!([1])).contains("is a string"));
        assert!(error(&parse_quote!("log")).contains("list of strings"));
    }
}
