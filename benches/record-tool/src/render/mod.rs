//! Renders tables into the documents, between markers, and pictures beside them. A pure function of the record and of `figures.toml`.
//!
//! A marker stands alone on its line: `<!-- record:NAME -->`, and `<!-- /record:NAME -->` where its part ends. NAME is `rivals`, `machine`, `curves`, or
//! what a figure has as its `table`. In other lines, a number between `<!-- {NAME} -->` and `<!-- / -->` is the value of the figure of that name.

mod axis;
mod numbers;
mod pictures;
mod quotes;
mod tables;

use std::path::Path;

use crate::figures::{Figure, Figures};
use crate::record::Record;
use crate::{Result, read, write};

/// The documents that have markers.
const README: &str = "README.md";
const DOCS: &str = "docs/performance.md";
/// Where pictures are.
const PICTURES: &str = "docs/performance";
/// The parts of documents that are no tables of figures.
const PARTS: [&str; 3] = ["curves", "machine", "rivals"];

/// What `--check` says is to be done.
const COMMAND: &str = "cargo run --package wasmfusion-record -- render";

/// A file and what is to be in it; nothing is for a picture whose curve is not measured, or not there any more.
type Output = (String, Option<String>);

/// Writes documents and pictures anew, or checks that they need not be.
///
/// # Errors
///
/// If a document lacks a marker, the record and what is to be shown of it do not fit, or a check finds a file that would change.
pub fn run(root: &Path, check: bool) -> Result<()> {
    let (figures, record) = (Figures::load(root)?, Record::load(root)?);
    check_record(&figures, &record)?;
    let mut outputs = pictures::all(&figures, &record)?;
    let old = found_pictures(root, Path::new(PICTURES))?.into_iter();
    let old = old.filter(|old| outputs.iter().all(|(file, _)| file != old));
    let old: Vec<Output> = old.map(|file| (file, None)).collect();
    outputs.extend(old);
    for file in [README, DOCS] {
        let text = read(&root.join(file))?;
        check_places(&text, file, &figures)?;
        outputs.push((
            file.to_owned(),
            Some(document(&text, file, &figures, &record)?),
        ));
    }
    outputs.retain(|(file, text)| std::fs::read_to_string(root.join(file)).ok() != *text);
    if check {
        return checked(&outputs);
    }
    for (file, text) in outputs {
        let path = root.join(&file);
        match text {
            Some(text) => write(&path, &text)?,
            None => std::fs::remove_file(&path)
                .map_err(|error| format!("{file} cannot be removed: {error}"))?,
        }
        println!("{file}");
    }
    Ok(())
}

/// Checks that everything on record is shown somewhere, and that curves have what is to be shown of them.
fn check_record(figures: &Figures, record: &Record) -> Result<()> {
    let mend = |what: String| {
        let (record, figures) = (crate::record::FILE, crate::figures::FILE);
        Err(format!(
            "{what}: mend {figures}, or the bench, or remove what is left in {record}"
        ))
    };
    let rows = || {
        figures
            .rivals
            .rows
            .iter()
            .filter_map(|row| row.point.as_ref())
    };
    for (bench, entry) in &record.benches {
        if !figures.benches.iter().any(|known| known.name == *bench) {
            return mend(format!("the bench {bench} is on record, and not described"));
        }
        for curve in entry.points.keys() {
            let is_shown = figures.curves.iter().any(|known| known.name == *curve)
                || rows().any(|point| point.curve == *curve);
            if !is_shown {
                return mend(format!("the curve {curve} is on record, and not shown"));
            }
        }
    }
    for curve in &figures.curves {
        let missing = |series: &&String| record.points(&curve.name, series).is_none();
        if record.has_bench_of(&curve.name)
            && let Some(series) = curve.series.iter().chain(&curve.over).find(missing)
        {
            return mend(format!("the curve {} has no series {series}", curve.name));
        }
    }
    Ok(())
}

/// The pictures that are there, whatever they are of.
fn found_pictures(root: &Path, folder: &Path) -> Result<Vec<String>> {
    let failed = |error: std::io::Error| format!("{} cannot be read: {error}", folder.display());
    if !root.join(folder).exists() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root.join(folder)).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = folder.join(entry.file_name());
        if entry.file_type().map_err(failed)?.is_dir() {
            found.extend(found_pictures(root, &path)?);
        } else if path.extension().is_some_and(|kind| kind == "svg") {
            found.push(path.display().to_string());
        }
    }
    Ok(found)
}

