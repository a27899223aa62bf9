//! Takes secrets out of text that leaves the process: logs, audit records, errors. It knows the values that plugins were granted, in the
//! encodings in which they usually turn up, and what well-known tokens look like.
//!
//! It is a net for accidents, not a wall: a plugin that wants to give a secret away can turn it around, split it over two records, or
//! encode it twice. Only not granting it prevents that.
//!
//! Redact first, cut afterwards: of a secret that is cut in two, neither half is found.

use std::borrow::Cow;
use std::fmt;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use self::encodings::Form;
use self::patterns::Pattern;
use self::spans::Spans;

mod encodings;
mod escapes;
mod patterns;
mod spans;

/// Replaces secrets in text by [`REDACTED`](Self::REDACTED).
///
/// Each value is found as it is, without regard to the case of ASCII letters; with any of its characters as `%20`, `\n`, `\"`, `\u0020`,
/// `\x20` or the like, also twice over; with `+` for spaces; in hexadecimal; as a list of decimal bytes; and in base64, standard and URL-safe, with and without padding, also in
/// the middle of a longer text that was encoded. White space around a value does not belong to it. Each line of 16 bytes or more of a value with
/// several lines is searched for itself.
///
/// Not found: base64 that is broken into lines, other encodings, and parts of a value. Escapes are read from the left, so that a stray
/// backslash before an unusual mixture of them can hide that.
#[derive(Default)]
pub struct Redactor {
    /// Finds forms of the values, and the words without which no pattern can match.
    automaton: Option<AhoCorasick>,
    /// What the patterns of the automaton are, by their numbers.
    finds: Vec<Find>,
    patterns: &'static [Pattern],
}

/// What it means that something was found.
#[derive(Clone, Copy)]
enum Find {
    /// A value, in a form.
    Value(encodings::Kind),
    /// A word of the pattern of this number.
    Word(usize),
}

/// Why there is no redactor.
#[derive(Debug, thiserror::Error)]
#[error("secrets cannot be searched for in logs: {reason}")]
pub struct RedactError {
    reason: String,
}

impl Redactor {
    /// What stands where a secret was.
    pub const REDACTED: &'static str = "[redacted]";
    /// Shortest value that is searched, in bytes: shorter ones would turn up in ordinary text, and taking them out of it would tell them.
    pub const VALUE_BYTES_MIN: usize = 6;

    /// A redactor of these values and, if `patterns` is set, of whatever looks like a well-known kind of token. Values that are too short
    /// are left out, with a warning.
    ///
    /// # Errors
    ///
    /// If the values are too many or too long (some 100 MB) to be searched for.
    pub fn new<'a>(
        secrets: impl Iterator<Item = &'a str>,
        patterns: bool,
    ) -> Result<Self, RedactError> {
        let mut forms = Vec::new();
        for (place, secret) in secrets.enumerate() {
            let secret = secret.trim();
            if secret.len() < Self::VALUE_BYTES_MIN {
                tracing::warn!(
                    place,
                    bytes = secret.len(),
                    bytes_min = Self::VALUE_BYTES_MIN,
                    "a secret is too short to be taken out of logs; give it a longer value"
                );
                continue;
            }
            encodings::forms(secret, &mut forms);
        }
        forms.sort_unstable();
        forms.dedup_by(|a, b| a.text == b.text);
        let patterns = if patterns { patterns::all() } else { &[] };

        let mut texts: Vec<&[u8]> = Vec::new();
        let mut finds = Vec::new();
        for Form { text, kind } in &forms {
            texts.push(text);
            finds.push(Find::Value(*kind));
        }
        for (number, pattern) in patterns.iter().enumerate() {
            for word in pattern.words {
                texts.push(word.as_bytes());
                finds.push(Find::Word(number));
            }
        }
        let automaton = if texts.is_empty() {
            None
        } else {
            let reason = |error: aho_corasick::BuildError| error.to_string();
            let automaton = automaton(&texts).map_err(reason);
            Some(automaton.map_err(|reason| RedactError { reason })?)
        };
        Ok(Self {
            automaton,
            finds,
            patterns,
        })
    }

    /// The text without secrets. It is borrowed, and nothing is allocated for it, if there is none and the text has no `%` or `\`.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some(automaton) = &self.automaton else {
            return Cow::Borrowed(text);
        };
        let mut spans = Spans::default();
        let mut found = self.find(automaton, text, &mut spans).is_ok();
        escapes::each_reading(text.as_bytes(), |read| {
            found &= self.find_values(automaton, read, &mut spans).is_ok();
        });
        if !found {
            return Cow::Borrowed(Self::REDACTED);
        }
        spans.replace(text, Self::REDACTED)
    }

    /// Finds values and patterns in the text as it is.
    fn find(
        &self,
        automaton: &AhoCorasick,
        text: &str,
        spans: &mut Spans,
    ) -> Result<(), Unsearched> {
        if !automaton.is_match(text) {
            return Ok(());
        }
        // A bit for each pattern.
        let mut words = 0u64;
        for found in automaton
            .try_find_overlapping_iter(text)
            .map_err(|_| Unsearched)?
        {
            match self.finds.get(found.pattern().as_usize()) {
                Some(Find::Value(kind)) => {
                    spans.push(kind.widen(text.as_bytes(), found.range()));
                }
                Some(&Find::Word(number)) => words |= bit(number),
                None => {}
            }
        }
        for (number, pattern) in self.patterns.iter().enumerate() {
            if words & bit(number) != 0 {
                pattern.find(text, |range| spans.push(range))?;
            }
        }
        Ok(())
    }

    /// Finds values in a reading of the text.
    fn find_values(
        &self,
        automaton: &AhoCorasick,
        read: &escapes::Reading,
        spans: &mut Spans,
    ) -> Result<(), Unsearched> {
        let bytes = read.bytes();
        for found in automaton
            .try_find_overlapping_iter(bytes)
            .map_err(|_| Unsearched)?
        {
            if let Some(Find::Value(kind)) = self.finds.get(found.pattern().as_usize()) {
                spans.push(read.origin(kind.widen(bytes, found.range())));
            }
        }
        Ok(())
    }
}

/// The bit of a pattern. All of those that are too many for that share one.
fn bit(number: usize) -> u64 {
    1 << number.min(63)
}

/// That a text could not be searched: it is not let through then.
struct Unsearched;

impl fmt::Debug for Redactor {
    /// Without the values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor")
            .field("forms", &self.finds.len())
            .field("patterns", &self.patterns.len())
            .finish_non_exhaustive()
    }
}

fn automaton(texts: &[&[u8]]) -> Result<AhoCorasick, aho_corasick::BuildError> {
    /// Above it, the fastest kind would take megabytes.
    const FAST_BYTES_MAX: usize = 16 << 10;
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    let kind = if bytes <= FAST_BYTES_MAX {
        AhoCorasickKind::DFA
    } else {
        AhoCorasickKind::ContiguousNFA
    };
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .kind(Some(kind))
        .build(texts)
}

#[cfg(test)]
mod tests;
