//! The tables, in Markdown. What is not measured is a dash in them.

use std::collections::{BTreeMap, BTreeSet};

use super::{DOCS, numbers, pictures, quotes};
use crate::Result;
use crate::figures::{Curve, Figure, Figures, Row, Series};
use crate::record::{Entry, Machine, Record, X};

/// What a cell has that was not measured.
const MISSING: &str = "–";
/// What is said of a record without benches.
const NOT_YET: &str = "Not measured yet.";

/// The figures of a table with their targets; in the README those that it shows, and without names.
///
/// # Errors
///
/// If a text names a figure that is not there.
pub fn figures(figures: &Figures, record: &Record, table: &str, readme: bool) -> Result<String> {
    let shown = |figure: &&Figure| figure.table == table && (figure.readme || !readme);
    let rows: Vec<&Figure> = figures.figures.iter().filter(shown).collect();
    let targets = rows.iter().any(|figure| figure.target.is_some());
    let mut head = vec![""];
    head.extend((!readme).then_some("figure"));
    head.push("measured");
    head.extend(targets.then_some(["target", ""]).into_iter().flatten());
    let mut out = vec![line(&head), rule(head.len())];
    for figure in rows {
        let value = record.figure(&figure.name);
        let name = format!("`{}`", figure.name);
        let limit = figure.limit.as_deref();
        let limit = limit.map(|limit| quotes::filled(limit, figures, record));
        let (target, state) = (target(figure), state(figure, value, limit.transpose()?));
        let measured = measured(figure, value);
        let mut cells = vec![figure.what.as_str()];
        cells.extend((!readme).then_some(name.as_str()));
        cells.push(&measured);
        cells.extend(
            targets
                .then_some([target.as_str(), &state])
                .into_iter()
                .flatten(),
        );
        out.push(line(&cells));
    }
    Ok(out.join("\n"))
}

fn unit(number: String, unit: &str) -> String {
    if unit.is_empty() {
        number
    } else {
        format!("{number} {unit}")
    }
}

/// A value with its unit; with more digits where it would look as if it met a target that it misses.
pub fn measured(figure: &Figure, value: Option<f64>) -> String {
    let Some(value) = value else {
        return MISSING.to_owned();
    };
    let digits = if figure.is_met(value) == Some(false) {
        let like_target = |digits: &usize| {
            figure.target.map(|target| numbers::fixed(target, *digits))
                == Some(numbers::fixed(value, *digits))
        };
        (figure.digits..figure.digits + 3)
            .find(|digits| !like_target(digits))
            .unwrap_or(figure.digits + 3)
    } else {
        figure.digits
    };
    unit(numbers::fixed(value, digits), &figure.unit)
}

fn target(figure: &Figure) -> String {
    let sign = if figure.at_least { "≥" } else { "≤" };
    figure.target.map_or(String::new(), |target| {
        format!("{sign} {}", unit(numbers::short(target), &figure.unit))
    })
}

fn state(figure: &Figure, value: Option<f64>, limit: Option<String>) -> String {
    let met = value.map(|value| figure.is_met(value));
    match (met, limit) {
        (None, _) => "not measured".to_owned(),
        (Some(None), _) => String::new(),
        (Some(Some(true)), _) => "met".to_owned(),
        (Some(Some(false)), None) => "**missed**".to_owned(),
        (Some(Some(false)), Some(limit)) => format!("**missed**: {limit}"),
    }
}