/// Checks that a document has the tables of all figures that it shows.
fn check_places(text: &str, file: &str, figures: &Figures) -> Result<()> {
    let shown = |figure: &&Figure| file == DOCS || figure.readme;
    for Figure { name, table, .. } in figures.figures.iter().filter(shown) {
        let is_there = text
            .lines()
            .any(|line| marker(line, "record:") == Some(table));
        if !is_there || PARTS.contains(&table.as_str()) {
            return Err(format!(
                "{name} is in the table {table:?}, which {file} has not: mend it in {}, or add `<!-- record:{table} -->` to {file}",
                crate::figures::FILE
            ));
        }
    }
    Ok(())
}

/// An error, if there is anything to change.
fn checked(outputs: &[Output]) -> Result<()> {
    if outputs.is_empty() {
        return Ok(());
    }
    let files: Vec<&str> = outputs.iter().map(|(file, _)| file.as_str()).collect();
    Err(format!(
        "not as the record and {} have it: {}; run `{COMMAND}` and commit what it writes",
        crate::figures::FILE,
        files.join(", ")
    ))
}

/// A document with what lies between its markers made anew.
fn document(text: &str, file: &str, figures: &Figures, record: &Record) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        out.push_str(&quotes::line(line, file, figures, record)?);
        out.push('\n');
        let Some(name) = marker(line, "record:") else {
            if let Some(name) = marker(line, "/record:") {
                return Err(format!(
                    "{file} has `<!-- /record:{name} -->` without `<!-- record:{name} -->` before it: add that"
                ));
            }
            continue;
        };
        let Some(end) = lines
            .find(|line| marker(line, "record:").is_some() || marker(line, "/record:").is_some())
        else {
            return Err(format!(
                "{file} has no `<!-- /record:{name} -->`: add it where the part ends"
            ));
        };
        if marker(end, "/record:") != Some(name) {
            return Err(format!(
                "{file} has no `<!-- /record:{name} -->` before `{}`: add it where the part ends",
                end.trim()
            ));
        }
        let part = part(name, file, figures, record)?;
        out.push_str(&format!("\n{}\n\n{end}\n", part.trim_end()));
    }
    Ok(out)
}

/// The name in a marker, if the line is one.
fn marker<'a>(line: &'a str, kind: &str) -> Option<&'a str> {
    let inner = line.trim().strip_prefix("<!-- ")?.strip_suffix(" -->")?;
    inner.strip_prefix(kind)
}

