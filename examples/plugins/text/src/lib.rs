//! Comparing and shaping text.

use std::cell::Cell;
use std::hint::black_box;

use rapidfuzz::distance::{jaro_winkler as jw, levenshtein as lev};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use wasmfusion_udf::prelude::*;

wasmfusion_udf::plugin! {}

// DataFusion has a `levenshtein` of its own, so this one goes by another name.
/// Number of characters that must be inserted, removed or replaced to get from one text to the other.
#[udf(
    name = "edit_distance",
    example("SELECT edit_distance('kitten', 'sitting')", "3")
)]
pub fn levenshtein(left: &str, right: &str) -> i64 {
    if left.is_ascii() && right.is_ascii() {
        match (left.as_bytes(), right.as_bytes()) {
            (short @ [_, ..], long) | (long, short @ [_, ..]) if short.len() <= 64 => {
                short_distance(short, long)
            }
            (left, right) => lev::distance(left.iter(), right.iter()) as i64,
        }
    } else {
        lev::distance(left.chars(), right.chars()) as i64
    }
}

thread_local! {
    /// Where in the pattern of [`short_distance`] each character stands; all zero between calls.
    static PLACES: [Cell<u64>; 128] = const { [const { Cell::new(0) }; 128] };
}

/// The distance of an ASCII text to a pattern of 1 to 64 ASCII characters: a column of the table is two words of bits (Myers 1999, as
/// Hyyrö 2003 has it for whole texts). The library's table of 256 words, cleared for each pair, would cost more than the rest.
fn short_distance(pattern: &[u8], text: &[u8]) -> i64 {
    PLACES.with(|places| {
        let place = |byte: u8| &places[usize::from(byte & 127)];
        for (bit, byte) in pattern.iter().enumerate() {
            place(*byte).set(place(*byte).get() | 1 << bit);
        }
        let last = 1 << (pattern.len() - 1);
        let (mut more, mut less, mut distance) = (u64::MAX, 0_u64, pattern.len() as i64);
        for byte in text {
            let equal = place(*byte).get();
            let diagonal = ((equal & more).wrapping_add(more) ^ more) | equal | less;
            let mut right_more = less | !(diagonal | more);
            let mut right_less = more & diagonal;
            distance += i64::from(right_more & last != 0) - i64::from(right_less & last != 0);
            right_more = right_more << 1 | 1;
            right_less <<= 1;
            more = right_less | !(diagonal | right_more);
            less = right_more & diagonal;
        }
        for byte in pattern {
            place(*byte).set(0);
            // Keeps the compiler from making vectors of addresses.
            black_box(());
        }
        distance
    })
}

/// Similarity of two names, from 0 to 1. Names that begin alike are more similar.
#[udf(example("SELECT round(jaro_winkler('MARTHA', 'MARHTA'), 4)", "0.9611"))]
pub fn jaro_winkler(left: &str, right: &str) -> f64 {
    jw::similarity(left.chars(), right.chars())
}

/// The text as a part of a URL: small letters without accents, digits, and hyphens for everything between.
#[udf(example("SELECT slugify('Crème brûlée, please!')", "creme-brulee-please"))]
pub fn slugify(text: &str, out: &mut TextWriter) {
    let mut pending = false;
    let letters = text
        .nfkd()
        .filter(|character| !is_combining_mark(*character));
    for character in letters.flat_map(char::to_lowercase) {
        if character.is_alphanumeric() {
            if pending && !out.is_empty() {
                out.push('-');
            }
            out.push(character);
        }
        pending = !character.is_alphanumeric();
    }
}

/// The text with a capital at the start of each word and small letters otherwise.
#[udf(example("SELECT title_case('the old man''s sea')", "The Old Man's Sea"))]
pub fn title_case(text: &str, out: &mut TextWriter) {
    let mut inside = false;
    for character in text.chars() {
        if inside {
            character.to_lowercase().for_each(|letter| out.push(letter));
        } else {
            character.to_uppercase().for_each(|letter| out.push(letter));
        }
        inside = character.is_alphanumeric() || inside && matches!(character, '\'' | '’');
    }
}