/// The project beside its rivals: a row for each work, a column for each series, the best of those that race in bold.
///
/// # Errors
///
/// If the bench is on record that a row is of, and has printed nothing of it.
pub fn rivals(figures: &Figures, record: &Record, readme: bool) -> Result<String> {
    let columns = || {
        figures
            .rivals
            .columns
            .iter()
            .filter_map(|name| figures.series(name))
    };
    let mut head = vec![""];
    head.extend(columns().map(|series| series.label.as_str()));
    let mut out = vec![line(&head), rule(head.len())];
    for row in figures
        .rivals
        .rows
        .iter()
        .filter(|row| row.readme || !readme)
    {
        let values: Vec<Option<f64>> = columns().map(|series| value(record, row, series)).collect();
        if let Some(source) = source(row)
            && record.has_bench_of(source)
            && values.iter().all(Option::is_none)
        {
            return Err(format!(
                "the row {:?} is of {source}, but no such thing is in {}: mend the row in {}, or run the bench again",
                row.label,
                crate::record::FILE,
                crate::figures::FILE
            ));
        }
        let races = columns().zip(&values).filter(|(series, _)| series.races);
        let best = races
            .filter_map(|(_, value)| *value)
            .reduce(if row.at_least { f64::max } else { f64::min });
        let label = if row.unit.is_empty() {
            row.label.clone()
        } else {
            format!("{}, {}", row.label, row.unit)
        };
        let mut cells = vec![label];
        cells.extend(columns().zip(values).map(|(series, value)| {
            match value {
                Some(value) if series.races && Some(value) == best => {
                    format!("**{}**", numbers::significant(value))
                }
                Some(value) => numbers::significant(value),
                None => row
                    .text
                    .get(&series.name)
                    .map_or(MISSING.to_owned(), String::clone),
            }
        }));
        out.push(line(&cells));
    }
    Ok(out.join("\n"))
}

/// The figure or curve that a row is of.
fn source(row: &Row) -> Option<&str> {
    let curve = row.point.as_ref().map(|point| point.curve.as_str());
    row.figure.as_deref().or(curve)
}

/// What a row shows of a series, in the row's unit.
fn value(record: &Record, row: &Row, series: &Series) -> Option<f64> {
    let value = match (&row.figure, &row.point) {
        (Some(figure), _) => {
            record.figure(&figure.replace("{series}", &series.name.replace('-', "_")))
        }
        (None, Some(point)) => record
            .points(&point.curve, &series.name)?
            .get(&X(point.x))
            .copied(),
        (None, None) => None,
    };
    Some(value? * row.scale.unwrap_or(1.0))
}

/// The pictures, each with what bends its curve.
///
/// # Errors
///
/// If a text names a figure that is not there.
pub fn curves(figures: &Figures, record: &Record) -> Result<String> {
    let section = |curve: &Curve| {
        let picture = if pictures::is_drawn(figures, record, curve) {
            format!(
                "![{}: {} by {}](performance/{}.svg)",
                curve.title, curve.y, curve.x, curve.name
            )
        } else {
            "Not measured.".to_owned()
        };
        let text = quotes::filled(curve.text.trim(), figures, record)?;
        Ok(format!("### {}\n\n{picture}\n\n{text}\n", curve.title))
    };
    let sections: Result<Vec<String>> = figures.curves.iter().map(section).collect();
    Ok(sections?.join("\n"))
}

/// One sentence that says on what the benches ran, when and of which commits.
pub fn machine_in_short(record: &Record) -> String {
    let entries = || record.benches.values();
    let all = |of: &dyn Fn(&Entry) -> String| -> String {
        let all: BTreeSet<String> = entries().map(of).collect();
        all.into_iter().collect::<Vec<_>>().join(", ")
    };
    if record.benches.is_empty() {
        return NOT_YET.to_owned();
    }
    let changes = if entries().any(|entry| entry.modified) {
        ", in part with uncommitted changes"
    } else {
        ""
    };
    format!(
        "Measured on {}; {}; commits {}{changes}: [`{DOCS}`]({DOCS}) says which bench ran when, and by which command.",
        all(&|entry| place(&entry.machine)),
        all(&|entry| entry.date.clone()),
        all(&|entry| short(&entry.commit).to_owned()),
    )
}

/// When each bench ran, on what, of which commit and by which command.
pub fn machine(record: &Record) -> String {
    // By machine, then by all else: benches that ran alike are named together.
    let mut machines: Vec<(&Machine, BTreeMap<String, Vec<String>>)> = Vec::new();
    for (name, entry) in &record.benches {
        let place = machines
            .iter()
            .position(|(machine, _)| **machine == entry.machine);
        let place = place.unwrap_or_else(|| {
            machines.push((&entry.machine, BTreeMap::new()));
            machines.len() - 1
        });
        machines[place]
            .1
            .entry(how(name, entry))
            .or_default()
            .push(format!("`{name}`"));
    }
    let part = |(machine, runs): &(&Machine, BTreeMap<String, Vec<String>>)| {
        let mut lines = vec![format!("Measured on {}:\n", place(machine))];
        lines.extend(
            runs.iter()
                .map(|(how, benches)| format!("- {} {how}", benches.join(", "))),
        );
        lines.join("\n")
    };
    match machines.as_slice() {
        [] => NOT_YET.to_owned(),
        _ => machines.iter().map(part).collect::<Vec<_>>().join("\n\n"),
    }
}

