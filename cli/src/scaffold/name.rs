//! The name of a new plugin.

use std::str::FromStr;

/// A name that can be that of a plugin, of a crate, and, with `_` for `-`, the start of a function's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginName(String);

/// Longest name. A plugin's may have 63 characters, but its first function's is longer than its own.
const MAX: usize = 50;

/// What Cargo or the compiler would refuse as the name of a crate, or confuse with another one.
const RESERVED: &[&str] = &[
    // Keywords of Rust, present and future.
    "abstract",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "struct",
    "super",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
    // Crates and folders that are there already.
    "alloc",
    "build",
    "core",
    "deps",
    "examples",
    "incremental",
    "proc_macro",
    "std",
    "test",
    "wasmfusion_abi",
    "wasmfusion_udf",
    "wasmfusion_udf_macros",
];

impl PluginName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as an identifier.
    pub fn ident(&self) -> String {
        self.0.replace('-', "_")
    }
}

impl FromStr for PluginName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = Self(text.to_owned());
        let problem = if !text.starts_with(|c: char| c.is_ascii_lowercase()) {
            "it must start with a lower-case letter".to_owned()
        } else if let Some(bad) = text
            .chars()
            .find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '_' | '-'))
        {
            format!("{bad:?} is not allowed; use lower-case letters, digits, _ and -")
        } else if text.len() > MAX {
            format!(
                "it has {} characters, at most {MAX} are allowed",
                text.len()
            )
        } else if RESERVED.contains(&name.ident().as_str()) {
            "this name is taken by Rust or by the SDK; add something to it".to_owned()
        } else {
            return Ok(name);
        };
        Err(format!("a plugin cannot be named {text:?}: {problem}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_names() {
        for name in ["geo", "my-plugin", "a", "x2_y-3"] {
            assert_eq!(name.parse::<PluginName>().unwrap().as_str(), name);
        }
        assert_eq!(
            "my-plugin".parse::<PluginName>().unwrap().ident(),
            "my_plugin"
        );
    }

    #[test]
    fn bad_names() {
        let long = "a".repeat(MAX + 1);
        for name in [
            "",
            "Geo",
            "2geo",
            "_geo",
            "-geo",
            "geo plugin",
            "../geo",
            "geo/x",
            "géo",
            "geo\n",
            "match",
            "wasmfusion-udf",
            &long,
        ] {
            assert!(name.parse::<PluginName>().is_err(), "{name:?}");
        }
    }
}
