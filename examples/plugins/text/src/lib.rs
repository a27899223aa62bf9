//! Comparing and shaping text.

use rapidfuzz::distance::{jaro_winkler as jw, levenshtein as lev};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use wasmfusion_udf::prelude::*;

wasmfusion_udf::plugin! {}

/// Number of characters that must be inserted, removed or replaced to get from one text to the other.
#[udf(example("SELECT levenshtein('kitten', 'sitting')", "3"))]
pub fn levenshtein(left: &str, right: &str) -> i64 {
    let distance = if left.is_ascii() && right.is_ascii() {
        lev::distance(left.bytes(), right.bytes())
    } else {
        lev::distance(left.chars(), right.chars())
    };
    distance as i64
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