/// What stands between the markers of this name.
fn part(name: &str, file: &str, figures: &Figures, record: &Record) -> Result<String> {
    let readme = file == README;
    match name {
        "machine" if readme => Ok(tables::machine_in_short(record)),
        "machine" => Ok(tables::machine(record)),
        "rivals" => tables::rivals(figures, record, readme),
        "curves" => tables::curves(figures, record),
        table if figures.figures.iter().any(|figure| figure.table == table) => {
            tables::figures(figures, record, table, readme)
        }
        _ => Err(format!(
            "{file} has the marker `<!-- record:{name} -->`, but {} has no table {name:?}: mend one of them",
            crate::figures::FILE
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIGURES: &str = "[[figure]]\nname = 'a/x_ns'\nwhat = 'a call'\nunit = 'ns'\ntable = 'targets'\nreadme = true\n";

    const TABLE: &str = "<!-- record:targets -->\n<!-- /record:targets -->\n";

    fn rendered(text: &str) -> Result<String> {
        let figures = Figures::parse(FIGURES).expect("it can be read");
        document(text, README, &figures, &Record::default())
    }

    #[test]
    fn what_is_between_markers_is_made_anew() {
        let text = "# A\n<!-- record:targets -->\nold\n\n<!-- /record:targets -->\nB `<!-- record:x -->`\n";
        let once = rendered(text).expect("it is rendered");
        assert!(
            once.starts_with("# A\n<!-- record:targets -->\n\n| "),
            "{once}"
        );
        assert!(
            once.ends_with(" |\n\n<!-- /record:targets -->\nB `<!-- record:x -->`\n"),
            "{once}"
        );
        assert!(!once.contains("old"));
        assert_eq!(rendered(&once).expect("it is rendered"), once);
    }

    #[test]
    fn broken_markers_are_errors_that_name_the_file() {
        for text in [
            "<!-- record:targets -->\n",
            "<!-- record:targets -->\n<!-- record:machine -->\n<!-- /record:machine -->\n",
            "<!-- record:targets -->\n<!-- /record:machine -->\n",
            "<!-- /record:targets -->\n",
            "<!-- record:nothing -->\n<!-- /record:nothing -->\n",
        ] {
            let error = rendered(text).expect_err("it is refused");
            assert!(
                error.contains(README) && error.contains("record:"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_check_changes_nothing_and_names_files_and_command() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let root = folder.path();
        let readme = TABLE;
        let figures = format!(
            "{FIGURES}[[bench]]\nname = 'a'\ncommand = ''\n[[series]]\nname = 's'\nlabel = 'S'\ncolor = '#000000'\n\
             [[curve]]\nname = 'a/c'\ntitle = 'C'\nx = 'x'\ny = 'y'\ntext = 'flat'\nseries = ['s']\n"
        );
        let record = r#"{"benches": {"a": {"command": "", "commit": "", "date": "", "figures": {}, "modified": false,
            "machine": {"arch": "", "cores": 1, "cpu": "", "kernel": "", "memory_gib": 1, "rustc": ""},
            "points": {"a/c": {"s": {"1": 2.0, "2": 3.0}}}}}}"#;
        for (file, text) in [
            (README, readme),
            (DOCS, TABLE),
            (crate::figures::FILE, &figures),
            (crate::record::FILE, record),
        ] {
            write(&root.join(file), text).expect("it is written");
        }
        let error = run(root, true).expect_err("a table and a picture are missing");
        for word in ["README.md", "docs/performance/a/c.svg", COMMAND] {
            assert!(error.contains(word), "{error}");
        }
        assert!(error.contains(DOCS), "{error}");
        assert_eq!(read(&root.join(README)).expect("it is read"), readme);
        run(root, false).expect("it is rendered");
        run(root, true).expect("nothing is left to do");
        // A curve that is not in the record any more has no picture, and neither has one that nobody describes.
        write(&root.join(crate::record::FILE), r#"{"benches": {}}"#).expect("it is written");
        let stale = "docs/performance/old/stale.svg";
        write(&root.join(stale), "<svg/>").expect("it is written");
        let error = run(root, true).expect_err("two pictures are too many");
        assert!(error.contains(stale), "{error}");
        run(root, false).expect("it is rendered");
        for file in ["docs/performance/a/c.svg", stale] {
            assert!(!root.join(file).exists(), "{file}");
        }
        run(root, true).expect("nothing is left to do");
    }

    #[test]
    fn what_is_on_record_is_shown() {
        let figures = |curve: &str, series: &str| {
            let text = format!(
                "[[bench]]\nname = 'a'\ncommand = ''\n\
                 [[series]]\nname = 's'\nlabel = 'S'\ncolor = '#000000'\n[[series]]\nname = 't'\nlabel = 'T'\ncolor = '#000000'\n\
                 [[curve]]\nname = '{curve}'\ntitle = 'C'\nx = 'x'\ny = 'y'\ntext = 'flat'\nseries = ['{series}']\n"
            );
            Figures::parse(&text).expect("it can be read")
        };
        let mut record = Record::default();
        let entry = record.benches.entry("a".to_owned()).or_default();
        entry.take("point a/c s 1 2").expect("it is taken");
        check_record(&figures("a/c", "s"), &record).expect("it is shown");
        for (curve, series, wrong) in [("a/d", "s", "a/c"), ("a/c", "t", "series t")] {
            let error = check_record(&figures(curve, series), &record).expect_err("it is not");
            assert!(error.contains(wrong), "{error}");
        }
        record.benches.insert("b".to_owned(), Default::default());
        let error = check_record(&figures("a/c", "s"), &record).expect_err("nobody knows b");
        assert!(error.contains("bench b"), "{error}");
    }

    #[test]
    fn a_figure_without_a_place_is_refused() {
        let figures = |table: &str| {
            let text = FIGURES.replace("'targets'", &format!("'{table}'"));
            Figures::parse(&text).expect("it can be read")
        };
        for file in [README, DOCS] {
            check_places(TABLE, file, &figures("targets")).expect("it has its place");
            for (text, table) in [
                (TABLE, "nowhere"),
                ("", "targets"),
                ("<!-- record:curves -->", "curves"),
            ] {
                let error = check_places(text, file, &figures(table)).expect_err("it has none");
                assert!(error.contains("a/x_ns") && error.contains(table), "{error}");
            }
        }
    }
}
