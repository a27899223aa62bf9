//! The forms in which a value turns up in text.

use std::fmt::Write;
use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// A value in one form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Form {
    /// Bytes to be searched, without regard to the case of ASCII letters.
    pub(super) text: Vec<u8>,
    pub(super) kind: Kind,
}

/// What else belongs to a form that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Nothing.
    Whole,
    /// The digits of base64 beside it that have some bits of it, and the padding.
    Base64 {
        /// Whether there is one before.
        before: bool,
        /// Whether there is one behind.
        behind: bool,
    },
}

impl Kind {
    /// Where everything lies that belongs to what was found.
    pub(super) fn widen(self, text: &[u8], found: Range<usize>) -> Range<usize> {
        let Range { mut start, mut end } = found;
        if let Self::Base64 { before, behind } = self {
            let digit = |at: usize| text.get(at).is_some_and(|&byte| is_base64(byte));
            let padding = |at: usize| text.get(at) == Some(&b'=');
            if before && let Some(at) = start.checked_sub(1).filter(|&at| digit(at)) {
                start = at;
            }
            if behind && digit(end) {
                end += 1;
            }
            while padding(end) {
                end += 1;
            }
        }
        start..end
    }
}

/// All forms of a value.
pub(super) fn forms(secret: &str, forms: &mut Vec<Form>) {
    forms_of(secret, forms);
    // Who prints a value of several lines may do so line by line.
    const LINE_BYTES_MIN: usize = 16;
    if secret.contains('\n') {
        for line in secret.lines().map(str::trim) {
            if line.len() >= LINE_BYTES_MIN {
                forms_of(line, forms);
            }
        }
    }
}

fn forms_of(secret: &str, forms: &mut Vec<Form>) {
    let bytes = secret.as_bytes();
    let mut whole = |text: String| {
        let text = text.into_bytes();
        forms.push(Form {
            text,
            kind: Kind::Whole,
        });
    };
    whole(secret.to_owned());
    // Escapes are undone before the search, whichever they are; these are found even where what stands before them reads as the
    // beginning of an escape.
    whole(json(secret, false));
    whole(json(secret, true));
    whole(json(&json(secret, false), false));
    whole(json(secret, false).replace('/', "\\/"));
    whole(secret.escape_debug().to_string());
    whole(secret.escape_default().to_string());
    whole(percent(secret));
    whole(percent(secret).replace("%20", "+"));
    whole(secret.replace(' ', "+"));
    whole(hexadecimal(bytes));
    whole(decimal(bytes, ", "));
    whole(decimal(bytes, ","));
    for offset in 0..3 {
        // A digit has 6 bits: the first ones have some of what stands before, and the last one of what stands behind.
        let before = offset != 0;
        let behind = !(offset + bytes.len()).is_multiple_of(3);
        let kind = Kind::Base64 { before, behind };
        for text in [
            base64(&STANDARD_NO_PAD, bytes, offset),
            base64(&URL_SAFE_NO_PAD, bytes, offset),
        ] {
            forms.push(Form { text, kind });
        }
    }
}

fn json(secret: &str, ascii: bool) -> String {
    let mut text = String::new();
    for character in secret.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\x08' => text.push_str("\\b"),
            '\x0c' => text.push_str("\\f"),
            c if c.is_ascii_control() || (ascii && !c.is_ascii()) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a string does not fail.
                    let _ = write!(text, "\\u{unit:04x}");
                }
            }
            c => text.push(c),
        }
    }
    text
}

fn percent(secret: &str) -> String {
    let mut text = String::new();
    for byte in secret.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte));
            }
            _ => {
                let _ = write!(text, "%{byte:02x}");
            }
        }
    }
    text
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn decimal(bytes: &[u8], between: &str) -> String {
    let numbers: Vec<String> = bytes.iter().map(u8::to_string).collect();
    numbers.join(between)
}

/// The digits that depend on nothing but these bytes, if `offset` others stand before them, modulo 3.
fn base64(engine: &impl Engine, bytes: &[u8], offset: usize) -> Vec<u8> {
    let padded: Vec<u8> = std::iter::repeat_n(0, offset)
        .chain(bytes.iter().copied())
        .collect();
    let digits = engine.encode(&padded).into_bytes();
    let start = (offset * 8).div_ceil(6);
    let end = padded.len() * 8 / 6;
    digits.get(start..end).unwrap_or_default().to_vec()
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}