/// Soundex code of an English name, a letter and three digits: names that sound alike have the same. NULL if there is
/// no letter from A to Z in it.
#[udf(example("SELECT soundex('Robert')", "R163"))]
pub fn soundex(name: &str, out: &mut TextWriter) -> Option<()> {
    let mut letters = name
        .bytes()
        .filter(u8::is_ascii_alphabetic)
        .map(|letter| letter.to_ascii_uppercase());
    let first = letters.next()?;
    out.push(char::from(first));
    let mut last = soundex_digit(first);
    for letter in letters {
        let digit = soundex_digit(letter);
        if let Some(digit) = digit
            && last != Some(digit)
        {
            out.push(digit);
        }
        // A vowel comes between two letters of one digit, H and W do not.
        if !matches!(letter, b'H' | b'W') {
            last = digit;
        }
        if out.len() == 4 {
            break;
        }
    }
    while out.len() < 4 {
        out.push('0');
    }
    Some(())
}

fn soundex_digit(letter: u8) -> Option<char> {
    Some(match letter {
        b'B' | b'F' | b'P' | b'V' => '1',
        b'C' | b'G' | b'J' | b'K' | b'Q' | b'S' | b'X' | b'Z' => '2',
        b'D' | b'T' => '3',
        b'L' => '4',
        b'M' | b'N' => '5',
        b'R' => '6',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmfusion_udf::testing::{Call, call};

    fn written(call: Call, texts: &[&str]) -> Vec<Option<String>> {
        let texts = texts.iter().map(|text| (*text).to_owned());
        call.column(texts).run().unwrap_or_default()
    }

    fn texts(expected: &[&str]) -> Vec<Option<String>> {
        expected
            .iter()
            .map(|text| Some((*text).to_owned()))
            .collect()
    }

    #[test]
    fn counts_changes() {
        for (left, right, expected) in [
            ("kitten", "sitting", 3),
            ("", "abc", 3),
            ("", "", 0),
            ("flaw", "lawn", 2),
            ("Zürich", "Zurich", 1),
            ("日本語", "日本", 1),
        ] {
            assert_eq!(levenshtein(left, right), expected);
            assert_eq!(levenshtein(right, left), expected);
        }
        let long = "abcdefghij".repeat(20);
        assert_eq!(levenshtein(&long, &long[1..]), 1);
    }

    #[test]
    fn compares_names() {
        assert!((jaro_winkler("MARTHA", "MARHTA") - 0.9611).abs() < 1e-4);
        assert!((jaro_winkler("DIXON", "DICKSONX") - 0.8133).abs() < 1e-4);
        assert_eq!(jaro_winkler("same", "same"), 1.0);
    }

    #[test]
    fn makes_slugs() {
        let slugs = written(
            call!(slugify),
            &[
                "Crème brûlée, please!",
                "  --a  b--",
                "",
                "Ünï-Cödé 2",
                "ﬁne",
            ],
        );
        assert_eq!(
            slugs,
            texts(&["creme-brulee-please", "a-b", "", "uni-code-2", "fine"])
        );
    }

    #[test]
    fn makes_titles() {
        let titles = written(
            call!(title_case),
            &["the old man's sea", "ÉCOLE-normale 3RD", ""],
        );
        assert_eq!(
            titles,
            texts(&["The Old Man's Sea", "École-Normale 3rd", ""])
        );
    }

    #[test]
    fn knows_the_codes_of_the_national_archives() {
        let names = [
            "Robert", "Rupert", "Rubin", "Ashcraft", "Ashcroft", "Tymczak", "Pfister", "Honeyman",
            "Lee",
        ];
        let codes = written(call!(soundex), &names);
        assert_eq!(
            codes,
            texts(&[
                "R163", "R163", "R150", "A261", "A261", "T522", "P236", "H555", "L000"
            ])
        );
        assert_eq!(written(call!(soundex), &["123", ""]), [None, None]);
    }
}