fn place(machine: &Machine) -> String {
    let Machine {
        arch,
        cores,
        cpu,
        kernel,
        memory_gib,
        rustc,
    } = machine;
    let rustc: Vec<&str> = rustc.split_ascii_whitespace().take(2).collect();
    let s = if *cores == 1 { "" } else { "s" };
    format!(
        "{cores} core{s} of {cpu}, {memory_gib} GiB, Linux {kernel}, {arch}, {}",
        rustc.join(" ")
    )
}

/// When a bench ran, of what and by which command, in which its own name is NAME.
fn how(name: &str, entry: &Entry) -> String {
    let words = entry
        .command
        .split(' ')
        .map(|word| if word == name { "NAME" } else { word });
    let command = words.collect::<Vec<_>>().join(" ");
    let commit = short(&entry.commit);
    let changes = if entry.modified {
        " with uncommitted changes"
    } else {
        ""
    };
    format!(
        "on {} at commit {commit}{changes} by `{command}`",
        entry.date
    )
}

fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

fn line<T: AsRef<str>>(cells: &[T]) -> String {
    let cells: Vec<String> = cells
        .iter()
        .map(|cell| cell.as_ref().replace('|', "\\|"))
        .collect();
    format!("| {} |", cells.join(" | "))
}

fn rule(columns: usize) -> String {
    format!("|{}", "---|".repeat(columns))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIGURES: &str = "
        [[figure]]
        name = 'a/fixed_ns'
        what = 'a call'
        unit = 'ns'
        target = 60
        limit = 'the copy of {a/row_ns}'
        table = 'targets'
        readme = true
        [[figure]]
        name = 'a/threads_ratio'
        what = 'two threads'
        digits = 2
        target = 1.95
        at_least = true
        table = 'targets'
        [[figure]]
        name = 'a/none_ms'
        what = 'nobody knows'
        target = 3
        table = 'targets'
        [[figure]]
        name = 'a/row_ns'
        what = 'a row'
        unit = 'ns'
        digits = 2
        table = 'more'
        [[series]]
        name = 'native'
        label = 'native Rust'
        color = '#000000'
        [[series]]
        name = 'wasmfusion'
        label = 'Wasmfusion'
        color = '#000000'
        races = true
        [[series]]
        name = 'arrow-udf'
        label = 'arrow-udf'
        color = '#000000'
        races = true
        [rivals]
        columns = ['native', 'wasmfusion', 'arrow-udf']
        [[rivals.row]]
        label = 'fixed'
        figure = 'r/{series}_fixed_ns'
        unit = 'µs'
        scale = 0.001
        readme = true
        [[rivals.row]]
        label = 'calls'
        point = { curve = 'r/threads', x = 2 }
        at_least = true
        [[rivals.row]]
        label = 'limit'
        text = { wasmfusion = '5 s' }
    ";

    fn given(lines: &str) -> (Figures, Record) {
        let mut entry = Entry::default();
        for line in lines.lines() {
            entry.take(line.trim()).expect("it is taken");
        }
        let record = Record {
            benches: [("a".to_owned(), entry)].into(),
        };
        (Figures::parse(FIGURES).expect("it can be read"), record)
    }

    #[test]
    fn figures_stand_beside_their_targets() {
        let (all, record) =
            given("figure a/fixed_ns 60.4\nfigure a/threads_ratio 1.96\nfigure a/row_ns 0.6");
        let lines = |table, readme| {
            figures(&all, &record, table, readme)
                .expect("it is made")
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            lines("targets", false),
            [
                "|  | figure | measured | target |  |",
                "|---|---|---|---|---|",
                "| a call | `a/fixed_ns` | 60.4 ns | ≤ 60 ns | **missed**: the copy of 0.60 ns |",
                "| two threads | `a/threads_ratio` | 1.96 | ≥ 1.95 | met |",
                "| nobody knows | `a/none_ms` | – | ≤ 3 | not measured |",
            ]
        );
        assert_eq!(
            lines("targets", true)[2..],
            ["| a call | 60.4 ns | ≤ 60 ns | **missed**: the copy of 0.60 ns |"]
        );
        assert_eq!(
            lines("more", false)[2..],
            ["| a row | `a/row_ns` | 0.60 ns |"]
        );
    }

    #[test]
    fn the_best_of_those_that_race_is_in_bold() {
        let (all, record) = given(
            "figure r/native_fixed_ns 200\nfigure r/wasmfusion_fixed_ns 240\nfigure r/arrow_udf_fixed_ns 3500
             point r/threads wasmfusion 2 90\npoint r/threads arrow-udf 2 7.5\npoint r/threads native 1 8",
        );
        let table = rivals(&all, &record, false).expect("it is made");
        let lines: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "| fixed, µs | 0.200 | **0.240** | 3.50 |",
                "| calls | – | **90.0** | 7.50 |",
                "| limit | – | 5 s | – |",
            ]
        );
        let readme = rivals(&all, &record, true).expect("it is made");
        assert_eq!(readme.lines().count(), 3);
    }

    #[test]
    fn a_row_of_what_nothing_prints_is_refused() {
        let (all, mut record) = given("figure r/native_fixed_ns 200");
        // The bench `r` has not run as far as the record knows.
        rivals(&all, &record, false).expect("it is made");
        let entry = record.benches.remove("a").expect("it is there");
        record.benches.insert("r".to_owned(), entry);
        let error = rivals(&all, &record, false).expect_err("it has printed no point");
        assert!(
            error.contains("\"calls\"") && error.contains("r/threads"),
            "{error}"
        );
    }

    #[test]
    fn nothing_measured_is_a_table_of_dashes() {
        let all = Figures::parse(FIGURES).expect("it can be read");
        let table = rivals(&all, &Record::default(), false).expect("it is made");
        assert!(table.contains("| fixed, µs | – | – | – |"), "{table}");
        assert!(
            figures(&all, &Record::default(), "targets", false)
                .expect("it is made")
                .contains("| – | ≤ 60 ns | not measured |")
        );
        assert_eq!(machine(&Record::default()), NOT_YET);
        assert_eq!(machine_in_short(&Record::default()), NOT_YET);
    }

    #[test]
    fn benches_that_ran_alike_are_named_together() {
        let entry = |name: &str, date: &str| Entry {
            command: format!("cargo bench --bench {name}"),
            commit: "0123456789abcdef".to_owned(),
            date: date.to_owned(),
            machine: Machine {
                arch: "x86_64".to_owned(),
                cores: 2,
                cpu: "A CPU".to_owned(),
                kernel: "6.18".to_owned(),
                memory_gib: 24,
                rustc: "rustc 1.95.0 (abc)".to_owned(),
            },
            ..Entry::default()
        };
        let mut record = Record::default();
        for name in ["a", "b"] {
            record
                .benches
                .insert(name.to_owned(), entry(name, "2026-12-01"));
        }
        let on = "Measured on 2 cores of A CPU, 24 GiB, Linux 6.18, x86_64, rustc 1.95.0";
        let run = "at commit 0123456789 by `cargo bench --bench NAME`";
        assert_eq!(
            machine(&record),
            format!("{on}:\n\n- `a`, `b` on 2026-12-01 {run}")
        );
        record
            .benches
            .insert("c".to_owned(), entry("c", "2026-12-02"));
        assert_eq!(
            machine(&record),
            format!("{on}:\n\n- `a`, `b` on 2026-12-01 {run}\n- `c` on 2026-12-02 {run}")
        );
        let short = machine_in_short(&record);
        assert!(
            short.starts_with(&format!(
                "{on}; 2026-12-01, 2026-12-02; commits 0123456789: "
            )),
            "{short}"
        );
    }
}
