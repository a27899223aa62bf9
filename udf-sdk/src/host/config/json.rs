//! As much JSON as single values and lists need. The host has checked that it is JSON; what is not anyhow gives nothing.

use alloc::string::String;
use alloc::vec::Vec;

/// The text that a JSON string stands for.
pub(super) fn text(json: &str) -> Option<String> {
    let inner = json.trim().strip_prefix('"')?.strip_suffix('"')?;
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(letter) = rest.next() {
        match letter {
            '"' => return None,
            '\\' => text.push(escaped(&mut rest)?),
            letter => text.push(letter),
        }
    }
    Some(text)
}

/// The letter that stands behind a backslash.
fn escaped(rest: &mut core::str::Chars<'_>) -> Option<char> {
    Some(match rest.next()? {
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => {
            let first = unit(rest)?;
            let mut units = [first, 0];
            // The first half of a letter beyond 16 bits; the second must follow.
            let length = if (0xd800..0xdc00).contains(&first) {
                (rest.next()? == '\\' && rest.next()? == 'u').then_some(())?;
                units[1] = unit(rest)?;
                2
            } else {
                1
            };
            char::decode_utf16(units.into_iter().take(length))
                .next()?
                .ok()?
        }
        letter @ ('"' | '\\' | '/') => letter,
        _ => return None,
    })
}

/// Four hexadecimal digits.
fn unit(rest: &mut core::str::Chars<'_>) -> Option<u16> {
    let mut unit = 0;
    for _ in 0..4 {
        unit = unit << 4 | rest.next()?.to_digit(16)?;
    }
    u16::try_from(unit).ok()
}

/// The items of a JSON array, each a piece of JSON.
pub(super) fn items(json: &str) -> Option<Vec<&str>> {
    let inner = json.trim().strip_prefix('[')?.strip_suffix(']')?;
    let mut items = Vec::new();
    if inner.trim().is_empty() {
        return Some(items);
    }
    let (mut start, mut depth, mut in_text, mut escape) = (0, 0usize, false, false);
    // Everything that is looked for is ASCII, so bytes will do.
    for (place, byte) in inner.bytes().enumerate() {
        match byte {
            _ if escape => escape = false,
            b'\\' if in_text => escape = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.checked_sub(1)?,
            b',' if depth == 0 => {
                items.push(&inner[start..place]);
                start = place + 1;
            }
            _ => {}
        }
    }
    items.push(&inner[start..]);
    (depth == 0 && !in_text).then_some(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_texts() {
        let read = |json| text(json).unwrap_or_else(|| "nothing".into());
        assert_eq!(
            read(r#" "a\"\\\/\n\t\u0041\uD83D\uDE00é" "#),
            "a\"\\/\n\tA😀é"
        );
        assert_eq!(read(r#""""#), "");
        for broken in [
            "",
            "\"",
            "a",
            r#""\"#,
            r#""\x""#,
            r#""\u00""#,
            r#""\ud83d""#,
            r#""\ude00""#,
            r#""a"b""#,
        ] {
            assert_eq!(read(broken), "nothing", "{broken}");
        }
    }

    #[test]
    fn splits_lists() {
        assert_eq!(items(" [ ] "), Some(Vec::new()));
        let found = items(r#"[1, [2, 3], {"a,]": "\"," }, "é,"]"#).unwrap_or_default();
        let found: Vec<&str> = found.into_iter().map(str::trim).collect();
        assert_eq!(found, ["1", "[2, 3]", r#"{"a,]": "\"," }"#, r#""é,""#]);
        for broken in ["", "[", "[1", "{}", "[[1]", "[1]]", r#"["a]"#] {
            assert_eq!(items(broken), None, "{broken}");
        }
    }
}
