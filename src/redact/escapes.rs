//! Text with its escapes undone, so that a value is found whichever of its characters were escaped: `%2F`, and what stands behind a
//! backslash in JSON, Rust and C.

use std::ops::Range;

/// Bytes, and where in the text each of them came from.
pub(super) struct Reading {
    bytes: Vec<u8>,
    /// Where each byte begins, and where the text ends.
    origins: Vec<usize>,
}

impl Reading {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where in the text this part came from.
    pub(super) fn origin(&self, part: Range<usize>) -> Range<usize> {
        let at = |place: usize| self.origins.get(place).or(self.origins.last()).copied();
        at(part.start).unwrap_or(0)..at(part.end).unwrap_or(0)
    }
}

/// Shows all readings of a text with one or two kinds of escapes undone, and none if it has no escapes.
pub(super) fn each_reading(text: &[u8], mut show: impl FnMut(&Reading)) {
    if !text.iter().any(|byte| matches!(byte, b'%' | b'\\')) {
        return;
    }
    for outer in [percent, backslash] {
        let Some(once) = undo(text, None, outer) else {
            continue;
        };
        show(&once);
        for inner in [percent, backslash] {
            if let Some(twice) = undo(&once.bytes, Some(&once), inner) {
                show(&twice);
            }
        }
    }
}

/// What an escape at the start of some bytes stands for, and how long it is.
type Escape = fn(&[u8]) -> Option<(char, Bytes, usize)>;

/// Whether an escape stands for a character or for a byte.
#[derive(Clone, Copy)]
enum Bytes {
    Character,
    Byte,
}

/// `None` if there is nothing to undo.
fn undo(text: &[u8], from: Option<&Reading>, escape: Escape) -> Option<Reading> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut origins = Vec::with_capacity(text.len() + 1);
    let origin = |place: usize| match from {
        Some(from) => from.origin(place..place).start,
        None => place,
    };
    let mut place = 0;
    let mut undone = false;
    while let Some(&byte) = text.get(place) {
        let rest = text.get(place..).unwrap_or_default();
        let start = bytes.len();
        match escape(rest) {
            Some((character, kind, length)) => {
                undone = true;
                match kind {
                    Bytes::Byte => bytes.push(character as u8),
                    Bytes::Character => {
                        bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    }
                }
                origins.resize(bytes.len(), origin(place));
                place += length;
            }
            None => {
                bytes.push(byte);
                origins.push(origin(place));
                place += 1;
            }
        }
        debug_assert!(bytes.len() > start);
    }
    origins.push(origin(text.len()));
    undone.then_some(Reading { bytes, origins })
}

fn percent(rest: &[u8]) -> Option<(char, Bytes, usize)> {
    match rest {
        [b'%', high, low, ..] => {
            let byte = digit(*high)? << 4 | digit(*low)?;
            Some((char::from(u8::try_from(byte).ok()?), Bytes::Byte, 3))
        }
        _ => None,
    }
}

fn backslash(rest: &[u8]) -> Option<(char, Bytes, usize)> {
    let character = |c| Some((c, Bytes::Character, 2));
    match rest {
        [b'\\', b'n', ..] => character('\n'),
        [b'\\', b'r', ..] => character('\r'),
        [b'\\', b't', ..] => character('\t'),
        [b'\\', b'b', ..] => character('\x08'),
        [b'\\', b'f', ..] => character('\x0c'),
        [b'\\', b'0', ..] => character('\0'),
        [b'\\', c @ (b'\\' | b'"' | b'\'' | b'/'), ..] => character(char::from(*c)),
        [b'\\', b'x', high, low, ..] => {
            let byte = digit(*high)? << 4 | digit(*low)?;
            Some((char::from(u8::try_from(byte).ok()?), Bytes::Byte, 4))
        }
        [b'\\', b'u', b'{', digits @ ..] => {
            let length = digits.iter().take(7).position(|&byte| byte == b'}')?;
            let code = number(digits.get(..length)?)?;
            Some((char::from_u32(code)?, Bytes::Character, length + 4))
        }
        [b'\\', b'u', a, b, c, d, rest @ ..] => {
            let unit = number(&[*a, *b, *c, *d])?;
            if let Some(character) = char::from_u32(unit) {
                return Some((character, Bytes::Character, 6));
            }
            // The first half of a character beyond 16 bits; the other one follows.
            let [b'\\', b'u', a, b, c, d, ..] = rest else {
                return None;
            };
            let units = [unit, number(&[*a, *b, *c, *d])?].map(|unit| unit as u16);
            let mut characters = char::decode_utf16(units);
            match (characters.next(), characters.next()) {
                (Some(Ok(character)), None) => Some((character, Bytes::Character, 12)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// A number in hexadecimal. `None` if there is no digit, or something else.
fn number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u32, |number, &byte| {
        Some(number.checked_mul(16)? | digit(byte)?)
    })
}

fn digit(byte: u8) -> Option<u32> {
    char::from(byte).to_digit(16)
}
