//! Values of figures in texts: `{NAME}` in those of `figures.toml`, and a number between `<!-- {NAME} -->` and `<!-- / -->` in documents.

use super::tables;
use crate::Result;
use crate::figures::Figures;
use crate::record::Record;

/// What stands around a number in a document, and its name.
const OPEN: &str = "<!-- {";
const OPENED: &str = "} -->";
const CLOSE: &str = "<!-- / -->";

/// A text with the values of the figures that it names.
///
/// # Errors
///
/// If there is no figure of such a name.
pub fn filled(text: &str, figures: &Figures, record: &Record) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else {
            return Err(format!("{text:?} has a brace that is not closed: close it"));
        };
        out.push_str(before);
        out.push_str(&value(name, figures, record)?);
        rest = after;
    }
    Ok(out + rest)
}

/// A line of a document with its numbers made anew.
///
/// # Errors
///
/// If there is no figure of such a name, or a number has no end in the line.
pub fn line(line: &str, file: &str, figures: &Figures, record: &Record) -> Result<String> {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once(OPEN) {
        let parts = after
            .split_once(OPENED)
            .and_then(|(name, after)| Some((name, after.split_once(CLOSE)?.1)));
        let Some((name, after)) = parts else {
            return Err(format!(
                "{file} has a number without `{CLOSE}` behind it: add that in the line {line:?}"
            ));
        };
        let value = value(name, figures, record).map_err(|error| format!("{file}: {error}"))?;
        out.push_str(&format!("{before}{OPEN}{name}{OPENED}{value}{CLOSE}"));
        rest = after;
    }
    Ok(out + rest)
}

/// A figure's value as tables show it.
fn value(name: &str, figures: &Figures, record: &Record) -> Result<String> {
    let figure = figures.figure(name).ok_or_else(|| {
        format!(
            "there is no figure {name:?} in {}: mend {{{name}}}",
            crate::figures::FILE
        )
    })?;
    Ok(tables::measured(figure, record.figure(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Entry;

    fn given() -> (Figures, Record) {
        let figures = "[[figure]]\nname = 'a/x_ns'\nunit = 'ns'\n[[figure]]\nname = 'a/y_ratio'\ndigits = 2\n";
        let mut entry = Entry::default();
        entry.take("figure a/x_ns 40.4").expect("it is taken");
        let record = Record {
            benches: [("a".to_owned(), entry)].into(),
        };
        (Figures::parse(figures).expect("it can be read"), record)
    }

    #[test]
    fn names_become_values_with_their_units() {
        let (figures, record) = given();
        let filled = |text| filled(text, &figures, &record);
        assert_eq!(
            filled("{a/x_ns} of it, {a/y_ratio} times; {a/x_ns}"),
            Ok("40 ns of it, – times; 40 ns".to_owned())
        );
        assert_eq!(filled("nothing"), Ok("nothing".to_owned()));
        for text in ["{a/z_ns}", "{}", "{a/x_ns"] {
            filled(text).expect_err("it is refused");
        }
    }

    #[test]
    fn numbers_in_documents_are_made_anew() {
        let (figures, record) = given();
        let line = |text| line(text, "a.md", &figures, &record);
        let text = "takes <!-- {a/x_ns} -->old<!-- / -->, <!-- {a/y_ratio} --><!-- / --> times";
        let once = line(text).expect("it is made");
        assert_eq!(
            once,
            "takes <!-- {a/x_ns} -->40 ns<!-- / -->, <!-- {a/y_ratio} -->–<!-- / --> times"
        );
        assert_eq!(line(&once), Ok(once.clone()));
        for text in [
            "<!-- {a/z_ns} --><!-- / -->",
            "<!-- {a/x_ns} -->40",
            "<!-- {a/x_ns",
        ] {
            let error = line(text).expect_err("it is refused");
            assert!(error.contains("a.md"), "{error}");
        }
    }
}
