//! Sizes on the command line: `512`, `64k`, `10g`.

/// Reads a number of bytes with an optional unit `b`, `k`, `m`, `g` or `t` (also `kb`, `KiB`, …), which are powers of 1,024.
pub fn parse(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        unit => return Err(format!("`{unit}` is no unit; expected b, k, m, g or t")),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| format!("expected a size like 512, 64k or 10g, found `{text}`"))?;
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| format!("{text} is too large"))
}

/// As [`parse`], for sizes in this process's memory.
pub fn parse_usize(text: &str) -> Result<usize, String> {
    parse(text)?
        .try_into()
        .map_err(|_| format!("{text} is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        for (text, bytes) in [
            ("5", 5),
            ("5b", 5),
            ("4k", 4 << 10),
            ("4KB", 4 << 10),
            ("20MiB", 20 << 20),
            ("2g", 2 << 30),
            ("1T", 1 << 40),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size() {
        for text in ["", "k", "-5", "1.5g", "4x", "99999999999t", "4 k", "0x10"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
