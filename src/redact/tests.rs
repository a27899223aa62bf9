//! Secrets in all forms and places. Tokens are put together here, so that nobody takes them for real ones.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::Redactor;

fn redactor(secrets: &[&str]) -> Redactor {
    Redactor::new(secrets.iter().copied(), false).unwrap()
}

fn patterns() -> Redactor {
    Redactor::new(std::iter::empty(), true).unwrap()
}

/// A naive encoder for each form in which a value must not survive.
fn encoded(secret: &str, before: &str, behind: &str) -> Vec<String> {
    let around = format!("{before}{secret}{behind}");
    let bytes = secret.as_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = bytes
        .iter()
        .map(
            |&byte| match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                true => char::from(byte).to_string(),
                false => format!("%{byte:02X}"),
            },
        )
        .collect();
    let all_percent: String = bytes.iter().map(|byte| format!("%{byte:02x}")).collect();
    let json = json_string(secret);
    let ascii: String = secret
        .encode_utf16()
        .map(|unit| match u8::try_from(unit) {
            Ok(byte @ (b'"' | b'\\')) => format!("\\{}", char::from(byte)),
            Ok(byte @ 0x20..=0x7e) => char::from(byte).to_string(),
            _ => format!("\\u{unit:04X}"),
        })
        .collect();
    vec![
        secret.to_owned(),
        hex.to_uppercase(),
        hex,
        percent.replace("%20", "+"),
        percent,
        all_percent,
        json_string(&json),
        json.replace('/', "\\/"),
        json,
        ascii,
        format!("{secret:?}"),
        secret.escape_default().to_string(),
        format!("{bytes:?}"),
        STANDARD.encode(&around),
        STANDARD_NO_PAD.encode(&around),
        URL_SAFE.encode(&around),
        URL_SAFE_NO_PAD.encode(&around),
    ]
}

/// Whether it has escapes that no usual encoder writes for what they stand for.
fn unusual(form: &str) -> bool {
    ["\\u000A", "\\u000D", "\\u0009", "\\u0008", "\\u000C"]
        .iter()
        .any(|escape| form.contains(escape))
}

/// As JSON writes it, without the quotation marks.
fn json_string(text: &str) -> String {
    let mut json = String::new();
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            c if c.is_ascii_control() => json.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => json.push(c),
        }
    }
    json
}

#[test]
fn what_has_no_secret_is_not_copied() {
    let redactor = redactor(&["hunter2-hunter2"]);
    for text in ["", "nothing here", "ünïcode 100 % \\d \\", "hunter2-hunter"] {
        assert!(matches!(redactor.redact(text), Cow::Borrowed(same) if same == text));
    }
    let empty = Redactor::new(std::iter::empty(), false).unwrap();
    assert!(empty.automaton.is_none());
    assert_eq!(empty.redact("password=hunter2"), "password=hunter2");
    assert!(patterns().automaton.is_some());
}

#[test]
fn values_are_found_wherever_they_stand() {
    let redactor = redactor(&["hunter2-hunter2"]);
    assert_eq!(redactor.redact("hunter2-hunter2"), "[redacted]");
    assert_eq!(
        redactor.redact("a hunter2-hunter2 b HUNTER2-Hunter2"),
        "a [redacted] b [redacted]"
    );
    assert_eq!(redactor.redact("éhunter2-hunter2é"), "é[redacted]é");
}

#[test]
fn values_that_overlap_or_contain_each_other_go_together() {
    let redactor = redactor(&["abcdefgh", "efghijkl", "cdefgh", "aaaaaa"]);
    assert_eq!(redactor.redact("-abcdefghijkl-"), "-[redacted]-");
    assert_eq!(redactor.redact("-cdefgh-"), "-[redacted]-");
    assert_eq!(redactor.redact("aaaaaaaaaaaaaaaaab"), "[redacted]b");
    assert_eq!(redactor.redact("abcdefghefghijkl"), "[redacted]");
}

#[test]
fn short_values_are_left_alone() {
    let redactor = redactor(&["abc", "", "  12345  ", "123456"]);
    assert_eq!(redactor.redact("abc 12345 123456"), "abc 12345 [redacted]");
}

#[test]
fn white_space_around_a_value_does_not_belong_to_it() {
    assert_eq!(
        redactor(&["\tsecret-value\n"]).redact("x secret-value y"),
        "x [redacted] y"
    );
}

#[test]
fn lines_of_a_value_are_found() {
    let redactor = redactor(&["first line of it is long\nshort\nsecond line of it is long"]);
    assert_eq!(
        redactor.redact("1: second line of it is long\n2: short"),
        "1: [redacted]\n2: short"
    );
}

