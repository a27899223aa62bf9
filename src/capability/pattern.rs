//! Patterns of names and paths.

use std::fmt;
use std::hash::{Hash, Hasher};

use globset::{GlobBuilder, GlobMatcher};

/// Characters that make a pattern more than a name.
const META: [char; 6] = ['*', '?', '[', ']', '{', '}'];

/// A glob: `*` and `?` stand for any characters, in paths not for `/`, which only `**` crosses.
#[derive(Clone)]
pub(super) struct Pattern {
    text: String,
    /// `None` if the text is the only name.
    matcher: Option<GlobMatcher>,
    /// The wildcard that, at the end, stands for everything.
    everything: &'static str,
}

impl Pattern {
    /// A pattern of names.
    pub(super) fn name(text: &str) -> Result<Self, String> {
        Self::new(text, false, "*")
    }

    /// A pattern of absolute paths.
    pub(super) fn path(text: &str) -> Result<Self, String> {
        if !text.starts_with('/') {
            return Err("the path is not absolute; start it with `/`".to_owned());
        }
        let parts = text[1..].split('/');
        if text.len() > 1 && parts.clone().any(|part| matches!(part, "" | "." | "..")) {
            return Err("there is an empty part, `.` or `..` in the path; leave it out".to_owned());
        }
        Self::new(text, true, "**")
    }

    /// A pattern of commands: an absolute path, or a name.
    pub(super) fn command(text: &str) -> Result<Self, String> {
        if text.starts_with('/') {
            Self::path(text)
        } else if text.contains('/') {
            Err("the command is a relative path; give an absolute one, or a name alone".to_owned())
        } else {
            Self::new(text, true, "*")
        }
    }

    fn new(text: &str, path: bool, everything: &'static str) -> Result<Self, String> {
        let glob = GlobBuilder::new(text)
            .literal_separator(path)
            .backslash_escape(false)
            .build()
            .map_err(|error| format!("the pattern cannot be read: {}", error.kind()))?;
        Ok(Self {
            text: text.to_owned(),
            matcher: text.contains(META).then(|| glob.compile_matcher()),
            everything,
        })
    }

    /// Whether this name belongs to it.
    pub(super) fn matches(&self, name: &str) -> bool {
        match &self.matcher {
            Some(matcher) => matcher.is_match(name),
            None => self.text == name,
        }
    }

    /// Whether the pattern is a single name.
    pub(super) fn is_literal(&self) -> bool {
        self.matcher.is_none()
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether everything that `other` matches is matched by this one. May say no where the truth is hard to tell: an operator then
    /// grants the pattern as it is requested.
    pub(super) fn covers(&self, other: &Self) -> bool {
        if self.text == other.text {
            return true;
        }
        if other.is_literal() {
            return self.matches(&other.text);
        }
        self.text
            .strip_suffix(self.everything)
            .is_some_and(|start| !start.contains(META) && other.text.starts_with(start))
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.everything == other.everything
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
