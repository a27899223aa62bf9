//! Table functions: rows out of numbers and texts.

use wasmfusion_udf::prelude::*;

/// A point of a grid.
#[derive(Debug, SqlStruct)]
pub struct GridPoint {
    /// Its place, from 0.
    pub position: i64,
    /// Its value.
    pub value: f64,
}

/// Numbers at equal distances, `count` of them, from `start` to `stop`, both included: a table of `position` and `value`.
#[udtf(example("SELECT sum(value) FROM linspace(0.0, 1.0, 5)", "2.5"))]
pub fn linspace(
    start: f64,
    stop: f64,
    count: i64,
) -> Result<impl Iterator<Item = GridPoint> + 'static, &'static str> {
    if count < 0 {
        return Err("the count must not be negative");
    }
    let step = (stop - start) / (count - 1).max(1) as f64;
    Ok((0..count).map(move |position| GridPoint {
        position,
        // Without what rounding would leave.
        value: if position == count - 1 && position > 0 {
            stop
        } else {
            start + step * position as f64
        },
    }))
}

/// A part of a text, as the tables have it.
type Part = (i64, String);

/// The lines of a text: a table of `position`, from 1, and `line`.
#[udtf(
    columns("position", "line"),
    example("SELECT max(line) FROM split_lines('a' || chr(10) || 'b')", "b")
)]
pub fn split_lines(text: String) -> impl Iterator<Item = Part> + 'static {
    parts(text, |text| {
        let end = text.find('\n')?;
        let line = text[..end].strip_suffix('\r');
        Some((line.map_or(end, str::len), end + 1))
    })
}

/// The words of a text, which blanks divide: a table of `position`, from 1, and `word`.
#[udtf(
    columns("position", "word"),
    example(
        "SELECT word FROM split_words('to be or not') WHERE position = 4",
        "not"
    )
)]
pub fn split_words(text: String) -> impl Iterator<Item = Part> + 'static {
    let words = parts(text, |text| {
        let end = text.find(char::is_whitespace)?;
        let blank = text[end..].chars().next().map_or(1, char::len_utf8);
        Some((end, end + blank))
    });
    let words = words.map(|(_, word)| word).filter(|word| !word.is_empty());
    (1..).zip(words)
}

/// The parts of a text, one at a time: `cut` says where the first part ends and where the next one starts. After the last
/// cut comes the rest, unless nothing is left.
fn parts(
    text: String,
    cut: impl Fn(&str) -> Option<(usize, usize)> + 'static,
) -> impl Iterator<Item = Part> + 'static {
    let mut start = 0;
    (1..).map_while(move |position| {
        let rest = text.get(start..).filter(|rest| !rest.is_empty())?;
        let (end, next) = cut(rest).unwrap_or((rest.len(), rest.len()));
        start += next;
        Some((position, rest[..end].to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmfusion_udf::testing::table;

    #[test]
    fn spaces_evenly() {
        let points = |start: f64, stop: f64, count: i64| {
            let scan = table!(linspace).argument(start).argument(stop);
            scan.argument(count).batch_rows(3).run::<(i64, f64)>()
        };
        let expected = [(0, 0.0), (1, 0.25), (2, 0.5), (3, 0.75), (4, 1.0)];
        assert_eq!(points(0.0, 1.0, 5), Ok(expected.to_vec()));
        assert_eq!(points(3.0, 9.0, 1), Ok(vec![(0, 3.0)]));
        assert_eq!(points(0.0, 1.0, 0), Ok(Vec::new()));
        assert!(points(0.0, 1.0, -1).is_err());
        let last = points(0.0, 0.1, 8).map(|points| points[7].1);
        assert_eq!(last, Ok(0.1));
    }

    #[test]
    fn splits_as_std_does() {
        for text in [
            "",
            "a",
            "a\n",
            "\n",
            "a\r\nb",
            "a\n\n b c\n",
            "ä ö\u{2003}ü  ",
            " ",
        ] {
            let found = table!(split_lines).argument(text).run::<(i64, String)>();
            let lines = (1..).zip(text.lines().map(str::to_owned)).collect();
            assert_eq!(found, Ok(lines), "{text:?}");
            let found = table!(split_words).argument(text).run::<(i64, String)>();
            let words = text.split_whitespace().map(str::to_owned);
            assert_eq!(found, Ok((1..).zip(words).collect()), "{text:?}");
        }
    }
}