#[test]
fn escapes_of_all_kinds_are_seen_through() {
    let secret = "pass/w\"örd 😀";
    let redactor = redactor(&[secret]);
    for text in [
        "pass%2Fw%22%C3%B6rd%20%F0%9F%98%80",
        "pass/w%22%c3%b6rd+%f0%9f%98%80",
        r#"pass\/w\"örd 😀"#,
        r#"pass/w\"\u00F6rd \ud83d\ude00"#,
        r#"pass/w\u{22}\u{f6}rd \u{1f600}"#,
        &secret.escape_unicode().to_string(),
        r#"pass/w\x22\xc3\xb6rd\x20😀"#,
        r#"p\u0061ss/w\\\"\\u00f6rd \\ud83d\\ude00"#,
        r#"pass%5C%2Fw%5C%22%C3%B6rd%20%F0%9F%98%80"#,
    ] {
        assert_eq!(
            redactor.redact(&format!("<{text}>")),
            "<[redacted]>",
            "{text}"
        );
    }
    // Half a pair, and escapes that are cut.
    for text in [
        r"\ud83d\u0041",
        r"\ud83d",
        r"\u12",
        r"\u{",
        r"\u{110000}",
        r"\x4",
        "%4",
        r"\",
        "%é",
    ] {
        assert_eq!(redactor.redact(text), text);
    }
}

