//! Numbers as people read them.

/// With so many digits after the point, and commas between thousands.
pub fn fixed(value: f64, digits: usize) -> String {
    let text = format!("{:.digits$}", value.abs());
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut out = String::new();
    if value < 0.0 && text.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) {
        out.push('-');
    }
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

/// With three significant digits, and all of those before the point.
pub fn significant(value: f64) -> String {
    let size = if value == 0.0 {
        0
    } else {
        value.abs().log10().floor() as i32
    };
    fixed(value, (2 - size).clamp(0, 6) as usize)
}

/// With no more digits than it has, six after the point at most.
pub fn short(value: f64) -> String {
    let text = fixed(value, 6);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(fixed(1234567.8, 1), "1,234,567.8");
        assert_eq!(fixed(999.0, 0), "999");
        assert_eq!(
            (fixed(-1000.0, 0), fixed(-0.001, 1)),
            ("-1,000".to_owned(), "0.0".to_owned())
        );
        let texts = [0.204, 3.414, 58.21, 123.4, 12345.6, 0.0].map(significant);
        assert_eq!(texts, ["0.204", "3.41", "58.2", "123", "12,346", "0.00"]);
        assert_eq!(
            [65536.0, 0.5, 0.0, 10.0].map(short),
            ["65,536", "0.5", "0", "10"]
        );
    }
}
