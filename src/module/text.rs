//! Makes text that a guest wrote fit to be shown in a terminal or a log.
//!
//! A guest's names and messages may hold escape sequences, line breaks that forge log lines, or marks that
//! reverse the reading direction. All of them are shown as escapes; everything printable stays as it is.

use std::fmt::Write;

/// Longest name of a guest that is shown whole in a message, in bytes.
pub(crate) const SHOWN_NAME_BYTES: usize = 200;

/// `text` with control characters and invisible formatting characters written as escapes.
pub fn escape(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        push_escaped(&mut shown, c);
    }
    shown
}

/// Like [`escape`], cut after about `bytes_max` bytes of `text`; `…` stands for the rest.
pub(crate) fn escape_cut(text: &str, bytes_max: usize) -> String {
    let cut = text.floor_char_boundary(bytes_max);
    let mut shown = escape(&text[..cut]);
    if cut < text.len() {
        shown.push('…');
    }
    shown
}

/// Like [`escape`], but keeps line breaks, and is cut after about `bytes_max` bytes: for messages of several lines.
pub fn escape_lines(text: &str, bytes_max: usize) -> String {
    let cut = text.floor_char_boundary(bytes_max);
    let lines: Vec<String> = text[..cut].lines().map(escape).collect();
    lines.join("\n") + if cut < text.len() { "…" } else { "" }
}

/// A guest's name in a message: escaped and not too long.
pub(crate) fn name(text: &str) -> String {
    escape_cut(text, SHOWN_NAME_BYTES)
}

fn push_escaped(shown: &mut String, c: char) {
    match c {
        '\n' => shown.push_str("\\n"),
        '\r' => shown.push_str("\\r"),
        '\t' => shown.push_str("\\t"),
        c if is_hidden(c) => {
            write!(shown, "\\u{{{:x}}}", u32::from(c)).expect("writing to a String cannot fail");
        }
        c => shown.push(c),
    }
}

/// Controls, and the format characters of Unicode that change how the text around them is read.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_shown_and_text_is_kept() {
        assert_eq!(escape("a\u{1b}[31m\nb"), "a\\u{1b}[31m\\nb");
        assert_eq!(escape("grüße 日本 \"x\" \\"), "grüße 日本 \"x\" \\");
        assert_eq!(escape("a\u{202e}b\u{9b}"), "a\\u{202e}b\\u{9b}");
    }

    #[test]
    fn cuts_between_characters() {
        assert_eq!(escape_cut("日本", 4), "日…");
        assert_eq!(escape_cut("日本", 6), "日本");
        assert_eq!(escape_lines("a\n\tb", 10), "a\n\\tb");
    }
}