#[test]
fn nothing_of_base64_is_left() {
    let redactor = redactor(&["secret-value"]);
    assert_eq!(redactor.redact("x c2VjcmV0LXZhbHVl y"), "x [redacted] y");
    assert_eq!(
        redactor.redact(&STANDARD.encode("secret-value1")),
        "[redacted]MQ=="
    );
    assert_eq!(
        redactor.redact(&STANDARD.encode("1secret-value1")),
        "M[redacted]E="
    );
    assert_eq!(
        redactor.redact(&STANDARD.encode("user:secret-value")),
        "dXNlcj[redacted]"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// No value survives in any encoding, at any place, with anything around it.
    #[test]
    fn no_value_survives(
        secrets in prop::collection::vec("\\PC{6,24}|[ -~]{6,40}|[a-c\"\\\\%/+ \n]{6,20}", 1..4),
        before in "[ -~é\\\\%]{0,7}",
        behind in "[ -~é\\\\%]{0,7}",
    ) {
        let secrets: Vec<&str> = secrets.iter().map(|secret| secret.trim())
            .filter(|secret| secret.len() >= Redactor::VALUE_BYTES_MIN).collect();
        let redactor = redactor(&secrets);
        for secret in &secrets {
            for form in encoded(secret, &before, &behind) {
                // A stray backslash would make another escape of the first one, which only the usual encoders' forms survive.
                let space = if before.ends_with('\\') && unusual(&form) { " " } else { "" };
                let text = format!("{before}{space}{form}{behind}");
                let redacted = redactor.redact(&text);
                prop_assert!(redacted.contains(Redactor::REDACTED), "{form:?} in {text:?}");
                // What is left is shorter than what was taken, and has the value no more.
                for left in redacted.split(Redactor::REDACTED) {
                    prop_assert!(!left.contains(secret), "{secret:?} in {redacted:?}");
                    prop_assert!(!left.contains(&form), "{form:?} in {redacted:?}");
                }
            }
        }
    }

    /// Any text can be redacted, and what is redacted stays so.
    #[test]
    fn any_text_can_be_redacted(text in "\\PC{0,80}|[%\\\\u{}0-9a-f]{0,40}", patterns in any::<bool>()) {
        let redactor = Redactor::new(["secret-value"].into_iter(), patterns).unwrap();
        let once = redactor.redact(&text).into_owned();
        prop_assert_eq!(redactor.redact(&once), once.as_str());
    }
}

#[test]
fn well_known_tokens_are_found() {
    let upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mixed = "aB3dE5gH7jK9mN1pQ2sT4vW6yZ8aB3dE5gH7jK9mN1pQ2sT4vW6yZ8";
    let hex = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let n = |text: &str, length: usize| text.chars().take(length).collect::<String>();
    let tokens = [
        format!("{}{}", "AKIA", n(upper, 16)),
        format!("{}_{}", "ghp", n(mixed, 36)),
        format!("{}_{}", "ghs", n(mixed, 36)),
        format!("{}_pat_{}_{}", "github", n(mixed, 22), n(mixed, 50)),
        format!("{}-{}", "glpat", n(mixed, 20)),
        format!("{}b-{}-{}", "xox", n(hex, 12), n(mixed, 24)),
        format!("{}_live_{}", "sk", n(mixed, 24)),
        format!("{}_live_{}", "rk", n(mixed, 24)),
        format!("{}{}", "AIza", n(mixed, 35)),
        format!("{}_{}", "npm", n(mixed, 36)),
        format!("{}-{}", "pypi", n(mixed, 54)),
        format!("{}-{}", "sk", n(mixed, 48)),
        format!("{}-proj-{}", "sk", n(mixed, 48)),
        format!("{}-ant-api03-{}", "sk", n(mixed, 48)),
        format!("{}.{}.{}", "SG", n(mixed, 22), n(mixed, 43)),
        format!("{}{}", "SK", n(hex, 32)),
        format!("{}{}", "dapi", n(hex, 32)),
        format!("eyJ{}.eyJ{}.{}", n(mixed, 20), n(mixed, 20), n(mixed, 20)),
        format!(
            "-----BEGIN {0}-----\n{1}\n-----END {0}-----",
            "RSA PRIVATE KEY", mixed
        ),
    ];
    for token in &tokens {
        let text = format!("the value is '{token}', you see");
        assert_eq!(
            patterns().redact(&text),
            "the value is '[redacted]', you see"
        );
    }
}

#[test]
fn what_is_called_a_secret_is_found() {
    let patterns = patterns();
    for (text, redacted) in [
        ("password=hunter2&user=x", "password=[redacted]&user=x"),
        (
            r#"{"db_password": "hunter2", "n": 1}"#,
            r#"{"db_password": "[redacted]", "n": 1}"#,
        ),
        (
            r#"{\"password\":\"hunter2\"}"#,
            r#"{\"password\":\"[redacted]\"}"#,
        ),
        (
            "Authorization: Bearer abc.def",
            "Authorization: Bearer [redacted]",
        ),
        (
            "authorization: Basic dXNlcjpwdw==",
            "authorization: Basic [redacted]",
        ),
        ("sent bearer 0123456789abcdef0", "sent bearer [redacted]"),
        ("API_KEY = 12345678", "API_KEY = [redacted]"),
        (
            "postgres://me:hunter2@db/x",
            "postgres://me:[redacted]@db/x",
        ),
        ("-----BEGIN PRIVATE KEY-----\nMIIB", "[redacted]"),
        ("password=pässwörd", "password=[redacted]"),
    ] {
        assert_eq!(patterns.redact(text), redacted);
    }
}

#[test]
fn ordinary_text_is_left_alone() {
    let patterns = patterns();
    for text in [
        "the task-runner asks: which disk-image-of-the-day do you want?",
        "no password was given, and the token is missing",
        "token count: 512, secrets: 3",
        "https://example.com:8080/path?x=1@2",
        "commit 0123456789abcdef0123456789abcdef01234567",
        "a bearer of bad news",
        "basic understanding",
        "SELECT * FROM npm_packages WHERE hf_id = 3",
    ] {
        assert!(
            matches!(patterns.redact(text), Cow::Borrowed(_)),
            "{}",
            patterns.redact(text)
        );
    }
}

/// Not a test but a measurement: `cargo test --release -- --ignored --nocapture measure_redact`.
#[test]
#[ignore = "a measurement"]
fn measure_redact() {
    let line = "2026-01-01T00:00:00Z INFO geocoder: looked up 1024 places in 31 ms, 7 of them were not found in it";
    assert_eq!(line.len(), 98);
    let secrets: Vec<String> = (0..20)
        .map(|i| format!("a-secret-value-{i:04}-{}", i * 7919))
        .collect();
    for (name, count, patterns) in [
        ("1 value", 1, false),
        ("5 values", 5, false),
        ("20 values", 20, false),
        ("patterns", 0, true),
        ("5 values and patterns", 5, true),
        ("20 values and patterns", 20, true),
    ] {
        let redactor =
            Redactor::new(secrets.iter().take(count).map(String::as_str), patterns).unwrap();
        let rounds = 200_000u32;
        let start = std::time::Instant::now();
        for _ in 0..rounds {
            std::hint::black_box(redactor.redact(std::hint::black_box(line)));
        }
        let memory = redactor
            .automaton
            .as_ref()
            .map_or(0, |automaton| automaton.memory_usage());
        println!(
            "{name}: {:?} for 98 bytes, {} KiB",
            start.elapsed() / rounds,
            memory >> 10
        );
    }
}
